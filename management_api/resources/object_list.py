"""What a request makes of a list of keys: PUT, PATCH and DELETE on the entries alone. Pure but for masks.

Entries have the names of ``config.yaml``. A list that is asked for says which old entry each of its entries
continues, so that whoever stores it keeps what the request does not name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from management_api.config.parts import WEIGHT_LIMIT
from management_api.errors import ManagementError
from management_api.resources import masking
from management_api.resources.client_key_list import position
from management_api.resources.object_list_kinds import KINDS, ObjectList

Values = dict[str, Any]
HANDLE = "auth-index"
KEY_ENTRIES = "api-key-entries"
_TRIMMED = ("name", "api-key", "prefix", "base-url", "proxy-url")


class Entry(msgspec.Struct, frozen=True):
    """An entry as it is written."""

    values: Values
    source: int | None = None
    """Which old entry it is, by index."""
    key: str = ""
    """The API key in force, where ``values`` name an environment variable."""

    def says(self, field: str) -> str:
        return str(self.values.get(field) or "").strip()

    def has_key(self, text: str) -> bool:
        """Whether ``text`` is its API key, or how it is shown."""
        held = self.says("api-key")
        return bool(text) and text in (held, self.key, masking.shown(("api-key",), held))


class Held(msgspec.Struct, frozen=True):
    """A list as it is now."""

    entries: tuple[Entry, ...]
    allows_references: bool = False
    """``${NAME}`` is nothing but text here."""


# --- PUT --------------------------------------------------------------------------------------


def replaced(kind: ObjectList, held: Held, body: Any) -> list[Entry]:
    """The whole list. Raises ManagementError 400."""
    listed = body
    if isinstance(body, dict):
        listed = body.get(kind.name)
        if listed is None and not (listed := body.get("items")):
            raise ManagementError(400, "invalid body")
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        raise ManagementError(400, "invalid body")
    for index, item in enumerate(listed):
        _check_weights(f"{kind.name}[{index}]", item)
        if kind.needs_error and not str(item.get(kind.needs) or "").strip():
            raise ManagementError(400, kind.needs_error.format(index=index))
    kept = masking.Kept([entry.values for entry in held.entries], (kind.name,))
    restored = [
        kept.restored(_cleaned(kind, item), (kind.name,), allows_references=held.allows_references)
        for item in listed
    ]
    return _with_sources(kind, held, _normalized(kind, restored))


def _normalized(kind: ObjectList, listed: list[Values]) -> list[Values]:
    found: list[Values] = []
    seen: set[str] = set()
    for values in listed:
        if kind.needs and not values.get(kind.needs):
            continue
        if kind.is_narrowed:
            if not values.get("api-key") and not values.get("base-url"):
                continue
            told = [values.get(name) for name in ("api-key", "base-url", "proxy-url", "prefix", "headers")]
            identity = msgspec.json.encode(told, order="sorted").decode()
            if identity in seen:
                continue
            seen.add(identity)
        found.append(values)
    return found


def _cleaned(kind: ObjectList, item: Values) -> Values:
    """An entry without what only answers have, and without blanks around texts."""
    found = dict(item)
    for name in _TRIMMED:
        if isinstance(found.get(name), str):
            found[name] = found[name].strip()
    for name in kind.never:
        found.pop(name, None)
    return tidied(found)


def tidied(values: Values) -> Values:
    """An entry without the fields that say nothing."""
    found = {name: value for name, value in values.items() if value not in (None, "", [], {})}
    found.pop(HANDLE, None)
    if found.get("disabled") is False:
        del found["disabled"]
    if isinstance(found.get(KEY_ENTRIES), list):
        found[KEY_ENTRIES] = [tidied(one) if isinstance(one, dict) else one for one in found[KEY_ENTRIES]]
    return found


def _check_weights(place: str, item: Values) -> None:
    """Raises ManagementError 400 for a weight that is none, of the entry or of one of its keys."""
    if item.get("weight") is not None:
        _check_weight(item["weight"], f"{place}: ")
    entries = item.get(KEY_ENTRIES)
    for index, one in enumerate(entries if isinstance(entries, list) else ()):
        if isinstance(one, dict):
            _check_weights(f"{place}.{KEY_ENTRIES}[{index}]", one)


def _check_weight(weight: Any, place: str = "") -> None:
    if type(weight) is not int:
        raise ManagementError(400, f"{place}weight must be an integer")
    if weight > WEIGHT_LIMIT:
        raise ManagementError(400, f"{place}weight must not exceed {WEIGHT_LIMIT}")


def _with_sources(kind: ObjectList, held: Held, listed: list[Values]) -> list[Entry]:
    """Each with the old entry that it continues: the same one, else one of the same key and address, else
    one of the same key (or name)."""
    free = list(held.entries)
    sources: dict[int, int | None] = {}
    tests: tuple[Callable[[Entry, Values], bool], ...] = (
        lambda entry, values: entry.values == values,
        lambda entry, values: (
            entry.says(kind.match) == values.get(kind.match, "")
            and entry.says("base-url") == values.get("base-url", "")
        ),
        lambda entry, values: entry.says(kind.match) == values.get(kind.match, ""),
    )
    for test in tests:
        for at, values in enumerate(listed):
            if at in sources:
                continue
            found = next((entry for entry in free if test(entry, values)), None)
            if found is not None:
                free.remove(found)
                sources[at] = found.source
    return [Entry(values, sources.get(at)) for at, values in enumerate(listed)]


# --- PATCH ------------------------------------------------------------------------------------


def patched(kind: ObjectList, held: Held, body: Any, base_url: str | None = None) -> list[Entry]:
    """One entry, partly. Raises ManagementError 400 or 404."""
    if not isinstance(body, dict):
        raise ManagementError(400, "invalid body")
    index, matched = body.get("index"), body.get(kind.match if kind.is_by_name else "match")
    value = body.get("value")
    if value is None:  # the seeds' form: the fields beside the name
        value = {name: one for name, one in body.items() if name not in ("index", "match", "name", "value")}
        if matched is None and index is None:
            matched = value.pop(kind.match, None)
        value = value or None
    if not isinstance(value, dict):
        raise ManagementError(400, "invalid body")
    if not (index is None or type(index) is int) or not (matched is None or isinstance(matched, str)):
        raise ManagementError(400, "invalid body")
    at = _found(kind, held, index, (matched or "").strip(), base_url)
    entry = held.entries[at]
    kept = masking.Kept([entry.values, *(other.values for other in held.entries)], (kind.name,))
    fields = kept.restored(_accepted(kind, value), (kind.name, 0), allows_references=held.allows_references)
    values = _cleaned(kind, {**entry.values, **fields})
    others = list(held.entries)
    if _is_removed(kind, values, fields):
        del others[at]
    else:
        others[at] = Entry(values, entry.source, entry.key)
    return others


def _found(kind: ObjectList, held: Held, index: int | None, matched: str, base_url: str | None) -> int:
    if index is not None and 0 <= index < len(held.entries):
        return index
    fitting = _fitting(kind, held.entries, matched)
    if kind.is_narrowed:
        if base_url is not None:
            wanted = base_url.strip()
            fitting = [at for at in fitting if held.entries[at].says("base-url") == wanted]
        if len(fitting) > 1:
            raise ManagementError(400, "multiple items match; index is required")
    if not fitting:
        raise ManagementError(404, "item not found")
    return fitting[0]


def _fitting(kind: ObjectList, entries: Sequence[Entry], text: str) -> list[int]:
    if kind.is_by_name:
        return [at for at, entry in enumerate(entries) if text and entry.says("name") == text]
    return [at for at, entry in enumerate(entries) if entry.has_key(text)]


def _accepted(kind: ObjectList, value: Values) -> Values:
    """The fields of ``value`` that PATCH may set, None for one that goes. Raises ManagementError 400."""
    found: Values = {}
    for name, one in value.items():
        if name not in kind.patchable:
            continue
        if name == "weight":
            if one is not None:
                _check_weight(one)
            found[name] = one
        elif name == "disable-cooling":
            if one is not None and not isinstance(one, bool):
                raise ManagementError(400, "disable-cooling must be a boolean or null")
            found[name] = one
        elif one is not None:
            found[name] = _as_kind(name, one)
    if isinstance(found.get(KEY_ENTRIES), list):
        _check_weights(kind.name, found)
    return found


def _as_kind(name: str, value: Any) -> Any:
    try:
        value = msgspec.convert(value, KINDS[name])
    except msgspec.ValidationError as error:
        raise ManagementError(400, "invalid body", message=f"{name}: {error}") from error
    return value.strip() if isinstance(value, str) else value


def _is_removed(kind: ObjectList, values: Values, fields: Values) -> bool:
    if kind.is_narrowed:
        return not values.get("api-key") and not values.get("base-url")
    return bool(kind.needs) and fields.get(kind.needs) == ""


# --- DELETE -----------------------------------------------------------------------------------


def deleted(kind: ObjectList, held: Held, named: str, base_url: str | None, index: str) -> list[Entry]:
    """``named`` is the key or name. Raises ManagementError 400 or 404."""
    entries, named = held.entries, named.strip()
    if named:
        fitting = _fitting(kind, entries, named)
        gone = fitting if kind.is_by_name else _chosen(kind, entries, fitting, base_url)
        return [entry for at, entry in enumerate(entries) if at not in gone]
    at = position(index, len(entries))
    if at is None:
        raise ManagementError(400, f"missing {kind.match} or index")
    return [entry for other, entry in enumerate(entries) if other != at]


def _chosen(
    kind: ObjectList, entries: Sequence[Entry], fitting: list[int], base_url: str | None
) -> list[int]:
    """Those that go, of the entries with the key."""
    if base_url is not None:
        wanted = base_url.strip()
        fitting = [at for at in fitting if entries[at].says("base-url") == wanted]
    elif len(fitting) > 1:
        raise ManagementError(400, "multiple items match api-key; base-url is required")
    if kind.is_narrowed:
        if not fitting:
            raise ManagementError(404, "item not found")
        if len(fitting) > 1:
            raise ManagementError(400, "multiple items match; index is required")
    return fitting
