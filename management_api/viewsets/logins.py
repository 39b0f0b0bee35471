"""Logins over the management API: begin one, bring its callback, ask what became of it, give it up.

Drives the same attempts as the login pages. Paths, members and texts are CLIProxyAPI's, v7; the routes for
gemini-cli, qwen, iflow and kiro those of its older line (docs/management-api.md, "Logins").
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from django.contrib.auth.models import User
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ParseError
from rest_framework.request import Request
from rest_framework.response import Response

from management_api import access
from management_api.errors import ManagementError, NotHere
from management_api.viewsets.base import ManagementView, json_object
from oauth import attempts, logins
from oauth.attempts import Beginner, Delivery, Shown
from oauth.flows.base import Callback
from oauth.flows.callback import is_state, read_query
from oauth.flows.channel import Channel, LoginMethod
from oauth.flows.errors import OAuthError
from oauth.flows.registry import UnknownChannel, channel_for
from oauth.kiro_start import OWN_SITES
from oauth.models import AttemptStatus, AttemptStep, LoginAttempt
from oauth.runner import RUNNER

FIRST_ANSWER_S = 20.0
"""How long a script waits for the vendor's first answer; the vendors' own time-outs are longer."""
IMPORT_S = 40.0
TRUE = ("1", "true", "yes", "on")
DONE_KEPT = timedelta(minutes=1)
"""How long a login that succeeded is still known to ``get-auth-status``."""
PAGE_NAMES = {"claude": "anthropic", "gemini-cli": "google"}
"""Channels whose callback on this server goes by another name than their own."""
METHOD_NAMES = {"aws": "builder-id"}
"""Spellings of methods in older scripts."""
STATE = OpenApiParameter("state", str, description="The handle that the start of the login gave.")


def channel_named(name: str) -> Channel:
    try:
        return channel_for(name)
    except UnknownChannel as error:
        raise NotHere from error


def beginner_of(request: Request) -> Beginner:
    """Who asks: a signed-in person, or whoever holds the management key. Using this interface says that the
    vendor's terms were accepted; the channel's page and the documentation name them."""
    if isinstance(request.user, User):
        user = request.user
        name = user.get_full_name() or user.get_username()
        return Beginner(name=name, via="management API", user_id=user.pk)
    return Beginner(name="holder of the management key", via="management key")


class AuthUrl(ManagementView):
    """``GET /v0/management/<channel>-auth-url``."""

    session_permissions = ("oauth.connect_account",)

    @extend_schema(
        operation_id="login_start",
        summary="Begin a login: the address to open, and the state by which it is asked for",
        parameters=[
            OpenApiParameter("method", str, description="A method of the channel; by default its first."),
            OpenApiParameter("is_webui", str, description="true: the local port passes the browser on."),
            OpenApiParameter("project_id", str, description="gemini-cli: the project, or ALL."),
        ],
        responses={200: OpenApiTypes.OBJECT},
    )
    def get(self, request: Request, name: str) -> Response:
        channel = channel_named(name)
        _check_site(request)
        query = request.query_params
        method = _method(channel, query.get("method", ""))
        forward = _forward(request, channel) if query.get("is_webui", "").lower() in TRUE else ""
        values = {field: _given(query, field) for field, _, _ in method.fields}
        attempt, shown = _started(request, channel, method, values, forward)
        if forward and shown.port_trouble:
            attempts.cancel(attempt.pk)
            RUNNER.wake()
            raise ManagementError(500, "failed to start callback server", message=shown.port_trouble)
        return Response(_start_answer(channel, attempt, shown))

    @extend_schema(
        operation_id="login_with_cookie",
        summary="Log in with a browser's cookie (iflow)",
        request=OpenApiTypes.OBJECT,
        responses={200: OpenApiTypes.OBJECT},
    )
    def post(self, request: Request, name: str) -> Response:
        channel = channel_named(name)
        method = logins.find_method(channel, "cookie")
        if method is None:
            raise ManagementError(400, f"{channel.name} has no login by cookie")
        cookie = json_object(request).get("cookie")
        if not isinstance(cookie, str) or not cookie.strip():
            raise ManagementError(400, "cookie is required")
        return Response(_imported(request, channel, method, {"cookie": cookie}))


def _check_site(request: Request) -> None:
    """A GET that begins something: with a session it must not be a foreign page's link that begins it."""
    if isinstance(request.user, User) and request.headers.get("sec-fetch-site", "") not in OWN_SITES:
        raise ManagementError(403, "a page of another site may not begin a login")


def _method(channel: Channel, key: str) -> LoginMethod:
    """The method asked for. Without one, the first that needs a person and no more than that."""
    if key:
        method = logins.find_method(channel, METHOD_NAMES.get(key, key))
        if method is None:
            known = ", ".join(method.key for method in channel.methods)
            raise ManagementError(400, f"{channel.name} has no login by {key[:40]!r}; it has {known}")
        return method
    method = next((method for method in channel.methods if not method.is_import), None)
    if method is None:
        raise ManagementError(400, f"{channel.name} is connected by importing a credential file")
    return method


