"""The admin's forms for what routing keeps: client keys, aliases, exclusions and the gateway's settings."""

from __future__ import annotations

from typing import Any

import bcrypt
from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldBooleanSwitchWidget

from oauth.flows.registry import CHANNELS
from providers.forms import ColumnwiseForm, SealedForm, limits_field
from providers.secret_fields import ProxyField, SecretField
from providers.structured_field import StructuredField
from providers.values import ErrorRule
from routing.core.payload import PayloadRules
from routing.core.table import Fallbacks, Strategy
from routing.models import (
    ChannelAlias,
    ChannelExclusion,
    ClientKey,
    GatewaySettings,
    ModelAlias,
    ModelExclusion,
)

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

    limits = limits_field()

    class Meta:
        model = ClientKey
        fields = (
            "note",
            "owner",
            "enabled",
            "expires_at",
            "allowed_models",
            "limits",
            "keeps_responses_days",
        )
        labels = {"keeps_responses_days": "Keep responses for (days)"}
        help_texts = {
            "note": "What it is for; shown in lists and records.",
            "owner": "Who answers for it. It gives nobody a right.",
            "expires_at": "Empty: never.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "keeps_responses_days" in self.fields:
            self.fields["keeps_responses_days"].required = False

    def clean_keeps_responses_days(self) -> int:
        return int(self.cleaned_data["keeps_responses_days"] or 0)


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
            "enabled",
            "force_mapping",
            "display_name",
        )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        check_same_provider(self, cleaned)
        return cleaned


class AliasPageForm(AliasForm):
    """The alias's own page: also what few aliases need."""

    options = StructuredField(
        ModelAlias.Shown,
        {},
        rows=3,
        label="Shown in lists",
        example="context_length: 200000\ninput_modalities: [text, image]",
        help_text="context_length, input_modalities, output_modalities. Empty: what is known of the model.",
    )

    class Meta:
        model = ModelAlias
        fields = (*AliasForm.Meta.fields, "options")


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


def channel_field() -> forms.ChoiceField:
    """A channel by name: a misspelt key would be a rule that holds nowhere."""
    named = sorted(((channel.key, channel.name) for channel in CHANNELS), key=lambda one: one[1].lower())
    return forms.ChoiceField(choices=[("", "Choose a channel"), *named], widget=UnfoldAdminSelectWidget)


class ChannelAliasForm(ColumnwiseForm[ChannelAlias]):
    """Another id for a model of every login of a channel, or of one login."""

    channel = channel_field()

    class Meta:
        model = ChannelAlias
        fields = (
            "channel",
            "credential",
            "upstream_model",
            "alias",
            "fork",
            "force_mapping",
            "display_name",
            "position",
        )


class ChannelExclusionForm(ColumnwiseForm[ChannelExclusion]):
    """A pattern of model ids that no login of a channel, or one login of it, does offer."""

    channel = channel_field()

    class Meta:
        model = ChannelExclusion
        fields = ("channel", "credential", "pattern")


STRATEGIES = (
    (Strategy.ROUND_ROBIN.value, "Round robin: in turn"),
    (Strategy.WEIGHTED.value, "Weighted round robin: in turn, by weight"),
    (Strategy.FILL_FIRST.value, "Fill first: one until it rests"),
    (Strategy.LEAST_BUSY.value, "Least busy: fewest requests at the moment"),
    (Strategy.LOWEST_LATENCY.value, "Lowest latency: of two, the one that answered faster"),
    (Strategy.LOWEST_COST.value, "Lowest cost: by price list"),
)
IMAGE_GENERATION = (
    ("on", "On"),
    ("off", "Off: no image routes, no image tool"),
    ("chat", "On image routes only"),
    ("passthrough", "The tool is neither added nor taken out"),
)


