"""The ``providers:`` map: one mapping per provider, named by it, with keys in snake_case. Pure.

It stands beside the list blocks and feeds the same registry. What it says of models is a closed list: only
models that are named are offered, less those that are switched off. Without ``models`` the kind's catalogue
holds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from management_api.config import parts
from management_api.config.exported import aliases, listed_credentials, model_features, options_of
from management_api.config.fields import Fields
from management_api.config.values import CredentialConfig, ModelConfig, ProviderConfig
from providers.adapters.base import Adapter
from providers.adapters.openai_compatible import ENDS_IN_VERSION, OpenAICompatible
from providers.adapters.registry import UnknownAdapter, adapter_for
from providers.values import CoolingLadder, Features, Limits

NAME_LENGTH = 100
CUSTOM = "openai-compatibility"
ADAPTER_OF_TYPE = {
    "claude": "claude",
    "anthropic": "claude",
    "gemini": "gemini",
    "google": "gemini",
    "openai": "openai",
    "mistral": "mistral",
    "groq": "groq",
    "deepseek": "deepseek",
    "openrouter": "openrouter",
    "together": "together",
    "fireworks": "fireworks",
    "novita": "novita",
    "siliconflow": "siliconflow",
    "xai": "xai",
    "minimax": "minimax",
    "roocode": "roo",
    "roo": "roo",
    "kiloai": "kilo",
    "kilo": "kilo",
    "zen": "zen",
    "nim": "nim",
    "kiro": "kiro",
    "copilot": "github-copilot",
    "github-copilot": "github-copilot",
    "custom": CUSTOM,
}
"""The words of the configuration's own document. Any other adapter goes by its key; a type that is none is a
server that speaks OpenAI's protocol at its ``endpoint``."""
KEY_OF_NAME = {"copilot": "github-copilot"}
"""One provider under two names; the key is that of its login."""
AUTH_TYPES = ("api_key", "oauth_device_flow")


def read_map(fields: Fields, environ: Mapping[str, str], taken: set[str]) -> list[ProviderConfig]:
    """Every provider of the map; the keys are new to ``taken`` and added there."""
    found = []
    for map_key, entry in fields.named_mappings("providers"):
        if not map_key.strip() or len(map_key) > NAME_LENGTH:
            entry.error("", f"the name of a provider has 1 to {NAME_LENGTH} characters")
            continue
        provider = _provider(map_key, entry, environ, taken)
        if provider is not None:
            taken.add(provider.key)
            found.append(provider)
    return found


def _provider(
    map_key: str, entry: Fields, environ: Mapping[str, str], taken: set[str]
) -> ProviderConfig | None:
    is_exported = entry.has("key")  # which says the name too, unless there is none
    name = entry.text("name", limit=100) or ("" if is_exported else map_key[:100])
    kind = entry.text("type").lower()
    if not kind and "type" not in entry.failed:
        entry.error("type", "is missing: name the kind of provider, custom for any other")
    adapter_key = ADAPTER_OF_TYPE.get(kind) or (kind if _adapter(kind) is not None else CUSTOM)
    adapter = _adapter(adapter_key)
    endpoint = parts.address(entry, "endpoint")
    base_url = parts.address(entry, "base_url") or _base_url(adapter, adapter_key, endpoint)
    enabled = entry.flag("enabled") is not False
    logs_in = _logs_in(entry, adapter_key)
    credentials = listed_credentials(entry)
    if credentials is None:
        credentials = _credentials(entry, name, adapter, environ, enabled=enabled, logs_in=logs_in)
    entry.skip("api_key")
    limits, max_tokens = _limits(entry)
    cooling, ladder = _cooldown(entry)
    models, listed = _models(entry, adapter)
    wanted = _key(entry, name)
    key = parts.free_key(wanted, taken)
    if key != wanted:
        entry.warn("", f"provider already registered: {wanted}; this one is stored as `{key}`")
    provider = ProviderConfig(
        origin_key=entry.where,
        line=entry.line,
        key=key,
        adapter=adapter_key,
        name=name,
        base_url=base_url,
        prefix=parts.prefix(entry),
        headers=parts.headers(entry),
        proxy_url=parts.proxy_url(entry, "proxy_url"),
        enabled=enabled,
        priority=entry.integer("priority") or 0,
        disable_cooling=cooling,
        request_retry=_retry(entry),
        error_rules=parts.error_rules(entry, "request_scoped_errors"),
        limits=limits,
        features=_provider_features(entry, max_tokens),
        ladder=ladder,
        websockets=bool(entry.flag("websockets")),
        options={**listed, **options_of(entry)},
        model_features=model_features(entry),
        models=(*models, *aliases(entry)),
        excluded_models=parts.patterns(entry, "excluded_models"),
        credentials=credentials,
    )
    entry.finish()
    if adapter_key == CUSTOM and not base_url and "endpoint" not in entry.failed:
        entry.warn("", "has no endpoint and is left out")
        return None
    return provider


