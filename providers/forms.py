"""The admin's forms for providers and credentials: little to fill in, and no secret ever sent back.

A change is written column by column (``update_fields``): the health that routing records, and a secret that
is being sealed under a new key, may be written at the same moment and must not be put back to an old value.
"""

from __future__ import annotations

import json
import re
from typing import Any, TypeVar

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.html import format_html
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from providers import secrets
from providers.adapters.base import Adapter
from providers.adapters.registry import ADAPTERS, UnknownAdapter, adapter_for
from providers.login_field import ConnectField, login_kinds
from providers.models import Credential, CredentialHealth, Provider
from providers.secret_fields import BaseUrlField, HeadersField, ProxyField, SecretField
from providers.structured_field import StructuredField
from providers.typed_admin import ModelForm
from providers.values import CoolingLadder, ErrorRule, Features, Limits

M = TypeVar("M", bound=models.Model)

NO_ADDRESS = "This kind of provider has no address of its own: give one."
CONNECT_HINT = (
    "An account of this vendor is connected by a login, which makes provider and credential by itself."
)
CONNECT_INSTEAD = "Use “Connect account”: the login makes the provider."
NO_KEY = "Paste the key with which this provider is called."
SEALED_NOTE = "It cannot be opened: its encryption key is missing. Saving a new value replaces it."


def kind_choices() -> list[tuple[str, str]]:
    """Every kind of provider by name, for a select."""
    named = sorted(((adapter.key, adapter.name) for adapter in ADAPTERS), key=lambda kind: kind[1].lower())
    return [("", "Choose a kind"), *named]


def key_hints() -> str:
    """What a key of each kind looks like and where it is handed out; the page shows the chosen kind's."""
    hints = {adapter.key: adapter.key_hint for adapter in ADAPTERS if adapter.key_hint}
    return format_html("<span x-text=\"({})[adapter] || ''\"></span>", json.dumps(hints))


def free_key(kind: str) -> str:
    """``kind``, or ``kind-2`` and so on when a provider has it already."""
    taken = set(
        Provider.objects.filter(key__istartswith=kind)
        .annotate(low=Lower("key"))
        .values_list("low", flat=True)
    )
    number, key = 1, kind
    while key.lower() in taken:
        number += 1
        key = f"{kind}-{number}"
    return key


VIOLATED = re.compile(r"Constraint “(\w+)” is violated\.")
CONSTRAINTS = {
    "provider_prefix_plain": "A prefix holds no slash.",
    "credential_prefix_plain": "A prefix holds no slash.",
    "credential_weight_bound": "A weight is at most 1,000,000.",
}
"""What to say when one is violated; of the others nearly all say that something may be there once."""
ALREADY_THERE = "There is one like this already."


class ColumnwiseForm(ModelForm[M]):
    """Writes only what was edited. ``writes`` names the columns behind a form field that is not one;
    ``inherits`` says what an undecided yes-or-no follows."""

    writes: dict[str, tuple[str, ...]] = {}
    inherits = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            if isinstance(field, forms.NullBooleanField) and isinstance(field.widget, forms.Select):
                field.widget.choices = [("unknown", self.inherits), ("true", "Yes"), ("false", "No")]

    def _update_errors(self, errors: ValidationError) -> None:
        """Django knows no more of a broken constraint than its name."""
        of_row = errors.error_dict.get(NON_FIELD_ERRORS, []) if hasattr(errors, "error_dict") else []
        for error in of_row:
            if found := VIOLATED.fullmatch(str(error.message)):
                error.message = CONSTRAINTS.get(found[1], ALREADY_THERE)
        super()._update_errors(errors)  # type: ignore[misc]  # the stubs leave it out

    def fill_columns(self) -> None:
        """Set the columns behind fields that are not columns; called once before a save."""

    def written_columns(self) -> list[str]:
        """The columns that the changed fields stand for."""
        names = {column for field in self.changed_data for column in self.writes.get(field, (field,))}
        columns = {field.name for field in self.instance._meta.concrete_fields}
        return sorted((names & columns) | ({"updated_at"} & columns))

    def save(self, commit: bool = True) -> M:
        self.fill_columns()
        if not commit or self.instance._state.adding:
            return super().save(commit)
        super().save(commit=False)
        self.instance.save(update_fields=self.written_columns())
        return self.instance


