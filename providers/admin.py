"""What the admin pages of providers and credentials are built from. ``routing/admin.py`` registers them,
because a provider's page also shows routing's aliases and exclusions, which this layer may not know.

Rows that ``config.yaml`` owns are shown and never changed here. Secrets go in through the fields of
``providers/secret_fields.py`` and are shown as fingerprints.
"""

from __future__ import annotations

import json
from typing import Any, TypeVar

from django.contrib import admin
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.db import models
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.debug import sensitive_post_parameters

from providers import secrets
from providers.adapters.registry import ADAPTERS, UnknownAdapter, adapter_for
from providers.forms import ColumnwiseForm, CredentialForm, CredentialPageForm, ProviderAddForm, ProviderForm
from providers.login_field import channels_by_kind, login_kinds
from providers.models import Credential, Origin, Owned, Provider
from providers.secret_fields import mask_headers, mask_proxy
from providers.status import Status, credential_status, provider_status, running_cooldowns
from providers.typed_admin import BaseInlineFormSet, ModelAdmin, TabularInline

Row = TypeVar("Row", bound=Owned)
MODELS_LISTED = 500
"""On a provider's page; some list thousands."""


def badge(status: Status) -> SafeString:
    """``status`` as a coloured label with its detail beneath."""
    label = render_to_string("unfold/helpers/label.html", {"text": status.word, "variant": status.variant})
    if not status.detail:
        return format_html("{}", label)
    return two_lines(label, status.detail)


def two_lines(first: str, second: str) -> SafeString:
    """What a row is called, and beneath it, smaller, what else identifies it."""
    return format_html('{}<div class="cpx-detail">{}</div>', first, second)


def kind_name(adapter_key: str) -> str:
    """The kind of a provider for people; a kind that is gone is shown by its key."""
    try:
        return adapter_for(adapter_key).name
    except UnknownAdapter:
        return f"{adapter_key} (unknown kind)"


LOST = "cannot be opened: its encryption key is missing"


def masked_headers(token: str) -> str:
    """Sealed headers as names with masked values."""
    try:
        return mask_headers(secrets.reveal_headers(token))
    except secrets.SecretsError:
        return LOST


def masked_proxy(token: str) -> str:
    """A sealed proxy address with its user and password masked."""
    try:
        return mask_proxy(secrets.reveal(token))
    except secrets.SecretsError:
        return LOST


@method_decorator(sensitive_post_parameters(), name="changeform_view")
class OwnedAdmin(ModelAdmin[Row]):
    """A row that either the database or ``config.yaml`` owns. The file's rows are read-only here."""

    change_form_outer_before_template = "admin/owned_note.html"
    list_filter_sheet = False
    warn_unsaved_form = True
    change_form_show_cancel_button = True

    def get_list_display(self, request: HttpRequest) -> Any:
        """Without a file every row is the database's: nothing that a column would have to say."""
        shown = super().get_list_display(request)
        return shown if self._has_file_rows() else [name for name in shown if name != "owned_by"]

    def get_list_filter(self, request: HttpRequest) -> Any:
        filters = super().get_list_filter(request)
        return filters if self._has_file_rows() else [name for name in filters if name != "origin"]

    def _has_file_rows(self) -> bool:
        return self.model._default_manager.filter(origin=Origin.FILE).exists()

    def has_change_permission(self, request: HttpRequest, obj: Row | None = None) -> bool:
        if obj is not None and obj.is_from_file:
            return False
        return super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Row | None = None) -> bool:
        if obj is not None and obj.is_from_file:
            return False
        return super().has_delete_permission(request, obj)

    def has_view_permission(self, request: HttpRequest, obj: Row | None = None) -> bool:
        # Django derives "view" from "change" for the same object, which a file's row refuses.
        return super().has_view_permission(request, obj) or self.has_change_permission(request)

    def save_model(self, request: HttpRequest, obj: Row, form: Any, change: bool) -> None:
        """Write the edited columns alone: health and rotation may write others at this moment."""
        if change and isinstance(form, ColumnwiseForm):
            obj.save(update_fields=form.written_columns())
        else:
            obj.save()

    @admin.display(description="owned by", ordering="origin")
    def owned_by(self, obj: Row) -> str:
        return owner_text(obj)


