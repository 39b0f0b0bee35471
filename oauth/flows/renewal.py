"""What the answer to a refresh means: new tokens, "log in again", or "not now". Pure.

One call per refresh: the engine (``oauth/refresh.py``) tries again later, with growing pauses. A flow that
repeated the call by itself after a lost answer would present a single-use refresh token twice.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from oauth.flows import wire
from oauth.flows.base import Flow, Grant, HttpAnswer, HttpCall
from oauth.flows.errors import NetworkTrouble, RefreshRejected, RefreshUnavailable

PASSING = frozenset(
    {"temporarily_unavailable", "server_error", "slow_down", "internal_error", "rate_limit_exceeded"}
)
"""Codes that say "not now" under a status of 400."""
GONE = frozenset(
    {
        "invalid_grant",
        "expired_token",
        "bad_refresh_token",
        "refresh_token_reused",
        "refresh_token_expired",
        "refresh_token_invalidated",
        "UnauthorizedException",
        "InvalidGrantException",
        "ExpiredTokenException",
    }
)
CLIENT = frozenset({"invalid_client", "InvalidClientException", "unauthorized_client"})


def send(request: HttpCall) -> Flow[HttpAnswer]:
    """The call. Raises RefreshUnavailable when no answer came."""
    try:
        answer = yield from wire.call(request)
    except NetworkTrouble as error:
        raise RefreshUnavailable(f"The vendor could not be reached: {error.message}.") from error
    return answer


def tokens_of(answer: HttpAnswer, *names: str, is_client_issued: bool = False) -> dict[str, object]:
    """The new tokens' object; ``names`` are where the access token may stand.

    ``is_client_issued`` says that the client was registered for this login (Kiro): when it is refused, a
    new login is the remedy. Raises RefreshRejected, RefreshUnavailable.
    """
    fields = wire.object_of(answer)
    code, description = wire.error_of(answer)
    if answer.status < 300 and not (code and not wire.text(fields, *(names or ("access_token",)))):
        if wire.text(fields, *(names or ("access_token",))):
            return fields
        raise RefreshUnavailable("The vendor answered the refresh with something that is no token.")
    told = _told(answer, code, description)
    if code in GONE:
        raise RefreshRejected(f"The vendor no longer accepts this login {told}. Log in again.")
    if code in CLIENT and not is_client_issued:
        raise RefreshUnavailable(f"The vendor refused the client id or secret {told}: check the settings.")
    if answer.status in (400, 401) and code not in PASSING:
        raise RefreshRejected(f"The vendor refused to renew this login {told}. Log in again.")
    if answer.status == 403 and fields:
        # A 403 that is no JSON is a gate before the vendor (a bot check, a company proxy), not its verdict.
        raise RefreshRejected(f"The vendor refused to renew this login {told}. Log in again.")
    raise RefreshUnavailable(
        f"The vendor cannot renew the login now {told}.", retry_after_s=wire.retry_after_of(answer)
    )


def _told(answer: HttpAnswer, code: str, description: str) -> str:
    return "(" + ": ".join(part for part in (str(answer.status), code, description) if part)[:300] + ")"


def renewed(grant: Grant, fields: Mapping[str, object], at: float) -> Grant:
    """``grant`` with the tokens of a standard answer; what the vendor did not send is kept."""
    return msgspec.structs.replace(
        grant,
        access_token=wire.text(fields, "access_token", "accessToken"),
        refresh_token=wire.text(fields, "refresh_token", "refreshToken") or grant.refresh_token,
        id_token=wire.text(fields, "id_token", "idToken") or grant.id_token,
        expires_at=wire.end_of(fields, at),
        refreshed_at=at,
    )


def refresh_token_of(grant: Grant) -> str:
    """Raises RefreshRejected where there is nothing to refresh with."""
    if not grant.refresh_token:
        raise RefreshRejected("This login holds no refresh token. Log in again when it ends.")
    return grant.refresh_token
