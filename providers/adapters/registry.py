"""The explicit list of adapters. A new provider is its module and one line here."""

from __future__ import annotations

from providers.adapters.base import Adapter

ADAPTERS: tuple[Adapter, ...] = ()

BY_KEY: dict[str, Adapter] = {adapter.key: adapter for adapter in ADAPTERS}


class UnknownAdapter(LookupError):
    """No adapter has this key; the text names it."""


def adapter_for(key: str) -> Adapter:
    """The adapter named ``key``. Raises UnknownAdapter."""
    try:
        return BY_KEY[key]
    except KeyError:
        raise UnknownAdapter(f"there is no provider kind {key!r}") from None
