"""Every error type that layers share, drawn once:

GatewayError                      client_status and code; never a secret, never a raw upstream body
├── ClientError                   the client's doing: malformed request, unknown model, refused key
├── NoCandidate                   nothing can serve now; retry_after_s when a cooldown ends
└── UpstreamError                 one attempt failed
    ├── UpstreamUnreachable       name, connection, TLS
    ├── UpstreamTimeout           phase: connect, first_byte, idle
    ├── UpstreamRefused           a classified Refusal, with the upstream's status
    └── UpstreamProtocolError     it broke its own format, or stopped half-way

(OAuthError and its children live beside the login flows, in ``oauth``.)
``docs/errors.md`` has a row per type: client status, body, retried or not, effect on cooldown.
"""

from __future__ import annotations

from providers.values import Refusal, RefusalKind, RuleAction


class GatewayError(Exception):
    """Base of all. ``message`` goes to the client as it is, so it holds no secret and no raw body.

    ``client_status`` is the HTTP status for the client; ``error_type`` and ``code`` are OpenAI's
    spellings, from which the other formats derive their own; ``param`` names the field at fault.
    """

    client_status: int = 500
    error_type: str = "server_error"
    code: str | None = "internal_server_error"
    param: str | None = None
    retry_after_s: float | None = None
    details: dict[str, object] | None = None
    """Further members of the error object, for clients of OpenAI's formats."""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        error_type: str | None = None,
        code: str | None = None,
        param: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        if status is not None:
            self.client_status = status
        if error_type is not None:
            self.error_type = error_type
        if code is not None:
            self.code = code
        if param is not None:
            self.param = param
        if retry_after_s is not None:
            self.retry_after_s = retry_after_s


class ClientError(GatewayError):
    """The client's doing. Default 400 ``invalid_request_error``; never retried, cools nothing."""

    client_status = 400
    error_type = "invalid_request_error"
    code: str | None = None


class NoCandidate(GatewayError):
    """Nothing can serve now. 429 with ``retry_after_s`` while cooldowns run, else 503."""

    client_status = 503
    code: str | None = "no_candidate"


class UpstreamError(GatewayError):
    """One attempt failed; another candidate may do better."""

    client_status = 502
    code: str | None = "upstream_error"
    is_dropped: bool = False
    """The connection ended without a word: nothing is known of the credential, so it does not rest."""
    rule: RuleAction | None = None
    """What a request-scoped rule of the operator says of this failure (docs/routing.md)."""


class UpstreamUnreachable(UpstreamError):
    """No connection: name resolution, refused connection, TLS, a broken proxy."""

    code: str | None = "upstream_unreachable"


class UpstreamTimeout(UpstreamError):
    """``phase`` is ``connect``, ``first_byte`` or ``idle``."""

    client_status = 504
    code: str | None = "upstream_timeout"

    def __init__(self, message: str, *, phase: str) -> None:
        super().__init__(message)
        self.phase = phase


class UpstreamRefused(UpstreamError):
    """The upstream answered with an error, already classified by the adapter.

    ``body`` is the upstream's own error body when the client, speaking the same format, may have it.
    """

    def __init__(self, refusal: Refusal, *, body: bytes | None = None) -> None:
        super().__init__(refusal.message, retry_after_s=refusal.retry_after_s)
        self.refusal = refusal
        self.body = body
        if refusal.kind in (RefusalKind.UNAUTHORIZED, RefusalKind.PAYMENT, RefusalKind.TERMINAL):
            # The gateway's own key was refused: the client's key is fine, so never a 401 or 403.
            self.client_status = 502
            self.code = "upstream_credential_refused"
        else:
            self.client_status = refusal.status
            self.error_type = refusal.error_type or self.error_type
            self.code = refusal.code
            self.param = refusal.param


class UpstreamProtocolError(UpstreamError):
    """The upstream broke its own format, sent nothing, or stopped half-way."""

    code: str | None = "upstream_protocol_error"
