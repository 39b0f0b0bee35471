"""Where lists of keys live: in ``config.yaml``, or, rendered in the same shape, in the database."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any

from management_api.config import document, editing
from management_api.config.fields import Reader
from management_api.config.problems import Findings
from management_api.resources import masking, provider_rows
from management_api.resources.amending import amended, plain
from management_api.resources.nodes import plain as as_written
from management_api.resources.object_list import HANDLE, KEY_ENTRIES, Entry, Held, Values, tidied
from management_api.resources.object_list_kinds import ObjectList
from management_api.resources.writing import change_file, config_path, read_file

Edit = Callable[[Held], list[Entry]]


def shown(kind: ObjectList) -> list[Values]:
    """The list for an answer: secrets masked, with the handle of each credential."""
    filled = str if config_path() is None else _filled
    return [_described(kind, entry, filled) for entry in _held(kind).entries]


def entries(kind: ObjectList) -> list[Values]:
    """The list as it is written, secrets included."""
    return [entry.values for entry in _held(kind).entries]


def _held(kind: ObjectList) -> Held:
    path = config_path()
    return provider_rows.held(kind) if path is None else _of_file(read_file(path), kind)


def change(kind: ObjectList, edit: Edit) -> None:
    """Make the list what ``edit`` makes of it. Raises what ``edit`` raises, and as ``change_file``."""
    path = config_path()
    if path is None:
        provider_rows.change(kind, edit)
    else:
        _change_file(path, kind, edit)


def _described(kind: ObjectList, entry: Entry, filled: Callable[[str], str]) -> Values:
    values: Values = masking.masked(entry.values, (kind.name,))
    base_url = filled(entry.says("base-url"))

    def handle(key: str) -> str:
        said = f"{kind.name}:{base_url}+{filled(key.strip())}"
        return hashlib.sha256(said.encode()).hexdigest()[:16]

    if not kind.is_by_name:
        return {**values, HANDLE: handle(entry.says("api-key"))}
    values.setdefault("disabled", False)
    keys = entry.values.get(KEY_ENTRIES)
    if not keys:
        return {**values, HANDLE: handle("")}
    for shown_entry, one in zip(values[KEY_ENTRIES], keys, strict=True):
        shown_entry[HANDLE] = handle(str(one.get("api-key") or ""))
    return values


# --- in the file ------------------------------------------------------------------------------


def _filled(text: str) -> str:
    """``text`` with the environment filled in, as far as it can be."""
    return Reader(Findings(""), os.environ).filled(text, 0, "") or text


def _of_file(file: document.Document, kind: ObjectList) -> Held:
    """The list as the file has it, each entry with its index there."""
    entry = file.root.entries.get(kind.name)
    if entry is None or not isinstance(entry.value, document.Sequence):
        return Held(())
    found = []
    for index, node in enumerate(entry.value.items):
        if isinstance(node, document.Mapping):
            values = uniform(as_written(node))
            found.append(Entry(values, index, _filled(str(values.get("api-key") or "")).strip()))
    return Held(tuple(found))


def uniform(values: Values) -> Values:
    """An entry with its short and old spellings written out: keys and models as mappings."""
    found = {name: value for name, value in values.items() if value is not None}
    keys = [*(found.get(KEY_ENTRIES) or ()), *(found.pop("api-keys", None) or ())]
    if keys:
        found[KEY_ENTRIES] = [one if isinstance(one, dict) else {"api-key": str(one)} for one in keys if one]
    if isinstance(found.get("models"), list):
        found["models"] = [
            one if isinstance(one, dict) else {"name": str(one)} for one in found["models"] if one
        ]
    return tidied(found)


def _change_file(path: Path, kind: ObjectList, edit: Edit) -> None:
    def plan(content: bytes) -> editing.Change:
        held = _of_file(document.parse(content, path.name), kind)
        wanted = edit(held)
        before = {entry.source: entry.values for entry in held.entries}
        return lambda values: _put(values, kind.name, before, wanted)

    change_file(path, plan)


def _put(
    values: MutableMapping[str, Any], name: str, before: dict[int | None, Values], wanted: list[Entry]
) -> None:
    """The list in place: an entry that says what it said is not touched, one that goes on is amended."""
    held = values.get(name)
    if not held and not wanted:
        return
    if not isinstance(held, list) or not wanted:
        values[name] = [entry.values for entry in wanted]
        return
    untouched = {
        entry.source: plain(held[entry.source])
        for entry in wanted
        if entry.source is not None and before.get(entry.source) == entry.values
    }
    items: dict[int, Any] = {}
    for entry in wanted:
        if entry.source is not None:
            item = held[entry.source]
            items[entry.source] = item if entry.source in untouched else amended(item, entry.values)
    if any(
        plain(items[entry.source]) != untouched.get(entry.source, entry.values)
        for entry in wanted
        if entry.source is not None
    ):  # an anchor that entries share: write it out
        values[name] = [entry.values for entry in wanted]
        return
    order = list(items)
    if order != sorted(order):
        values[name] = [e.values if e.source is None else items[e.source] for e in wanted]
        return
    for index in reversed(range(len(held))):
        if index in items:
            held[index] = items[index]
        else:
            del held[index]
    for at, entry in enumerate(wanted):
        if entry.source is None:
            held.insert(at, entry.values)
