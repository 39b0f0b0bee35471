"""Makes a value of a YAML file say something else with few edits, so that comments stay. Pure."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, MutableSequence
from typing import Any


def amended(held: Any, wanted: Any) -> Any:
    """``held``, a value as ruamel.yaml loads it, changed in place until it says ``wanted``; or ``wanted``
    itself where the two have nothing in common."""
    if plain(held) == wanted:
        return held
    if isinstance(held, MutableMapping) and isinstance(wanted, dict):
        _amend_mapping(held, wanted)
    elif isinstance(held, MutableSequence) and isinstance(wanted, list) and wanted:
        _amend_list(held, wanted)
    else:
        return wanted
    return held if plain(held) == wanted else wanted


def _amend_mapping(held: MutableMapping[str, Any], wanted: dict[str, Any]) -> None:
    for name in [name for name in held if name not in wanted]:
        if name in held:  # what came by `<<` cannot be deleted here
            try:
                del held[name]
            except KeyError:
                return
    for name, value in wanted.items():
        if name not in held:
            held[name] = value
        elif plain(held[name]) != value:
            held[name] = amended(held[name], value)


def _amend_list(held: MutableSequence[Any], wanted: list[Any]) -> None:
    said = [plain(item) for item in held]
    kept = _kept(said, wanted)
    if len(kept) == 0 and len(said) == len(wanted):
        for index, value in enumerate(wanted):
            held[index] = amended(held[index], value)
        return
    for index in reversed(range(len(held))):
        if index not in kept:
            del held[index]
    taken = set(kept.values())
    for index, value in enumerate(wanted):
        if index not in taken:
            held.insert(index, value)


def _kept(said: list[Any], wanted: list[Any]) -> dict[int, int]:
    """Items that stay, in order: old index -> new index."""
    found: dict[int, int] = {}
    after = 0
    for index, value in enumerate(said):
        if value in wanted[after:]:
            found[index] = wanted.index(value, after)
            after = found[index] + 1
    return found


def plain(value: Any) -> Any:
    """``value`` without what ruamel.yaml remembers beside it."""
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, MutableSequence):
        return [plain(item) for item in value]
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return value
