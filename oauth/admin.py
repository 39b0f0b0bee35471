"""Logins in the admin: how each credential's login stands, its allowances, its timeline, and who logged in.

Nothing is edited here: tokens come from logins and refreshes. ``LoginPages`` is what a credential's page
gains; ``routing/admin.py`` registers it together with what routing adds.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.text import capfirst

from oauth import login_actions
from oauth.flows.channel import Channel
from oauth.flows.registry import CHANNELS, UnknownChannel, channel_for
from oauth.models import (
    AttemptStatus,
    CredentialEvent,
    EventKind,
    LoginAttempt,
    OAuthToken,
    QuotaReading,
    TokenStatus,
)
from providers.admin import CredentialPages, badge, two_lines
from providers.models import Credential
from providers.status import Status, remaining
from providers.typed_admin import ModelAdmin

EVENTS_SHOWN = 6
EVENTS_PER_PAGE = 100
CONNECT = "oauth.connect_account"

VARIANTS = {
    TokenStatus.OK: "success",
    TokenStatus.EXPIRING: "warning",
    TokenStatus.FAILING: "warning",
    TokenStatus.LOGIN_NEEDED: "danger",
}
EVENT_VARIANTS = {
    EventKind.LOGIN: "success",
    EventKind.REFRESH: "success",
    EventKind.RESUMED: "success",
    EventKind.FAILURE: "danger",
    EventKind.COOLDOWN: "warning",
    EventKind.QUOTA: "info",
    EventKind.EDIT: "",
}
ATTEMPT_VARIANTS = {
    AttemptStatus.PENDING: "info",
    AttemptStatus.SUCCESS: "success",
    AttemptStatus.DENIED: "warning",
    AttemptStatus.EXPIRED: "warning",
    AttemptStatus.FAILED: "danger",
}


def channel_of(token: OAuthToken) -> Channel | None:
    return find_channel(token.channel)


def find_channel(key: str) -> Channel | None:
    try:
        return channel_for(key)
    except UnknownChannel:
        return None


def channels_of_kind(adapter: str) -> list[Channel]:
    """The logins that make credentials for a kind of provider."""
    return [channel for channel in CHANNELS if channel.adapter == adapter and channel.methods]


def connect_url(token: OAuthToken) -> str:
    """The page on which this very credential is logged in again."""
    return f"{reverse('oauth:connect', args=[token.channel])}?new=1&credential={token.credential_id}"


def again_link(token: OAuthToken) -> str:
    return format_html('<a class="cpx-link" href="{}">log in again</a>', connect_url(token))


def login_status(token: OAuthToken) -> Status:
    detail = token.last_error if token.status != TokenStatus.OK else ""
    return Status(TokenStatus(token.status).label, VARIANTS[TokenStatus(token.status)], detail)


def token_end(token: OAuthToken, now: datetime) -> str:
    """``in 42 min``, and whether it renews by itself."""
    if token.expires_at is None:
        return "no end known"
    if token.expires_at <= now:
        return "ended" + (", renewed with the next call" if token.status == TokenStatus.OK else "")
    renews = ", renews by itself" if token.next_refresh_at is not None else ""
    return f"in {remaining(token.expires_at, now)}{renews}"


def quota_rows(readings: Iterable[QuotaReading], now: datetime) -> list[dict[str, Any]]:
    """Allowances as bars: how much is used, what is left, when it resets."""
    rows = []
    for reading in readings:
        percent = reading.used_percent
        if percent is None and reading.limit and reading.used is not None:
            percent = 100 * reading.used / reading.limit
        is_spent = reading.is_exhausted_at(now)
        rows.append(
            {
                "name": reading.name.replace("_", " "),
                "model": reading.model,
                "percent": round(min(max(percent, 0.0), 100.0)) if percent is not None else None,
                "amounts": _amounts(reading),
                "resets": _resets(reading, now),
                "is_spent": is_spent,
                "tone": "danger" if is_spent else "warning" if (percent or 0) >= 80 else "good",
                "read_at": reading.read_at,
            }
        )
    return rows


def _amounts(reading: QuotaReading) -> str:
    if reading.remaining is None:
        return ""
    of = f" of {reading.limit:g}" if reading.limit is not None else ""
    unit = f" {reading.unit}" if reading.unit and reading.unit != "percent" else ""
    return f"{reading.remaining:g}{of}{unit} left"


def _resets(reading: QuotaReading, now: datetime) -> str:
    if reading.resets_at is None:
        return ""
    if reading.resets_at <= now:
        return "reset since"
    moment = timezone.localtime(reading.resets_at)
    return f"resets in {remaining(reading.resets_at, now)} ({moment:%d %b %H:%M %Z})"


def event_rows(events: Iterable[CredentialEvent]) -> list[dict[str, Any]]:
    return [
        {
            "event": event,
            "cause": event.cause.replace("_", " "),
            "kind": badge(Status(EventKind(event.kind).label, EVENT_VARIANTS.get(EventKind(event.kind), ""))),
        }
        for event in events
    ]


def login_context(credential: Credential) -> dict[str, Any]:
    """What a credential's page shows of its login; {} for one without."""
    token = OAuthToken.objects.select_related("connected_by").filter(credential=credential).first()
    if token is None:
        return {}
    now = timezone.now()
    channel = channel_of(token)
    return {
        "token": token,
        "channel": channel,
        "status": badge(login_status(token)),
        "needs_login": token.status in (TokenStatus.LOGIN_NEEDED, TokenStatus.EXPIRING),
        "end": token_end(token, now),
        "method": token.method,
        "quotas": quota_rows(credential.quotas.all(), now),
        "events": event_rows(CredentialEvent.objects.filter(credential=credential)[:EVENTS_SHOWN]),
        "connect_url": connect_url(token) if channel is not None else "",
    }


