"""How a login or a refresh fails. Drawn once:

OAuthError
├── NetworkTrouble        no answer: name, connection, TLS, time-out
├── LoginExpired          the code or the wait for the callback ran out
├── LoginDenied           the person or the vendor said no
├── LoginMismatch         a wrong or replayed ``state``
├── RefreshRejected       the grant is gone: log in anew (terminal)
└── RefreshUnavailable    the vendor cannot answer now: later (``retry_after_s``)
"""

from __future__ import annotations

from providers.errors import GatewayError


class OAuthError(GatewayError):
    """Base. ``message`` may be shown to an admin: no token, no raw body."""

    client_status = 502
    code: str | None = "oauth_error"


class NetworkTrouble(OAuthError):
    """The driver got no answer."""


class LoginExpired(OAuthError):
    code: str | None = "login_expired"


class LoginDenied(OAuthError):
    code: str | None = "login_denied"


class LoginMismatch(OAuthError):
    code: str | None = "invalid_state"


class RefreshRejected(OAuthError):
    """Terminal: shown, never tried again until somebody logs in."""

    code: str | None = "refresh_rejected"


class RefreshUnavailable(OAuthError):
    """``retry_after_s`` is the vendor's wish, if it named one."""

    code: str | None = "refresh_unavailable"