class SealedForm(ColumnwiseForm[M]):
    """A form of a row with custom headers and a proxy, either of which may be left out."""

    writes = {"headers": ("headers_token",), "proxy": ("proxy_token",)}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        headers, proxy = self.fields.get("headers"), self.fields.get("proxy")
        try:
            if isinstance(headers, HeadersField):
                self.initial["headers"] = headers.show(secrets.reveal_headers(self._stored("headers_token")))
            if isinstance(proxy, ProxyField):
                self.initial["proxy"] = proxy.show(secrets.reveal(self._stored("proxy_token")))
        except secrets.SecretsError:
            for field in (headers, proxy):
                if field is not None:
                    field.help_text = SEALED_NOTE

    def _stored(self, column: str) -> str:
        return str(getattr(self.instance, column))

    def fill_columns(self) -> None:
        if "headers" in self.changed_data:
            self.instance.headers_token = secrets.seal_headers(self.cleaned_data["headers"])  # type: ignore[attr-defined]  # a row with headers, or the field is not there
        if "proxy" in self.changed_data:
            self.instance.proxy_token = secrets.seal(self.cleaned_data["proxy"])  # type: ignore[attr-defined]  # likewise


LIMITS_HELP = "rpm, tpm, rpd, tpd, concurrency; waits: true holds a request up to max_wait_s seconds."
RULES_HELP = (
    "Per rule status, action (stop, stop-and-cooldown, continue, continue-and-cooldown) and texts or "
    "patterns to find in the answer."
)
FEATURES_HELP = (
    "streaming, functions, vision, code_generation, multimodal: false sends such requests elsewhere."
)


def limits_field(**kwargs: Any) -> StructuredField:
    return StructuredField(Limits, {}, example="rpm: 60", help_text=LIMITS_HELP, **kwargs)


def error_rules_field() -> StructuredField:
    example = "- status: 400\n  action: continue\n  texts: [overloaded]"
    return StructuredField(list[ErrorRule], [], example=example, help_text=RULES_HELP)


def model_features_field() -> StructuredField:
    return StructuredField(
        dict[str, Features],
        {},
        example="model-id:\n  vision: false",
        help_text="By the provider's model id: as features; thinking (min, max, levels), images, is_compat.",
    )


def options_field(example: str, help_text: str) -> StructuredField:
    return StructuredField(dict[str, Any], {}, example=example, help_text=help_text)


PREFIX_HELP = "Clients reach its models as prefix/model."
RETRY_HELP = "Further rounds over the candidates. Empty: {}."
COOLING_HELP = "Yes: it never rests after a refusal."
ADDRESS_HELP = "Where the server answers, such as http://localhost:11434/v1."


