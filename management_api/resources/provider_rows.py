"""Lists of keys in the database: rows in the shape of a file's block, and a changed list back into the rows.

A changed list is read as a file would be. Then only what the request changed is stored: a column of a row is
written where the old and the new entry say different things of it, so that what a block cannot say (a label,
an own cooling ladder, the health) stays, and a row whose key changes is still the same row.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django.utils import timezone

from management_api.config import columns, export
from management_api.config.blocks import BLOCKS, Block
from management_api.config.parts import free_key, slug
from management_api.config.values import CredentialConfig, GatewayConfig, ProviderConfig
from management_api.errors import ManagementError
from management_api.resources.object_list import KEY_ENTRIES, Entry, Held, Values
from management_api.resources.object_list_kinds import OBJECT_LISTS, ObjectList
from management_api.resources.writing import one_transaction, read_block, refuse_rows_of_a_file
from providers import secrets
from providers.models import Credential, CredentialHealth, Provider
from routing.models import ModelAlias, ModelExclusion

COMPATIBLE = "openai-compatibility"
_BLOCKS = {block.name: block for block in BLOCKS}
_INDEX = re.compile(r"[a-z-]+\[(\d+)\](?:\.api-key(?:-entrie)?s\[(\d+)\])?")
_UNSAID = frozenset({"key", "adapter", "provider_id", "origin_key", "variant", "label"})
"""Columns that no entry of a block sets."""
_MERGED = ("options", "model_features")
"""JSON columns of which an entry sets some members."""
_IDENTITY = frozenset({"fingerprint", "base_url", "prefix"})


def held(kind: ObjectList) -> Held:
    return Held(tuple(entry for entry, _ in _rendered(kind)), allows_references=True)


def change(kind: ObjectList, edit: Callable[[Held], list[Entry]]) -> None:
    """Store what ``edit`` makes of the list. Raises what ``edit`` raises; ManagementError 400 for what no
    file could say, 409 for rows that are not the database's to change."""
    with one_transaction():
        rendered = _rendered(kind)
        old = [entry for entry, _ in rendered]
        new = edit(Held(tuple(old), allows_references=True))
        rows = [row for _, row in rendered]
        before, after = (read_block(kind.name, [entry.values for entry in entries]) for entries in (old, new))
        if kind.is_by_name:
            _store_providers(rows, old, new, before, after)
        else:
            _store_credentials(_BLOCKS[kind.name], rows, old, new, before, after)


def listed() -> set[str]:
    """Keys of the providers that the lists show."""
    blocks = [_BLOCKS[kind.name] for kind in OBJECT_LISTS if not kind.is_by_name]
    of_blocks = {(block.key, block.adapter) for block in blocks}
    rows = Provider.objects.values_list("key", "adapter", "base_url")
    return {
        key
        for key, adapter, base_url in rows
        if (key, adapter) in of_blocks or (adapter == COMPATIBLE and base_url)
    }


# --- rows as entries --------------------------------------------------------------------------


def _rendered(kind: ObjectList) -> list[tuple[Entry, Any]]:
    """Each entry with its row: a Credential, or a Provider for ``openai-compatibility``."""
    if kind.is_by_name:
        found = Provider.objects.filter(adapter=COMPATIBLE).exclude(base_url="").order_by("id")
        providers = list(found.prefetch_related("credentials"))
        rules = _Rules(providers)
        return [(Entry(_provider(row, rules), at), row) for at, row in enumerate(providers)]
    block = _BLOCKS[kind.name]
    rows = Credential.objects.filter(provider__key=block.key, provider__adapter=block.adapter)
    # One without key and address cannot be called, nor said in a block.
    keys = rows.exclude(kind="oauth").exclude(kind="none", base_url="").select_related("provider")
    credentials = list(keys.order_by("id"))
    rules = _Rules({row.provider for row in credentials})
    return [(Entry(_credential(row, block, rules), at), row) for at, row in enumerate(credentials)]


