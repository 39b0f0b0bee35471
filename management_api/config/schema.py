"""The keys of ``config.yaml`` and what they may hold: a Document becomes a GatewayConfig and problems.

Pure: no Django, no files; the environment comes in. Keys, defaults and rules: docs/configuration.md.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from urllib.parse import urlsplit

from management_api.config.document import Document
from management_api.config.fields import INT_LIMIT, Fields, Reader
from management_api.config.keys import (
    DEDICATED_BLOCKS,
    DISGUISE_ENTRY,
    DISGUISE_TOP,
    UNSUPPORTED_ENTRY,
    UNSUPPORTED_MODEL,
    UNSUPPORTED_TOP,
)
from management_api.config.problems import Findings, Problem
from management_api.config.values import (
    ClientKeyConfig,
    CredentialConfig,
    GatewayConfig,
    ModelConfig,
    ProviderConfig,
    SettingsConfig,
)
from providers.adapters.addresses import check_base_url
from providers.adapters.registry import adapter_for

WEIGHT_LIMIT = 1_000_000
PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")
KEY_LENGTH = 64
"""Of ``Provider.key`` and of prefixes."""

_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""RFC 9110, 5.6.2: a token."""


def read(document: Document, environ: Mapping[str, str]) -> tuple[GatewayConfig, list[Problem]]:
    """What ``document`` says, and every problem by line. With an error among them, do not apply it."""
    findings = Findings(document.source)
    fields = Fields(document.root, "", 1, Reader(findings, environ))
    host = fields.text("host") if fields.has("host") else None
    port = fields.integer("port", 0, 65535) or None
    config = GatewayConfig(
        host=environ.get("CLIPROXY_HOST", "").strip() or host,
        port=_port_override(environ, findings) or port,
        settings=_settings(fields, environ, findings),
        client_keys=_client_keys(fields, environ),
        providers=_providers(fields),
        content_hash=document.content_hash,
    )
    fields.finish(UNSUPPORTED_TOP, DISGUISE_TOP)
    return config, findings.in_order()


def _port_override(environ: Mapping[str, str], findings: Findings) -> int | None:
    given = environ.get("CLIPROXY_PORT", "").strip()
    if not given:
        return None
    if given.isascii() and given.isdigit() and len(given) <= 5 and 1 <= int(given) <= 65535:
        return int(given)
    findings.warn("the environment variable CLIPROXY_PORT is not a port (1 to 65535) and is ignored")
    return None


def _debug_override(environ: Mapping[str, str], findings: Findings) -> bool | None:
    given = environ.get("CLIPROXY_DEBUG", "").strip().lower()
    if given in ("true", "yes", "1", "on"):
        return True
    if given in ("false", "no", "0", "off"):
        return False
    if given:
        findings.warn("the environment variable CLIPROXY_DEBUG is neither true nor false and is ignored")
    return None


def _settings(fields: Fields, environ: Mapping[str, str], findings: Findings) -> SettingsConfig | None:
    """The gateway's settings, or None when neither file nor environment sets one."""
    retry = fields.integer("request-retry")
    per_round = fields.integer("max-retry-credentials")
    interval = fields.integer("max-retry-interval")
    debug = fields.flag("debug")
    override = _debug_override(environ, findings)
    given: dict[str, int | bool | str | None] = {
        # negative counts as 0, as in CLIProxyAPI
        "request_retry": None if retry is None else max(retry, 0),
        "max_retry_credentials": None if per_round is None else max(per_round, 0),
        "max_retry_interval_s": None if interval is None else max(interval, 0),
        "transient_cooldown_s": fields.integer("transient-error-cooldown-seconds"),
        "disable_cooling": fields.flag("disable-cooling"),
        "force_model_prefix": fields.flag("force-model-prefix"),
        "proxy_url": _proxy_url(fields) or None,
        "debug": debug if override is None else override,
    }
    chosen = {name: value for name, value in given.items() if value is not None}
    return SettingsConfig(**chosen) if chosen else None  # type: ignore[arg-type]  # names and types as above


def _client_keys(fields: Fields, environ: Mapping[str, str]) -> tuple[ClientKeyConfig, ...]:
    """``api-keys``, each once; ``CLIPROXY_API_KEYS`` replaces the list."""
    listed = fields.texts("api-keys")
    override = [part.strip() for part in environ.get("CLIPROXY_API_KEYS", "").split(",") if part.strip()]
    if override:
        return tuple(
            ClientKeyConfig(origin_key=f"CLIPROXY_API_KEYS[{index}]", key=key)
            for index, key in enumerate(dict.fromkeys(override))
        )
    found: dict[str, ClientKeyConfig] = {}
    for place, line, key in listed:
        if key in found:
            fields.warn_at(line, place, f"repeats {found[key].origin_key} and is ignored")
            continue
        found[key] = ClientKeyConfig(origin_key=place, key=key)
    return tuple(found.values())


