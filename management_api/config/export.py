"""Rows as a ``config.yaml`` that ``import_config`` turns into the same rows again.

Providers are written in the ``providers:`` map, with every column that has not its default. Secrets are left
out, or written as ``${NAME}`` or sealed with the gateway's own keys. Client keys are known by their digest
alone, which only a gateway with the same ``CLIPROXY_CLIENT_KEY_PEPPER`` understands. Of logins, those that a
token file feeds are named by it; the others are left out.
"""

from __future__ import annotations

import io
import re
from collections.abc import Collection, Iterable, Iterator
from enum import StrEnum
from typing import Any

import msgspec
from django.db import models
from ruamel.yaml import YAML

from management_api.config import columns
from management_api.config.fields import SEALED_MARK
from management_api.config.values import SettingsConfig
from providers import secrets
from providers.models import Credential, Provider
from routing.core.payload import PayloadRules
from routing.core.table import Fallbacks
from routing.models import (
    ChannelAlias,
    ChannelExclusion,
    ClientKey,
    GatewaySettings,
    ModelAlias,
    ModelExclusion,
)

Yaml = dict[str, Any]


class Secrets(StrEnum):
    """How secrets are written."""

    NONE = "none"
    ENV = "env"
    ENCRYPTED = "encrypted"


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """``text`` is the file; ``environment`` has what its ``${NAME}`` stand for."""

    text: str
    environment: dict[str, str]

    def __repr__(self) -> str:
        return f"Export({len(self.text)} characters)"


SETTINGS: tuple[tuple[str, str], ...] = (
    ("debug", "debug"),
    ("request_retry", "request-retry"),
    ("max_retry_credentials", "max-retry-credentials"),
    ("max_retry_interval_s", "max-retry-interval"),
    ("transient_cooldown_s", "transient-error-cooldown-seconds"),
    ("disable_cooling", "disable-cooling"),
    ("saves_cooldowns", "save-cooldown-status"),
    ("deadline_s", "request-deadline-seconds"),
    ("force_model_prefix", "force-model-prefix"),
    ("strategy", "routing.strategy"),
    ("session_affinity", "routing.session-affinity"),
    ("switch_project", "quota-exceeded.switch-project"),
    ("switch_preview_model", "quota-exceeded.switch-preview-model"),
    ("antigravity_credits", "quota-exceeded.antigravity-credits"),
    ("passthrough_headers", "passthrough-headers"),
    ("keepalive_s", "streaming.keepalive-seconds"),
    ("bootstrap_retries", "streaming.bootstrap-retries"),
    ("nonstream_keepalive_s", "nonstream-keepalive-interval"),
    ("gpt_image_2_base_model", "gpt-image-2-base-model"),
    ("responses_compact", "responses-compact-enabled"),
    ("responses_websocket", "responses-websocket-enabled"),
    ("codex_stream_buffering", "codex.stream-bootstrap-buffering"),
    ("codex_multi_agent_v2", "codex.optimize-multi-agent-v2"),
    ("xai_x_search", "xai.inject-x-search"),
    ("antigravity_signature_cache", "antigravity-signature-cache-enabled"),
    ("antigravity_signature_bypass_strict", "antigravity-signature-bypass-strict"),
    ("auth_dir", "auth-dir"),
    ("auth_refresh_workers", "auth-auto-refresh-workers"),
    ("channel_base_urls", "oauth-upstream"),
    ("kiro_preferred_endpoint", "kiro-preferred-endpoint"),
    ("incognito_browser", "incognito-browser"),
    ("ws_auth", "ws-auth"),
    ("allow_remote_management", "remote-management.allow-remote"),
    ("disable_control_panel", "remote-management.disable-control-panel"),
    ("request_log", "request-log"),
    ("logging_to_file", "logging-to-file"),
    ("logs_max_total_size_mb", "logs-max-total-size-mb"),
    ("error_logs_max_files", "error-logs-max-files"),
    ("usage_statistics", "usage-statistics-enabled"),
    ("usage_queue_retention_s", "redis-usage-queue-retention-seconds"),
    ("commercial_mode", "commercial-mode"),
)
"""Columns whose value stands in the file as it is, with the path of keys."""
IMAGE_WORDS = {"on": False, "off": True}


def export(mode: Secrets) -> Export:
    """Everything that a file can say of this gateway. Raises SecretsError when a secret cannot be opened
    (never with ``Secrets.NONE``)."""
    return _Export(mode).run()


def settings_in_full() -> Yaml:
    """Every setting of the gateway as it is in force, defaults too, without secrets."""
    found = _Export(Secrets.NONE).settings()
    row = GatewaySettings.objects.filter(pk=1).first() or GatewaySettings()
    for column, path in SETTINGS:
        _put(found, path, getattr(row, column))
    return found


