"""Provider blocks that are lists of keys: the vendors' own, and ``openai-compatibility``. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from management_api.config import parts
from management_api.config.fields import Fields
from management_api.config.keys import DEDICATED_BLOCKS, DISGUISE_ENTRY
from management_api.config.values import CredentialConfig, ProviderConfig
from providers.adapters.addresses import check_base_url
from providers.adapters.registry import adapter_for


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """How one vendor's list is read. Fields that are false name keys which the block has not."""

    name: str
    """The key in the file."""
    key: str
    """Of the provider."""
    adapter: str
    requires: str = ""
    """A key of the entry without which it is left out."""
    switches: tuple[str, ...] = ()
    """Adapter switches that an entry may turn on, named as in the file."""
    always: tuple[str, ...] = ()
    """Adapter switches that every entry has on."""
    websockets: bool = False
    needs_alias: bool = False
    same: parts.Same = parts.same_in_all
    """When an entry repeats an earlier one."""


BLOCKS = (
    Block(name="claude-api-key", key="claude", adapter="claude", switches=("rebuild-mid-system-message",)),
    Block(name="gemini-api-key", key="gemini", adapter="gemini", same=parts.same_on_the_wire),
    Block(
        name="interactions-api-key",
        key="gemini-interactions",
        adapter="gemini",
        same=parts.same_on_the_wire,
    ),
    Block(
        name="codex-api-key",
        key="codex",
        adapter="codex",
        requires="base-url",
        switches=("alpha-search",),
        websockets=True,
    ),
    Block(
        name="xai-api-key",
        key="xai",
        adapter="xai",
        requires="base-url",
        always=("speaks-responses",),
        websockets=True,
    ),
    Block(
        name="vertex-api-key",
        key="vertex",
        adapter="vertex",
        requires="api-key",
        needs_alias=True,
        same=parts.same_secret,
    ),
    *(Block(name=name, key=name, adapter=name) for name in DEDICATED_BLOCKS),
)


def read_blocks(fields: Fields, environ: Mapping[str, str]) -> list[ProviderConfig]:
    """Every provider of a list block, in a fixed order, then what the environment alone makes."""
    found = [provider for block in BLOCKS if (provider := _vendor(fields, block)) is not None]
    taken = {provider.key for provider in found}
    for entry in fields.mappings("openai-compatibility"):
        provider = _compatible(entry, taken)
        if provider is not None:
            found.append(provider)
    return found + _from_environment(found, environ)


ENVIRONMENT_PROVIDERS = ("zen", "nim")


def _from_environment(found: list[ProviderConfig], environ: Mapping[str, str]) -> list[ProviderConfig]:
    """``zen`` and ``nim``: the first variable that is set gives the key, unless a provider of the file has
    that name in any case."""
    names = {provider.name.lower() for provider in found} | {provider.key for provider in found}
    added = []
    for kind in ENVIRONMENT_PROVIDERS:
        adapter = adapter_for(kind)
        variable = next((name for name in adapter.environment if environ.get(name, "").strip()), None)
        if variable is None or kind in names:
            continue
        credential = CredentialConfig(origin_key=variable, line=0, api_key=environ[variable].strip())
        added.append(
            ProviderConfig(
                origin_key=variable,
                line=0,
                key=kind,
                adapter=kind,
                name=adapter.name,
                credentials=(credential,),
            )
        )
    return added


def _vendor(fields: Fields, block: Block) -> ProviderConfig | None:
    """A block that lists keys of one vendor; None when it is absent or empty."""
    entries = list(fields.mappings(block.name))
    if block.name == "gemini-api-key":
        entries += fields.mappings_or_names("generative-language-api-key", "api-key")  # before gemini-api-key
    credentials = [_credential(entry, block) for entry in entries]
    kept = parts.without_repeats(fields, [one for one in credentials if one is not None], block.same)
    if not kept:
        return None
    return ProviderConfig(
        origin_key=block.name,
        line=fields.line_of(block.name),
        key=block.key,
        adapter=block.adapter,
        credentials=kept,
    )