_KEY = re.compile(r"[-a-zA-Z0-9_]{1,64}")


def _key(entry: Fields, name: str) -> str:
    """``key`` as an export gives it, else made from the name."""
    key = entry.text("key")
    if key and not _KEY.fullmatch(key):
        entry.error("key", "must be 1 to 64 letters, digits, - or _")
        key = ""
    return key or KEY_OF_NAME.get(parts.slug(name), parts.slug(name))


def _retry(entry: Fields) -> int | None:
    retry = entry.integer("request_retry")
    return None if retry is None or retry < 0 else retry


def _adapter(key: str) -> Adapter | None:
    """None for a kind whose login part is not installed."""
    try:
        return adapter_for(key)
    except UnknownAdapter:
        return None


def _base_url(adapter: Adapter | None, adapter_key: str, endpoint: str) -> str:
    """The adapter's kind of base URL for an ``endpoint`` that ends before the version.

    The vendor's own endpoint stands for the vendor's address (OpenRouter's ``/api``, Fireworks' bare host,
    whose path really is ``/inference/v1``); another host gets ``/v1``, as every OpenAI-shaped server has it.
    """
    if not endpoint or not (isinstance(adapter, OpenAICompatible) or adapter_key == CUSTOM):
        return endpoint
    usual = adapter.base_url if adapter is not None else ""
    if usual.startswith(f"{endpoint}/"):
        return usual
    same_host = bool(usual) and urlsplit(usual).netloc == urlsplit(endpoint).netloc
    if same_host and not urlsplit(endpoint).path:
        return usual
    return endpoint if ENDS_IN_VERSION.search(endpoint) else f"{endpoint}/v1"


def _logs_in(entry: Fields, adapter_key: str) -> bool:
    auth = entry.text("auth_type").lower()
    if auth and auth not in AUTH_TYPES:
        entry.warn("auth_type", f"is none of {', '.join(AUTH_TYPES)} and is ignored")
    return auth == "oauth_device_flow" or (not auth and adapter_key in ("kiro", "github-copilot"))


def _credentials(
    entry: Fields,
    name: str,
    adapter: Adapter | None,
    environ: Mapping[str, str],
    *,
    enabled: bool,
    logs_in: bool,
) -> tuple[CredentialConfig, ...]:
    """The key in the file, else in the environment as ``<NAME>_API_KEY`` or under the vendor's usual name;
    without one, calls go out without a key. A login's credentials come from the login."""
    api_key = entry.text("api_key")
    if not api_key:
        own = f"{parts.slug(name).upper().replace('-', '_')}_API_KEY"
        names = (own, *(adapter.environment if adapter is not None else ()))
        api_key = next((value for wanted in names if (value := environ.get(wanted, "").strip())), "")
        if not api_key and not logs_in and enabled and (adapter is None or adapter.needs_key):
            entry.warn("", f"has no api_key and {own} is not set: its calls go out without a key")
    if logs_in and not api_key:
        return ()
    return (CredentialConfig(origin_key=entry.where, line=entry.line, api_key=api_key),)


