"""Who is calling: the client key, found in any of the headers that SDKs use. In memory, no database."""

from __future__ import annotations

from collections.abc import Callable

from providers.errors import ClientError
from routing.core.table import ClientEntry, RoutingTable


class Unauthorized(ClientError):
    """401: no client key, a wrong one, or one that is disabled or expired."""

    client_status = 401
    error_type = "authentication_error"
    code: str | None = "invalid_api_key"


def presented_key(headers: dict[str, str]) -> str:
    """``Authorization: Bearer`` (OpenAI, Claude Code), ``x-api-key`` (Anthropic), ``x-goog-api-key``
    (Gemini); "" when there is none."""
    authorization = headers.get("authorization", "")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return headers.get("x-api-key", "").strip() or headers.get("x-goog-api-key", "").strip()


def authenticate(
    table: RoutingTable, headers: dict[str, str], digest: Callable[[str], str], now: float
) -> ClientEntry:
    """The client key's entry. Raises Unauthorized, never telling more than the caller knows already."""
    key = presented_key(headers)
    if not key:
        raise Unauthorized(
            "No API key was sent. Send your client key as `Authorization: Bearer <key>`; "
            "an admin makes keys on the gateway's admin pages or with `manage.py client_key create`."
        )
    entry = table.clients.get(digest(key))
    if entry is None:
        raise Unauthorized("The API key is not a client key of this gateway.")
    if not entry.enabled:
        raise Unauthorized("This client key is disabled.", code="api_key_disabled")
    if entry.expires_at is not None and entry.expires_at <= now:
        raise Unauthorized("This client key has expired.", code="api_key_expired")
    return entry
