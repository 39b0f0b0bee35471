"""Client keys in the admin: made here, shown once, and only then."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.views.decorators.debug import sensitive_variables

from providers.admin import badge, two_lines
from providers.status import Status
from routing import client_keys
from routing.admin_switch import Switchable
from routing.forms import ClientKeyForm
from routing.models import ClientKey


class ClientKeyAdmin(Switchable):
    """Who may call the gateway, until when, and for which models."""

    form = ClientKeyForm
    list_display = ("label", "state", "owner", "models_allowed", "expires_at", "used", "owned_by")
    list_filter = ("enabled", "origin", "owner")
    list_select_related = ("owner",)
    search_fields = ("note", "fingerprint", "owner__username")
    readonly_fields = ("fingerprint", "last_used_at", "owned_by")
    actions = ("enable", "disable")
    add_fieldsets = (
        (
            None,
            {
                "fields": (
                    ("note", "owner"),
                    "expires_at",
                    "allowed_models",
                    "limits",
                    "keeps_responses_days",
                    "enabled",
                )
            },
        ),
    )
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("note", "owner"),
                    ("fingerprint", "last_used_at"),
                    "expires_at",
                    "allowed_models",
                    "limits",
                    "keeps_responses_days",
                    "enabled",
                    "owned_by",
                )
            },
        ),
    )

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """One button: what follows is the page with the key, whichever was pressed."""
        only = {"show_save_and_continue": False, "show_save_and_add_another": False}
        return super().add_view(request, form_url, {**only, **(extra_context or {})})

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"owner": request.user.pk, **super().get_changeform_initial_data(request)}

    def get_readonly_fields(self, request: HttpRequest, obj: ClientKey | None = None) -> tuple[str, ...]:
        return tuple(self.readonly_fields) if obj else ()

    @method_decorator(sensitive_variables("plain"))
    def save_model(self, request: HttpRequest, obj: ClientKey, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        row, plain = client_keys.create(
            note=obj.note,
            owner_id=obj.owner_id,
            expires_at=obj.expires_at,
            allowed_models=obj.allowed_models,
            keeps_responses_days=obj.keeps_responses_days,
            limits=obj.limits,
        )
        if not obj.enabled:
            row.enabled = False
            row.save(update_fields=["enabled"])
        obj.__dict__.update(row.__dict__)
        # Handed to response_add below within this request, in memory; see there.
        request.new_client_key = plain  # type: ignore[attr-defined]  # a request carries what its views add

    def response_add(
        self, request: HttpRequest, obj: ClientKey, post_url_continue: str | None = None
    ) -> HttpResponse:
        """The page that shows the key, as the answer to the POST itself.

        A redirect would have to leave the plain key somewhere in between, in the session or in the
        messages (a cookie), where it could be read later. This answer exists once, is never cached, and
        asking for its address again shows an empty form. A reload, which would make another key, is led to
        the list by the page's script.
        """
        context = {
            **self.admin_site.each_context(request),
            "title": "Client key created",
            "opts": self.opts,
            "row": obj,
            "plain": request.new_client_key,  # type: ignore[attr-defined]  # set by save_model
            "base_url": request.build_absolute_uri("/v1"),
        }
        response = TemplateResponse(request, "admin/routing/clientkey/shown_once.html", context)
        response["Cache-Control"] = "no-store"
        return response

    @admin.display(description="last used", ordering="last_used_at")
    def used(self, obj: ClientKey) -> str:
        """When, with the way to the records of its requests."""
        if obj.last_used_at is None:
            return "never"
        records = f"{reverse('admin:routing_usagerecord_changelist')}?client_key_id={obj.pk}"
        return format_html('<a class="cpx-link" href="{}">{}</a>', records, naturaltime(obj.last_used_at))

    @admin.display(description="client key", ordering="note")
    def label(self, obj: ClientKey) -> str:
        return two_lines(obj.note or "without a note", obj.fingerprint)

    @admin.display(description="state")
    def state(self, obj: ClientKey) -> str:
        if not obj.enabled:
            return badge(Status("Disabled", ""))
        if obj.has_expired:
            return badge(Status("Expired", "danger"))
        return badge(Status("Active", "success"))

    @admin.display(description="models")
    def models_allowed(self, obj: ClientKey) -> str:
        return ", ".join(obj.allowed_models) or "all"
