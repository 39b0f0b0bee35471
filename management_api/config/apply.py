"""Puts a GatewayConfig into the database, in one transaction, touching only rows that the file owns.

A row is found again by what it means (key of a provider; provider, fingerprint, base URL and prefix of a
credential; scope and ids of an alias), so its id, and with it cooldowns and usage, survives an edit. Rows
that the database owns are never changed: where one already holds what the file wants to add, the file's
is left out and said so. Nothing is saved when nothing changed, so the revision stays.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeVar

import msgspec
from django.db import IntegrityError, transaction

from management_api.config import columns
from management_api.config.columns import Values
from management_api.config.parts import free_key
from management_api.config.values import GatewayConfig, SettingsConfig
from providers.models import Credential, Origin, Owned, Provider
from routing import revision
from routing.models import (
    ChannelAlias,
    ChannelExclusion,
    ClientKey,
    ConfigRevision,
    GatewaySettings,
    ModelAlias,
    ModelExclusion,
)

_Row = TypeVar("_Row", bound=Owned)
BATCH = 500
Identity = tuple[int, str, str, str, int]
"""Of a credential: provider id, fingerprint, base URL, prefix, variant; as its unique constraint."""


class Changes(msgspec.Struct, kw_only=True):
    """What one application did. ``notes`` says what was left out because the database has it already."""

    created: int = 0
    updated: int = 0
    deleted: int = 0
    notes: list[str] = msgspec.field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.created or self.updated or self.deleted)


def apply(config: GatewayConfig) -> Changes:
    """Make the file's rows say what ``config`` says. Safe to call twice, also from two processes at once.

    Raises DatabaseError when the database cannot be written; then nothing has changed.
    """
    return _twice(lambda: Application(config))


def import_rows(config: GatewayConfig, *, prune: bool = False) -> Changes:
    """Make the database's own rows say what ``config`` says; they belong to the database afterwards, also
    those that came from a file. What ``config`` does not name stays, unless ``prune``; of a provider that it
    names, models and exclusions are the whole list. Atomic. Raises as ``apply``."""
    return _twice(lambda: _Import(config, prune=prune))


def _twice(make: Callable[[], Application]) -> Changes:
    try:
        return _once(make())
    except IntegrityError:
        # An admin or another gateway added the same row between our reading and our writing.
        return _once(make())


def _once(work: Application) -> Changes:
    with transaction.atomic():
        # Whoever applies holds this row, so two processes that saw the same edit go one after the other.
        ConfigRevision.objects.get_or_create(pk=1)
        ConfigRevision.objects.select_for_update().get(pk=1)
        return work.run()


class Application:
    """One transaction's work, from the providers down. The rows belong to the file."""

    origin = Origin.FILE

    def __init__(self, config: GatewayConfig) -> None:
        self._config = config
        self._changes = Changes()

    def run(self) -> Changes:
        self._apply_settings(self._config.settings)
        self._apply_client_keys()
        providers = self._apply_providers()
        credentials = self._apply_credentials(providers)
        self._apply_models(providers, credentials)
        self._apply_channels()
        self._remove_providers({provider.pk for provider, _ in providers.values()})
        return self._changes

    def _apply_settings(self, wanted: SettingsConfig | None) -> None:
        """The file owns the row while it sets anything; afterwards it goes back to the defaults."""
        row = GatewaySettings.objects.filter(pk=1).first()
        if wanted is None and (row is None or not row.is_from_file):
            return
        values = columns.settings_values(wanted or SettingsConfig())
        values["origin"] = Origin.DATABASE if wanted is None else Origin.FILE
        if row is None:
            self._create(GatewaySettings, values)
        else:
            self._update(row, values)

    def _apply_client_keys(self) -> None:
        wanted: dict[Hashable, Values] = {}
        for client_key in self._config.client_keys:
            values = columns.client_key_values(client_key)
            wanted[values["digest"]] = values
        self._reconcile(ClientKey, {row.digest: row for row in ClientKey.objects.all()}, wanted)

    def _apply_providers(self) -> dict[str, tuple[Provider, bool]]:
        """Each configured provider's row by its place in the file, and whether the file owns the row."""
        rows = {row.key.lower(): row for row in Provider.objects.all()}
        taken = {provider.key for provider in self._config.providers}
        found: dict[str, tuple[Provider, bool]] = {}
        for provider in self._config.providers:
            key = provider.key
            row = rows.get(key)
            if row is not None and not row.is_from_file and row.adapter != provider.adapter:
                # The admin's provider of that name is of another kind: keys cannot go beside its own.
                foreign = {name for name, other in rows.items() if not other.is_from_file}
                key = free_key(key, taken | foreign)
                taken.add(key)
                row = rows.get(key)
                self._note(provider.origin_key, f"is stored as `{key}`: `{provider.key}` is taken")
            if row is not None and not row.is_from_file:
                found[provider.origin_key] = row, False
                continue
            values = columns.provider_values(provider, key)
            if row is None:
                row = self._create(Provider, values)
            else:
                self._update(row, values)
            found[provider.origin_key] = row, True
        return found

    def _apply_credentials(self, providers: Mapping[str, tuple[Provider, bool]]) -> dict[str, Credential]:
        """Each configured credential's row by its place in the file."""
        places: dict[str, Identity] = {}
        wanted: dict[Hashable, Values] = {}
        for provider in self._config.providers:
            row, owned = providers[provider.origin_key]
            for credential in provider.credentials:
                values = columns.credential_values(credential, provider, row, owned=owned)
                said = (values["fingerprint"], values["base_url"], values["prefix"])
                identity = (row.pk, *said, credential.variant)
                places[credential.origin_key] = identity
                wanted[identity] = values
        existing = {
            (row.provider_id, row.fingerprint, row.base_url, row.prefix, row.variant): row
            for row in Credential.objects.all()
        }
        held = self._reconcile(Credential, existing, wanted)
        return {place: held[identity] for place, identity in places.items() if identity in held}

    def _apply_models(
        self, providers: Mapping[str, tuple[Provider, bool]], credentials: Mapping[str, Credential]
    ) -> None:
        """Aliases and exclusions, of providers and of credentials."""
        aliases: dict[Hashable, Values] = {}
        exclusions: dict[Hashable, Values] = {}
        for provider in self._config.providers:
            row, owned = providers[provider.origin_key]
            if owned:
                columns.want_models(aliases, provider, row, None)
                columns.want_exclusions(exclusions, provider, row, None)
            for credential in provider.credentials:
                held = credentials.get(credential.origin_key)
                if held is None:
                    continue
                for source in (credential,) if owned else (credential, provider):
                    columns.want_models(aliases, source, row, held)
                    columns.want_exclusions(exclusions, source, row, held)
        alias_rows = {
            (alias.provider_id, alias.credential_id, alias.alias, alias.upstream_model): alias
            for alias in ModelAlias.objects.all()
        }
        self._reconcile(ModelAlias, alias_rows, aliases)
        exclusion_rows = {
            (exclusion.provider_id, exclusion.credential_id, exclusion.pattern): exclusion
            for exclusion in ModelExclusion.objects.all()
        }
        self._reconcile(ModelExclusion, exclusion_rows, exclusions)

    def _apply_channels(self) -> None:
        """Aliases and exclusions of whole channels; those of one login belong to its own file."""
        alias_rows = {
            (row.channel, row.alias.lower()): row
            for row in ChannelAlias.objects.filter(credential__isnull=True)
        }
        self._reconcile(ChannelAlias, alias_rows, columns.channel_alias_values(self._config))
        exclusion_rows = {
            (row.channel, row.pattern): row
            for row in ChannelExclusion.objects.filter(credential__isnull=True)
        }
        self._reconcile(ChannelExclusion, exclusion_rows, columns.channel_exclusion_values(self._config))

    def _remove_providers(self, kept: set[int]) -> None:
        """Delete the file's other providers; one under which an admin put rows goes over to the database."""
        for provider in Provider.objects.filter(origin=Origin.FILE).exclude(pk__in=kept):
            if any(
                model.objects.filter(provider=provider, origin=Origin.DATABASE).exists()
                for model in (Credential, ModelAlias, ModelExclusion)
            ):
                self._note(provider.origin_key, f"is gone; `{provider.key}` stays, for the rows added to it")
                self._update(provider, {"origin": Origin.DATABASE, "origin_key": ""})
            else:
                provider.delete()
                self._changes.deleted += 1

    def _reconcile(
        self, model: type[_Row], existing: Mapping[Any, _Row], wanted: Mapping[Hashable, Values]
    ) -> dict[Hashable, _Row]:
        """Create, update and delete the file's rows of ``model`` until they are ``wanted``.

        Both mappings have the row's identity as key. Returns the rows that the file now owns.
        """
        held: dict[Hashable, _Row] = {}
        for identity, row in existing.items():
            if row.is_from_file and identity not in wanted:
                row.delete()
                self._changes.deleted += 1
        new: dict[Hashable, Values] = {}
        for identity, values in wanted.items():
            found = existing.get(identity)
            if found is None:
                new[identity] = values
            elif found.is_from_file:
                self._update(found, values)
                held[identity] = found
            else:
                kind = model._meta.verbose_name
                self._note(values["origin_key"], f"is left out: the database has this {kind} already")
        return held | self._create_all(model, new)

    def _create(self, model: type[_Row], values: Values) -> _Row:
        row = self._made(model, values)
        row.save(force_insert=True)
        self._changes.created += 1
        return row

    def _create_all(self, model: type[_Row], wanted: Mapping[Hashable, Values]) -> dict[Hashable, _Row]:
        """Many rows in few statements; a file may have thousands. They send no signals."""
        if not wanted:
            return {}
        rows = {identity: self._made(model, values) for identity, values in wanted.items()}
        model._default_manager.bulk_create(rows.values(), batch_size=BATCH)
        self._changes.created += len(rows)
        revision.bump()
        return rows

    def _made(self, model: type[_Row], values: Values) -> _Row:
        return model(
            **{"origin": self.origin, **{name: columns.stored(name, value) for name, value in values.items()}}
        )

    def _update(self, row: Owned, values: Values) -> None:
        """Save the columns that differ, and only those: health and discovery are written meanwhile."""
        changed = [name for name, value in values.items() if not columns.holds(row, name, value)]
        if not changed:
            return
        for name in changed:
            setattr(row, name, columns.stored(name, values[name]))
        row.save(update_fields=[*changed, "updated_at"])
        self._changes.updated += 1

    def _note(self, origin_key: str, message: str) -> None:
        self._changes.notes.append(f"{origin_key} {message}")