def _providers(fields: Fields) -> tuple[ProviderConfig, ...]:
    blocks = (("claude-api-key", "claude"), ("gemini-api-key", "gemini"), ("codex-api-key", "codex"))
    dedicated = [
        provider
        for block, key in (*blocks, *((name, name) for name in DEDICATED_BLOCKS))
        if (provider := _dedicated(fields, block, key)) is not None
    ]
    taken = {provider.key for provider in dedicated}
    compatible = [
        provider
        for entry in fields.mappings("openai-compatibility")
        if (provider := _compatible(entry, taken)) is not None
    ]
    return (*dedicated, *compatible)


def _dedicated(fields: Fields, block: str, key: str) -> ProviderConfig | None:
    """A block that lists keys of one vendor; None when it is absent or empty."""
    needs_url = adapter_for(key).needs_base_url
    credentials = [_vendor_credential(entry, needs_url=needs_url) for entry in fields.mappings(block)]
    kept = _without_repeats(fields, [credential for credential in credentials if credential is not None])
    if not kept:
        return None
    return ProviderConfig(
        origin_key=block, line=fields.line_of(block), key=key, adapter=key, credentials=kept
    )


def _vendor_credential(fields: Fields, *, needs_url: bool) -> CredentialConfig | None:
    credential = CredentialConfig(
        origin_key=fields.where,
        line=fields.line,
        api_key=fields.text("api-key"),
        base_url=_base_url(fields),
        prefix=_prefix(fields),
        headers=_headers(fields),
        proxy_url=_proxy_url(fields),
        enabled=not fields.flag("disabled"),
        priority=fields.integer("priority"),
        weight=_weight(fields),
        disable_cooling=fields.flag("disable-cooling"),
        request_retry=_inherited_retry(fields),
        models=_models(fields),
        excluded_models=_excluded_models(fields),
    )
    fields.finish(UNSUPPORTED_ENTRY, DISGUISE_ENTRY)
    if needs_url and not credential.base_url and "base-url" not in fields.failed:
        fields.warn("", "has no base-url and is left out: its vendor has no common address")
        return None
    if credential.api_key or credential.base_url or fields.failed & {"api-key", "base-url"}:
        return credential
    fields.warn("", "has neither api-key nor base-url and is left out")
    return None


def _compatible(fields: Fields, taken: set[str]) -> ProviderConfig | None:
    """One entry of ``openai-compatibility``; its key is new to ``taken`` and added there."""
    name = fields.text("name", limit=100)
    if not name and "name" not in fields.failed:
        fields.error("name", "is missing: give the provider a name")
    base_url = _base_url(fields)
    provider = ProviderConfig(
        origin_key=fields.where,
        line=fields.line,
        key=free_key(slug(name), taken),
        adapter="openai-compatibility",
        name=name,
        base_url=base_url,
        prefix=_prefix(fields),
        headers=_headers(fields),
        proxy_url=_proxy_url(fields),
        enabled=not fields.flag("disabled"),
        priority=fields.integer("priority") or 0,
        disable_cooling=fields.flag("disable-cooling"),
        request_retry=_inherited_retry(fields),
        models_endpoint=_models_endpoint(fields),
        speaks_responses=bool(fields.flag("speaks-responses")),
        models=_models(fields),
        excluded_models=_excluded_models(fields),
        credentials=_key_entries(fields),
    )
    fields.finish(UNSUPPORTED_ENTRY, DISGUISE_ENTRY)
    if not base_url and "base-url" not in fields.failed:
        fields.warn("", "has no base-url and is left out")
        return None
    taken.add(provider.key)
    return provider


def _key_entries(fields: Fields) -> tuple[CredentialConfig, ...]:
    """``api-key-entries``; without any, one credential that sends no key (a local server)."""
    found = []
    for entry in fields.mappings("api-key-entries"):
        credential = CredentialConfig(
            origin_key=entry.where,
            line=entry.line,
            api_key=entry.text("api-key"),
            proxy_url=_proxy_url(entry),
            enabled=not entry.flag("disabled"),
            priority=entry.integer("priority"),
            weight=_weight(entry),
        )
        entry.finish(UNSUPPORTED_ENTRY, DISGUISE_ENTRY)
        found.append(credential)
    if not found:
        return (CredentialConfig(origin_key=fields.where, line=fields.line, weight=_weight(fields)),)
    return _without_repeats(fields, found)


