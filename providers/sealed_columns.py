"""Every column that holds sealed secrets, found by its name (``*_token``), and how to seal it anew.

The database is read and written row by row with conditional updates: an edit that happens at the same time
always wins, and the next pass finds its result.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.apps import apps
from django.db import models
from django.db.models.functions import Substr

from providers import secrets

KEY_ID_LENGTH = 8
BATCH = 500


@dataclass(frozen=True)
class SealedColumn:
    """One column of one table, e.g. ``Credential.secret_token``."""

    model: type[models.Model]
    field: str

    @property
    def rows(self) -> models.QuerySet[models.Model]:
        return self.model._default_manager.order_by("pk")

    def __str__(self) -> str:
        return f"{self.model.__name__}.{self.field}"


@dataclass(frozen=True)
class Unreadable:
    """A value that cannot be sealed anew: where it is and why, never what it is."""

    place: str
    reason: str


def sealed_columns() -> Iterator[SealedColumn]:
    """The columns of all installed apps whose name says that they are sealed."""
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            if field.name.endswith("_token") and isinstance(field, models.TextField | models.CharField):
                yield SealedColumn(model, field.name)


def key_ids_in_use() -> dict[str, list[str]]:
    """The columns under each key id that some row still needs. One small query per column."""
    found: dict[str, list[str]] = {}
    for column in sealed_columns():
        ids = (
            column.model._default_manager.exclude(**{column.field: ""})
            .order_by()
            .annotate(key_id=Substr(column.field, 1, KEY_ID_LENGTH))
            .values_list("key_id", flat=True)
            .distinct()
        )
        for key_id in ids:
            found.setdefault(key_id, []).append(str(column))
    return found


def reseal(column: SealedColumn, newest: str) -> tuple[int, list[Unreadable]]:
    """One pass: what is sealed under another key than ``newest`` is sealed anew. Returns how many rows
    changed and what could not be read. A row that changed meanwhile is left for the next pass."""
    changed, unreadable = 0, []
    old = column.rows.exclude(**{column.field: ""}).exclude(**{f"{column.field}__startswith": f"{newest}:"})
    for pk, token in old.values_list("pk", column.field).iterator(chunk_size=BATCH):
        if not secrets.SEALED.fullmatch(token):
            unreadable.append(Unreadable(f"{column} of row {pk}", "It is not a sealed secret."))
            continue
        try:
            fresh = secrets.seal(secrets.reveal(token))
        except secrets.SecretsError as error:
            unreadable.append(Unreadable(f"{column} of row {pk}", str(error)))
            continue
        changed += column.model._default_manager.filter(pk=pk, **{column.field: token}).update(
            **{column.field: fresh}
        )
    return changed, unreadable