def _given(query: Any, field: str) -> str:
    """A field of the method: ``start_url``, also as ``startUrl``."""
    head, *rest = field.split("_")
    camel = head + "".join(word.capitalize() for word in rest)
    return str(query.get(field) or query.get(camel) or "")


def _forward(request: Request, channel: Channel) -> str:
    """The callback address on this server, as the browser on this machine reaches it."""
    port = request.META.get("SERVER_PORT", "")
    scheme = "https" if request.is_secure() else "http"
    return f"{scheme}://127.0.0.1:{port}/{PAGE_NAMES.get(channel.key, f'v0/oauth/{channel.key}')}/callback"


def _started(
    request: Request, channel: Channel, method: LoginMethod, values: dict[str, str], forward: str
) -> tuple[LoginAttempt, Shown]:
    """A login that has something to show. Raises ManagementError when it has not."""
    try:
        attempt, _ = logins.start(channel, method, values, beginner_of(request), forward=forward)
    except OAuthError as refused:
        raise ManagementError(refused.client_status, refused.message) from refused
    error = RUNNER.wait_until_shown(attempt.pk, FIRST_ANSWER_S)
    if error is not None and error.client_status < 500:
        raise ManagementError(error.client_status, error.message)
    found = attempts.find(attempt.pk) or attempt
    shown = attempts.shown_of(found)
    if not found.is_pending or shown is None or not (shown.page_url or shown.verification_url):
        attempts.cancel(attempt.pk)
        RUNNER.wake()
        words = "failed to start device authorization flow" if channel.key == "xai" else FAILED_START
        raise ManagementError(500, words, message=found.error or "The vendor did not answer in time.")
    return found, shown


FAILED_START = "failed to generate authorization url"


def _start_answer(channel: Channel, attempt: LoginAttempt, shown: Shown) -> dict[str, Any]:
    url = shown.page_url or shown.verification_url_complete or shown.verification_url
    answer: dict[str, Any] = {"status": "ok", "url": url, "auth_url": url, "state": shown.state}
    if attempt.step == AttemptStep.CODE:
        left = max(0, round((attempt.expires_at - timezone.now()).total_seconds()))
        answer |= {"flow": "device", "expires_in": left}
        answer |= {"user_code": shown.user_code} if shown.user_code else {}
        answer |= {"verification_url": shown.verification_url}
    if channel.key == "kiro":
        answer["method"] = "device_code" if attempt.step == AttemptStep.CODE else "social"
    return answer


def _imported(
    request: Request, channel: Channel, method: LoginMethod, values: dict[str, str]
) -> dict[str, Any]:
    """A login that needs no page, to its end. Raises ManagementError."""
    try:
        attempt, _ = logins.start(channel, method, values, beginner_of(request))
    except OAuthError as error:
        raise ManagementError(error.client_status, error.message) from error
    RUNNER.wait_until_ended(attempt.pk, IMPORT_S)
    found = attempts.find(attempt.pk) or attempt
    if found.status != AttemptStatus.SUCCESS or found.credential is None:
        attempts.cancel(attempt.pk)
        raise ManagementError(400, found.error or "The vendor did not answer in time.")
    token = found.credential.oauth_token
    return {
        "status": "ok",
        "saved_path": token.file_path,
        "email": token.account.get("email", ""),
        "expired": token.expires_at.isoformat() if token.expires_at else "",
        "type": channel.file_type or channel.key,
    }


class AuthStatus(ManagementView):
    session_permissions = ("oauth.connect_account",)

    @extend_schema(
        operation_id="login_status",
        summary="What became of a login",
        parameters=[STATE],
        responses={200: OpenApiTypes.OBJECT},
    )
    def get(self, request: Request) -> Response:
        state = request.query_params.get("state", "").strip()
        if not state:
            return Response({"status": "ok"})
        if not is_state(state):
            return Response({"status": "error", "error": "invalid state"}, status=400)
        return Response(status_of(attempts.find_by_state(state)))


def status_of(attempt: LoginAttempt | None) -> dict[str, Any]:
    """As CLIProxyAPI tells it; ``message`` says more than its fixed texts."""
    if attempt is None or _is_forgotten(attempt):
        return {"status": "error", "error": str(Delivery.UNKNOWN)}
    if attempt.is_pending:
        shown = attempts.shown_of(attempt)
        if attempt.channel == "kiro" and attempt.step == AttemptStep.CODE and shown is not None:
            link = shown.verification_url_complete or shown.verification_url
            return {"status": "device_code", "verification_url": link, "user_code": shown.user_code}
        return {"status": "wait"}
    if attempt.status == AttemptStatus.SUCCESS:
        return {"status": "ok"}
    return {"status": "error", "error": error_text(attempt), "message": attempt.error}


def _is_forgotten(attempt: LoginAttempt, now: datetime | None = None) -> bool:
    if attempt.finished_at is None:
        return False
    kept = DONE_KEPT if attempt.status == AttemptStatus.SUCCESS else attempts.LIFE
    return (now or timezone.now()) - attempt.finished_at > kept


