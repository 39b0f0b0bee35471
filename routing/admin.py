"""The admin's pages, registered: a provider with its credentials, aliases, pools and exclusions on one page.

What the pages of providers and credentials are made of is in ``providers/admin.py``; what their buttons do is
in ``routing/admin_actions.py``. Client keys and usage records have modules of their own.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import models, transaction
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from unfold.widgets import UnfoldAdminTextInputWidget

from oauth.admin import LoginPages, TakesLoginsAlong, channels_of_kind
from providers.admin import (
    CredentialInline,
    OwnedAdmin,
    OwnedFormSet,
    OwnedInline,
    ProviderPages,
    badge,
    masked_proxy,
)
from providers.models import Credential, Provider
from providers.status import credential_status
from routing import admin_actions
from routing.admin_client_keys import ClientKeyAdmin
from routing.admin_switch import Switchable
from routing.admin_usage import UsageRecordAdmin
from routing.forms import (
    AliasForm,
    AliasPageForm,
    ChannelAliasForm,
    ChannelExclusionForm,
    ExclusionForm,
    GatewaySettingsForm,
)
from routing.models import (
    ChannelAlias,
    ChannelExclusion,
    ClientKey,
    GatewaySettings,
    ModelAlias,
    ModelExclusion,
    UsageRecord,
)
from routing.probing import probe_and_record

DISCOVERED_SHOWN = 2000
CREDENTIALS_OFFERED = 50
CREDENTIALS_SHOWN = 50
"""In the panel of a provider's page."""


