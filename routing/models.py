"""What routing is made of, as rows: aliases, exclusions, client keys, usage records and settings.

The hot path never reads these; it reads the RoutingTable that ``routing/table.py`` builds from them.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from django.conf import settings
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from providers import json_columns
from providers.models import Credential, Owned, Provider
from providers.values import ErrorRule, Limits
from routing.core.payload import PayloadRules
from routing.core.table import Fallbacks

LONGEST_KEPT_DAYS = 3650


class ModelAlias(Owned):
    """A registered id that stands for an upstream model. One alias repeated for several upstream models
    of the same provider (or credential) is a pool, tried in ``position`` order, in turn."""

    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="aliases")
    credential = models.ForeignKey(
        Credential,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="aliases",
        help_text="Empty: holds for every credential of the provider.",
    )
    alias = models.CharField(max_length=300, help_text="The id that clients ask for.")
    upstream_model = models.CharField(max_length=300, help_text="The id that is sent to the provider.")
    position = models.PositiveIntegerField(default=0)
    force_mapping = models.BooleanField(
        default=False, help_text="Answers show the alias instead of the provider's model name."
    )
    display_name = models.CharField(max_length=200, blank=True)
    enabled = models.BooleanField(default=True, help_text="Off: kept here and not offered.")
    options = models.JSONField(default=dict, blank=True)
    """What lists show of it, if that is not what is known of the upstream model: ``Shown``."""

    class Shown(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
        """The form of ``options``."""

        context_length: Annotated[int, msgspec.Meta(ge=0)] = 0
        input_modalities: tuple[str, ...] = ()
        output_modalities: tuple[str, ...] = ()

    class Meta:
        ordering = ["provider_id", "credential_id", "position", "id"]
        verbose_name_plural = "model aliases"
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "alias", "upstream_model"],
                condition=models.Q(credential__isnull=True),
                name="alias_member_once_per_provider",
            ),
            models.UniqueConstraint(
                fields=["credential", "alias", "upstream_model"],
                condition=models.Q(credential__isnull=False),
                name="alias_member_once_per_credential",
            ),
            models.CheckConstraint(condition=~models.Q(alias=""), name="alias_given"),
            models.CheckConstraint(condition=~models.Q(upstream_model=""), name="alias_upstream_given"),
        ]

    def __str__(self) -> str:
        return f"{self.alias} → {self.upstream_model}"

    def clean(self) -> None:
        super().clean()
        json_columns.check(self, options=ModelAlias.Shown)


class ModelExclusion(Owned):
    """A pattern of model ids that is not offered: exact, ``x*``, ``*x``, ``*x*``; case is ignored."""

    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="exclusions")
    credential = models.ForeignKey(
        Credential, on_delete=models.CASCADE, null=True, blank=True, related_name="exclusions"
    )
    pattern = models.CharField(max_length=300)

    class Meta:
        ordering = ["provider_id", "credential_id", "pattern"]
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "pattern"],
                condition=models.Q(credential__isnull=True),
                name="exclusion_once_per_provider",
            ),
            models.UniqueConstraint(
                fields=["credential", "pattern"],
                condition=models.Q(credential__isnull=False),
                name="exclusion_once_per_credential",
            ),
            models.CheckConstraint(condition=~models.Q(pattern=""), name="exclusion_given"),
        ]

    def __str__(self) -> str:
        return self.pattern


class ChannelRule(Owned):
    """A rule for every login of one channel (``codex``, ``gemini-cli``), or for one login of it."""

    channel = models.CharField(max_length=64)
    credential = models.ForeignKey(
        Credential,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        help_text="Empty: holds for every login of the channel.",
    )

    class Meta:
        abstract = True


class ChannelAlias(ChannelRule):
    """``oauth-model-alias``: another id for a model of a channel. With ``fork`` the model keeps its own id
    beside the alias, else the alias replaces it. Applied after the exclusions."""

    upstream_model = models.CharField(max_length=300, help_text="The model's id under this channel.")
    alias = models.CharField(max_length=300, help_text="The id that clients ask for.")
    fork = models.BooleanField(default=False, help_text="Keep the model's own id beside the alias.")
    display_name = models.CharField(max_length=200, blank=True)
    force_mapping = models.BooleanField(
        default=False, help_text="Answers show the alias instead of the provider's model name."
    )
    position = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["channel", "credential_id", "position", "id"]
        verbose_name_plural = "channel aliases"
        constraints = [
            models.UniqueConstraint(
                "channel",
                Lower("alias"),
                condition=models.Q(credential__isnull=True),
                name="channel_alias_once",
            ),
            models.UniqueConstraint(
                "credential",
                Lower("alias"),
                condition=models.Q(credential__isnull=False),
                name="channel_alias_once_per_credential",
            ),
            models.CheckConstraint(condition=~models.Q(channel=""), name="channel_alias_channel_given"),
            models.CheckConstraint(condition=~models.Q(alias=""), name="channel_alias_given"),
            models.CheckConstraint(
                condition=~models.Q(upstream_model=""), name="channel_alias_upstream_given"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.channel}: {self.alias} → {self.upstream_model}"


class ChannelExclusion(ChannelRule):
    """``oauth-excluded-models``: a pattern of model ids that a channel does not offer; as ModelExclusion."""

    pattern = models.CharField(max_length=300)

    class Meta:
        ordering = ["channel", "credential_id", "pattern"]
        constraints = [
            models.UniqueConstraint(
                fields=["channel", "pattern"],
                condition=models.Q(credential__isnull=True),
                name="channel_exclusion_once",
            ),
            models.UniqueConstraint(
                fields=["credential", "pattern"],
                condition=models.Q(credential__isnull=False),
                name="channel_exclusion_once_per_credential",
            ),
            models.CheckConstraint(condition=~models.Q(channel=""), name="channel_exclusion_channel_given"),
            models.CheckConstraint(condition=~models.Q(pattern=""), name="channel_exclusion_given"),
        ]

    def __str__(self) -> str:
        return f"{self.channel}: {self.pattern}"


class ClientKey(Owned):
    """The secret with which a client calls us. Only a keyed digest is stored; the key is shown once."""

    digest = models.CharField(max_length=64, unique=True, editable=False)
    fingerprint = models.CharField(max_length=32, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="client_keys"
    )
    note = models.CharField(max_length=200, blank=True)
    enabled = models.BooleanField(default=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    allowed_models = models.JSONField(
        default=list, blank=True, help_text="Patterns of model ids; empty allows every model."
    )
    limits = models.JSONField(
        default=dict, blank=True, help_text="rpm, tpm, rpd, tpd, concurrency, waits, max_wait_s."
    )
    keeps_responses_days = models.PositiveSmallIntegerField(
        default=0,
        validators=[MaxValueValidator(LONGEST_KEPT_DAYS)],
        help_text=(
            "How long answers of /v1/responses are kept here, so that previous_response_id and conversation "
            "work over every provider. 0 keeps none."
        ),
    )
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["id"]
        constraints = [models.CheckConstraint(condition=~models.Q(digest=""), name="client_key_digest_given")]

    def __str__(self) -> str:
        return f"{self.note or 'client key'} ({self.fingerprint})"

    def clean(self) -> None:
        super().clean()
        json_columns.check(self, limits=Limits)

    @property
    def has_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()


class UsageRecord(models.Model):
    """One exchange: who asked for what, who served it, what it took. Rows outlive what they name."""

    exchange_id = models.CharField(max_length=32, unique=True)
    request_id = models.CharField(max_length=128, blank=True)
    started_at = models.DateTimeField()
    client_key = models.ForeignKey(ClientKey, on_delete=models.SET_NULL, null=True, db_constraint=False)
    client_key_label = models.CharField(max_length=200, blank=True)
    client_format = models.CharField(max_length=16)
    route_model = models.CharField(max_length=300)
    upstream_model = models.CharField(max_length=300, blank=True)
    provider_key = models.CharField(max_length=64, blank=True)
    credential = models.ForeignKey(Credential, on_delete=models.SET_NULL, null=True, db_constraint=False)
    credential_label = models.CharField(max_length=200, blank=True)
    is_stream = models.BooleanField(default=False)
    status = models.PositiveSmallIntegerField()
    outcome = models.CharField(max_length=24)
    """``ok``, ``error`` (before the first byte), ``cut`` (after it), ``client_gone``."""
    error_code = models.CharField(max_length=64, blank=True)
    attempts = models.JSONField(default=list)
    """One object per attempt: provider, credential, model, status, reason, ms."""
    dropped = models.JSONField(default=list)
    decision = models.JSONField(null=True)
    """The rule that ordered the candidates, what held the conversation, the fallback, and who was no
    candidate at that moment. None in lines that an older version left in the spool."""
    input_tokens = models.PositiveBigIntegerField(null=True)
    output_tokens = models.PositiveBigIntegerField(null=True)
    cached_tokens = models.PositiveBigIntegerField(null=True)
    reasoning_tokens = models.PositiveBigIntegerField(null=True)
    first_byte_ms = models.FloatField(null=True)
    overhead_ms = models.FloatField(null=True)
    """The gateway's own share of the time to the first byte."""
    duration_ms = models.FloatField()

    class Meta:
        ordering = ["-started_at"]
        indexes = [
            models.Index(fields=["-started_at"], name="usage_recent"),
            models.Index(fields=["client_key", "-started_at"], name="usage_by_client_key"),
            models.Index(fields=["credential", "-started_at"], name="usage_by_credential"),
            models.Index(fields=["request_id"], name="usage_by_request_id"),
        ]

    def __str__(self) -> str:
        return f"{self.route_model} {self.status} {self.started_at:%Y-%m-%d %H:%M:%S}"