def _credential(fields: Fields, block: Block) -> CredentialConfig | None:
    token_file = fields.text("token-file", limit=500)
    api_key = fields.text("api-key")
    found = CredentialConfig(
        origin_key=fields.where,
        line=fields.line,
        api_key=api_key,
        channel="" if api_key or not token_file else block.key,
        base_url=parts.address(fields, "base-url"),
        prefix=parts.prefix(fields),
        headers=parts.headers(fields),
        proxy_url=parts.proxy_url(fields),
        enabled=not fields.flag("disabled"),
        priority=fields.integer("priority"),
        weight=parts.weight(fields),
        disable_cooling=fields.flag("disable-cooling"),
        request_retry=parts.inherited_retry(fields),
        error_rules=parts.error_rules(fields),
        limits=parts.limits(fields),
        websockets=fields.flag("websockets") if block.websockets else None,
        options=_switches(fields, block) | ({"token-file": token_file} if token_file and not api_key else {}),
        models=parts.models(fields, needs_alias=block.needs_alias),
        excluded_models=parts.patterns(fields),
    )
    fields.skip("alpha-search")  # read where the vendor has it, off elsewhere
    fields.finish(DISGUISE_ENTRY)
    return found if _is_usable(fields, found, block) else None


def _is_usable(fields: Fields, found: CredentialConfig, block: Block) -> bool:
    """Whether the entry says enough to be called; warns when it does not."""
    if block.requires == "base-url" and not found.base_url and "base-url" not in fields.failed:
        usual = adapter_for(block.adapter).base_url
        hint = f" (its vendor's is {usual})" if usual else ": its vendor has no common address"
        fields.warn("", f"has no base-url and is left out{hint}")
        return False
    if block.requires == "api-key" and not found.api_key and "api-key" not in fields.failed:
        fields.warn("", "has no api-key and is left out")
        return False
    if found.api_key or found.channel or found.base_url or fields.failed & {"api-key", "base-url"}:
        return True
    fields.warn("", "has neither api-key nor base-url and is left out")
    return False


def _switches(fields: Fields, block: Block) -> dict[str, Any]:
    options: dict[str, Any] = dict.fromkeys(block.always, True)
    for switch in block.switches:
        if fields.flag(switch):
            options[switch] = True
    if (completes := fields.flag("legacy-completions")) is not None:
        options["legacy-completions"] = completes
    return options


def _compatible(fields: Fields, taken: set[str]) -> ProviderConfig | None:
    """One entry of ``openai-compatibility``; its key is new to ``taken`` and added there."""
    name = fields.text("name", limit=100)
    if not name and "name" not in fields.failed:
        fields.error("name", "is missing: give the provider a name")
    base_url = parts.address(fields, "base-url")
    provider = ProviderConfig(
        origin_key=fields.where,
        line=fields.line,
        key=parts.free_key(parts.slug(name), taken),
        adapter="openai-compatibility",
        name=name,
        base_url=base_url,
        prefix=parts.prefix(fields),
        headers=parts.headers(fields),
        proxy_url=parts.proxy_url(fields),
        enabled=not fields.flag("disabled"),
        priority=fields.integer("priority") or 0,
        disable_cooling=fields.flag("disable-cooling"),
        request_retry=parts.inherited_retry(fields),
        error_rules=parts.error_rules(fields),
        limits=parts.limits(fields),
        options=_compatible_options(fields),
        models=parts.models(fields),
        excluded_models=parts.patterns(fields),
        credentials=_key_entries(fields),
    )
    fields.finish(DISGUISE_ENTRY)
    if not base_url and "base-url" not in fields.failed:
        fields.warn("", "has no base-url and is left out")
        return None
    taken.add(provider.key)
    return provider


def _compatible_options(fields: Fields) -> dict[str, Any]:
    options: dict[str, Any] = {}
    endpoint = _models_endpoint(fields)
    if endpoint:
        options["models-endpoint"] = endpoint
    for switch in ("speaks-responses", "support-prompt-cache-key"):
        if fields.flag(switch):
            options[switch] = True
    return options


def _key_entries(fields: Fields) -> tuple[CredentialConfig, ...]:
    """``api-key-entries`` (before them, ``api-keys``); without any, one credential that sends no key (a
    local server)."""
    found = []
    entries = [*fields.mappings_or_names("api-key-entries", "api-key")]
    entries += fields.mappings_or_names("api-keys", "api-key")
    for entry in entries:
        api_key = entry.text("api-key")
        token_file = "" if api_key else entry.text("token-file", limit=500)
        credential = CredentialConfig(
            origin_key=entry.where,
            line=entry.line,
            api_key=api_key,
            channel="openai-compatibility" if token_file else "",
            proxy_url=parts.proxy_url(entry),
            enabled=not entry.flag("disabled"),
            priority=entry.integer("priority"),
            weight=parts.weight(entry),
            limits=parts.limits(entry),
            options={"token-file": token_file} if token_file else {},
        )
        entry.skip("token-file")
        entry.finish(DISGUISE_ENTRY)
        found.append(credential)
    if not found:
        return (CredentialConfig(origin_key=fields.where, line=fields.line, weight=parts.weight(fields)),)
    fields.skip("weight")
    return parts.without_repeats(fields, found, parts.same_in_all)


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
