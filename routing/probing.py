"""Test a credential and write down what came of it: its health, its latency, the provider's models.

Rows are written with conditional ``update`` calls: an admin may be saving them at the same moment. What the
background look for models (``routing/discovery.py``) learns is written the same way.
"""

from __future__ import annotations

from django.utils import timezone

from oauth import login_actions
from providers import secrets
from providers.adapters.registry import UnknownAdapter
from providers.entries import entry_of
from providers.models import Credential, CredentialHealth
from providers.upstream.probe import ProbeResult, probe_now
from routing import discovery

MESSAGE_LENGTH = 500
NOT_THE_KEY = frozenset({408, 425, 429})
"""With these and with 5xx the provider says "not now": nothing is learnt about the key."""


def probe_and_record(credential: Credential) -> ProbeResult:
    """One real call with ``credential``, whose provider is loaded. The result says why it failed; a sealed
    value that cannot be opened and an unknown kind are results too. Blocks for at most about 20 s; not to be
    called inside a transaction, which would keep the database's write lock for as long."""
    try:
        entry = entry_of(credential, discovery.defaults())
        if credential.kind == "oauth" and discovery.is_ended(entry):
            failed = [outcome for outcome in login_actions.refresh([credential]) if not outcome.ok]
            if failed:  # written down by the refresh itself
                return ProbeResult(ok=False, latency_ms=0, status=None, message=failed[0].message)
            credential = Credential.objects.select_related("provider", "oauth_token").get(pk=credential.pk)
            entry = entry_of(credential, discovery.defaults())
        result = probe_now(entry, _first_upstream_model(credential))
    except (secrets.SecretsError, UnknownAdapter) as error:
        result = ProbeResult(ok=False, latency_ms=0, status=None, message=str(error))
    record(credential, result)
    return result


def record(credential: Credential, result: ProbeResult) -> None:
    """Write ``result`` to the credential, and the provider's models when it works (as discovery does)."""
    # Only while it is the same key: the test of a key that was replaced meanwhile says nothing of the new.
    row = Credential.objects.filter(pk=credential.pk, fingerprint=credential.fingerprint)
    if result.ok:
        if row.exists():
            discovery.store(credential.provider_id, credential.pk, result)
        return
    row.update(health_message=result.message[:MESSAGE_LENGTH], health_at=timezone.now(), latency_ms=None)
    if result.status is None or (result.status < 500 and result.status not in NOT_THE_KEY):
        row.update(health=CredentialHealth.BROKEN)


def _first_upstream_model(credential: Credential) -> str | None:
    """The model to try where a provider lists none: what the admin's first alias names."""
    aliases = credential.provider.aliases.order_by("position", "pk")
    return aliases.values_list("upstream_model", flat=True).first()
