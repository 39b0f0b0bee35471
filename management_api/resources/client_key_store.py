"""Where the list of client keys lives: ``api-keys`` of ``config.yaml``, or the table of client keys."""

from __future__ import annotations

import os
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any

from management_api.config import document, editing
from management_api.config.fields import Reader
from management_api.config.problems import Findings
from management_api.resources import masking
from management_api.resources.client_key_list import Known, Slot
from management_api.resources.nodes import plain
from management_api.resources.writing import (
    change_file,
    config_path,
    one_transaction,
    read_block,
    read_file,
    refuse_rows_of_a_file,
)
from routing import client_keys
from routing.models import ClientKey

Edit = Callable[[list[Known]], list[Slot]]
KEY = "api-keys"


def listed() -> list[str]:
    """The keys as they are shown."""
    path = config_path()
    known = _of_rows(_rows()) if path is None else _of_file(read_file(path))[0]
    return [key.shown for key in known]


def change(edit: Edit) -> None:
    """Make the list what ``edit`` makes of it. Raises what ``edit`` raises, and as ``change_file``."""
    path = config_path()
    if path is None:
        _change_rows(edit)
    else:
        _change_file(path, edit)


# --- in the database --------------------------------------------------------------------------


def _rows() -> list[ClientKey]:
    return list(ClientKey.objects.order_by("id"))


def _of_rows(rows: list[ClientKey]) -> list[Known]:
    return [Known(row.fingerprint, row.digest) for row in rows]


def _change_rows(edit: Edit) -> None:
    with one_transaction():
        rows = _rows()
        slots = edit(_of_rows(rows))
        read_block(KEY, [slot.key for slot in slots if slot.key])  # what no file could say is no key
        kept = {slot.source for slot in slots}
        for index, row in enumerate(rows):
            if index not in kept:
                refuse_rows_of_a_file(row)
                row.delete()
        for slot in slots:
            if slot.source is None:
                client_keys.create(key=slot.key)
            elif slot.key:
                row = rows[slot.source]
                refuse_rows_of_a_file(row)
                row.digest, row.fingerprint = client_keys.digest(slot.key), client_keys.shown(slot.key)
                row.save(update_fields=["digest", "fingerprint", "updated_at"])


# --- in the file ------------------------------------------------------------------------------


def _of_file(file: document.Document) -> tuple[list[Known], list[document.Node]]:
    """The keys of ``api-keys``, or of the ``auth`` block that stood for it once, each with its node."""
    nodes = [node for node in _items(file.root, KEY) if _text(node)[0]]
    if not nodes:
        outer = file.root.entries.get("auth")
        providers = _items(outer.value, "providers") if outer is not None else []
        nodes = [node for one in providers for node in _items(one, KEY) if _text(node)[0]]
    reader = Reader(Findings(file.source), os.environ)
    known = []
    for node in nodes:
        text, digest = _text(node)
        if digest:
            known.append(Known(text, digest))
            continue
        filled = (reader.filled(text, 0, "") or text).strip()
        shown = text if masking.is_reference(text) else client_keys.shown(filled)
        known.append(Known(shown, client_keys.digest(filled)))
    return known, nodes


def _items(node: document.Node, key: str) -> list[document.Node]:
    entry = node.entries.get(key) if isinstance(node, document.Mapping) else None
    return list(entry.value.items) if entry is not None and isinstance(entry.value, document.Sequence) else []


def _text(node: document.Node) -> tuple[str, str]:
    """The key in an item of the list, "" for none; of an exported one how it is shown, and its digest."""
    if isinstance(node, document.Scalar):
        return ("" if node.kind is document.ScalarKind.NULL else node.text.strip()), ""
    if not isinstance(node, document.Mapping):
        return "", ""
    said = {
        name: _text(node.entries[name].value)[0]
        for name in ("api-key", "fingerprint", "digest")
        if name in node.entries
    }
    if said.get("api-key"):
        return said["api-key"], ""
    return said.get("fingerprint", ""), said.get("digest", "")


def _change_file(path: Path, edit: Edit) -> None:
    def plan(content: bytes) -> editing.Change:
        known, nodes = _of_file(document.parse(content, path.name))
        slots = edit(known)
        if any("${" in slot.key for slot in slots):
            raise masking.reference()
        return lambda values: _put(values, nodes, slots)

    change_file(path, plan)


def _put(values: MutableMapping[str, Any], nodes: list[document.Node], slots: list[Slot]) -> None:
    """The list in place, so that comments stay beside the keys that stay."""
    held = values.get(KEY)
    if slots == [Slot(source=at) for at in range(len(nodes))]:
        return
    kept = {slot.source: slot for slot in slots if slot.source is not None}
    if not isinstance(held, list) or len(held) != len(nodes) or list(kept) != sorted(kept):
        # Blank items, keys of the old block, or another order: written anew.
        values[KEY] = [
            _entry(slot, plain(nodes[slot.source], KEY) if slot.source is not None else None)
            for slot in slots
        ]
        return
    for index in reversed(range(len(held))):
        if index not in kept:
            del held[index]
        elif kept[index].key:
            held[index] = _entry(kept[index], held[index])
    for at, slot in enumerate(slots):
        if slot.source is None:
            held.insert(at, slot.key)
    if not held:
        values[KEY] = []


def _entry(slot: Slot, held: Any) -> Any:
    """An item of the list in the file: ``held`` where there is one, with the slot's key."""
    if not slot.key:
        return held
    if isinstance(held, MutableMapping):
        for name in ("digest", "fingerprint"):
            held.pop(name, None)
        held["api-key"] = slot.key
        return held
    return slot.key
