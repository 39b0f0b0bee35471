"""What a configuration file says, as frozen values. Secrets are plain text here and never in a ``repr``."""

from __future__ import annotations

import msgspec


class ModelConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One line of ``models``: ``alias`` is what clients ask for, ``name`` what the provider gets."""

    name: str
    alias: str
    display_name: str = ""
    force_mapping: bool = False


class CredentialConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One key. Empty and None inherit the provider's value."""

    origin_key: str
    """The place in the file: ``claude-api-key[0]``."""
    line: int
    api_key: str = ""
    base_url: str = ""
    prefix: str = ""
    headers: dict[str, str] = {}
    proxy_url: str = ""
    enabled: bool = True
    priority: int | None = None
    weight: int = 1
    disable_cooling: bool | None = None
    request_retry: int | None = None
    models: tuple[ModelConfig, ...] = ()
    excluded_models: tuple[str, ...] = ()

    @property
    def identity(self) -> tuple[str, str, str]:
        """What makes two entries of one provider the same credential."""
        return self.api_key, self.base_url, self.prefix

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
    models_endpoint: str = ""
    speaks_responses: bool = False
    models: tuple[ModelConfig, ...] = ()
    excluded_models: tuple[str, ...] = ()
    credentials: tuple[CredentialConfig, ...] = ()

    def __repr__(self) -> str:
        return f"ProviderConfig({self.origin_key}, {self.key})"


class SettingsConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The gateway's own settings; what the file leaves out has the value shown here."""

    request_retry: int = 3
    max_retry_credentials: int = 0
    max_retry_interval_s: int = 30
    transient_cooldown_s: int = 0
    disable_cooling: bool = False
    force_model_prefix: bool = False
    proxy_url: str = ""
    debug: bool = False

    def __repr__(self) -> str:
        return "SettingsConfig(…)"


class ClientKeyConfig(msgspec.Struct, frozen=True, kw_only=True):
    origin_key: str
    key: str

    def __repr__(self) -> str:
        return f"ClientKeyConfig({self.origin_key})"


class GatewayConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A whole file, checked, with the environment's overrides applied."""

    host: str | None = None
    """None: not set. "" means every interface, IPv4 and IPv6."""
    port: int | None = None
    settings: SettingsConfig | None = None
    """None: the file sets none of them, so the database keeps its own."""
    client_keys: tuple[ClientKeyConfig, ...] = ()
    providers: tuple[ProviderConfig, ...] = ()
    content_hash: str = ""
    """SHA-256 of the file, by which the watcher knows what is applied already."""
