"""The admin's forms for what routing keeps: client keys, aliases, exclusions and the gateway's settings."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminTextareaWidget

from providers.forms import ColumnwiseForm, SealedForm
from providers.secret_fields import ProxyField
from routing.models import ClientKey, GatewaySettings, ModelAlias, ModelExclusion

PATTERN_LENGTH = 300


class PatternsField(forms.CharField):
    """Patterns of model ids, one a line. Cleans to a list without repetitions."""

    widget = UnfoldAdminTextareaWidget

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("required", False)
        kwargs.setdefault("widget", UnfoldAdminTextareaWidget({"rows": 4, "spellcheck": "false"}))
        super().__init__(**kwargs)

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        return [line.strip() for line in str(data or "").splitlines() if line.strip()] != list(initial or [])

    def clean(self, value: Any) -> list[str]:
        patterns = [line.strip() for line in str(super().clean(value) or "").splitlines()]
        patterns = list(dict.fromkeys(pattern for pattern in patterns if pattern))
        for pattern in patterns:
            if any(sign.isspace() for sign in pattern) or len(pattern) > PATTERN_LENGTH:
                raise ValidationError("Write one pattern a line, without spaces in it.", code="pattern")
        return patterns


class ClientKeyForm(ColumnwiseForm[ClientKey]):
    """A client key's surroundings; the key itself is made by the gateway."""

    allowed_models = PatternsField(
        help_text="One pattern a line: gpt-4o, claude-*, *-mini, *flash*. Empty allows every model."
    )

    class Meta:
        model = ClientKey
        fields = ("note", "owner", "enabled", "expires_at", "allowed_models", "keeps_responses_days")


class AliasForm(ColumnwiseForm[ModelAlias]):
    """One member of an alias; several with the same alias are a pool."""

    class Meta:
        model = ModelAlias
        fields = (
            "provider",
            "credential",
            "alias",
            "upstream_model",
            "position",
            "force_mapping",
            "display_name",
        )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        check_same_provider(self, cleaned)
        return cleaned


class ExclusionForm(ColumnwiseForm[ModelExclusion]):
    """A pattern of model ids that a provider, or one of its credentials, does not offer."""

    class Meta:
        model = ModelExclusion
        fields = ("provider", "credential", "pattern")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        check_same_provider(self, cleaned)
        return cleaned


def check_same_provider(form: forms.BaseForm, cleaned: dict[str, Any]) -> None:
    """A rule for one credential stands at that credential's provider."""
    provider, credential = cleaned.get("provider"), cleaned.get("credential")
    if provider is not None and credential is not None and credential.provider_id != provider.pk:
        form.add_error("credential", "This credential belongs to another provider.")


class GatewaySettingsForm(SealedForm[GatewaySettings]):
    """The settings of the whole gateway."""

    proxy = ProxyField(help_text="For every provider without its own. “direct” or empty uses none.")

    class Meta:
        model = GatewaySettings
        fields = (
            "request_retry",
            "max_retry_credentials",
            "max_retry_interval_s",
            "transient_cooldown_s",
            "disable_cooling",
            "force_model_prefix",
            "debug",
        )
        labels = {
            "max_retry_interval_s": "Longest wait",
            "transient_cooldown_s": "Cooldown after a passing fault",
        }