def providers_without_secrets(but: Collection[str] = ()) -> Yaml:
    """The entries of ``providers:`` for every provider, but for those with the keys in ``but``."""
    made = _Export(Secrets.NONE)
    return {row.key: made.provider(row) for row in Provider.objects.order_by("key") if row.key not in but}


class _Export:
    def __init__(self, mode: Secrets) -> None:
        self._mode = mode
        self._environment: dict[str, str] = {}

    def run(self) -> Export:
        content: Yaml = {} if self._mode is not Secrets.NONE else {"secrets": "kept"}
        content |= self.settings() | self._client_keys() | _said(channel_maps())
        providers = {provider.key: self.provider(provider) for provider in Provider.objects.order_by("key")}
        if providers:
            content["providers"] = providers
        yaml = YAML(typ="rt", pure=True)
        yaml.width = 10_000
        yaml.indent(mapping=2, sequence=4, offset=2)
        yaml.allow_unicode = True
        stream = io.StringIO()
        yaml.dump(_escaped(content), stream)
        return Export(text=HEAD[self._mode] + stream.getvalue(), environment=self._environment)

    # --- secrets ------------------------------------------------------------------------------

    def _secret(self, token: str, name: str) -> str:
        """What stands for the secret in ``token``; "" where it is left out."""
        if not token or self._mode is Secrets.NONE:
            return ""
        plain = secrets.reveal(token)
        if self._mode is Secrets.ENCRYPTED:
            return _Reference(f"${{{SEALED_MARK}{secrets.seal(plain)}}}")
        base = re.sub(r"[^A-Z0-9]+", "_", name.upper()).strip("_") or "SECRET"
        base = f"_{base}" if base[0].isdigit() else base
        unique, number = base, 1
        while self._environment.get(unique, plain) != plain:
            number += 1
            unique = f"{base}_{number}"
        self._environment[unique] = plain
        return _Reference(f"${{{unique}}}")

    def _headers(self, token: str, name: str) -> Yaml:
        if not token or self._mode is Secrets.NONE:
            return {}
        return {
            header: self._secret(secrets.seal(value), f"{name}_{header}")
            for header, value in secrets.reveal_headers(token).items()
        }

    # --- settings and what hangs on them ------------------------------------------------------

    def settings(self) -> Yaml:
        row = GatewaySettings.objects.filter(pk=1).first()
        if row is None:
            return {}
        usual = columns.settings_values(SettingsConfig())
        found: Yaml = {"debug": row.debug}
        for column, path in SETTINGS:
            if (value := getattr(row, column)) != usual[column]:
                _put(found, path, value)
        if row.session_affinity_ttl_s != usual["session_affinity_ttl_s"]:
            _put(found, "routing.session-affinity-ttl", f"{row.session_affinity_ttl_s}s")
        if row.video_result_ttl_s != usual["video_result_ttl_s"]:
            _put(found, "video-result-auth-cache-ttl", f"{row.video_result_ttl_s}s")
        if row.image_generation != "on":
            found["disable-image-generation"] = IMAGE_WORDS.get(row.image_generation, row.image_generation)
        if proxy := self._secret(row.proxy_token, "PROXY_URL"):
            found["proxy-url"] = proxy
        if row.management_key_hash and self._mode is not Secrets.NONE:
            _put(found, "remote-management.secret-key", row.management_key_hash)
        if row.error_rules:
            found["oauth-request-scoped-errors"] = {
                channel: [rule_of(rule) for rule in rules] for channel, rules in row.error_rules.items()
            }
        if row.fallbacks:
            found["fallbacks"] = _fallbacks(msgspec.convert(row.fallbacks, dict[str, Fallbacks]))
        if row.payload:
            found["payload"] = _payload(msgspec.convert(row.payload, PayloadRules))
        return found

    def _client_keys(self) -> Yaml:
        keys = [_client_key(key) for key in ClientKey.objects.order_by("id")]
        return {"api-keys": keys} if keys else {}

    # --- providers ----------------------------------------------------------------------------

    def provider(self, row: Provider) -> Yaml:
        name = f"{row.key}_API_KEY"
        credentials = [
            self._credential(credential, name)
            for credential in row.credentials.order_by("id")
            if credential.kind != "oauth" or credential.options.get("token-file")
        ]
        said = {
            "key": row.key,
            "name": row.name,
            "type": row.adapter,
            "auth_type": "oauth_device_flow" if not credentials else "",
            "base_url": row.base_url,
            "prefix": row.prefix,
            "headers": self._headers(row.headers_token, row.key),
            "proxy_url": self._secret(row.proxy_token, f"{row.key}_PROXY_URL"),
            "priority": row.priority,
            "request_retry": row.request_retry,
            "request_scoped_errors": [rule_of(rule) for rule in row.error_rules],
            "limits": _provider_limits(row),
            "features": {name: value for name, value in row.features.items() if name != "max_tokens"},
            "cooldown": _cooldown(row),
            "websockets": row.websockets,
        }
        return {
            **({} if row.enabled else {"enabled": False}),
            **{key: value for key, value in said.items() if value or (key == "request_retry" and value == 0)},
            **_rules_of(row, None),
            "credentials": credentials,
        }

    def _credential(self, row: Credential, name: str) -> Yaml:
        is_login = row.kind == "oauth"
        secret = "" if is_login else self._secret(row.secret_token, name)
        said = {
            "api_key": secret,
            "fingerprint": "" if secret or is_login else row.fingerprint,
            "channel": row.channel,
            "label": "" if is_login else row.label,
            "base_url": row.base_url,
            "prefix": row.prefix,
            "headers": self._headers(row.headers_token, name),
            "proxy_url": self._secret(row.proxy_token, f"{name}_PROXY_URL"),
            "limits": limits_of(row.limits),
            "request_scoped_errors": [rule_of(rule) for rule in row.error_rules],
        }
        optional = {
            "priority": row.priority,
            "disable_cooling": row.disable_cooling,
            "request_retry": row.request_retry,
            "websockets": row.websockets,
        }
        return {
            **({} if row.enabled else {"enabled": False}),
            **_said(said),
            **({} if row.weight == 1 else {"weight": row.weight}),
            **({"variant": row.variant} if row.variant else {}),
            **{key: value for key, value in optional.items() if value is not None},
            **_rules_of(row.provider, row),
        }


