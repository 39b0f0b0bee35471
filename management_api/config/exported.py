"""What only an export writes: keys of the ``providers:`` map that reproduce every column of a row. Pure.

A hand-written file needs none of them. Names are the columns'; docs/operations.md tells how files move.
"""

from __future__ import annotations

from typing import Any

from management_api.config import parts
from management_api.config.fields import Fields
from management_api.config.values import CredentialConfig, ModelConfig
from providers.values import Features

_SWITCHES = ("streaming", "functions", "vision", "code_generation", "multimodal")


def listed_credentials(entry: Fields) -> tuple[CredentialConfig, ...] | None:
    """``credentials``, each with everything of its own; None when the entry lists none."""
    if not entry.has("credentials"):
        entry.skip("credentials")
        return None
    return tuple(_credential(item) for item in entry.mappings("credentials"))


def _credential(item: Fields) -> CredentialConfig:
    api_key = item.text("api_key")
    found = CredentialConfig(
        origin_key=item.where,
        line=item.line,
        api_key=api_key,
        fingerprint="" if api_key else item.text("fingerprint", limit=64),
        channel="" if api_key else item.text("channel", limit=64),
        label=item.text("label", limit=100),
        base_url=parts.address(item, "base_url"),
        prefix=parts.prefix(item),
        headers=parts.headers(item),
        proxy_url=parts.proxy_url(item, "proxy_url"),
        enabled=item.flag("enabled") is not False,
        priority=item.integer("priority"),
        weight=parts.weight(item),
        disable_cooling=item.flag("disable_cooling"),
        request_retry=item.integer("request_retry", 0),
        error_rules=parts.error_rules(item, "request_scoped_errors"),
        limits=parts.limits(item),
        websockets=item.flag("websockets"),
        variant=item.integer("variant", 0, 32_767) or 0,
        options=options_of(item),
        model_features=model_features(item),
        models=aliases(item),
        excluded_models=parts.patterns(item, "excluded_models"),
    )
    item.skip("fingerprint", "channel")
    item.finish()
    return found


def options_of(entry: Fields) -> dict[str, Any]:
    """``options`` as they are stored."""
    options = entry.plain("options")
    if options is None or isinstance(options, dict):
        return options or {}
    entry.error("options", "must be a mapping")
    return {}


def aliases(entry: Fields) -> tuple[ModelConfig, ...]:
    """``aliases``: as ``models`` of the lists, with a ``position`` where it is not the place in the list."""
    return parts.models(entry, key="aliases")


def model_features(entry: Fields) -> dict[str, Features]:
    """``model_features``: by upstream model, what the capability filter knows of it."""
    found = {}
    for name, inner in entry.named_mappings("model_features"):
        said: dict[str, Any] = {switch: inner.flag(switch) for switch in _SWITCHES}
        for switch in ("images", "is_compat"):
            if inner.flag(switch):
                said[switch] = True
        said["thinking"] = parts.thinking(inner)
        said["max_tokens"] = inner.integer("max_tokens", 0) or None
        inner.finish()
        found[name] = Features(**said)
    return found