class _Import(Application):
    """The same work for rows that the database owns."""

    origin = Origin.DATABASE

    def __init__(self, config: GatewayConfig, *, prune: bool) -> None:
        super().__init__(config)
        self._prune = prune
        self._named: set[int] = set()
        """Providers that the file names: of these, models and exclusions are replaced."""

    def _apply_settings(self, wanted: SettingsConfig | None) -> None:
        if wanted is None:
            return
        row = GatewaySettings.objects.filter(pk=1).first()
        values = columns.settings_values(wanted)
        if row is None:
            self._create(GatewaySettings, values)
        else:
            self._update(row, values)

    def _apply_providers(self) -> dict[str, tuple[Provider, bool]]:
        rows = {row.key.lower(): row for row in Provider.objects.all()}
        found: dict[str, tuple[Provider, bool]] = {}
        for provider in self._config.providers:
            row = rows.get(provider.key.lower())
            values = columns.provider_values(provider, row.key if row is not None else provider.key)
            if row is None:
                row = self._create(Provider, values)
            else:
                self._update(row, values)
            self._named.add(row.pk)
            found[provider.origin_key] = row, True
        return found

    def _remove_providers(self, kept: set[int]) -> None:
        if not self._prune:
            return
        for provider in Provider.objects.exclude(pk__in=kept):
            if provider.credentials.filter(kind="oauth").exists():
                self._note(provider.key, "is not in the file; it stays, for its logins")
                continue
            provider.delete()
            self._changes.deleted += 1

    def _reconcile(
        self, model: type[_Row], existing: Mapping[Any, _Row], wanted: Mapping[Hashable, Values]
    ) -> dict[Hashable, _Row]:
        held: dict[Hashable, _Row] = {}
        for identity, row in existing.items():
            if identity not in wanted and self._is_gone(row):
                row.delete()
                self._changes.deleted += 1
        new: dict[Hashable, Values] = {}
        for identity, values in wanted.items():
            found = existing.get(identity)
            if found is not None:
                self._update(found, values)
                held[identity] = found
            elif values.get("fingerprint") and not self._can_create(values):
                self._note(values["origin_key"], "is left out: the file has no key for it, nor the database")
            else:
                new[identity] = values
        return held | self._create_all(model, new)

    def _is_gone(self, row: Owned) -> bool:
        """Whether a row that the file does not have is deleted. A login never is: no file holds it."""
        if isinstance(row, Credential) and row.kind == "oauth":
            return False
        if isinstance(row, ModelAlias | ModelExclusion) and row.provider_id in self._named:
            return True
        return self._prune

    @staticmethod
    def _can_create(values: Values) -> bool:
        return "secret_token" not in values or bool(values["secret_token"]) or values["kind"] != "api_key"

    def _made(self, model: type[_Row], values: Values) -> _Row:
        return super()._made(model, {**values, "origin_key": ""} if "origin_key" in values else values)

    def _update(self, row: Owned, values: Values) -> None:
        """What the file leaves sealed in the database stays as it is there."""
        values = {**values, "origin": Origin.DATABASE, "origin_key": ""}
        if self._config.keeps_secrets:
            values = {name: value for name, value in values.items() if value or name not in columns.SEALED}
        super()._update(row, values)
