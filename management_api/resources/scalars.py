"""The gateway's own settings, one by one, under CLIProxyAPI's paths."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import msgspec

from management_api.config import columns, editing, schema
from management_api.config.problems import ConfigRefused
from management_api.config.settings import STRATEGIES
from management_api.config.values import SettingsConfig
from management_api.errors import ManagementError
from management_api.resources import masking
from management_api.resources.writing import (
    change_file,
    config_path,
    one_transaction,
    refuse_rows_of_a_file,
)
from providers import secrets
from routing.models import GatewaySettings


class Scalar(msgspec.Struct, frozen=True, kw_only=True):
    path: str
    """Below ``/v0/management/``."""
    column: str
    """Of GatewaySettings."""
    kind: type
    for_negative: int | None = None
    """What is stored for a number below 0."""

    @property
    def key(self) -> str:
        """In the answer of GET."""
        return self.path.rpartition("/")[2]

    @property
    def place(self) -> list[str]:
        """The keys that lead to it in the file."""
        return self.path.split("/")


SCALARS = (
    Scalar(path="debug", column="debug", kind=bool),
    Scalar(path="logging-to-file", column="logging_to_file", kind=bool),
    Scalar(path="logs-max-total-size-mb", column="logs_max_total_size_mb", kind=int, for_negative=0),
    Scalar(path="error-logs-max-files", column="error_logs_max_files", kind=int, for_negative=10),
    Scalar(path="usage-statistics-enabled", column="usage_statistics", kind=bool),
    Scalar(path="proxy-url", column="proxy_token", kind=str),
    Scalar(path="quota-exceeded/switch-project", column="switch_project", kind=bool),
    Scalar(path="quota-exceeded/switch-preview-model", column="switch_preview_model", kind=bool),
    Scalar(path="request-log", column="request_log", kind=bool),
    Scalar(path="ws-auth", column="ws_auth", kind=bool),
    Scalar(path="request-retry", column="request_retry", kind=int, for_negative=0),
    Scalar(path="max-retry-credentials", column="max_retry_credentials", kind=int, for_negative=0),
    Scalar(path="max-retry-interval", column="max_retry_interval_s", kind=int, for_negative=0),
    Scalar(path="force-model-prefix", column="force_model_prefix", kind=bool),
    Scalar(path="routing/strategy", column="strategy", kind=str),
)


def settings_row() -> GatewaySettings:
    """What is in force; the defaults when nothing was ever set."""
    return GatewaySettings.objects.filter(pk=1).first() or GatewaySettings()


def shown(scalar: Scalar) -> Any:
    held = getattr(settings_row(), scalar.column)
    return masking.masked_url(secrets.reveal(held)) if scalar.column == "proxy_token" else held


def accepted(scalar: Scalar, body: Any) -> Any:
    """The ``value`` of a body as it is stored. Raises ManagementError 400."""
    value: Any = body.get("value") if isinstance(body, dict) else None
    if type(value) not in (scalar.kind,):  # a switch is no number here
        raise ManagementError(400, "invalid body")
    if scalar.column == "strategy":
        word = value.strip().lower()
        if word not in STRATEGIES:
            raise ManagementError(400, "invalid strategy")
        return str(STRATEGIES[word])
    if scalar.column == "proxy_token":
        return _proxy(value.strip())
    if scalar.for_negative is not None and value < 0:
        return scalar.for_negative
    return value


def _proxy(url: str) -> str:
    """``url``; as it is shown it means the one that is held."""
    held = secrets.reveal(settings_row().proxy_token)
    if url and url == masking.masked_url(held):
        return held
    if masking.is_mask(url):
        raise masking.unknown_mask(url)
    return url


def store(scalar: Scalar, value: Any) -> None:
    """Raises ManagementError: 400 for what the configuration cannot hold, 409, 500."""
    stored = _as_column(scalar, value)
    path = config_path()
    if path is None or _database_has_settings():
        _store_in_database(scalar, stored)
        return
    if isinstance(value, str) and "${" in value:
        raise masking.reference()

    def plan(content: bytes) -> editing.Change:
        return lambda values: _put(values, scalar.place, value)

    change_file(path, plan)


def _as_column(scalar: Scalar, value: Any) -> Any:
    """What the row holds for ``value``, read as a file would be."""
    content: Any = masking.escaped(value)
    for name in reversed(scalar.place):
        content = {name: content}
    try:
        config, problems = schema.accept(msgspec.json.encode(content), "the value", {})
    except ConfigRefused as error:
        raise ManagementError(400, "invalid body", message=str(error)) from error
    if problems:
        raise ManagementError(400, "invalid body", message=str(problems[0]))
    return columns.settings_values(config.settings or SettingsConfig())[scalar.column]


def _database_has_settings() -> bool:
    """The file sets nothing and the database does: a single key in the file would take all of them over."""
    row = GatewaySettings.objects.filter(pk=1, origin="database").first()
    if row is None:
        return False
    usual = columns.settings_values(SettingsConfig())
    return any(not columns.holds(row, name, value) for name, value in usual.items())


def _store_in_database(scalar: Scalar, value: Any) -> None:
    with one_transaction():
        row = GatewaySettings.objects.get_or_create(pk=1)[0]
        refuse_rows_of_a_file(row)
        if columns.holds(row, scalar.column, value):
            return
        setattr(row, scalar.column, columns.stored(scalar.column, value))
        row.save(update_fields=[scalar.column, "updated_at"])


def _put(values: MutableMapping[str, Any], place: list[str], value: Any) -> None:
    *outer, last = place
    for name in outer:
        if values.get(name) is None:
            values[name] = {}
        values = values[name]
    if value == "":
        values.pop(last, None)
    else:
        values[last] = value