class _Rules:
    """Aliases and exclusions of some providers and their credentials, read at once."""

    def __init__(self, providers: Iterable[Provider]) -> None:
        self._aliases: dict[Any, list[ModelAlias]] = defaultdict(list)
        self._patterns: dict[Any, list[str]] = defaultdict(list)
        given = list(providers)
        for alias in ModelAlias.objects.filter(provider__in=given).order_by("position", "id"):
            self._aliases[alias.provider_id, alias.credential_id].append(alias)
        for exclusion in ModelExclusion.objects.filter(provider__in=given).order_by("id"):
            self._patterns[exclusion.provider_id, exclusion.credential_id].append(exclusion.pattern)

    def patterns(self, provider: Provider, credential: Credential | None) -> list[str]:
        return self._patterns[provider.pk, credential and credential.pk]

    def models(self, provider: Provider, credential: Credential | None) -> list[Values]:
        features = (provider if credential is None else credential).model_features
        found = []
        for model in export.aliases_of(self._aliases[provider.pk, credential and credential.pk]):
            known = features.get(model["name"], {})
            switches = {"image": known.get("images"), "is-compat": known.get("is_compat")}
            thinking = export.features_of({"thinking": known.get("thinking")}).get("thinking")
            found.append(model | _said({**switches, "thinking": _said(thinking or {})}))
        return found


def _credential(row: Credential, block: Block, rules: _Rules) -> Values:
    said = {
        "api-key": secrets.reveal(row.secret_token),
        "base-url": row.base_url,
        **_shared(row),
        "excluded-models": rules.patterns(row.provider, row),
        "models": rules.models(row.provider, row),
    }
    for switch in (*block.switches, "legacy-completions"):
        if row.options.get(switch):
            said[switch] = True
    optional = {"priority": row.priority, "websockets": row.websockets if block.websockets else None}
    return {
        **_said(said),
        **{name: value for name, value in optional.items() if value is not None},
        **({} if row.weight == 1 else {"weight": row.weight}),
    }


def _provider(row: Provider, rules: _Rules) -> Values:
    said = {
        "name": row.name or row.key,
        "base-url": row.base_url,
        **_shared(row),
        "priority": row.priority or None,
        "models-endpoint": row.options.get("models-endpoint"),
        "speaks-responses": row.options.get("speaks-responses"),
        "support-prompt-cache-key": row.options.get("support-prompt-cache-key"),
        "models": rules.models(row, None),
        "excluded-models": rules.patterns(row, None),
    }
    keys = _keys(row)
    if any(key.kind == "api_key" for key in keys):
        said[KEY_ENTRIES] = [_key_entry(key) for key in keys]
    return _said(said)


def _keys(row: Provider) -> list[Credential]:
    return [key for key in sorted(row.credentials.all(), key=lambda key: key.pk) if key.kind != "oauth"]


def _key_entry(row: Credential) -> Values:
    said = {
        "proxy-url": secrets.reveal(row.proxy_token),
        "disabled": not row.enabled,
        "limits": export.limits_of(row.limits),
    }
    return {
        "api-key": secrets.reveal(row.secret_token),
        **_said(said),
        **({} if row.priority is None else {"priority": row.priority}),
        **({} if row.weight == 1 else {"weight": row.weight}),
    }


def _shared(row: Provider | Credential) -> Values:
    """What a provider and a key both say, under the same names."""
    optional = {"disable-cooling": row.disable_cooling, "request-retry": row.request_retry}
    return {
        "prefix": row.prefix,
        "headers": secrets.reveal_headers(row.headers_token),
        "proxy-url": secrets.reveal(row.proxy_token),
        "disabled": not row.enabled,
        "request-scoped-errors": [export.rule_of(rule) for rule in row.error_rules],
        "limits": export.limits_of(row.limits),
        **{name: value for name, value in optional.items() if value is not None},
    }


def _said(values: Values) -> Values:
    """Without what has its default; a retry of 0 and a cooling that is off on purpose are said."""
    spoken = ("request-retry", "disable-cooling")
    return {name: value for name, value in values.items() if value or (name in spoken and value is not None)}


# --- entries into rows ------------------------------------------------------------------------


