"""Client keys as the list of texts that CLIProxyAPI has for them: what a request makes of the list.

Pure but for the digest of a key, and knows neither file nor rows: a list that is asked for names the entries
of the old one that stay, by index, so that whoever stores it keeps what else hangs on them (a name, limits).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from management_api.errors import ManagementError
from management_api.resources import masking
from routing import client_keys


class Known(msgspec.Struct, frozen=True):
    """A key that is there: as it is shown, and by its digest."""

    shown: str
    digest: str

    def fits(self, text: str) -> bool:
        return text == self.shown or client_keys.digest(text) == self.digest


class Slot(msgspec.Struct, frozen=True):
    """A place of the new list: the old entry ``source`` where it is not None, with ``key`` for its own key
    where that is not ""; without a source a new entry."""

    source: int | None = None
    key: str = ""


def replaced(known: Sequence[Known], body: Any, name: str = "api-keys") -> list[Slot]:
    """PUT: the whole list. Raises ManagementError 400."""
    listed = body
    if isinstance(body, dict):
        listed = body.get(name)
        if listed is None and not (listed := body.get("items")):
            raise ManagementError(400, "invalid body")
    if not isinstance(listed, list) or not all(isinstance(text, str) for text in listed):
        raise ManagementError(400, "invalid body")
    free = list(range(len(known)))
    return _each_once(known, [_slot(known, text.strip(), free) for text in listed if text.strip()])


def _slot(known: Sequence[Known], text: str, free: list[int]) -> Slot:
    """The entry that ``text`` means, one that no earlier text took if there is such, or a new one."""
    fitting = [index for index, key in enumerate(known) if key.fits(text)]
    chosen = next((index for index in fitting if index in free), fitting[0] if fitting else None)
    if chosen is not None:
        if chosen in free:
            free.remove(chosen)
        return Slot(source=chosen)
    if masking.is_mask(text, of_client_key=True):
        raise masking.unknown_mask(text)
    return Slot(key=text)


def patched(known: Sequence[Known], body: Any) -> list[Slot]:
    """PATCH: by ``index`` and ``value``, or ``old`` and ``new``. Raises ManagementError 400."""
    if not isinstance(body, dict):
        raise ManagementError(400, "invalid body")
    index, value, old, new = (body.get(name) for name in ("index", "value", "old", "new"))
    if not (index is None or type(index) is int) or not all(
        text is None or isinstance(text, str) for text in (value, old, new)
    ):
        raise ManagementError(400, "invalid body")
    slots = [Slot(source=at) for at in range(len(known))]
    if index is not None and value is not None and 0 <= index < len(known):
        return _each_once(known, _put(known, slots, index, value.strip()))
    if old is None or new is None:
        raise ManagementError(400, "missing fields")
    found = next((at for at, key in enumerate(known) if key.fits(old.strip())), None)
    if found is not None:
        return _each_once(known, _put(known, slots, found, new.strip()))
    if not new.strip():
        raise ManagementError(400, "missing fields")
    return _each_once(known, [*slots, _slot(known, new.strip(), [])])


def _put(known: Sequence[Known], slots: list[Slot], index: int, text: str) -> list[Slot]:
    if not text:
        raise ManagementError(400, "missing fields")
    if known[index].fits(text):
        return slots
    slot = _slot(known, text, [])
    slots[index] = slot if slot.source is not None else Slot(source=index, key=slot.key)
    return slots


def deleted(known: Sequence[Known], index: str, value: str) -> list[Slot]:
    """DELETE: by position, or every entry that is ``value``. Raises ManagementError 400."""
    slots = [Slot(source=at) for at in range(len(known))]
    at = position(index, len(known))
    if at is not None:
        return [slot for slot in slots if slot.source != at]
    value = value.strip()
    if not value:
        raise ManagementError(400, "missing index or value")
    return [slot for slot in slots if not known[slot.source or 0].fits(value)]


def position(text: str, length: int) -> int | None:
    """The index that ``text`` says, if the list has one so high."""
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        return None
    return int(text) if int(text) < length else None


def _each_once(known: Sequence[Known], slots: list[Slot]) -> list[Slot]:
    kept: dict[str, Slot] = {}
    for slot in slots:
        digest = client_keys.digest(slot.key) if slot.key else known[slot.source or 0].digest
        kept.setdefault(digest, slot)
    return list(kept.values())
