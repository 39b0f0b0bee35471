"""From configuration values to the columns of rows. No database: ``apply`` compares and saves."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import bcrypt
import msgspec

from management_api.config.values import (
    ClientKeyConfig,
    CredentialConfig,
    GatewayConfig,
    ModelConfig,
    ProviderConfig,
    SettingsConfig,
)
from providers import json_columns, secrets
from providers.models import Credential, Owned, Provider
from routing import client_keys

Values = dict[str, Any]


def is_hashed(management_key: str) -> bool:
    """Whether the text is a bcrypt hash already, by its beginning as CLIProxyAPI tells them apart."""
    return management_key.startswith(("$2a$", "$2b$", "$2y$"))


def hashed(management_key: str) -> str:
    """The bcrypt hash of a management key in plain text; a hash and "" stay as they are."""
    if not management_key or is_hashed(management_key):
        return management_key
    return bcrypt.hashpw(management_key.encode(), bcrypt.gensalt(rounds=10)).decode()


def _matches(held: str, wanted: str) -> bool:
    if held == wanted or not held or not wanted or is_hashed(wanted):
        return held == wanted
    try:
        return bcrypt.checkpw(wanted.encode(), held.encode())
    except ValueError:  # what is held is no hash
        return False


_SEALED: dict[str, tuple[Callable[[Any], str], Callable[[str], Any]]] = {
    "secret_token": (secrets.seal, secrets.reveal),
    "proxy_token": (secrets.seal, secrets.reveal),
    "headers_token": (secrets.seal_headers, secrets.reveal_headers),
}
"""Columns that hold a token of the value. Sealing twice gives two tokens, so the values are compared."""
SEALED = frozenset({*_SEALED, "management_key_hash"})
"""What an export leaves out unless asked."""


def stored(column: str, value: Any) -> Any:
    """What the column holds for ``value``."""
    if column in _SEALED:
        return _SEALED[column][0](value)
    return hashed(value) if column == "management_key_hash" else value


def holds(row: Owned, column: str, value: Any) -> bool:
    """Whether ``row`` has ``value``. A token that cannot be opened any more counts as different."""
    held = getattr(row, column)
    if column == "management_key_hash":
        return _matches(held, value)
    if column not in _SEALED:
        return bool(held == value)
    try:
        return bool(_SEALED[column][1](held) == value)
    except secrets.SecretsError:
        return False


def settings_values(settings: SettingsConfig) -> Values:
    values = {name: json_columns.plain(value) for name, value in msgspec.structs.asdict(settings).items()}
    values["proxy_token"] = values.pop("proxy_url")
    values["management_key_hash"] = values.pop("management_key")
    return values


def client_key_values(client_key: ClientKeyConfig) -> Values:
    return {
        "digest": client_key.digest or client_keys.digest(client_key.key),
        "fingerprint": client_key.fingerprint or client_keys.shown(client_key.key),
        "note": client_key.note,
        "enabled": client_key.enabled,
        "allowed_models": list(client_key.allowed_models),
        "limits": json_columns.plain(client_key.limits),
        "expires_at": client_key.expires_at,
        "keeps_responses_days": client_key.keeps_responses_days,
        "origin_key": client_key.origin_key,
    }


def provider_values(provider: ProviderConfig, key: str) -> Values:
    return {
        "key": key,
        "adapter": provider.adapter,
        "name": provider.name,
        "base_url": provider.base_url,
        "enabled": provider.enabled,
        "prefix": provider.prefix,
        "headers_token": provider.headers,
        "proxy_token": provider.proxy_url,
        "priority": provider.priority,
        "disable_cooling": provider.disable_cooling,
        "request_retry": provider.request_retry,
        "error_rules": json_columns.plain(provider.error_rules),
        "limits": json_columns.plain(provider.limits),
        "features": json_columns.plain(provider.features) if provider.features is not None else {},
        "model_features": _model_features(provider),
        "ladder": json_columns.plain(provider.ladder) if provider.ladder is not None else {},
        "websockets": provider.websockets,
        "options": _closed_by(provider.models, provider.options),
        "origin_key": provider.origin_key,
    }


def credential_values(
    credential: CredentialConfig, provider: ProviderConfig, row: Provider, *, owned: bool
) -> Values:
    """The columns of a credential. Beside an admin's provider, which stays as it is, the credential also
    carries what the file says of the provider. What a login writes itself (account, health) is not here."""
    values: Values = {
        "provider_id": row.pk,
        "kind": credential.kind,
        "channel": credential.channel,
        "label": credential.label,
        "secret_token": secret_of(credential),
        "fingerprint": credential.fingerprint or secrets.fingerprint(credential.secret_identity),
        "enabled": credential.enabled,
        "base_url": credential.base_url,
        "prefix": credential.prefix,
        "headers_token": credential.headers,
        "proxy_token": credential.proxy_url,
        "priority": credential.priority,
        "weight": credential.weight,
        "disable_cooling": credential.disable_cooling,
        "request_retry": credential.request_retry,
        "error_rules": json_columns.plain(credential.error_rules),
        "limits": json_columns.plain(credential.limits),
        "model_features": _model_features(credential),
        "websockets": credential.websockets,
        "variant": credential.variant,
        "options": _credential_options(credential),
        "origin_key": credential.origin_key,
    }
    if credential.channel and not credential.label:
        del values["label"]  # then it is the account's name, which the login knows
    return values if owned else values | _carried(credential, provider, values)


def secret_of(credential: CredentialConfig) -> str:
    """The key; of a login, the tokens that the file itself gives, as JSON like a credential file."""
    if credential.api_key or not credential.tokens:
        return credential.api_key
    named = {name.replace("-", "_"): text for name, text in credential.tokens.items()}
    return msgspec.json.encode({"type": credential.channel, **named}).decode()


def _credential_options(credential: CredentialConfig) -> dict[str, Any]:
    options = _closed_by(credential.models, credential.options)
    if credential.client_keys:
        options["client-keys"] = [client_keys.digest(key) for key in credential.client_keys]
    return options


def _carried(credential: CredentialConfig, provider: ProviderConfig, values: Values) -> Values:
    """What a credential beside an admin's provider takes over from the file's provider."""
    carried: Values = {
        "enabled": credential.enabled and provider.enabled,
        "base_url": credential.base_url or provider.base_url,
        "prefix": credential.prefix or provider.prefix,
        "headers_token": {**provider.headers, **credential.headers},
        "proxy_token": credential.proxy_url or provider.proxy_url,
        "error_rules": values["error_rules"] or json_columns.plain(provider.error_rules),
        "limits": values["limits"] or json_columns.plain(provider.limits),
        "model_features": {**_model_features(provider), **values["model_features"]},
        "options": {**_closed_by(provider.models, provider.options), **values["options"]},
    }
    for name, inherited in (
        ("priority", provider.priority),
        ("disable_cooling", provider.disable_cooling),
        ("request_retry", provider.request_retry),
    ):
        if values[name] is None:
            carried[name] = inherited
    return carried


def _closed_by(models: tuple[ModelConfig, ...], options: dict[str, Any]) -> dict[str, Any]:
    """``options``; a list of models is the whole list of what is offered, unless they say otherwise."""
    return {"only-listed": True, **options} if models else dict(options)


def _model_features(source: ProviderConfig | CredentialConfig) -> dict[str, Any]:
    """What the capability filter knows, by upstream model."""
    said = {model.name: model.features for model in source.models if model.features is not None}
    return {
        name: json_columns.plain(features) for name, features in {**said, **source.model_features}.items()
    }


def want_models(
    wanted: dict[Hashable, Values],
    source: ProviderConfig | CredentialConfig,
    provider: Provider,
    credential: Credential | None,
) -> None:
    for position, model in enumerate(source.models):
        identity = (provider.pk, credential and credential.pk, model.alias, model.name)
        wanted[identity] = {
            "provider_id": provider.pk,
            "credential_id": credential and credential.pk,
            "alias": model.alias,
            "upstream_model": model.name,
            "position": position if model.position is None else model.position,
            "force_mapping": model.force_mapping,
            "display_name": model.display_name,
            "enabled": model.enabled,
            "options": model.options,
            "origin_key": f"{source.origin_key}.models[{position}]",
        }


def want_exclusions(
    wanted: dict[Hashable, Values],
    source: ProviderConfig | CredentialConfig,
    provider: Provider,
    credential: Credential | None,
) -> None:
    for index, pattern in enumerate(source.excluded_models):
        wanted[(provider.pk, credential and credential.pk, pattern)] = {
            "provider_id": provider.pk,
            "credential_id": credential and credential.pk,
            "pattern": pattern,
            "origin_key": f"{source.origin_key}.excluded-models[{index}]",
        }


def channel_alias_values(config: GatewayConfig) -> dict[Hashable, Values]:
    """Aliases of whole channels, by channel and alias."""
    wanted: dict[Hashable, Values] = {}
    positions: dict[str, int] = {}
    for alias in config.channel_aliases:
        position = positions[alias.channel] = positions.get(alias.channel, -1) + 1
        wanted[alias.channel, alias.alias.lower()] = {
            "channel": alias.channel,
            "upstream_model": alias.name,
            "alias": alias.alias,
            "fork": alias.fork,
            "display_name": alias.display_name,
            "force_mapping": alias.force_mapping,
            "position": position,
            "origin_key": alias.origin_key,
        }
    return wanted


def channel_exclusion_values(config: GatewayConfig) -> dict[Hashable, Values]:
    """Exclusions of whole channels, by channel and pattern."""
    return {
        (exclusion.channel, exclusion.pattern): {
            "channel": exclusion.channel,
            "pattern": exclusion.pattern,
            "origin_key": exclusion.origin_key,
        }
        for exclusion in config.channel_exclusions
    }