def _store_credentials(
    block: Block,
    rows: Sequence[Credential],
    old: Sequence[Entry],
    new: Sequence[Entry],
    before: GatewayConfig,
    after: GatewayConfig,
) -> None:
    old_keys, new_keys = _by_index(before), _by_index(after)
    goes_on = {e.source for at, e in enumerate(new) if at in new_keys or e.source not in old_keys}
    for at, row in enumerate(rows):
        if at not in goes_on:
            _delete(row)
    provider = Provider.objects.filter(key__iexact=block.key).first()
    for config in after.providers:
        if provider is None:
            provider = _created_provider(config, config.key)
        elif provider.adapter != block.adapter:
            raise ManagementError(409, f"the provider {provider.key} is of another kind ({provider.adapter})")
        for at, key in sorted(new_keys.items()):
            source = new[at].source
            if source is None:
                _create_credential(key, config, provider)
            elif new[at].values != old[source].values:
                _update_credential(rows[source], old_keys.get(source), key, config)


def _by_index(config: GatewayConfig) -> dict[int, CredentialConfig]:
    """The keys of a vendor's block by their index in it; without what the reader left out."""
    return {_index(key.origin_key)[0]: key for provider in config.providers for key in provider.credentials}


def _index(place: str) -> tuple[int, int]:
    found = _INDEX.match(place)
    if found is None:
        raise ValueError(f"{place} is no place in a list")
    return int(found[1]), int(found[2] or 0)


def _store_providers(
    rows: Sequence[Provider],
    old: Sequence[Entry],
    new: Sequence[Entry],
    before: GatewayConfig,
    after: GatewayConfig,
) -> None:
    was = {_index(config.origin_key)[0]: config for config in before.providers}
    kept = {entry.source for entry in new}
    for at, row in enumerate(rows):
        if at not in kept:
            _delete_provider(row)
    taken = {key.lower() for key in Provider.objects.values_list("key", flat=True)}
    for config in after.providers:
        entry = new[_index(config.origin_key)[0]]
        source = entry.source
        if source is not None and entry.values == old[source].values:
            continue
        if source is None:
            key = free_key(slug(config.name), taken)
            taken.add(key)
            row = _created_provider(config, key)
            held: list[tuple[CredentialConfig, Credential | None]] = []
        else:
            row, previous = rows[source], was[source]
            held = _with_rows(previous, row)
            changes = _differing(
                columns.provider_values(previous, row.key), columns.provider_values(config, row.key)
            )
            _save(row, changes, previous)
            _store_models(previous, config, row, None)
        _store_keys(config, row, held)


def _with_rows(config: ProviderConfig, row: Provider) -> list[tuple[CredentialConfig, Credential | None]]:
    """The provider's keys as they were read, each with its row. One without keys may have none."""
    rows = _keys(row)
    found: list[tuple[CredentialConfig, Credential | None]] = []
    for key in config.credentials:
        at = _index(key.origin_key)[1]
        found.append((key, rows[at] if at < len(rows) else None))
    return found


def _store_keys(
    config: ProviderConfig,
    provider: Provider,
    held: list[tuple[CredentialConfig, Credential | None]],
) -> None:
    """A key that was there is the same row; others are new, and those not named any more go."""
    free = list(held)
    matched = []
    for key in config.credentials:
        found = next((pair for pair in free if pair[0].api_key == key.api_key), None)
        if found is not None:
            free.remove(found)
        matched.append((key, found))
    for _, row in free:
        if row is not None:
            _delete(row)
    for key, found in matched:
        if found is None:
            _create_credential(key, config, provider)
        elif found[1] is not None:
            _update_credential(found[1], found[0], key, config)


def _created_provider(config: ProviderConfig, key: str) -> Provider:
    values = columns.provider_values(config, key) | {"origin_key": ""}
    row = Provider(**{name: columns.stored(name, value) for name, value in values.items()})
    row.save(force_insert=True)
    _store_models(None, config, row, None)
    return row


def _create_credential(key: CredentialConfig, config: ProviderConfig, provider: Provider) -> None:
    values = columns.credential_values(key, config, provider, owned=True) | {"origin_key": ""}
    row = Credential(**{name: columns.stored(name, value) for name, value in values.items()})
    row.variant = _free_variant(row)
    row.save(force_insert=True)
    _store_models(None, key, provider, row)