def owner_text(row: Owned) -> str:
    """Who may change ``row``; "" for the usual case, a new row."""
    if row.origin != Origin.FILE:
        return "database" if row.pk else ""
    return f"config.yaml ({row.origin_key})" if row.origin_key else "config.yaml"


class OwnedFormSet(BaseInlineFormSet[Any, Any, Any]):
    """Rows of a provider's page. Those that the file owns are shown disabled: what a browser sends for a
    disabled field is ignored, so they cannot be changed or deleted by a made-up request either.

    ``told_apart_by`` are the columns that together may stand there once. Django leaves their constraints
    unchecked here, as the provider is among them and is no field of the form. A page of the table has not
    all rows, so the others are looked at as well.
    """

    told_apart_by: tuple[str, ...] = ()

    def clean(self) -> None:
        super().clean()
        seen = self._elsewhere() if self.told_apart_by else set()
        for form in self.forms if self.told_apart_by else ():
            if form.errors or form in self.deleted_forms or not (form.instance.pk or form.has_changed()):
                continue
            identity = tuple(getattr(form.instance, column) for column in self.told_apart_by)
            if identity in seen:
                form.add_error(self.told_apart_by[0], "The same stands in another row.")
            seen.add(identity)

    def _elsewhere(self) -> set[tuple[Any, ...]]:
        """What tells the rows of other pages of the table apart."""
        here = [form.instance.pk for form in self.initial_forms]
        rows = type(self.forms[0].instance)._default_manager if self.forms else None
        if rows is None:
            return set()
        found = rows.filter(**{self.fk.name: self.instance}).exclude(pk__in=here)
        return set(found.values_list(*self.told_apart_by))

    def save_existing_objects(self, commit: bool = True) -> Any:
        if commit:
            self._make_room()
        return super().save_existing_objects(commit)

    def _make_room(self) -> None:
        """Rows may swap what tells them apart, and are written one by one: each first steps aside."""
        for form in self.initial_forms:
            changed = [name for name in form.changed_data if name in self.told_apart_by]
            if form.instance.pk and changed:
                column = next((name for name in changed if isinstance(form.cleaned_data[name], str)), None)
                if column is not None:
                    rows = type(form.instance)._default_manager.filter(pk=form.instance.pk)
                    rows.update(**{column: f"row {form.instance.pk} on its way"})

    def add_fields(self, form: Any, index: int | None) -> None:
        super().add_fields(form, index)
        if form.instance.pk and form.instance.is_from_file:
            for name, field in form.fields.items():
                if name not in {"id", self.fk.name}:
                    field.disabled = True


class CredentialFormSet(OwnedFormSet):
    """Also sees that one form does not bring the same key twice."""

    def clean(self) -> None:
        super().clean()
        seen: set[tuple[str, str, str, int]] = set()
        for form in self.forms:
            if form.errors or not form.has_changed() or form in self.deleted_forms:
                continue
            identity = form.identity()
            if identity in seen:
                form.add_error("secret", "The same key stands in another row.")
            seen.add(identity)


class OwnedInline(TabularInline[Any, Provider]):
    """A table of rows on the provider's page."""

    formset = OwnedFormSet
    per_page = 50
    extra = 0
    tab = True
    show_count = True
    hide_title = True

    def get_count(self, request: HttpRequest, obj: Provider | None) -> int:
        """Of all pages of the table, for its tab."""
        return self.model._default_manager.filter(provider=obj).count() if obj is not None else 0

    def get_formset(self, request: HttpRequest, obj: Provider | None = None, **kwargs: Any) -> Any:
        formset = super().get_formset(request, obj, **kwargs)
        for field in formset.form.base_fields.values():
            field.help_text = ""  # a column has no room for it; the row's own page shows it
        return formset

    @admin.display(description="owned by")
    def owned_by(self, obj: Row) -> str:
        return owner_text(obj)