class GatewaySettingsForm(SealedForm[GatewaySettings]):
    """The settings of the whole gateway."""

    writes = SealedForm.writes | {
        "management_key": ("management_key_hash",),
        "remove_management_key": ("management_key_hash",),
    }
    proxy = ProxyField(help_text="For every provider without its own. “direct” or empty uses none.")
    strategy = forms.ChoiceField(choices=STRATEGIES, widget=UnfoldAdminSelectWidget)
    image_generation = forms.ChoiceField(choices=IMAGE_GENERATION, widget=UnfoldAdminSelectWidget)
    management_key = SecretField(
        label="New management key",
        required=False,
        max_length=72,
        help_text="Opens the management API. Empty keeps the stored one; only its hash is stored.",
    )
    remove_management_key = forms.BooleanField(
        required=False, widget=UnfoldBooleanSwitchWidget, help_text="Turns the management API off."
    )
    payload = StructuredField(
        PayloadRules,
        {},
        rows=8,
        label="Payload rules",
        example="override:\n- models: [{name: gpt-*}]\n  params: [[temperature, 0.2]]",
        help_text="Lists default, default_raw, override, override_raw, filter: models and params.",
    )
    fallbacks = StructuredField(
        dict[str, Fallbacks],
        {},
        example="small-model:\n  context_length: [large-model]",
        help_text="Model id → context_length, content_filter, exhaustion: other ids, in order.",
    )
    error_rules = StructuredField(
        dict[str, list[ErrorRule]],
        {},
        label="Channel error rules",
        example="codex:\n- status: 429\n  action: stop\n  texts: [slow down]",
        help_text="By channel of logins: rules as at a credential.",
    )
    channel_base_urls = StructuredField(
        dict[str, str],
        {},
        rows=2,
        label="Channel addresses",
        example="codex: https://proxy.example",
        help_text="By channel: another address for its logins.",
    )
    channels_without_aliases = StructuredField(
        list[str],
        [],
        rows=2,
        label="Channels without built-in aliases",
        example="- kiro",
        help_text="For these not even the built-in aliases hold.",
    )

    class Meta:
        model = GatewaySettings
        exclude = ("management_key_hash", "proxy_token")
        labels = {
            "max_retry_interval_s": "Longest wait",
            "transient_cooldown_s": "Cooldown after a passing fault",
            "saves_cooldowns": "Keep cooldowns over a restart",
            "deadline_s": "Deadline",
            "session_affinity_ttl_s": "Session affinity for (seconds)",
            "keepalive_s": "Keep-alive of streams (seconds)",
            "nonstream_keepalive_s": "Keep-alive of whole answers (seconds)",
            "video_result_ttl_s": "Videos stay with their credential for (seconds)",
            "responses_compact": "Serve /v1/responses/compact",
            "responses_websocket": "Serve /v1/responses as a WebSocket",
            "codex_stream_buffering": "Codex: hold back the handshake",
            "codex_multi_agent_v2": "Codex: multi-agent v2",
            "xai_x_search": "xAI: add its search",
            "gpt_image_2_base_model": "Model behind gpt-image-2",
            "ws_auth": "Client key for /v1/ws",
            "auth_dir": "Folder of credential files",
            "auth_refresh_workers": "Tokens renewed at once",
            "incognito_browser": "Private window for logins",
            "logs_max_total_size_mb": "Log files at most (MiB)",
            "error_logs_max_files": "Files of failed requests kept",
            "usage_queue_retention_s": "Usage queue keeps (seconds)",
            "allow_remote_management": "Management from other machines",
        }
        help_texts = {
            "request_log": "A file in logs/ for each request, bodies and all; keys are left out.",
            "error_logs_max_files": "Written in any case, without bodies; 0 keeps all.",
            "usage_statistics": "Kept for the management API: usage is always recorded.",
            "commercial_mode": "No files of requests, not even of failed ones.",
            "codex_multi_agent_v2": "Kept for the management API.",
            "switch_project": "A spent project of a Gemini CLI account: its others are asked.",
            "switch_preview_model": "Kept for the management API.",
            "antigravity_credits": "Claude models, every allowance spent: pay with the account's credits.",
            "gpt_image_2_base_model": "Calls the image tool of Codex where there is no images endpoint.",
            "video_result_ttl_s": "After it, the gateway knows a video no more.",
            "antigravity_signature_cache": "Kept for the management API.",
            "antigravity_signature_bypass_strict": "Kept for the management API.",
            "disable_control_panel": "Kept for the management API.",
            "disable_cooling": "No credential rests after a refusal.",
            "session_affinity_ttl_s": "How long a conversation stays with its credential after a request.",
            "force_model_prefix": "A credential with a prefix is reached by prefix/model alone.",
            "responses_compact": "Off: it is refused.",
            "responses_websocket": "Off: only plain HTTP.",
            "codex_stream_buffering": "Its first events wait until it generates: a failure can move on.",
            "xai_x_search": "xAI's search tool is added to every request in the Responses format.",
            "auth_dir": "Credential files in it become logins; renewed tokens are written back into them.",
            "auth_refresh_workers": "At most so many at the same time.",
            "kiro_preferred_endpoint": "For Kiro credentials that name none. Empty: the usual order.",
            "allow_remote_management": "Off: the management API answers this machine alone.",
            "usage_queue_retention_s": "Kept for the management API.",
            "logging_to_file": "Into files in the data folder instead of the standard output.",
            "logs_max_total_size_mb": "The oldest files go; 0 keeps all.",
        }

    def fill_columns(self) -> None:
        super().fill_columns()
        if self.cleaned_data.get("remove_management_key"):
            self.instance.management_key_hash = ""
        elif key := str(self.cleaned_data.get("management_key") or ""):
            self.instance.management_key_hash = bcrypt.hashpw(key.encode(), bcrypt.gensalt(10)).decode()

    def clean_management_key(self) -> str:
        key = str(self.cleaned_data.get("management_key") or "")
        if len(key.encode()) > BCRYPT_BYTES:
            raise ValidationError(f"It has more than {BCRYPT_BYTES} bytes.", code="long")
        return key

    def clean_gpt_image_2_base_model(self) -> str:
        model = str(self.cleaned_data["gpt_image_2_base_model"])
        if not model.lower().startswith("gpt-"):
            raise ValidationError("It must begin with gpt-.", code="prefix")
        return model


BCRYPT_BYTES = 72
"""bcrypt reads no more of a password."""