class LoginPages(CredentialPages):
    """A credential's pages with its login: state and end of the token, allowances, timeline, two buttons."""

    list_before_template = "admin/providers/credential/list_before.html"

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Credential]:
        return super().get_queryset(request).select_related("provider", "oauth_token")

    def get_list_display(self, request: HttpRequest) -> Any:
        shown = list(super().get_list_display(request))
        may_connect = request.user.has_perm(CONNECT)
        shown.insert(shown.index("status") + 1, "login" if may_connect else "login_state")
        return shown

    @admin.display(description="login")
    def login(self, obj: Credential) -> str:
        token = getattr(obj, "oauth_token", None)
        if token is None or token.status == TokenStatus.OK:
            return self.login_state(obj)
        return format_html("{} {}", badge(login_status(token)), again_link(token))

    @admin.display(description="login")
    def login_state(self, obj: Credential) -> str:
        """For those who may not log in."""
        token = getattr(obj, "oauth_token", None)
        if token is None:
            return ""
        status = login_status(token)
        if token.status == TokenStatus.OK:
            return two_lines(badge(status), token_end(token, timezone.now()))
        return badge(status)

    @admin.action(description="Refresh logins now", permissions=["change"])
    def refresh_now(self, request: HttpRequest, queryset: models.QuerySet[Credential]) -> None:
        self._tell(request, login_actions.refresh(queryset[: self.acted_on_at_once]))

    @admin.action(description="Read quota now", permissions=["change"])
    def read_quota_now(self, request: HttpRequest, queryset: models.QuerySet[Credential]) -> None:
        self._tell(request, login_actions.read_quota(queryset[: self.acted_on_at_once]))

    acted_on_at_once = 25
    """More would keep the page waiting when vendors do not answer."""

    def _tell(self, request: HttpRequest, outcomes: list[login_actions.Outcome]) -> None:
        if not outcomes:
            messages.warning(request, "None of these is a login.")
        for outcome in outcomes:
            level = messages.SUCCESS if outcome.ok else messages.ERROR
            messages.add_message(request, level, f"{outcome.label}: {outcome.message}")

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                "<int:object_id>/timeline/",
                self.admin_site.admin_view(self.timeline),
                name="providers_credential_timeline",
            )
        ]
        return [*own, *super().get_urls()]

    def timeline(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Everything that happened to one credential, newest first."""
        credential = get_object_or_404(Credential.objects.select_related("provider"), pk=object_id)
        if not self.has_view_permission(request, credential):
            raise PermissionDenied
        events = CredentialEvent.objects.filter(credential=credential).select_related("user")
        kind = request.GET.get("kind", "")
        if kind in EventKind.values:
            events = events.filter(kind=kind)
        page = Paginator(events, EVENTS_PER_PAGE).get_page(request.GET.get("page"))
        context = {
            **self.admin_site.each_context(request),
            "title": f"Timeline of {credential}",
            "opts": self.opts,
            "credential": credential,
            "login": login_context(credential),
            "rows": event_rows(page.object_list),
            "page": page,
            "kind": kind,
            "kinds": EventKind.choices,
            "may_connect": request.user.has_perm(CONNECT),
        }
        return TemplateResponse(request, "admin/oauth/timeline.html", context)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        credential = kwargs.get("obj")
        if credential is not None:
            context["login"] = login_context(credential)
            context["may_connect"] = request.user.has_perm(CONNECT)
        return super().render_change_form(request, context, *args, **kwargs)


class TakesLoginsAlong(ModelAdmin[Any]):
    """Rows with which logins go. Nobody may delete a login alone, and that says nothing of its credential."""

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """A timeline has hundreds of lines: they are counted, not listed."""
        shown, counts, refused, protected = super().get_deleted_objects(objs, request)
        event = f"{capfirst(CredentialEvent._meta.verbose_name)}: "
        return _without(shown, event), counts, refused - {OAuthToken._meta.verbose_name}, protected


def _without(lines: list[Any], start: str) -> list[Any]:
    """Django's nested list less the lines that begin so."""
    kept = (_without(line, start) if isinstance(line, list) else line for line in lines)
    return [line for line in kept if line != [] and not str(line).startswith(start)]


class ShownOnly(ModelAdmin[Any]):
    """Rows that only the gateway writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(OAuthToken)
class LoginAdmin(ShownOnly):
    """All logins at a glance; a row leads to the credential, where everything else is."""

    list_before_template = "admin/oauth/list_before.html"
    list_display = ("account_name", "channel_name", "state", "end", "allowance", "connected")
    list_display_links = None
    list_filter = ("status", "channel")
    list_select_related = ("credential__provider", "connected_by")
    search_fields = ("credential__label", "identity")

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[OAuthToken]:
        return super().get_queryset(request).prefetch_related("credential__quotas")

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        token = get_object_or_404(OAuthToken, pk=object_id if object_id.isdecimal() else None)
        return HttpResponseRedirect(reverse("admin:providers_credential_change", args=[token.credential_id]))

    @admin.display(description="account", ordering="credential__label")
    def account_name(self, obj: OAuthToken) -> str:
        address = reverse("admin:providers_credential_change", args=[obj.credential_id])
        name = obj.credential.label or obj.identity or "unnamed"
        return two_lines(
            format_html('<a class="cpx-strong" href="{}">{}</a>', address, name), str(obj.credential.provider)
        )

    @admin.display(description="channel", ordering="channel")
    def channel_name(self, obj: OAuthToken) -> str:
        channel = channel_of(obj)
        return channel.name if channel is not None else obj.channel

    def get_list_display(self, request: HttpRequest) -> Any:
        state = "state" if request.user.has_perm(CONNECT) else "state_alone"
        return [state if name == "state" else name for name in super().get_list_display(request)]

    @admin.display(description="login", ordering="status")
    def state(self, obj: OAuthToken) -> str:
        if obj.status == TokenStatus.OK or channel_of(obj) is None:
            return self.state_alone(obj)
        return format_html("{} {}", badge(login_status(obj)), again_link(obj))

    @admin.display(description="login", ordering="status")
    def state_alone(self, obj: OAuthToken) -> str:
        """For those who may not log in."""
        return badge(login_status(obj))

    @admin.display(description="token ends", ordering="expires_at")
    def end(self, obj: OAuthToken) -> str:
        return token_end(obj, timezone.now())

    @admin.display(description="allowance")
    def allowance(self, obj: OAuthToken) -> str:
        readings = obj.credential.quotas.all()
        rows = quota_rows(readings, timezone.now())
        known = [row for row in rows if row["percent"] is not None]
        if not known:
            return ""
        fullest = max(known, key=lambda row: row["percent"])
        return two_lines(f"{fullest['percent']} % of {fullest['name']}", fullest["resets"])

    @admin.display(description="connected", ordering="connected_at")
    def connected(self, obj: OAuthToken) -> str:
        by = obj.connected_by.get_username() if obj.connected_by is not None else ""
        return two_lines(f"{timezone.localtime(obj.connected_at):%d %b %Y %H:%M %Z}", by)


@admin.register(LoginAttempt)
class LoginAttemptAdmin(ShownOnly):
    """Who tried to log in, who accepted the terms and when, and what came of it."""

    list_display = (
        "created_at",
        "channel_name",
        "method_name",
        "result",
        "terms_accepted_by",
        "begun_with",
        "made",
    )
    list_display_links = None
    list_filter = ("status", "channel", "begun_with")
    list_select_related = ("credential",)
    search_fields = ("terms_accepted_by", "channel", "credential__label")

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:oauth_loginattempt_changelist"))

    @admin.display(description="channel", ordering="channel")
    def channel_name(self, obj: LoginAttempt) -> str:
        channel = find_channel(obj.channel)
        return channel.name if channel is not None else obj.channel

    @admin.display(description="method")
    def method_name(self, obj: LoginAttempt) -> str:
        channel = find_channel(obj.channel)
        return channel.method_name(obj.method) if channel is not None else obj.method

    @admin.display(description="result", ordering="status")
    def result(self, obj: LoginAttempt) -> str:
        status = AttemptStatus(obj.status)
        return badge(Status(status.label, ATTEMPT_VARIANTS[status], obj.error))

    @admin.display(description="credential")
    def made(self, obj: LoginAttempt) -> str:
        if obj.credential is None:
            return ""
        address = reverse("admin:providers_credential_change", args=[obj.credential.pk])
        return format_html('<a class="cpx-link" href="{}">{}</a>', address, obj.credential)