class ProviderForm(SealedForm[Provider]):
    """A provider that exists: its kind and key are settled."""

    inherits = "As the gateway"
    limits = limits_field()
    error_rules = error_rules_field()
    features = StructuredField(Features, {}, example="vision: false", help_text=FEATURES_HELP)
    model_features = model_features_field()
    ladder = StructuredField(
        CoolingLadder,
        {},
        rows=2,
        label="Cooldown ladder",
        example="initial_s: 1\nmax_s: 60",
        help_text="After passing faults: initial_s doubles up to max_s. Empty: the gateway's.",
    )
    options = options_field(
        "models-endpoint: /v1/models", "Switches of this kind of provider (docs/protocols/providers.md)."
    )
    base_url = BaseUrlField()
    headers = HeadersField()
    proxy = ProxyField()

    class Meta:
        model = Provider
        fields = (
            "name",
            "base_url",
            "enabled",
            "prefix",
            "priority",
            "disable_cooling",
            "request_retry",
            "limits",
            "error_rules",
            "features",
            "model_features",
            "ladder",
            "websockets",
            "options",
        )
        help_texts = {
            "prefix": PREFIX_HELP,
            "request_retry": RETRY_HELP.format("the gateway's"),
            "disable_cooling": COOLING_HELP,
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "base_url" in self.fields and _needs_base_url(self.instance.adapter):
            self.fields["base_url"].help_text = ADDRESS_HELP

    def clean_base_url(self) -> str:
        url = str(self.cleaned_data["base_url"])
        if not url and _needs_base_url(self.instance.adapter):
            raise ValidationError(NO_ADDRESS, code="required")
        return url


class ProviderAddForm(ColumnwiseForm[Provider]):
    """A new provider: choose a kind, paste a key. Everything else follows from the kind."""

    adapter = forms.ChoiceField(label="Kind", choices=kind_choices, widget=UnfoldAdminSelectWidget)
    connect = ConnectField(label="Login", help_text=CONNECT_HINT)
    api_key = SecretField(label="API key", required=False, help_text=key_hints())
    base_url = BaseUrlField(help_text=ADDRESS_HELP)
    key = forms.SlugField(
        label="Provider key",
        required=False,
        max_length=64,
        widget=UnfoldAdminTextInputWidget,
        help_text="Stable id; shown to clients and never changed. Empty: made from the kind.",
    )
    name = forms.CharField(
        required=False,
        max_length=100,
        widget=UnfoldAdminTextInputWidget,
        help_text="Empty: the kind's own name.",
    )

    class Meta:
        model = Provider
        fields = ("adapter", "base_url", "key", "name", "prefix")
        help_texts = {"prefix": PREFIX_HELP}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        kind = cleaned.get("adapter")
        if not kind:
            return cleaned
        adapter = adapter_for(kind)
        if adapter.needs_key and not cleaned.get("api_key") and "api_key" not in self.errors:
            is_login = kind in login_kinds()
            self.add_error("connect" if is_login else "api_key", CONNECT_INSTEAD if is_login else NO_KEY)
        if adapter.needs_base_url and not cleaned.get("base_url") and "base_url" not in self.errors:
            self.add_error("base_url", NO_ADDRESS)
        if "key" not in self.errors:
            self._derive_names(adapter, cleaned)
        return cleaned

    def _derive_names(self, adapter: Adapter, cleaned: dict[str, Any]) -> None:
        cleaned["key"] = cleaned.get("key") or free_key(adapter.key)
        if not cleaned.get("name"):
            number = cleaned["key"].removeprefix(f"{adapter.key}-")
            cleaned["name"] = f"{adapter.name} {number}" if number.isdecimal() else adapter.name

    def credential(self) -> Credential:
        """The credential for the pasted key, to be saved once the provider has its id."""
        secret = str(self.cleaned_data.get("api_key") or "")
        return Credential(
            provider=self.instance,
            kind="api_key" if secret else "none",
            secret_token=secrets.seal(secret),
            fingerprint=secrets.fingerprint(secret),
        )


def _needs_base_url(kind: str) -> bool:
    try:
        return adapter_for(kind).needs_base_url
    except UnknownAdapter:
        return False


def _needs_key(kind: str) -> bool:
    try:
        return adapter_for(kind).needs_key
    except UnknownAdapter:
        return True


class CredentialForm(SealedForm[Credential]):
    """A credential, on its own page or as a row of its provider's. The secret is pasted to replace."""

    inherits = "As the provider"

    writes = SealedForm.writes | {
        "secret": (
            "secret_token",
            "fingerprint",
            "kind",
            "health",
            "health_message",
            "health_at",
            "latency_ms",
            "cooldowns_cleared_at",
        )
    }
    secret = SecretField(label="API key", required=False)

    class Meta:
        model = Credential
        fields = ("label", "enabled", "weight", "priority")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        secret = self.fields.get("secret")
        if secret is None:
            return
        if self.instance.kind == "oauth":
            secret.disabled = True
            secret.help_text = "It belongs to a login and is renewed by itself."
        elif self.instance.fingerprint:
            secret.widget.attrs["placeholder"] = self.instance.fingerprint
            secret.help_text = f"Stored: {self.instance.fingerprint}. Paste another key to replace it."

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        provider = cleaned.get("provider") or Provider.objects.filter(pk=self.instance.provider_id).first()
        if provider is None or self.errors:
            return cleaned
        secret = str(cleaned.get("secret") or "")
        has_secret = bool(secret or self.instance.secret_token or self.instance.kind == "oauth")
        if not has_secret and _needs_key(provider.adapter):
            self.add_error("secret", NO_KEY)
        elif self._is_known(provider, secret):
            self.add_error("secret", "This provider has a credential with this key already.")
        return cleaned

    def identity(self) -> tuple[str, str, str, int]:
        """Fingerprint, base URL, prefix and variant: what may be there once per provider."""
        secret = str(self.cleaned_data.get("secret") or "")
        return (
            secrets.fingerprint(secret) if secret else self.instance.fingerprint,
            str(self.cleaned_data.get("base_url", self.instance.base_url)),
            str(self.cleaned_data.get("prefix", self.instance.prefix)),
            self.instance.variant,
        )

    def _is_known(self, provider: Provider, secret: str) -> bool:
        # The constraint's columns are not all in the form, so Django leaves this check to us.
        fingerprint, base_url, prefix, variant = self.identity()
        same = Credential.objects.filter(
            provider=provider, fingerprint=fingerprint, base_url=base_url, prefix=prefix, variant=variant
        )
        return same.exclude(pk=self.instance.pk).exists()

    def fill_columns(self) -> None:
        super().fill_columns()
        secret = str(self.cleaned_data.get("secret") or "")
        row = self.instance
        if secret:
            row.secret_token, row.fingerprint, row.kind = (
                secrets.seal(secret),
                secrets.fingerprint(secret),
                "api_key",
            )
            row.health, row.health_message = CredentialHealth.UNKNOWN, ""
            row.health_at, row.latency_ms = None, None
            row.cooldowns_cleared_at = timezone.now()  # they were the old key's
        elif row._state.adding and not row.secret_token:
            row.kind = "none"


class CredentialPageForm(CredentialForm):
    """The credential's own page: also what few credentials need."""

    limits = limits_field()
    error_rules = error_rules_field()
    model_features = model_features_field()
    options = options_field(
        "only-listed: true",
        "As at the provider, for this credential alone; of a login, where its tokens are.",
    )
    base_url = BaseUrlField(help_text="Empty: the provider's.")
    headers = HeadersField()
    proxy = ProxyField(help_text="Empty: the provider's. “direct” uses none.")

    class Meta:
        model = Credential
        fields = (
            "provider",
            "label",
            "enabled",
            "weight",
            "priority",
            "base_url",
            "prefix",
            "disable_cooling",
            "request_retry",
            "limits",
            "error_rules",
            "model_features",
            "websockets",
            "options",
        )
        help_texts = {
            "label": "Shown in lists and records. Empty: the key's fingerprint.",
            "weight": "Its share of the turns where the strategy weighs; 0 takes it out.",
            "priority": "Higher is preferred. Empty: the provider's.",
            "prefix": f"{PREFIX_HELP} Empty: the provider's.",
            "request_retry": RETRY_HELP.format("the provider's"),
            "disable_cooling": COOLING_HELP,
            "websockets": "It may be reached over a WebSocket.",
        }