HEAD = {
    Secrets.NONE: "# Written by export_config, without secrets: an import keeps those of the database.\n",
    Secrets.ENV: "# Written by export_config. ${NAME} is taken from the environment.\n",
    Secrets.ENCRYPTED: "# Written by export_config. Opened by a gateway with the same encryption keys.\n",
}


_REFERENCE = re.compile(r"\$\{[^}]*\}")


class _Reference(str):
    """A text whose ``${`` is meant; every other one is doubled."""

    __slots__ = ()


def _escaped(value: Any) -> Any:
    """``value`` for the file: a ``${`` that is no reference of ours stands for itself."""
    if isinstance(value, dict):
        return {name: _escaped(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_escaped(inner) for inner in value]
    if isinstance(value, _Reference):
        return str(value)
    return _REFERENCE.sub(r"$\g<0>", value) if isinstance(value, str) else value


def _said(values: Yaml) -> Yaml:
    return {name: value for name, value in values.items() if value}


def _put(content: Yaml, path: str, value: Any) -> None:
    *outer, last = path.split(".")
    for key in outer:
        content = content.setdefault(key, {})
    content[last] = value


def _rules_of(provider: Provider, credential: Credential | None) -> Yaml:
    """Aliases, exclusions, options and features of a provider, or of one of its credentials."""
    row = provider if credential is None else credential
    found = {
        "options": row.options,
        "model_features": {name: features_of(one) for name, one in row.model_features.items()},
        "aliases": list(aliases_of(_aliases(provider, credential))),
        "excluded_models": [
            exclusion.pattern
            for exclusion in ModelExclusion.objects.filter(provider=provider, credential=credential)
        ],
    }
    return _said(found)


def channel_maps() -> Yaml:
    """Aliases and exclusions of whole channels; an empty list of aliases switches the built-in ones off."""
    row = GatewaySettings.objects.filter(pk=1).first()
    aliases: dict[str, list[Yaml]] = {channel: [] for channel in row.channels_without_aliases} if row else {}
    for alias in ChannelAlias.objects.filter(credential__isnull=True).order_by("channel", "position", "id"):
        said = {"name": alias.upstream_model, "alias": alias.alias}
        extra = {
            "fork": alias.fork,
            "display-name": alias.display_name,
            "force-mapping": alias.force_mapping,
        }
        aliases.setdefault(alias.channel, []).append(said | _said(extra))
    patterns: dict[str, list[str]] = {}
    for exclusion in ChannelExclusion.objects.filter(credential__isnull=True):
        patterns.setdefault(exclusion.channel, []).append(exclusion.pattern)
    return {"oauth-model-alias": aliases, "oauth-excluded-models": patterns}


def _aliases(provider: Provider, credential: Credential | None) -> models.QuerySet[ModelAlias]:
    return ModelAlias.objects.filter(provider=provider, credential=credential).order_by("position", "id")


def aliases_of(rows: Iterable[ModelAlias]) -> Iterator[Yaml]:
    """The aliases of one provider or credential, which come by position, as items of ``models``."""
    for index, row in enumerate(rows):
        options = row.options
        extra = {
            "display-name": row.display_name,
            "force-mapping": row.force_mapping,
            "max-context-length": options.get("context_length"),
            "input-modalities": options.get("input_modalities"),
            "output-modalities": options.get("output_modalities"),
        }
        item: Yaml = {"name": row.upstream_model, "alias": row.alias, **_said(extra)}
        if not row.enabled:
            item["enabled"] = False
        if row.position != index:
            item["position"] = row.position
        yield item


def features_of(features: Yaml) -> Yaml:
    thinking = features.get("thinking")
    if not isinstance(thinking, dict):
        return features
    return {**features, "thinking": {key.replace("_", "-"): value for key, value in thinking.items()}}


def limits_of(limits: Yaml) -> Yaml:
    names = {"waits": "wait-on-limit", "max_wait_s": "max-wait-seconds"}
    return {
        names.get(name, name): round(value) if name == "max_wait_s" else value
        for name, value in limits.items()
    }


def _provider_limits(row: Provider) -> Yaml:
    names = {
        "rpm": "requests_per_minute",
        "tpm": "tokens_per_minute",
        "rpd": "requests_per_day",
        "tpd": "tokens_per_day",
        "waits": "wait_on_limit",
        "max_wait_s": "max_wait_seconds",
    }
    found = {
        names.get(name, name): round(value) if name == "max_wait_s" else value
        for name, value in row.limits.items()
    }
    if row.features.get("max_tokens"):
        found["max_tokens_per_request"] = row.features["max_tokens"]
    return found


def _cooldown(row: Provider) -> Yaml:
    found: Yaml = {}
    if row.disable_cooling is not None:
        found["enabled"] = not row.disable_cooling
    if row.ladder:
        found["initial_seconds"] = round(row.ladder.get("initial_s", 1))
        found["max_seconds"] = round(row.ladder.get("max_s", 60))
    return found


def rule_of(rule: Yaml) -> Yaml:
    found = {"status": rule["status"], "action": rule["action"]}
    return found | _said({"match": rule.get("texts"), "match-regexr": rule.get("patterns")})


def _client_key(row: ClientKey) -> Yaml:
    return {
        "digest": row.digest,
        "fingerprint": row.fingerprint,
        **_said(
            {
                "name": row.note,
                "allowed-models": list(row.allowed_models),
                "limits": limits_of(row.limits),
                "expires-at": row.expires_at.isoformat() if row.expires_at else "",
                "keep-responses-days": row.keeps_responses_days,
            }
        ),
        **({} if row.enabled else {"disabled": True}),
    }


def _fallbacks(fallbacks: dict[str, Fallbacks]) -> Yaml:
    return {
        name: _said(
            {
                "context-overflow": list(one.context_length),
                "content-filter": list(one.content_filter),
                "exhaustion": list(one.exhaustion),
            }
        )
        for name, one in fallbacks.items()
    }


def _payload(rules: PayloadRules) -> Yaml:
    """Raw values are written as YAML values, which mean the same."""
    found: Yaml = {}
    for key, listed in (
        ("default", rules.default),
        ("default-raw", rules.default_raw),
        ("override", rules.override),
        ("override-raw", rules.override_raw),
    ):
        found[key] = [
            {"models": _selectors(rule.models), "params": _params(rule.params, raw=key.endswith("raw"))}
            for rule in listed
        ]
    found["filter"] = [
        {"models": _selectors(rule.models), "params": list(rule.params)} for rule in rules.filter
    ]
    return _said(found)


def _params(params: tuple[tuple[str, Any], ...], *, raw: bool) -> Yaml:
    return {
        path: msgspec.json.encode(value).decode() if raw and isinstance(value, str) else value
        for path, value in params
    }


def _selectors(selectors: tuple[Any, ...]) -> list[Yaml]:
    return [
        {
            "name": selector.name,
            **_said(
                {
                    "protocol": selector.protocol,
                    "from-protocol": selector.from_protocol,
                    "headers": selector.headers,
                    "match": [{path: value} for path, value in selector.match],
                    "not-match": [{path: value} for path, value in selector.not_match],
                    "exist": list(selector.exist),
                    "not-exist": list(selector.not_exist),
                }
            ),
        }
        for selector in selectors
    ]