class CredentialInline(OwnedInline):
    """Credentials with their status; the rest is on the credential's own page."""

    model = Credential
    form = CredentialForm
    formset = CredentialFormSet
    fields = ("label", "secret", "status", "enabled", "weight", "priority", "owned_by", "details")
    readonly_fields = ("status", "owned_by", "details")

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Credential]:
        rows: models.QuerySet[Credential] = super().get_queryset(request)
        return rows.select_related("provider").prefetch_related(running_cooldowns(timezone.now()))

    @admin.display(description="status")
    def status(self, obj: Credential) -> str:
        return badge(credential_status(obj, timezone.now())) if obj.pk else ""

    @admin.display(description="")
    def details(self, obj: Credential) -> str:
        if not obj.pk:
            return ""
        address = reverse("admin:providers_credential_change", args=[obj.pk])
        return format_html('<a class="cpx-link" href="{}">more</a>', address)

    @admin.display(description="API key")
    def secret(self, obj: Credential) -> str:
        """What stands in the form field's place when the page is read-only (Django looks here)."""
        return obj.fingerprint


class ProviderPages(OwnedAdmin[Provider]):
    """Providers: add by kind and key, then everything about one on a page of tabs."""

    form = ProviderForm
    list_display = ("display_name", "kind", "status", "models_found", "enabled", "owned_by")
    list_display_links = ("display_name",)
    list_filter = ("enabled", "origin")
    search_fields = ("key", "name", "adapter")
    readonly_fields = ("kind", "provider_key", "models_listed", "owned_by")
    add_fieldsets = (
        (None, {"fields": ("adapter", "connect", "base_url", "api_key")}),
        ("More, all optional", {"fields": ("name", "key", "prefix"), "classes": ("collapse",)}),
    )
    fieldsets = (
        (None, {"fields": (("name", "kind"), ("provider_key", "enabled"), "base_url", "models_listed")}),
        (
            "Routing and network",
            {
                "fields": (
                    ("prefix", "priority"),
                    ("request_retry", "disable_cooling"),
                    "proxy",
                    "headers",
                    "websockets",
                    "options",
                    "owned_by",
                ),
                "classes": ("collapse",),
            },
        ),
        (
            "Limits, cooldowns and abilities",
            {
                "fields": ("limits", "ladder", "error_rules", "features", "model_features"),
                "classes": ("collapse",),
            },
        ),
    )

    @property
    def conditional_fields(self) -> dict[str, str]:
        """Unfold shows a field while its expression holds: the add page asks for an address or a key only
        where the kind needs one. On the change page there is no ``adapter`` field, and all are shown."""
        address = json.dumps([adapter.key for adapter in ADAPTERS if adapter.needs_base_url])
        # A local server may have a key although its kind does not need one; the built-in one cannot.
        keyless = json.dumps([adapter.key for adapter in ADAPTERS if adapter.in_process])
        logins, only = json.dumps(list(channels_by_kind())), json.dumps(login_kinds())
        settled = "typeof adapter === 'undefined'"
        return {
            "base_url": f"{settled} || {address}.includes(adapter)",
            "api_key": f"{settled} || !({keyless}.includes(adapter) || {only}.includes(adapter))",
            "connect": f"!({settled}) && {logins}.includes(adapter)",
        }

    def get_form(
        self, request: HttpRequest, obj: Provider | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        if obj is None:
            kwargs["form"] = ProviderAddForm
        return super().get_form(request, obj, change, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: Provider | None = None) -> tuple[str, ...]:
        return tuple(self.readonly_fields) if obj else ()

    def get_inlines(self, request: HttpRequest, obj: Provider | None) -> list[Any]:
        return list(super().get_inlines(request, obj)) if obj else []

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Provider]:
        credentials = Credential.objects.select_related("provider").prefetch_related(
            running_cooldowns(timezone.now())
        )
        return super().get_queryset(request).prefetch_related(models.Prefetch("credentials", credentials))

    def save_model(self, request: HttpRequest, obj: Provider, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if not change:
            form.credential().save()

    @admin.display(description="provider", ordering="name")
    def display_name(self, obj: Provider) -> str:
        return two_lines(str(obj), obj.key)

    @admin.display(description="kind", ordering="adapter")
    def kind(self, obj: Provider) -> str:
        return kind_name(obj.adapter)

    @admin.display(description="status")
    def status(self, obj: Provider) -> str:
        return badge(provider_status(obj, obj.credentials.all(), timezone.now()))

    @admin.display(description="models")
    def models_found(self, obj: Provider) -> str:
        if obj.discovered_at is None:
            return "none known yet"
        return f"{len(obj.discovered_models)} found, {naturaltime(obj.discovered_at)}"

    @admin.display(description="models")
    def models_listed(self, obj: Provider) -> str:
        """As in the list, and on demand which they are."""
        found = obj.discovered_models[:MODELS_LISTED]
        ids = [str(model.get("id", "")) for model in found if isinstance(model, dict)]
        if not ids:
            return self.models_found(obj)
        lines = format_html_join("", "<div>{}</div>", ((name,) for name in ids))
        more = len(obj.discovered_models) - len(ids)
        return format_html(
            '<details class="cpx-more"><summary>{}</summary><div class="cpx-models">{}{}</div></details>',
            self.models_found(obj),
            lines,
            f"and {more} more" if more else "",
        )

    @admin.display(description="provider key")
    def provider_key(self, obj: Provider) -> str:
        return two_lines(obj.key, "Shown to clients and never changed.")

    @admin.display(description="headers")
    def headers(self, obj: Provider) -> str:
        """Stands in the form field's place when the page is read-only; so does ``proxy``."""
        return masked_headers(obj.headers_token)

    @admin.display(description="proxy")
    def proxy(self, obj: Provider) -> str:
        return masked_proxy(obj.proxy_token)


class CredentialPages(OwnedAdmin[Credential]):
    """Credentials of all providers: which work, which rest and until when, which are broken."""

    form = CredentialPageForm
    list_display = ("display_name", "provider", "status", "tested", "enabled", "owned_by")
    list_filter = ("health", "enabled", "provider", "origin")
    list_select_related = ("provider",)
    search_fields = ("label", "fingerprint", "provider__key", "provider__name")
    readonly_fields = ("status", "tested", "owned_by")
    add_fieldsets = (
        (None, {"fields": ("provider", "secret", "label")}),
        (
            "More, all optional",
            {
                "fields": (
                    ("weight", "priority"),
                    ("prefix", "base_url"),
                    ("request_retry", "disable_cooling"),
                    "proxy",
                    "headers",
                ),
                "classes": ("collapse",),
            },
        ),
    )
    fieldsets = (
        (
            None,
            {"fields": (("provider", "label"), ("secret", "enabled"), ("status", "tested"))},
        ),
        (
            "Routing and network",
            {
                "fields": (
                    ("weight", "priority"),
                    ("prefix", "base_url"),
                    ("request_retry", "disable_cooling"),
                    "proxy",
                    "headers",
                    "websockets",
                    "options",
                    "owned_by",
                ),
                "classes": ("collapse",),
            },
        ),
        (
            "Limits, errors and abilities",
            {"fields": ("limits", "error_rules", "model_features"), "classes": ("collapse",)},
        ),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Credential | None = None) -> tuple[str, ...]:
        # A key belongs to one vendor: another provider means another credential.
        return (*self.readonly_fields, "provider") if obj else ()

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Credential]:
        return super().get_queryset(request).prefetch_related(running_cooldowns(timezone.now()))

    @admin.display(description="credential", ordering="label")
    def display_name(self, obj: Credential) -> str:
        name = obj.label or obj.fingerprint or "no key"
        return two_lines(name, obj.fingerprint if obj.label else "")

    @admin.display(description="status", ordering="health")
    def status(self, obj: Credential) -> str:
        return badge(credential_status(obj, timezone.now()))

    @admin.display(description="last result", ordering="health_at")
    def tested(self, obj: Credential) -> str:
        return str(naturaltime(obj.health_at)) if obj.health_at else ""

    @admin.display(description="API key")
    def secret(self, obj: Credential) -> str:
        """Stands in the form field's place when the page is read-only; so do the next two."""
        return obj.fingerprint

    @admin.display(description="headers")
    def headers(self, obj: Credential) -> str:
        return masked_headers(obj.headers_token)

    @admin.display(description="proxy")
    def proxy(self, obj: Credential) -> str:
        return masked_proxy(obj.proxy_token)
