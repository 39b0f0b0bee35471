"""What entries of several blocks share: models, patterns, headers, addresses, error rules, limits.

Every function reads its keys from one mapping and notes what is wrong there. Pure. Keys and rules:
docs/configuration.md.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Hashable
from typing import Any
from urllib.parse import urlsplit

import msgspec

from management_api.config.fields import INT_LIMIT, Fields
from management_api.config.values import CredentialConfig, ModelConfig
from providers.adapters.addresses import check_base_url
from providers.values import ErrorRule, Features, Limits, RuleAction, Thinking

WEIGHT_LIMIT = 1_000_000
PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")
KEY_LENGTH = 64
"""Of ``Provider.key`` and of prefixes."""

_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""RFC 9110, 5.6.2: a token."""


def models(fields: Fields, *, needs_alias: bool = False, key: str = "models") -> tuple[ModelConfig, ...]:
    """``models`` in file order; one alias for several names is a pool. An item may be a bare name.

    ``needs_alias``: an item without one is left out, as in ``vertex-api-key``.
    """
    found: dict[tuple[str, str], ModelConfig] = {}
    for entry in fields.mappings_or_names(key, "name"):
        model = _model(entry)
        if not model.name:
            if "name" not in entry.failed:
                entry.warn("", "has no name and is left out")
        elif needs_alias and not model.alias:
            entry.warn("", "has no alias and is left out")
        else:
            alias = model.alias or model.name
            if (alias, model.name) in found:
                entry.warn("", f"repeats the alias `{alias}` for the same name and is left out")
            else:
                found[alias, model.name] = msgspec.structs.replace(model, alias=alias)
    return tuple(found.values())


def _model(entry: Fields) -> ModelConfig:
    inputs = _modalities(entry, "input-modalities")
    model = ModelConfig(
        name=entry.text("name", limit=300),
        alias=entry.text("alias", limit=300),
        display_name=entry.text("display-name", limit=200),
        force_mapping=bool(entry.flag("force-mapping")),
        context_length=entry.integer("max-context-length", 0) or None,
        input_modalities=inputs,
        output_modalities=_modalities(entry, "output-modalities"),
        enabled=entry.flag("enabled") is not False,
        position=entry.integer("position", 0),
        features=_features(entry, inputs),
    )
    entry.finish()
    return model


def _features(entry: Fields, inputs: tuple[str, ...]) -> Features | None:
    """What an item's own words mean for what its model can do, None when they say nothing."""
    features = Features(
        images=bool(entry.flag("image")),
        vision="image" in inputs if inputs else None,
        is_compat=bool(entry.flag("is-compat")),
        thinking=thinking(entry),
    )
    return None if features == Features() else features


def thinking(entry: Fields) -> Thinking | None:
    inner = entry.mapping("thinking")
    if inner is None:
        return None
    found = Thinking(
        min=inner.integer("min", 0),
        max=inner.integer("max", 0),
        zero_allowed=bool(inner.flag("zero-allowed")),
        dynamic_allowed=bool(inner.flag("dynamic-allowed")),
        levels=tuple(dict.fromkeys(text.lower() for _, _, text in inner.texts("levels"))),
    )
    inner.finish()
    return found


def _modalities(entry: Fields, key: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text.lower() for _, _, text in entry.texts(key)))


def patterns(fields: Fields, key: str = "excluded-models") -> tuple[str, ...]:
    """Patterns of model ids in lower case, each once."""
    found: dict[str, None] = {}
    for place, line, pattern in fields.texts(key):
        if len(pattern) > 300:
            fields.error_at(line, place, "must have at most 300 characters")
        found[pattern.lower()] = None
    return tuple(found)


def headers(fields: Fields, key: str = "headers") -> dict[str, str]:
    found: dict[str, str] = {}
    for written, line, value in fields.pairs(key):
        name = written.strip()
        if not name or not value:
            fields.warn_at(line, f"{fields.place(key)}.{name}", "is blank and ignored")
        elif not _HEADER_NAME.fullmatch(name):
            fields.error_at(line, fields.place(key), "a header name has a character that none may have")
        else:
            found[name] = value
    return found


def prefix(fields: Fields) -> str:
    """Trimmed, without outer slashes; one with an inner slash counts as none."""
    text = fields.text("prefix", limit=KEY_LENGTH).strip("/").strip()
    if "/" in text:
        fields.warn("prefix", "has a slash inside and is ignored: the entry has no prefix")
        return ""
    return text


def address(fields: Fields, key: str) -> str:
    """The base URL of ``key`` without its trailing slash, "" when absent or refused."""
    url = fields.text(key, limit=500).rstrip("/")
    if not url:
        return ""
    try:
        check_base_url(url)
    except ValueError as error:
        fields.error(key, str(error))
        return ""
    return url