class ObjectBinding(models.Model):
    """A file, batch or video that a client made through the gateway. Only the credential that made it can
    read it again, and only the client key that made it may."""

    client_key = models.ForeignKey(ClientKey, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=16)
    object_id = models.CharField(max_length=255)
    credential = models.ForeignKey(Credential, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["client_key", "kind", "-id"], name="bindings_of_client_key")]
        constraints = [
            models.UniqueConstraint(fields=["client_key", "kind", "object_id"], name="binding_once")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.object_id}"


class StoredResponse(models.Model):
    """An answer that a client key keeps, with everything that led to it. Deleted when it has run out."""

    client_key = models.ForeignKey(ClientKey, on_delete=models.CASCADE, related_name="+")
    response_id = models.CharField(max_length=255)
    content = models.BinaryField()
    """Compressed: see ``routing/kept_responses.py``."""
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["expires_at"], name="stored_responses_by_end")]
        constraints = [
            models.UniqueConstraint(fields=["client_key", "response_id"], name="stored_response_once")
        ]

    def __str__(self) -> str:
        return self.response_id


class StoredConversation(models.Model):
    """A conversation that a client key made; it lives on as long as it is used."""

    client_key = models.ForeignKey(ClientKey, on_delete=models.CASCADE, related_name="+")
    conversation_id = models.CharField(max_length=255)
    metadata = models.JSONField(default=dict)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["expires_at"], name="stored_conversations_by_end")]
        constraints = [
            models.UniqueConstraint(fields=["client_key", "conversation_id"], name="stored_conversation_once")
        ]

    def __str__(self) -> str:
        return self.conversation_id


