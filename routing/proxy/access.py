"""Who is calling: the client key, found in any of the places that clients use. In memory, no database.

Source of the places and of their order: CLIProxyAPI's access providers (2026).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from providers.errors import ClientError
from routing.core.table import ClientEntry, RoutingTable


class Unauthorized(ClientError):
    """401: no client key, a wrong one, or one that is disabled or expired."""

    client_status = 401
    error_type = "authentication_error"
    code: str | None = "invalid_api_key"


QUERY_KEYS = ("key", "auth_token")
"""Google's name for a key in the query, and CLIProxyAPI's."""
_IN_QUERY = "query:"
_PLACES = ("x-goog-api-key", "x-api-key", *(_IN_QUERY + name for name in QUERY_KEYS))


def note_query_key(headers: dict[str, str], name: str, value: str) -> None:
    """Keep a key of the query beside the headers, under a name that no header can have."""
    headers[_IN_QUERY + name] = value


def presented_keys(headers: dict[str, str]) -> Iterator[str]:
    """``Authorization`` (OpenAI, Claude Code; whole where it has another scheme than Bearer, or none),
    ``x-goog-api-key`` (Gemini), ``x-api-key`` (Anthropic), then what ``note_query_key`` kept."""
    authorization = headers.get("authorization", "").strip()
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        token = authorization
    if token := token.strip():
        yield token
    for place in _PLACES:
        if key := headers.get(place, "").strip():
            yield key


def presented_key(headers: dict[str, str]) -> str:
    """The first of ``presented_keys``, "" when there is none."""
    return next(presented_keys(headers), "")


def authenticate(
    table: RoutingTable, headers: dict[str, str], digest: Callable[[str], str], now: float
) -> ClientEntry:
    """The client key's entry: of several keys one that is good is enough, because tools add their vendor's
    own. Raises Unauthorized, never telling more than the caller knows already."""
    refusal: Unauthorized | None = None
    for key in presented_keys(headers):
        entry = table.clients.get(digest(key))
        if entry is None:
            refusal = refusal or Unauthorized("The API key is not a client key of this gateway.")
        elif not entry.enabled:
            refusal = Unauthorized("This client key is disabled.", code="api_key_disabled")
        elif entry.expires_at is not None and entry.expires_at <= now:
            refusal = Unauthorized("This client key has expired.", code="api_key_expired")
        else:
            return entry
    raise refusal or Unauthorized(
        "No API key was sent. Send your client key as `Authorization: Bearer <key>`; "
        "an admin makes keys on the gateway's admin pages or with `manage.py client_key create`."
    )
