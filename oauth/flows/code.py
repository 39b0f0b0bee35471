"""The authorization code grant (RFC 6749 section 4.1), as a person in a browser goes through it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from hmac import compare_digest

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri

from oauth.flows import pkce, wire
from oauth.flows.base import Callback, Flow, HttpAnswer, OpenPage
from oauth.flows.channel import LoginAsk
from oauth.flows.device import refused
from oauth.flows.errors import LoginDenied, LoginMismatch, OAuthError

WAIT_S = 300.0


def redirect_uri(ask: LoginAsk, settings: Mapping[str, str], path: str) -> str:
    """Where the vendor sends the browser: what the login asks for, a setting, or the channel's local port."""
    host = settings.get("callback_host") or "localhost"
    return (
        ask.redirect_uri or settings.get("redirect_uri") or f"http://{host}:{settings['callback_port']}{path}"
    )


def authorize_url(
    url: str, client_id: str, redirect: str, state: str, *, scope: str = "", verifier: str = "", **more: str
) -> str:
    """The vendor's page. With ``verifier`` it carries the PKCE challenge."""
    if verifier:
        more |= {"code_challenge": pkce.challenge(verifier), "code_challenge_method": "S256"}
    made: str = prepare_grant_uri(
        url, client_id, "code", redirect_uri=redirect, scope=scope or None, state=state, **more
    )
    return made


def ask_person(url: str, state: str, redirect: str, wait_s: float = WAIT_S) -> Flow[str]:
    """Open the page and return the code that came back with the right ``state``.

    A code of the form ``code#state`` is taken apart: what stands behind ``#`` is the state. Raises
    LoginExpired, LoginDenied, LoginMismatch.
    """
    back = yield from wire.opened(OpenPage(url=url, state=state, redirect_uri=redirect, expires_in_s=wait_s))
    code, _, inside = back.code.strip().partition("#")
    if not compare_digest((inside or back.state).encode(), state.encode()):
        raise LoginMismatch("The answer does not belong to this login (wrong state). Start again.")
    if back.error:
        raise denied(back)
    if not code:
        raise OAuthError("The vendor's page sent no code back.", code="no_code")
    return code


def denied(back: Callback) -> OAuthError:
    told = wire.safe(back.error_description or back.error)
    if back.error in ("access_denied", "user_denied", "consent_required"):
        return LoginDenied(f"The login was denied: {told}.")
    return OAuthError(f"The vendor's page reported an error: {told}.", code="vendor_error")


def tokens_of(answer: HttpAnswer, *names: str) -> dict[str, object]:
    """The token endpoint's object. Raises OAuthError when the code was not accepted."""
    fields = wire.object_of(answer)
    if answer.status >= 400 or not wire.text(fields, *(names or ("access_token",))):
        error = refused(answer, "The vendor did not exchange the code for tokens")
        error.code = "code_exchange_failed"
        raise error
    return fields