def _without_repeats(fields: Fields, credentials: list[CredentialConfig]) -> tuple[CredentialConfig, ...]:
    """Each key with its base-url and prefix once; the first wins."""
    kept: dict[tuple[str, str, str], CredentialConfig] = {}
    for credential in credentials:
        first = kept.setdefault(credential.identity, credential)
        if first is not credential:
            message = f"has the api-key, base-url and prefix of {first.origin_key} and is left out"
            fields.warn_at(credential.line, credential.origin_key, message)
    return tuple(kept.values())


def _models(fields: Fields) -> tuple[ModelConfig, ...]:
    """``models`` in file order; one alias for several names is a pool."""
    found: dict[tuple[str, str], ModelConfig] = {}
    for entry in fields.mappings("models"):
        name = entry.text("name", limit=300)
        model = ModelConfig(
            name=name,
            alias=entry.text("alias", limit=300) or name,
            display_name=entry.text("display-name", limit=200),
            force_mapping=bool(entry.flag("force-mapping")),
        )
        entry.finish(UNSUPPORTED_MODEL)
        if not name:
            if "name" not in entry.failed:
                entry.warn("", "has no name and is left out")
        elif (model.alias, name) in found:
            entry.warn("", f"repeats the alias `{model.alias}` for the same name and is left out")
        else:
            found[model.alias, name] = model
    return tuple(found.values())


def _excluded_models(fields: Fields) -> tuple[str, ...]:
    """Patterns in lower case, each once."""
    patterns: dict[str, None] = {}
    for place, line, pattern in fields.texts("excluded-models"):
        if len(pattern) > 300:
            fields.error_at(line, place, "must have at most 300 characters")
        patterns[pattern.lower()] = None
    return tuple(patterns)


def _headers(fields: Fields) -> dict[str, str]:
    found: dict[str, str] = {}
    for written, line, value in fields.pairs("headers"):
        name = written.strip()
        if not name or not value:
            fields.warn_at(line, f"{fields.place('headers')}.{name}", "is blank and ignored")
        elif not _HEADER_NAME.fullmatch(name):
            fields.error_at(line, fields.place("headers"), "a header name has a character that none may have")
        else:
            found[name] = value
    return found


def _prefix(fields: Fields) -> str:
    """Trimmed, without outer slashes; one with an inner slash counts as none."""
    prefix = fields.text("prefix", limit=KEY_LENGTH).strip("/").strip()
    if "/" in prefix:
        fields.warn("prefix", "has a slash inside and is ignored: the entry has no prefix")
        return ""
    return prefix


def _base_url(fields: Fields) -> str:
    url = fields.text("base-url", limit=500).rstrip("/")
    if not url:
        return ""
    try:
        check_base_url(url)
    except ValueError as error:
        fields.error("base-url", str(error))
        return ""
    return url


def _proxy_url(fields: Fields) -> str:
    """``direct`` and ``none`` in lower case, else a URL with a host. Never shown: it may hold a password."""
    url = fields.text("proxy-url", limit=500)
    if url.lower() in ("", "direct", "none"):
        return url.lower()
    try:
        parts = urlsplit(url)
        valid = parts.scheme.lower() in PROXY_SCHEMES and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        valid = False
    if not valid or any(character.isspace() for character in url):
        # CLIProxyAPI ignores such a proxy; traffic that must go through one would then go around it.
        fields.error("proxy-url", "must be direct, none, or http, https, socks5 or socks5h://host:port")
        return ""
    return url


def _models_endpoint(fields: Fields) -> str:
    """A path from the host (``/v1/models``), one from the base URL (``models``), or an address."""
    endpoint = fields.text("models-endpoint", limit=500)
    if "://" in endpoint:
        try:
            check_base_url(endpoint.partition("?")[0])
        except ValueError:
            fields.error("models-endpoint", "must be a path (/v1/models) or an http or https URL")
            return ""
    return endpoint


def _weight(fields: Fields) -> int:
    weight = fields.integer("weight")
    if weight is None:
        return 1
    if weight > WEIGHT_LIMIT:
        fields.error("weight", f"must be at most {WEIGHT_LIMIT}, not {weight}")
    return max(weight, 0)


def _inherited_retry(fields: Fields) -> int | None:
    """``request-retry`` of an entry; negative inherits, as does its absence."""
    retry = fields.integer("request-retry", high=INT_LIMIT)
    return None if retry is None or retry < 0 else retry


def slug(name: str) -> str:
    """``name`` as a provider key: ``Together AI`` → ``together-ai``; ``provider`` when nothing is left."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9_]+", "-", plain).strip("-")[: KEY_LENGTH - 5].strip("-") or "provider"


def free_key(wanted: str, taken: set[str]) -> str:
    """``wanted``, or the first of ``wanted-2``, ``wanted-3`` … that is not ``taken``."""
    key, number = wanted, 1
    while key in taken:
        number += 1
        key = f"{wanted}-{number}"
    return key