class ConversationItem(models.Model):
    """One item of a conversation; ``id`` is its place."""

    conversation = models.ForeignKey(StoredConversation, on_delete=models.CASCADE, related_name="items")
    item_id = models.CharField(max_length=255)
    content = models.BinaryField()
    """Compressed JSON."""

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["conversation", "item_id"], name="conversation_item_once")
        ]

    def __str__(self) -> str:
        return self.item_id


class GatewaySettings(Owned):
    """The one row of settings that an admin may change while the gateway runs.

    Columns are named as the fields of ``RouteSettings`` and ``SettingsConfig``, so that each is mapped once.
    The JSON columns hold values of ``providers/values.py`` and ``routing/core``. Keys of the file:
    docs/configuration.md.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    # retries and cooldowns
    request_retry = models.PositiveIntegerField(default=3, help_text="Further rounds over the candidates.")
    max_retry_credentials = models.PositiveIntegerField(
        default=0, help_text="Credentials tried per round; 0 means all."
    )
    max_retry_interval_s = models.PositiveIntegerField(
        default=30, help_text="Longest wait for a cooldown to end before another round, in seconds."
    )
    transient_cooldown_s = models.IntegerField(
        default=0, help_text="After 408, 5xx: 0 climbs 1, 2, 4 … 60 s; n rests n seconds; negative never."
    )
    disable_cooling = models.BooleanField(default=False)
    saves_cooldowns = models.BooleanField(default=False, help_text="Cooldowns survive a restart.")
    bootstrap_retries = models.PositiveIntegerField(
        default=0, help_text="Further complete attempts of a stream that failed before its first byte."
    )
    deadline_s = models.PositiveIntegerField(
        default=0,
        help_text="Longest time to a first byte in seconds, retries and waits too; 0: ten minutes, or as "
        "long as one attempt may take.",
    )
    error_rules = models.JSONField(
        "channel error rules", default=dict, blank=True, help_text="Channel → request-scoped error rules."
    )
    # choice of a credential
    strategy = models.CharField(max_length=32, default="round-robin")
    session_affinity = models.BooleanField(
        default=False, help_text="A conversation stays with the credential that served it before."
    )
    session_affinity_ttl_s = models.PositiveIntegerField(default=3600)
    force_model_prefix = models.BooleanField(default=False)
    fallbacks = models.JSONField(
        default=dict,
        blank=True,
        help_text="Model id → context_length, content_filter, exhaustion: other ids, in order.",
    )
    switch_project = models.BooleanField(
        default=True, help_text="A spent gemini-cli project: try the account's others."
    )
    switch_preview_model = models.BooleanField(
        default=True, help_text="A spent gemini-cli model: try its preview, or the model of a preview."
    )
    antigravity_credits = models.BooleanField(
        default=True, help_text="With every allowance spent, antigravity's paid credits are the last resort."
    )
    # what is sent and answered
    proxy_token = models.TextField(blank=True, default="", editable=False)
    payload = models.JSONField(
        "payload rules",
        default=dict,
        blank=True,
        help_text="default, default_raw, override, override_raw, filter.",
    )
    passthrough_headers = models.BooleanField(
        default=False,
        help_text="Clients see the provider's own answer headers, but for those of the connection.",
    )
    keepalive_s = models.PositiveIntegerField(
        default=0, help_text="A comment in a silent stream every so many seconds; 0 means never."
    )
    nonstream_keepalive_s = models.PositiveIntegerField(
        default=0, help_text="A newline ahead of a slow whole answer every so many seconds; 0 means never."
    )
    image_generation = models.CharField(max_length=16, default="on")
    gpt_image_2_base_model = models.CharField(max_length=100, default="gpt-5.4-mini")
    video_result_ttl_s = models.PositiveIntegerField(default=10_800)
    responses_compact = models.BooleanField(default=True)
    responses_websocket = models.BooleanField(default=True)
    codex_stream_buffering = models.BooleanField(default=False)
    codex_multi_agent_v2 = models.BooleanField(default=False)
    xai_x_search = models.BooleanField(default=False)
    antigravity_signature_cache = models.BooleanField(default=True)
    antigravity_signature_bypass_strict = models.BooleanField(default=False)
    # logins
    auth_dir = models.CharField(max_length=500, default="~/.cli-proxy-api")
    auth_refresh_workers = models.PositiveIntegerField(default=16)
    channel_base_urls = models.JSONField(default=dict, blank=True, help_text="Channel → base URL.")
    channels_without_aliases = models.JSONField(
        default=list, blank=True, help_text="Channels for which not even the built-in aliases hold."
    )
    kiro_preferred_endpoint = models.CharField(max_length=32, blank=True, default="")
    incognito_browser = models.BooleanField(
        default=False, help_text="manage.py login opens a private window."
    )
    # management, logging
    ws_auth = models.BooleanField(default=True, help_text="The relay socket /v1/ws needs a client key.")
    management_key_hash = models.CharField(max_length=100, blank=True, default="", editable=False)
    """bcrypt hash of the management key; "" turns the management API off."""
    allow_remote_management = models.BooleanField(default=False)
    disable_control_panel = models.BooleanField(default=False)
    debug = models.BooleanField(default=False, help_text="Log in detail. Never logs bodies or secrets.")
    request_log = models.BooleanField(default=False)
    logging_to_file = models.BooleanField(default=False)
    logs_max_total_size_mb = models.PositiveIntegerField(default=0)
    error_logs_max_files = models.PositiveIntegerField(default=10)
    usage_statistics = models.BooleanField(default=False)
    usage_queue_retention_s = models.PositiveIntegerField(default=60)
    commercial_mode = models.BooleanField(default=False)

    class Meta:
        verbose_name = verbose_name_plural = "gateway settings"
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="gateway_settings_single")]

    def __str__(self) -> str:
        return "Gateway settings"

    def clean(self) -> None:
        super().clean()
        json_columns.check(
            self,
            error_rules=dict[str, list[ErrorRule]],
            fallbacks=dict[str, Fallbacks],
            payload=PayloadRules,
            channel_base_urls=dict[str, str],
            channels_without_aliases=list[str],
        )


class ManagementLockout(models.Model):
    """A client address that sent wrong management keys; ``management_api/lockout.py`` counts."""

    address = models.CharField(max_length=64, primary_key=True)
    failures = models.PositiveSmallIntegerField(default=0)
    failed_at = models.DateTimeField()
    banned_until = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["failed_at"], name="lockout_by_age")]

    def __str__(self) -> str:
        return self.address


class ConfigRevision(models.Model):
    """Raised in the same transaction as every change; a process that sees a new number rebuilds its table."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    number = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="config_revision_single")]

    def __str__(self) -> str:
        return str(self.number)