TEXTS = {
    "invalid_state": "State code error",
    "code_exchange_failed": "Failed to exchange authorization code for tokens",
    "not_stored": "Failed to save authentication tokens",
    attempts.CANCELLED: "Authorization cancelled",
}


def error_text(attempt: LoginAttempt) -> str:
    """The fixed text for how an attempt ended, or the general one with the cause."""
    if attempt.error_code in TEXTS:
        return TEXTS[attempt.error_code]
    if attempt.callback_at is not None and attempt.status == AttemptStatus.DENIED:
        return "Bad request"
    if attempt.step == AttemptStep.PAGE and attempt.status == AttemptStatus.EXPIRED:
        return "Timeout waiting for OAuth callback"
    return f"Authentication failed: {attempt.error}" if attempt.error else "Authentication failed"


class OAuthCallback(ManagementView):
    """Takes a callback from whoever brings its state. Asks for no key, as CLIProxyAPI does: the state is
    unguessable and good once. Not there while there is no management API."""

    permission_classes = ()
    authentication_classes = ()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if not access.current().exists:
            raise NotHere

    @extend_schema(
        operation_id="login_callback_query",
        summary="Bring the callback of a login, as a query",
        parameters=[OpenApiParameter(name, str) for name in ("provider", "code", "state", "error")],
        responses={200: OpenApiTypes.OBJECT},
    )
    def get(self, request: Request) -> Response:
        return self._take({name: str(value) for name, value in request.query_params.items()})

    @extend_schema(
        operation_id="login_callback",
        summary="Bring the callback of a login: its parts, or the whole address",
        request=OpenApiTypes.OBJECT,
        responses={200: OpenApiTypes.OBJECT},
    )
    def post(self, request: Request) -> Response:
        query = {name: str(value) for name, value in request.query_params.items()}
        return self._take(query | _texts(request))

    def _take(self, given: dict[str, str]) -> Response:
        callback = _callback(given)
        channel_key = None
        if provider := given.get("provider", "").strip():
            try:
                channel_key = channel_for(provider).key
            except UnknownChannel as error:
                raise CallbackRefused(400, "unsupported provider") from error
        attempt = attempts.find_by_state(callback.state)
        if attempt is None or _is_forgotten(attempt):
            raise CallbackRefused(404, str(Delivery.UNKNOWN))
        outcome = attempts.deliver(callback, channel_key)
        RUNNER.wake()
        if outcome is Delivery.TAKEN:
            return Response({"status": "ok"})
        if outcome is Delivery.NOT_PENDING and attempt.error:
            raise CallbackRefused(409, error_text(attempt))
        raise CallbackRefused(STATUS_OF[outcome], str(outcome))


class CallbackRefused(ManagementError):
    """Has a ``status`` beside its ``error``."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(status, error)
        self.body = {"status": "error", **self.body}


STATUS_OF = {
    Delivery.UNKNOWN: 404,
    Delivery.OTHER_PROVIDER: 400,
    Delivery.COMPLETED: 409,
    Delivery.NOT_PENDING: 409,
}


def _texts(request: Request) -> dict[str, str]:
    try:
        data = request.data
    except ParseError as error:
        raise CallbackRefused(400, "invalid body") from error
    if not isinstance(data, dict):
        raise CallbackRefused(400, "invalid body")
    if any(not isinstance(value, str | None) for value in data.values()):
        raise CallbackRefused(400, "invalid body")
    return {str(name): value for name, value in data.items() if value is not None}


def _callback(given: dict[str, str]) -> Callback:
    """The callback in ``given``, whose own members win over those of ``redirect_url``."""
    fields = {}
    if address := given.get("redirect_url", "").strip():
        try:
            parts = urlsplit(address)
            fields = dict(parse_qsl(parts.query, max_num_fields=50)) | {
                name: value for name, value in parse_qsl(parts.fragment) if name not in parts.query
            }
        except ValueError as error:
            raise CallbackRefused(400, "invalid redirect_url") from error
    fields |= {name: value for name, value in given.items() if value.strip() and name != "redirect_url"}
    callback = read_query(fields)
    if not callback.state:
        raise CallbackRefused(400, "state is required")
    if not is_state(callback.state):
        raise CallbackRefused(400, "invalid state")
    if not callback.code and not callback.error:
        raise CallbackRefused(400, "code or error is required")
    return callback


class OAuthSession(ManagementView):
    session_permissions = ("oauth.connect_account",)

    @extend_schema(
        operation_id="login_cancel",
        summary="Give a login up",
        parameters=[STATE],
        responses={200: OpenApiTypes.OBJECT},
    )
    def delete(self, request: Request) -> Response:
        state = request.query_params.get("state", "").strip()
        if not state:
            raise ManagementError(400, "missing state")
        if not is_state(state):
            raise ManagementError(400, "invalid state")
        attempt = attempts.find_by_state(state)
        is_cancelled = attempt is not None and attempts.cancel(attempt.pk)
        RUNNER.wake()
        return Response({"status": "ok", "cancelled": is_cancelled})
