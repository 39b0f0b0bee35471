"""What an attempt leaves behind in the state: a cooldown after a failure, the hold of a conversation.

Pure but for the state that comes in. Cooldowns: ``routing/core/cooldown.py``; bindings: docs/routing.md.
"""

from __future__ import annotations

from providers.errors import UpstreamError
from providers.values import CredentialEntry
from routing.core.cooldown import Cooldown, CoolingRules, history_after, scope_of
from routing.core.resolve import Resolution
from routing.core.state import RoutingState
from routing.core.table import Candidate, RouteSettings, RoutingTable


def cooling_rules(credential: CredentialEntry, settings: RouteSettings) -> CoolingRules:
    """The credential's own word, then its provider's (both in the entry), then the gateway's."""
    is_off = settings.disable_cooling if credential.disable_cooling is None else credential.disable_cooling
    return CoolingRules(
        is_enabled=not is_off, transient_s=settings.transient_cooldown_s, ladder=credential.ladder
    )


def begun_anew(old: RoutingTable, new: RoutingTable) -> set[int]:
    """The credentials whose cooldowns a change of the configuration ends: another key or address is another
    matter, and who shall not rest shall not rest on. A login's tokens change by themselves."""
    return {
        credential_id
        for credential_id, entry in new.credentials.items()
        if (known := old.credentials.get(credential_id)) is not None
        and (
            known.base_url != entry.base_url
            or (known.secret != entry.secret and not entry.secret_version)
            or (
                cooling_rules(known, old.settings).is_enabled
                and not cooling_rules(entry, new.settings).is_enabled
            )
        )
    }


def binds_anew(old: RouteSettings, new: RouteSettings) -> bool:
    """Whether conversations are free again: who chose their credentials goes by other rules now."""
    return (old.strategy, old.session_affinity, old.session_affinity_ttl_s) != (
        new.strategy,
        new.session_affinity,
        new.session_affinity_ttl_s,
    )


def note(
    state: RoutingState, candidate: Candidate, error: UpstreamError, settings: RouteSettings, now: float
) -> Cooldown | None:
    """Record a failure, and return the window in which the credential rests, if it does.

    A credential that comes to rest loses the conversations that it holds.
    """
    credential = candidate.credential
    scope = scope_of(error, candidate.model)
    rules = cooling_rules(credential, settings)
    history = history_after(error, candidate.model, state.history(credential.id, scope), rules, now)
    if history is None:
        return None
    state.record_failure(credential.id, scope, history)
    if settings.session_affinity:
        state.unbind(credential.id)
    return history.cooldown


def bind(
    state: RoutingState, resolution: Resolution, candidate: Candidate, settings: RouteSettings, now: float
) -> None:
    """``candidate`` is about to be tried. A conversation that nobody holds, or whose holder was not free when
    the candidates were ordered, is its own from now on."""
    for key in resolution.binding_keys:
        if not resolution.bound_by or state.binding(key, now) is None:
            state.bind(key, candidate.credential.id, now, settings.session_affinity_ttl_s)


def renew(
    state: RoutingState, resolution: Resolution, candidate: Candidate, settings: RouteSettings, now: float
) -> None:
    """``candidate`` answered: its hold begins anew. A holder that is alive and lost only a connection keeps
    the conversation, although another one answered this time."""
    for key in resolution.binding_keys:
        if state.binding(key, now) in (None, candidate.credential.id):
            state.bind(key, candidate.credential.id, now, settings.session_affinity_ttl_s)