def _limits(entry: Fields) -> tuple[Limits, int]:
    """Limits, and the largest request in tokens (0: no bound). The short names of the lists count as well."""
    spellings = ("limits", "rate_limit", "rate-limit")
    inner = entry.mapping(next((key for key in spellings if entry.has(key)), "limits"))
    if inner is None:
        return Limits(), 0
    limits = parts.limits_of(
        {
            short: inner.integer(name if inner.has(name) else short)
            for short, name in (
                ("rpm", "requests_per_minute"),
                ("tpm", "tokens_per_minute"),
                ("rpd", "requests_per_day"),
                ("tpd", "tokens_per_day"),
                ("concurrency", "concurrency"),
            )
        },
        inner.flag("wait_on_limit"),
        inner.integer("max_wait_seconds"),
    )
    max_tokens = max(inner.integer("max_tokens_per_request") or 0, 0)
    inner.finish()
    return limits, max_tokens


def _cooldown(entry: Fields) -> tuple[bool | None, CoolingLadder | None]:
    """``disable_cooling`` and the provider's own ladder."""
    inner = entry.mapping("cooldown")
    if inner is None:
        return None, None
    enabled = inner.flag("enabled")
    initial, highest = inner.integer("initial_seconds", 0), inner.integer("max_seconds", 0)
    inner.finish()
    usual = CoolingLadder()
    ladder = None
    if initial or highest:
        first = float(initial or usual.initial_s)
        ladder = CoolingLadder(initial_s=first, max_s=max(float(highest or usual.max_s), first))
    return (None if enabled is None else not enabled), ladder


def _provider_features(entry: Fields, max_tokens: int) -> Features | None:
    """What is not said is None; ``max_tokens_per_request`` is a bound too."""
    inner = entry.mapping("features")
    said: dict[str, Any] = {"max_tokens": max_tokens or None}
    if inner is not None:
        for name in ("streaming", "functions", "vision", "code_generation", "multimodal"):
            said[name] = inner.flag(name)
        inner.finish()
    features = Features(**said)
    return None if features == Features() else features


def _models(entry: Fields, adapter: Adapter | None) -> tuple[tuple[ModelConfig, ...], dict[str, Any]]:
    """Models and mappings as aliases, and the option that says whether they are the whole list."""
    mapped = {name.strip(): target for name, _, target in entry.pairs("model_mappings")}
    usual = dict(adapter.default_mappings) if adapter is not None else {}
    found: dict[tuple[str, str], ModelConfig] = {}
    lists_models = False
    for item in entry.mappings_or_names("models", "name"):
        model = _model(item)
        lists_models = True
        if model is None:
            continue
        upstream = mapped.get(model.name) or usual.get(model.name) or model.name
        found[model.name, upstream] = _named(model, upstream, model.name)
        for client, target in usual.items():
            if target == model.name and client not in mapped:
                found.setdefault((client, target), _named(model, target, client))
    for client, target in mapped.items():
        if client and target:
            found.setdefault((client, target), ModelConfig(name=target, alias=client))
    is_closed = lists_models or (bool(mapped) and (adapter is None or adapter.key == CUSTOM))
    options: dict[str, Any] = {"only-listed": is_closed} if lists_models or mapped else {}
    return tuple(found.values()), options


def _named(model: ModelConfig, name: str, alias: str) -> ModelConfig:
    return msgspec.structs.replace(model, name=name, alias=alias)


def _model(item: Fields) -> ModelConfig | None:
    """One model; None when it has no name."""
    name = item.text("name", limit=300)
    max_tokens = max(item.integer("max_tokens") or 0, 0)
    said = Features(
        functions=item.flag("supports_functions"),
        streaming=item.flag("supports_streaming"),
        vision=item.flag("supports_vision"),
        max_tokens=max_tokens or None,
    )
    model = ModelConfig(
        name=name,
        alias=name,
        enabled=item.flag("enabled") is not False,
        display_name=item.text("display_name", limit=200),
        context_length=max_tokens or None,
        features=None if said == Features() else said,
    )
    item.finish()
    if not name and "name" not in item.failed:
        item.warn("", "has no name and is left out")
    return model if name else None
