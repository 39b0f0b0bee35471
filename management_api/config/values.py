"""What a configuration file says, as frozen values. Secrets are plain text here and never in a ``repr``."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from providers.values import CoolingLadder, ErrorRule, Features, Limits
from routing.core.payload import PayloadRules
from routing.core.table import Fallbacks, Strategy


class ModelConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One line of ``models``: ``alias`` is what clients ask for, ``name`` what the provider gets."""

    name: str
    alias: str
    display_name: str = ""
    force_mapping: bool = False
    context_length: int | None = None
    input_modalities: tuple[str, ...] = ()
    output_modalities: tuple[str, ...] = ()
    features: Features | None = None
    """What it can do, as far as it is said."""
    enabled: bool = True
    position: int | None = None
    """Its place in a pool where that is not its place in the list."""

    @property
    def options(self) -> dict[str, Any]:
        """For ``ModelAlias.options``: what lists show of it; without what has its default."""
        plain = {
            "context_length": self.context_length,
            "input_modalities": list(self.input_modalities),
            "output_modalities": list(self.output_modalities),
        }
        return {name: value for name, value in plain.items() if value}


class CredentialConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One key or login. Empty and None inherit the provider's value."""

    origin_key: str
    """The place in the file: ``claude-api-key[0]``."""
    line: int
    api_key: str = ""
    fingerprint: str = ""
    """Of an exported key that the file leaves out: the row that has it keeps it."""
    channel: str = ""
    """Of a login: ``kiro``. Its tokens come from ``options["token-file"]`` or from ``tokens``."""
    tokens: dict[str, str] = {}
    """Tokens written into the file itself, under the file's names (``access-token``)."""
    label: str = ""
    base_url: str = ""
    prefix: str = ""
    headers: dict[str, str] = {}
    proxy_url: str = ""
    enabled: bool = True
    priority: int | None = None
    weight: int = 1
    disable_cooling: bool | None = None
    request_retry: int | None = None
    error_rules: tuple[ErrorRule, ...] = ()
    limits: Limits = Limits()
    websockets: bool | None = None
    variant: int = 0
    """Counts up entries with the same ``identity``."""
    options: dict[str, Any] = {}
    """The adapter's switches for this credential, and what is said of a login; never a secret."""
    model_features: dict[str, Features] = {}
    """By upstream model, beside what ``models`` say."""
    client_keys: tuple[str, ...] = ()
    """The only client keys that may use it, in plain text; stored as digests."""
    models: tuple[ModelConfig, ...] = ()
    excluded_models: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        if self.api_key or self.fingerprint:
            return "api_key"
        return "oauth" if self.channel else "none"

    @property
    def identity(self) -> tuple[str, str, str]:
        """What makes two entries of one provider the same credential, but for their ``variant``."""
        return self.secret_identity, self.base_url, self.prefix

    @property
    def secret_identity(self) -> str:
        """The key; of a login the place of its tokens, which stays while they are renewed."""
        if self.api_key or self.fingerprint:
            return self.api_key or self.fingerprint
        if not self.channel:
            return ""
        given = (self.tokens.get(name) for name in ("refresh-token", "access-token", "auth-token"))
        place = self.options.get("token-file") or next(filter(None, given), "")
        return f"login:{self.channel}:{place or self.label}"

    def __repr__(self) -> str:
        return f"CredentialConfig({self.origin_key})"


class ProviderConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One provider with its keys. The dedicated blocks put everything on the keys themselves."""

    origin_key: str
    line: int
    key: str
    adapter: str
    name: str = ""
    base_url: str = ""
    prefix: str = ""
    headers: dict[str, str] = {}
    proxy_url: str = ""
    enabled: bool = True
    priority: int = 0
    disable_cooling: bool | None = None
    request_retry: int | None = None
    error_rules: tuple[ErrorRule, ...] = ()
    limits: Limits = Limits()
    features: Features | None = None
    ladder: CoolingLadder | None = None
    websockets: bool = False
    options: dict[str, Any] = {}
    """The adapter's switches; what has its default is left out."""
    model_features: dict[str, Features] = {}
    models: tuple[ModelConfig, ...] = ()
    excluded_models: tuple[str, ...] = ()
    credentials: tuple[CredentialConfig, ...] = ()

    def __repr__(self) -> str:
        return f"ProviderConfig({self.origin_key}, {self.key})"


class SettingsConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The gateway's own settings, named as the columns of ``GatewaySettings``; what the file leaves out has
    the value shown here."""

    request_retry: int = 3
    max_retry_credentials: int = 0
    max_retry_interval_s: int = 30
    transient_cooldown_s: int = 0
    disable_cooling: bool = False
    saves_cooldowns: bool = False
    bootstrap_retries: int = 0
    deadline_s: int = 0
    error_rules: dict[str, tuple[ErrorRule, ...]] = {}
    """By channel."""
    strategy: Strategy = Strategy.ROUND_ROBIN
    session_affinity: bool = False
    session_affinity_ttl_s: int = 3600
    force_model_prefix: bool = False
    fallbacks: dict[str, Fallbacks] = {}
    switch_project: bool = True
    switch_preview_model: bool = True
    antigravity_credits: bool = True
    proxy_url: str = ""
    payload: PayloadRules = PayloadRules()
    passthrough_headers: bool = False
    keepalive_s: int = 0
    nonstream_keepalive_s: int = 0
    image_generation: str = "on"
    gpt_image_2_base_model: str = "gpt-5.4-mini"
    video_result_ttl_s: int = 10_800
    responses_compact: bool = True
    responses_websocket: bool = True
    codex_stream_buffering: bool = False
    codex_multi_agent_v2: bool = False
    xai_x_search: bool = False
    antigravity_signature_cache: bool = True
    antigravity_signature_bypass_strict: bool = False
    auth_dir: str = "~/.cli-proxy-api"
    auth_refresh_workers: int = 16
    channel_base_urls: dict[str, str] = {}
    channels_without_aliases: tuple[str, ...] = ()
    """Channels whose list of aliases is empty on purpose, so that not even the built-in ones hold."""
    kiro_preferred_endpoint: str = ""
    incognito_browser: bool = False
    ws_auth: bool = True
    management_key: str = ""
    """Plain text, or a bcrypt hash as the file keeps it."""
    allow_remote_management: bool = False
    disable_control_panel: bool = False
    debug: bool = False
    request_log: bool = False
    logging_to_file: bool = False
    logs_max_total_size_mb: int = 0
    error_logs_max_files: int = 10
    usage_statistics: bool = False
    usage_queue_retention_s: int = 60
    commercial_mode: bool = False

    def __repr__(self) -> str:
        return "SettingsConfig(…)"


class ClientKeyConfig(msgspec.Struct, frozen=True, kw_only=True):
    origin_key: str
    key: str
    digest: str = ""
    fingerprint: str = ""
    """Both of an exported key, whose text nobody knows."""
    line: int = 0
    note: str = ""
    enabled: bool = True
    allowed_models: tuple[str, ...] = ()
    limits: Limits = Limits()
    expires_at: datetime | None = None
    keeps_responses_days: int = 0

    def __repr__(self) -> str:
        return f"ClientKeyConfig({self.origin_key})"


class ChannelAliasConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One line of ``oauth-model-alias``."""

    origin_key: str
    channel: str
    name: str
    alias: str
    fork: bool = False
    display_name: str = ""
    force_mapping: bool = False


class ChannelExclusionConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One line of ``oauth-excluded-models``."""

    origin_key: str
    channel: str
    pattern: str


class TlsConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Files in PEM."""

    cert: str
    key: str


class GatewayConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A whole file, checked, with the environment's overrides applied."""

    host: str | None = None
    """None: not set. "" means every interface, IPv4 and IPv6."""
    port: int | None = None
    tls: TlsConfig | None = None
    settings: SettingsConfig | None = None
    """None: the file sets none of them, so the database keeps its own."""
    client_keys: tuple[ClientKeyConfig, ...] = ()
    providers: tuple[ProviderConfig, ...] = ()
    channel_aliases: tuple[ChannelAliasConfig, ...] = ()
    channel_exclusions: tuple[ChannelExclusionConfig, ...] = ()
    keeps_secrets: bool = False
    """An export without secrets: what the database has sealed stays as it is."""
    content_hash: str = ""
    """SHA-256 of the file, by which the watcher knows what is applied already."""