def proxy_url(fields: Fields, key: str = "proxy-url") -> str:
    """``direct`` and ``none`` in lower case, else a URL with a host. Never shown: it may hold a password.

    What is neither is ignored with a warning, as CLIProxyAPI does, so that its files load.
    """
    url = fields.text(key, limit=500)
    if url.lower() in ("", "direct", "none"):
        return url.lower()
    try:
        parts = urlsplit(url)
        valid = parts.scheme.lower() in PROXY_SCHEMES and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        valid = False
    if not valid or any(character.isspace() for character in url):
        fields.warn(
            key,
            "is ignored, so that traffic does NOT go through it: it must be direct, none, or http, https, "
            "socks5 or socks5h://host:port",
        )
        return ""
    return url


def weight(fields: Fields) -> int:
    found = fields.integer("weight", strict=True)
    if found is None:
        return 1
    if found > WEIGHT_LIMIT:
        fields.error("weight", f"must be at most {WEIGHT_LIMIT}, not {found}")
    return max(found, 0)


def inherited_retry(fields: Fields) -> int | None:
    """``request-retry`` of an entry; negative inherits, as does its absence."""
    retry = fields.integer("request-retry", high=INT_LIMIT)
    return None if retry is None or retry < 0 else retry


def error_rules(fields: Fields, key: str = "request-scoped-errors") -> tuple[ErrorRule, ...]:
    """Rules with a status, a pattern and an action that is known; the others are left out with a warning."""
    found = []
    for entry in fields.mappings(key):
        status = entry.integer("status") or 0
        texts = tuple(text for _, _, text in entry.texts("match"))
        expressions = tuple(_expressions(entry, "match-regexr")) + tuple(_expressions(entry, "match-regex"))
        action = entry.text("action").lower()
        entry.finish()
        if not texts and not expressions:
            entry.warn("", "has no match and no match-regexr and is left out")
        elif status <= 0:
            entry.warn("", "has no status and is left out")
        elif action not in set(RuleAction):
            entry.warn("action", f"is none of {', '.join(RuleAction)}; the rule is left out")
        else:
            found.append(
                ErrorRule(status=status, action=RuleAction(action), texts=texts, patterns=expressions)
            )
    return tuple(found)


def _expressions(entry: Fields, key: str) -> list[str]:
    found = []
    for place, line, text in entry.texts(key):
        try:
            re.compile(text)
        except re.error:
            entry.warn_at(line, place, "is no regular expression and is ignored")
        else:
            found.append(text)
    return found


def limits(fields: Fields) -> Limits:
    """``rate-limit`` or ``limits``: 0 and negative numbers mean no limit."""
    key = "limits" if fields.has("limits") else "rate-limit"
    fields.skip("rate-limit", "limits")
    inner = fields.mapping(key)
    if inner is None:
        return Limits()
    found = limits_of(
        {name: inner.integer(name) for name in ("rpm", "tpm", "rpd", "tpd", "concurrency")},
        inner.flag("wait-on-limit"),
        inner.integer("max-wait-seconds"),
    )
    inner.finish()
    return found


def limits_of(numbers: dict[str, int | None], waits: bool | None, max_wait_s: int | None) -> Limits:
    """Limits; what is absent, 0 or negative has its default."""
    said: dict[str, Any] = {name: number for name, number in numbers.items() if number and number > 0}
    if waits:
        said["waits"] = True
    if max_wait_s and max_wait_s > 0:
        said["max_wait_s"] = float(max_wait_s)
    return Limits(**said)


Same = Callable[[CredentialConfig], Hashable]
"""What of two entries must be equal for the second to be a repetition."""


def same_in_all(credential: CredentialConfig) -> Hashable:
    """Everything that an entry says."""
    return msgspec.json.encode(msgspec.structs.replace(credential, origin_key="", line=0, variant=0))


def same_on_the_wire(credential: CredentialConfig) -> Hashable:
    """Key, address, prefix, proxy and headers."""
    return *credential.identity, credential.proxy_url, tuple(sorted(credential.headers.items()))


def same_secret(credential: CredentialConfig) -> Hashable:
    """The key and the address."""
    return credential.secret_identity, credential.base_url


def same_identity(credential: CredentialConfig) -> Hashable:
    """The key, or the place of a login's tokens, with address and prefix."""
    return credential.identity


def without_repeats(
    fields: Fields, credentials: list[CredentialConfig], same: Same = same_identity
) -> tuple[CredentialConfig, ...]:
    """Each entry once, as ``same`` sees it; the first wins. Others of the same key, address and prefix are
    variants of it."""
    kept: dict[Hashable, CredentialConfig] = {}
    alike: dict[Hashable, int] = {}
    for credential in credentials:
        first = kept.get(same(credential))
        if first is not None:
            message = f"repeats {first.origin_key} and is left out"
            fields.warn_at(credential.line, credential.origin_key, message)
            continue
        number = alike[credential.identity] = alike.get(credential.identity, -1) + 1
        kept[same(credential)] = msgspec.structs.replace(credential, variant=number)
    return tuple(kept.values())


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