class WithCredentials(TakesLoginsAlong, Switchable):
    """Rows behind which stand credentials that can be called and whose cooldowns can be ended.

    The buttons of a page POST to addresses of their own: a link could be followed by a prefetching browser
    or put into a foreign page, and a test calls the vendor.
    """

    actions: tuple[str, ...] = ("test_now", "clear_cooldowns", "enable", "disable")
    buttons: tuple[str, ...] = ("test_now", "clear_cooldowns")
    """Actions that the row's own page has a button for."""

    def credentials_of(self, queryset: models.QuerySet[Any]) -> models.QuerySet[Credential]:
        raise NotImplementedError

    @admin.action(description="Test now", permissions=["change"])
    def test_now(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> None:
        credentials = self.credentials_of(queryset).select_related("provider").order_by("provider_id", "id")
        found = list(credentials[: admin_actions.TESTED_AT_ONCE + 1])
        admin_actions.probe_and_tell(request, found)
        tested = min(len(found), admin_actions.TESTED_AT_ONCE)
        self.message_user(request, f"{admin_actions.count_of(tested, 'credential')} tested.")

    @admin.action(description="Clear cooldowns", permissions=["change"])
    def clear_cooldowns(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> None:
        credentials = self.credentials_of(queryset)
        admin_actions.log_action(request, list(credentials), admin_actions.CLEARED)
        count = admin_actions.clear_cooldowns(credentials)
        self.message_user(request, f"Cooldowns of {admin_actions.count_of(count, 'credential')} cleared.")

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        own = [
            path(
                f"<path:object_id>/{action.replace('_', '-')}/",
                self.admin_site.admin_view(self._button(action)),
                name=f"{name}_{action}",
            )
            for action in self.buttons
        ]
        return [*own, *super().get_urls()]

    def _button(self, action: str) -> Any:
        def view(request: HttpRequest, object_id: str) -> HttpResponse:
            # The run-time state of a file's row may be changed, so the object itself is not asked.
            if request.method != "POST" or not self.has_change_permission(request):
                raise PermissionDenied
            row = get_object_or_404(self.model, pk=object_id if object_id.isdecimal() else None)
            getattr(self, action)(request, self.model._default_manager.filter(pk=row.pk))
            name = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
            return HttpResponseRedirect(reverse(name, args=[row.pk]))

        return view


def credential_choices(provider: Provider) -> list[tuple[Any, str]]:
    """The provider's credentials for a select, read once for all rows of a table; of very many, those that a
    rule names already and the first. A rule's own page finds any."""
    in_rules = Q(aliases__isnull=False) | Q(exclusions__isnull=False)
    rows = list(provider.credentials.all()[:CREDENTIALS_OFFERED])
    if len(rows) == CREDENTIALS_OFFERED:
        chosen = provider.credentials.filter(in_rules).exclude(pk__in=[row.pk for row in rows]).distinct()
        rows += chosen
    return [("", "every credential"), *((row.pk, str(row)) for row in rows)]


class RuleInline(OwnedInline):
    """Aliases and exclusions: rules for the provider or for one of its credentials."""

    def get_formset(self, request: HttpRequest, obj: Provider | None = None, **kwargs: Any) -> Any:
        formset = super().get_formset(request, obj, **kwargs)
        field = formset.form.base_fields.get("credential")
        if field is not None and obj is not None:
            field.queryset = obj.credentials.all()
            field.choices = credential_choices(obj)
            field.widget.can_add_related = field.widget.can_change_related = False
            field.widget.can_view_related = field.widget.can_delete_related = False
        return formset

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).select_related("credential")


class PoolFormSet(OwnedFormSet):
    """The aliases of a provider, also as pools."""

    told_apart_by = ("alias", "upstream_model", "credential_id")

    def pools(self) -> list[tuple[str, list[str]]]:
        """Each alias of this page of the table with the upstream models behind it, in the order in which they
        are taken."""
        shown = {row.alias for row in self.get_queryset()}
        members = ModelAlias.objects.filter(provider=self.instance, alias__in=shown)
        rows = sorted(members, key=lambda row: (row.alias, row.position, row.pk))
        return [
            (alias, [row.upstream_model for row in members])
            for alias, members in groupby(rows, key=lambda row: str(row.alias))
        ]

    def upstream_models(self) -> list[str]:
        """What the provider was found to serve, to choose from while typing."""
        found = self.instance.discovered_models[:DISCOVERED_SHOWN]
        return [str(model.get("id", "")) for model in found if isinstance(model, dict)]


class AliasInline(RuleInline):
    """Aliases; several rows with the same alias are a pool, shown above the table."""

    model = ModelAlias
    form = AliasForm
    formset = PoolFormSet
    fields = (
        "alias",
        "upstream_model",
        "position",
        "credential",
        "enabled",
        "force_mapping",
        "display_name",
        "owned_by",
    )
    readonly_fields = ("owned_by",)
    verbose_name_plural = "aliases and pools"
    template_before = "admin/routing/modelalias/pools.html"

    def get_formset(self, request: HttpRequest, obj: Provider | None = None, **kwargs: Any) -> Any:
        formset = super().get_formset(request, obj, **kwargs)
        field = formset.form.base_fields.get("upstream_model")
        if field is not None:
            field.widget = UnfoldAdminTextInputWidget({"list": "upstream-models"})
        return formset


class ExclusionFormSet(OwnedFormSet):
    told_apart_by = ("pattern", "credential_id")


class ExclusionInline(RuleInline):
    """Patterns of model ids that are not offered."""

    formset = ExclusionFormSet
    model = ModelExclusion
    form = ExclusionForm
    fields = ("pattern", "credential", "owned_by")
    readonly_fields = ("owned_by",)
    verbose_name_plural = "exclusions"


@admin.register(Provider)
class ProviderAdmin(WithCredentials, ProviderPages):
    """Providers, with everything about one on its page."""

    inlines = (CredentialInline, AliasInline, ExclusionInline)
    change_form_outer_before_template = "admin/providers/provider/panel.html"

    def credentials_of(self, queryset: models.QuerySet[Any]) -> models.QuerySet[Credential]:
        return Credential.objects.filter(provider__in=queryset.order_by().values("pk"))

    def save_model(self, request: HttpRequest, obj: Provider, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if not change:
            # After the commit: the vendor's answer may take seconds, and a transaction would hold the
            # database's write lock for as long. Failing to reach the vendor then blocks nothing either.
            transaction.on_commit(lambda: self._discover(request, obj), robust=True)

    def _discover(self, request: HttpRequest, provider: Provider) -> None:
        for credential in provider.credentials.select_related("provider"):
            result = probe_and_record(credential)
            text = admin_actions.result_text(credential, result)
            if result.ok:
                self.message_user(request, text, messages.SUCCESS)
            else:
                said = f"Saved, but the provider did not answer as hoped. {text}"
                self.message_user(request, said, messages.WARNING)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        obj = kwargs.get("obj")
        if obj is not None:
            now = timezone.now()
            rows = list(obj.credentials.all())
            shown = rows[:CREDENTIALS_SHOWN]
            context["panel"] = [(row, badge(credential_status(row, now))) for row in shown]
            context["more_credentials"] = len(rows) - len(shown)
            context["may_act"] = self.has_change_permission(request)
            context["channels"] = channels_of_kind(obj.adapter)
        return super().render_change_form(request, context, *args, **kwargs)


@admin.register(Credential)
class CredentialAdmin(WithCredentials, LoginPages):
    """Credentials of all providers."""

    actions = (*WithCredentials.actions, "refresh_now", "read_quota_now")
    buttons = (*WithCredentials.buttons, "refresh_now", "read_quota_now")
    change_form_outer_before_template = "admin/providers/credential/panel.html"

    def credentials_of(self, queryset: models.QuerySet[Any]) -> models.QuerySet[Credential]:
        return Credential.objects.filter(pk__in=queryset.order_by().values("pk"))

    def save_model(self, request: HttpRequest, obj: Credential, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if change and "secret" in form.changed_data:
            obj.cooldowns.all().delete()  # they were the old key's

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        context["may_act"] = self.has_change_permission(request)
        return super().render_change_form(request, context, *args, **kwargs)


class RuleAdmin(OwnedAdmin[Any]):
    """Aliases and exclusions of all providers: to search, and to add to what the file owns."""

    list_select_related = ("provider", "credential")
    autocomplete_fields = ("provider", "credential")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("provider", "owned_by") if obj else ()

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Whose rule it is stands first, whether it can still be chosen or not."""
        return ["provider", *(name for name in super().get_fields(request, obj) if name != "provider")]

    @admin.display(description="holds for")
    def holds_for(self, obj: Any) -> str:
        if obj.credential is None:
            return "every credential"
        return str(obj.credential.label or obj.credential.fingerprint or "no key")


@admin.register(ModelAlias)
class ModelAliasAdmin(RuleAdmin):
    """Aliases of all providers."""

    form = AliasPageForm
    list_display = ("alias", "upstream_model", "provider", "holds_for", "position", "enabled", "owned_by")
    list_filter = ("provider", "enabled", "origin")
    search_fields = ("alias", "upstream_model", "provider__key")
    ordering = ("alias", "provider_id", "position", "id")


@admin.register(ModelExclusion)
class ModelExclusionAdmin(RuleAdmin):
    """Exclusions of all providers."""

    form = ExclusionForm
    list_display = ("pattern", "provider", "holds_for", "owned_by")
    list_filter = ("provider", "origin")
    search_fields = ("pattern", "provider__key")


class ChannelRuleAdmin(OwnedAdmin[Any]):
    """Rules for every login of a channel, or for one login of it."""

    list_select_related = ("credential",)
    autocomplete_fields = ("credential",)
    list_filter = ("channel", "origin")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("owned_by",) if obj else ()

    @admin.display(description="holds for")
    def holds_for(self, obj: Any) -> str:
        return "every login" if obj.credential is None else str(obj.credential)


@admin.register(ChannelAlias)
class ChannelAliasAdmin(ChannelRuleAdmin):
    """``oauth-model-alias``: other ids for models of logins."""

    form = ChannelAliasForm
    list_display = ("alias", "upstream_model", "channel", "holds_for", "fork", "owned_by")
    search_fields = ("alias", "upstream_model", "channel")


@admin.register(ChannelExclusion)
class ChannelExclusionAdmin(ChannelRuleAdmin):
    """``oauth-excluded-models``: models that logins do not offer."""

    form = ChannelExclusionForm
    list_display = ("pattern", "channel", "holds_for", "owned_by")
    search_fields = ("pattern", "channel")


@admin.register(GatewaySettings)
class GatewaySettingsAdmin(OwnedAdmin[GatewaySettings]):
    """One page and no list: there is one row, made when it is first looked at."""

    form = GatewaySettingsForm
    change_form_show_cancel_button = False  # there is no list to go back to
    readonly_fields = ("management", "owned_by")
    fieldsets = (
        (
            "Retries",
            {
                "fields": (
                    ("request_retry", "max_retry_credentials"),
                    ("max_retry_interval_s", "bootstrap_retries"),
                    "deadline_s",
                    ("transient_cooldown_s", "disable_cooling"),
                    "saves_cooldowns",
                ),
                "classes": ("tab",),
            },
        ),
        (
            "Routing",
            {
                "fields": (
                    "strategy",
                    ("session_affinity", "session_affinity_ttl_s"),
                    "force_model_prefix",
                    "fallbacks",
                    ("switch_project", "switch_preview_model"),
                    "antigravity_credits",
                ),
                "classes": ("tab",),
            },
        ),
        (
            "Traffic",
            {
                "fields": (
                    "proxy",
                    "passthrough_headers",
                    ("keepalive_s", "nonstream_keepalive_s"),
                    "payload",
                    "image_generation",
                    ("gpt_image_2_base_model", "video_result_ttl_s"),
                    ("responses_websocket", "responses_compact"),
                    ("xai_x_search", "codex_stream_buffering"),
                ),
                "classes": ("tab",),
            },
        ),
        (
            "Logins",
            {
                "fields": (
                    ("auth_dir", "auth_refresh_workers"),
                    ("ws_auth", "incognito_browser"),
                    "channel_base_urls",
                    "channels_without_aliases",
                    "error_rules",
                    ("kiro_preferred_endpoint", "codex_multi_agent_v2"),
                    ("antigravity_signature_cache", "antigravity_signature_bypass_strict"),
                ),
                "classes": ("tab",),
            },
        ),
        (
            "Management and logs",
            {
                "fields": (
                    "management",
                    "management_key",
                    ("remove_management_key", "allow_remote_management"),
                    "disable_control_panel",
                    ("debug", "request_log"),
                    "logging_to_file",
                    ("logs_max_total_size_mb", "error_logs_max_files"),
                    ("usage_statistics", "usage_queue_retention_s"),
                    "commercial_mode",
                    "owned_by",
                ),
                "classes": ("tab",),
            },
        ),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: GatewaySettings | None = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        return HttpResponseRedirect(reverse("admin:routing_gatewaysettings_change", args=[1]))

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        if object_id == "1":
            GatewaySettings.objects.get_or_create(pk=1)
        return super().get_object(request, object_id, from_field)

    @admin.display(description="stored management key")
    def management(self, obj: GatewaySettings) -> str:
        if obj.management_key_hash:
            return "set"
        if settings.MANAGEMENT_PASSWORD:
            return "not set; MANAGEMENT_PASSWORD of the environment opens the management API"
        return "not set: there is no management API"

    @admin.display(description="proxy")
    def proxy(self, obj: GatewaySettings) -> str:
        """Stands in the form field's place when the page is read-only; so do the next two."""
        return masked_proxy(obj.proxy_token)

    @admin.display(description="new management key")
    def management_key(self, obj: GatewaySettings) -> str:
        return ""

    @admin.display(description="remove management key")
    def remove_management_key(self, obj: GatewaySettings) -> str:
        return ""


admin.site.register(ClientKey, ClientKeyAdmin)
admin.site.register(UsageRecord, UsageRecordAdmin)