def _update_credential(
    row: Credential, previous: CredentialConfig | None, key: CredentialConfig, config: ProviderConfig
) -> None:
    provider = row.provider
    old = columns.credential_values(previous, config, provider, owned=True) if previous else {}
    changes = _differing(old, columns.credential_values(key, config, provider, owned=True))
    if "secret_token" in changes:  # what was learnt of the other key
        changes |= {
            "health": CredentialHealth.UNKNOWN,
            "health_message": "",
            "cooldowns_cleared_at": timezone.now(),
        }
    _save(row, changes, previous)
    _store_models(previous, key, provider, row)


def _differing(old: Values, new: Values) -> Values:
    return {
        name: value
        for name, value in new.items()
        if name not in _UNSAID and (name not in old or old[name] != value)
    }


def _save(
    row: Provider | Credential, changes: Values, previous: ProviderConfig | CredentialConfig | None
) -> None:
    if not changes:
        return
    refuse_rows_of_a_file(row)
    for name, value in changes.items():
        if name in _MERGED:
            value = {**_unnamed(getattr(row, name), name, previous), **value}
        setattr(row, name, columns.stored(name, value))
    names = set(changes)
    if isinstance(row, Credential) and names & _IDENTITY:
        row.variant = _free_variant(row)
        names.add("variant")
    row.save(update_fields=[*names, "updated_at"])


def _unnamed(held: Values, name: str, previous: ProviderConfig | CredentialConfig | None) -> Values:
    """Members of a JSON column that the old entry did not set."""
    if previous is None:
        return held
    if name == "options":
        said = set(previous.options) | ({"only-listed"} if previous.models else set())
    else:
        said = {model.name for model in previous.models if model.features is not None}
    return {member: value for member, value in held.items() if member not in said}


def _free_variant(row: Credential) -> int:
    """Tells it apart from others of the same key, address and prefix."""
    alike = Credential.objects.filter(
        provider_id=row.provider_id, fingerprint=row.fingerprint, base_url=row.base_url, prefix=row.prefix
    ).exclude(pk=row.pk)
    taken = set(alike.values_list("variant", flat=True))
    return next(number for number in range(len(taken) + 1) if number not in taken)


def _delete(row: Credential) -> None:
    refuse_rows_of_a_file(row)
    row.delete()


def _delete_provider(row: Provider) -> None:
    refuse_rows_of_a_file(row, *_keys(row))
    if row.credentials.filter(kind="oauth").exists():
        raise ManagementError(409, f"{row.key} has logins; delete them first")
    row.delete()


def _store_models(
    previous: ProviderConfig | CredentialConfig | None,
    source: ProviderConfig | CredentialConfig,
    provider: Provider,
    credential: Credential | None,
) -> None:
    """Aliases and exclusions, as far as the two differ."""
    for model, want in ((ModelAlias, columns.want_models), (ModelExclusion, columns.want_exclusions)):
        old: dict[Any, Values] = {}
        new: dict[Any, Values] = {}
        if previous is not None:
            want(old, previous, provider, credential)
        want(new, source, provider, credential)
        rows: dict[Any, Any] = {
            _identity(row): row
            for row in model._default_manager.filter(provider=provider, credential=credential)
        }
        for identity in [one for one in old if one not in new and one in rows]:
            refuse_rows_of_a_file(rows[identity])
            rows[identity].delete()
        for identity, values in new.items():
            if identity not in rows:
                model._default_manager.create(**values | {"origin_key": ""})
                continue
            changes = _differing(old.get(identity, {}), values)
            if changes:
                refuse_rows_of_a_file(rows[identity])
                for name, value in changes.items():
                    setattr(rows[identity], name, value)
                rows[identity].save(update_fields=[*changes, "updated_at"])


def _identity(row: ModelAlias | ModelExclusion) -> tuple[Any, ...]:
    """As ``columns.want_models`` and ``columns.want_exclusions`` have it."""
    said = (row.alias, row.upstream_model) if isinstance(row, ModelAlias) else (row.pattern,)
    return row.provider_id, row.credential_id, *said
