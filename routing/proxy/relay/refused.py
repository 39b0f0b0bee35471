"""An upstream's refusal of a relayed call: classified by its adapter, without a trace of our credential."""

from __future__ import annotations

import msgspec

from providers.adapters.base import Adapter
from providers.errors import UpstreamRefused
from providers.masking import masked
from providers.upstream.client import UpstreamResponse
from providers.upstream.read_answer import refusal_body
from providers.values import CredentialEntry, Refusal, RefusalKind
from routing.core.cooldown import STOPPING
from routing.core.error_rules import action_for

SHORTEST_SECRET = 6
"""Shorter values are placeholders of local servers; taking them out would mangle words."""
TOLD = STOPPING | {RefusalKind.NOT_FOUND}
"""Kinds whose body goes to the client as it came: clients match on the wording."""


def classified(
    adapter: Adapter,
    credential: CredentialEntry,
    status: int,
    headers: dict[str, str],
    body: bytes,
    now: float,
) -> Refusal:
    """The adapter's reading, with our secrets taken out of the words: vendors like to quote them."""
    refusal = adapter.classify(status, headers, body, now)
    message = refusal.message
    for secret in (credential.secret, *(value for _, value in credential.headers)):
        if len(secret) >= SHORTEST_SECRET:
            message = masked(message, secret)
    return refusal if message == refusal.message else msgspec.structs.replace(refusal, message=message)


async def refusal_of(
    response: UpstreamResponse, adapter: Adapter, credential: CredentialEntry, now: float, *, passes: bool
) -> UpstreamRefused:
    """The error for an answer of status 400 and more. ``passes`` says that the client speaks its format."""
    body = await refusal_body(response.chunks())
    refusal = classified(adapter, credential, response.status, response.headers, body, now)
    error = UpstreamRefused(refusal, body=_told(refusal, credential, body) if passes else None)
    if credential.error_rules:
        error.rule = action_for(credential.error_rules, response.status, body)
    return error


def _told(refusal: Refusal, credential: CredentialEntry, body: bytes) -> bytes | None:
    if refusal.kind not in TOLD or not body.lstrip().startswith(b"{"):
        return None
    secret = credential.secret.encode()
    return None if secret and secret in body else body
