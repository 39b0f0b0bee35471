"""The login pages: choose an account's vendor and method, accept its terms, follow the login to its end.

Only staff with ``oauth.connect_account`` get in, and each sees only attempts of their own. A callback needs
no session: its unguessable state says to which attempt it belongs, and is good once.
"""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec
from urllib.parse import urlsplit

from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.core.files.uploadedfile import UploadedFile
from django.db.models import Count
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    JsonResponse,
)
from django.shortcuts import render
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_POST

from oauth import attempts, login_pages, logins
from oauth.flows.base import Callback
from oauth.flows.callback import CallbackUnreadable, is_state, read_pasted, read_query
from oauth.flows.channel import Channel, LoginMethod
from oauth.flows.errors import OAuthError
from oauth.flows.registry import CHANNELS, UnknownChannel, channel_for
from oauth.models import LoginAttempt, OAuthToken
from oauth.page_headers import harden
from oauth.runner import RUNNER
from oauth.sheets import missing_settings
from providers.models import Credential

P = ParamSpec("P")
PERMISSION = "oauth.connect_account"
FIRST_STEP_S = 3.0
"""How long a form waits for the vendor's first answer, before the page shows that it is asking."""
UPLOAD_LIMIT = 256 * 1024

Page = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def staff_only(view: Callable[Concatenate[HttpRequest, P], HttpResponseBase]) -> Any:
    """Sign in first, have the permission, and get the page with its headers."""

    @functools.wraps(view)
    def guarded(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        user = request.user
        if not (isinstance(user, User) and user.is_active and user.is_staff):
            if request.method == "GET" and not _wants_json(request):
                return harden(redirect_to_login(request.get_full_path(), reverse("admin:login")))
            return harden(JsonResponse({"error": "sign in first"}, status=401))
        if not user.has_perm(PERMISSION):
            return harden(_message(request, 403, "Not allowed", MISSING_PERMISSION))
        return harden(view(request, *args, **kwargs))

    return guarded


MISSING_PERMISSION = (
    "Your account may not connect accounts. Whoever manages users can give you the permission “Can connect "
    "an account by a login”; the group “gateway admin” has it."
)


def user_of(request: HttpRequest) -> User:
    """Whom ``staff_only`` let in."""
    assert isinstance(request.user, User)  # noqa: S101  (the guard looked)
    return request.user


def _wants_json(request: HttpRequest) -> bool:
    return request.headers.get("accept", "").startswith("application/json")


def _message(request: HttpRequest, status: int, title: str, text: str) -> HttpResponse:
    return render(request, "oauth/message.html", {"title": title, "text": text}, status=status)


def channel_or_404(name: str) -> Channel:
    try:
        return channel_for(name)
    except UnknownChannel as error:
        raise Http404 from error


def own_attempt(request: HttpRequest, channel: Channel, attempt_id: uuid.UUID) -> LoginAttempt:
    """The attempt, if this person began it: another's does not exist here."""
    attempt = attempts.find(attempt_id)
    if attempt is None or attempt.channel != channel.key or attempt.begun_by_id != user_of(request).pk:
        raise Http404
    return attempt


def attempt_url(attempt: LoginAttempt) -> str:
    return reverse("oauth:attempt", args=[attempt.channel, attempt.pk])


@require_GET
@staff_only
def index(request: HttpRequest) -> HttpResponse:
    """Every channel that one can log in to, with how many accounts each has."""
    tokens = OAuthToken.objects.order_by().values_list("channel").annotate(number=Count("pk"))
    counts = dict(tokens)
    rows = [
        {
            "channel": channel,
            "count": counts.get(channel.key, 0),
            "methods": ", ".join(method.name for method in channel.methods),
            "missing": bool(missing_settings(channel)),
        }
        for channel in sorted(CHANNELS, key=lambda channel: channel.name.lower())
        if channel.methods
    ]
    return render(request, "oauth/index.html", {"rows": rows})


@method_decorator([sensitive_post_parameters(), staff_only], name="dispatch")
class Connect(View):
    """``/v0/oauth/<channel>``: choose the method, accept the terms, begin."""

    def get(self, request: HttpRequest, name: str) -> HttpResponse:
        channel = channel_or_404(name)
        waiting = attempts.find_resumable(channel, user_of(request).pk)
        if waiting is not None and "new" not in request.GET:
            return HttpResponseRedirect(attempt_url(waiting))
        asked_for = request.GET.get("method", "")
        chosen = (logins.find_method(channel, asked_for) if asked_for else None) or _first_method(channel)
        return self.page(
            request,
            channel,
            chosen.key if chosen else "",
            {key: str(value) for key, value in request.GET.items()},
        )

    def post(self, request: HttpRequest, name: str) -> HttpResponse:
        channel = channel_or_404(name)
        typed = {key: value for key, value in request.POST.items() if isinstance(value, str)}
        method = logins.find_method(channel, typed["method"]) if typed.get("method") else None
        if method is None:
            return self.page(request, channel, "", typed, "Choose one of the ways to log in.")
        user = user_of(request)
        if "accept_terms" not in typed and not attempts.has_accepted(channel, user.pk):
            return self.page(request, channel, method.key, typed, "Read the terms and accept them first.")
        try:
            renews = renewed_credential(channel, typed.get("credential", ""))
            attempt = begin(request, channel, method, values_of(request, method), renews)
        except OAuthError as error:
            return self.page(request, channel, method.key, typed, error.message)
        if method.is_import:
            RUNNER.wait_until_ended(attempt.pk, FIRST_STEP_S)
        else:
            RUNNER.wait_until_shown(attempt.pk, FIRST_STEP_S)
        return HttpResponseRedirect(attempt_url(attempt))

    def page(
        self, request: HttpRequest, channel: Channel, chosen: str, values: dict[str, str], problem: str = ""
    ) -> HttpResponse:
        missing = missing_settings(channel)
        context = {
            "channel": channel,
            "methods": login_pages.method_rows(channel, chosen, values),
            "missing": missing,
            "is_possible": any(method.is_import or not missing for method in channel.methods),
            "has_accepted": attempts.has_accepted(channel, user_of(request).pk),
            "problem": problem,
            "renews": renewed_credential(channel, values.get("credential", "")),
        }
        return render(request, "oauth/connect.html", context, status=400 if problem else 200)


def _first_method(channel: Channel) -> LoginMethod | None:
    """The channel's first method that can work: without a required setting only imports can."""
    missing = missing_settings(channel)
    return next((method for method in channel.methods if method.is_import or not missing), None)


def begin(
    request: HttpRequest,
    channel: Channel,
    method: LoginMethod,
    values: dict[str, str],
    renews: Credential | None = None,
) -> LoginAttempt:
    """An attempt of the person who asks, who has accepted the terms. Raises OAuthError."""
    user = user_of(request)
    beginner = attempts.Beginner(
        name=user.get_full_name() or user.get_username(), via="page", user_id=user.pk
    )
    return logins.start(channel, method, values, beginner, renews=renews)[0]


def renewed_credential(channel: Channel, number: str) -> Credential | None:
    """The credential that a link "log in again" is about; None when it is not of this channel."""
    if not number.isdecimal() or len(number) > 12:
        return None
    return Credential.objects.filter(pk=int(number), oauth_token__channel=channel.key).first()


def values_of(request: HttpRequest, method: LoginMethod) -> dict[str, str]:
    """The typed fields of ``method``; an uploaded file stands for the text that it holds."""
    values = {}
    for name, _, _ in method.fields:
        key = login_pages.field_name(method, name)
        typed = request.POST.get(key, "")
        uploaded = request.FILES.get(f"{key}.upload")
        if not typed and isinstance(uploaded, UploadedFile):
            typed = uploaded.read(UPLOAD_LIMIT).decode("utf-8", errors="replace")
        values[name] = typed
    return values


@require_GET
@staff_only
def attempt_page(request: HttpRequest, name: str, attempt_id: uuid.UUID) -> HttpResponse:
    channel = channel_or_404(name)
    attempt = own_attempt(request, channel, attempt_id)
    return render(request, "oauth/attempt.html", _panel(request, channel, attempt))


@require_GET
@staff_only
def panel(request: HttpRequest, name: str, attempt_id: uuid.UUID) -> HttpResponse:
    """The changing part of the page alone: fetched when the attempt's version has changed."""
    channel = channel_or_404(name)
    attempt = own_attempt(request, channel, attempt_id)
    return render(request, "oauth/panel.html", _panel(request, channel, attempt))


def _panel(
    request: HttpRequest, channel: Channel, attempt: LoginAttempt, problem: str = ""
) -> dict[str, Any]:
    is_local = urlsplit(f"//{request.get_host()}").hostname in ("localhost", "127.0.0.1", "::1")
    return {**login_pages.panel(channel, attempt), "problem": problem, "is_local": is_local}


@require_GET
@staff_only
def state(request: HttpRequest, name: str, attempt_id: uuid.UUID) -> JsonResponse:
    """For the page when its WebSocket is closed."""
    return JsonResponse(login_pages.snapshot(own_attempt(request, channel_or_404(name), attempt_id)))


@require_POST
@staff_only
def cancel(request: HttpRequest, name: str, attempt_id: uuid.UUID) -> HttpResponse:
    attempt = own_attempt(request, channel_or_404(name), attempt_id)
    attempts.cancel(attempt.pk)
    RUNNER.wake()
    return HttpResponseRedirect(attempt_url(attempt))


@require_POST
@sensitive_post_parameters()
@staff_only
def paste(request: HttpRequest, name: str, attempt_id: uuid.UUID) -> HttpResponse:
    """The address that the browser ended on, copied by hand because nobody listens there."""
    channel = channel_or_404(name)
    attempt = own_attempt(request, channel, attempt_id)
    problem = _paste(attempt, request.POST.get("callback_url", ""))
    if not problem:
        RUNNER.wait_until_ended(attempt.pk, FIRST_STEP_S)
        return HttpResponseRedirect(attempt_url(attempt))
    context = _panel(request, channel, attempts.find(attempt.pk) or attempt, problem)
    return render(request, "oauth/attempt.html", context, status=400)


def _paste(attempt: LoginAttempt, text: str) -> str:
    """Why the pasted text was not taken; "" when it was."""
    try:
        callback = read_pasted(text)
    except CallbackUnreadable as error:
        return error.message
    if not is_state(callback.state):
        return "This address has no state. Copy the whole address, with everything behind the question mark."
    if attempts.digest_of(callback.state) != attempt.state_digest:
        return "This address belongs to another login (its state differs). Copy the one of this login."
    outcome = attempts.deliver(callback, attempt.channel)
    RUNNER.wake()
    return "" if outcome is attempts.Delivery.TAKEN else f"{outcome.capitalize()}."


@require_GET
def callback(request: HttpRequest, name: str) -> HttpResponseBase:
    """Where the vendor's page sends the browser. Answers 200 whatever it brings, as CLIProxyAPI does; what
    does not belong to a waiting attempt of this channel changes nothing."""
    try:
        channel = channel_for(name)
    except UnknownChannel as error:
        raise Http404 from error
    brought = read_query({key: str(value) for key, value in request.GET.items()})
    outcome = _delivered(brought, channel)
    attempt = attempts.find_by_state(brought.state) if outcome is attempts.Delivery.TAKEN else None
    is_own = attempt is not None and attempt.begun_by_id == request.user.pk and request.user.is_authenticated
    context = {
        "channel": channel,
        "is_taken": outcome is attempts.Delivery.TAKEN,
        "is_refusal": bool(brought.error),
        "reason": str(outcome),
        "back": attempt_url(attempt) if attempt is not None and is_own else "",
    }
    return harden(render(request, "oauth/callback.html", context), referrer="no-referrer")


def _delivered(brought: Callback, channel: Channel) -> attempts.Delivery:
    if not is_state(brought.state) or not (brought.code or brought.error):
        return attempts.Delivery.UNKNOWN
    outcome = attempts.deliver(brought, channel.key)
    RUNNER.wake()
    return outcome
