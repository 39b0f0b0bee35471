"""Payload rules: what the operator sets, overrides or deletes in the body that goes upstream. Pure.

The values are what ``payload`` of config.yaml says, checked: docs/configuration.md#payload. A path is dotted
JSON notation with array indexes and queries (``messages.0.role``, ``tools.#(type=="web_search")#``).
"""

from __future__ import annotations

from typing import Any

import msgspec


class PayloadSelector(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One item of a rule's ``models``: every condition that is given must hold."""

    name: str
    """A model id; ``*`` stands for any run of characters, case counts. Tested against the upstream model and
    against the model asked for, without and with its suffix."""
    protocol: str = ""
    """The upstream's protocol in lower case, "" for any: ``openai``, ``openai-response``, ``claude``,
    ``gemini``, ``codex``, ``antigravity``, ``interactions``."""
    from_protocol: str = ""
    """The client's, likewise: ``openai``, ``openai-response``, ``claude``, ``gemini``, ``interactions``."""
    headers: dict[str, str] = {}
    """Lower-case name -> pattern with ``*``; the client must have sent each, with a value that fits."""
    match: tuple[tuple[str, Any], ...] = ()
    """(path, JSON value): equal there."""
    not_match: tuple[tuple[str, Any], ...] = ()
    exist: tuple[str, ...] = ()
    """Paths that are there and not null."""
    not_exist: tuple[str, ...] = ()


class PayloadRule(msgspec.Struct, frozen=True, kw_only=True):
    """Fires when any one of ``models`` fits. ``params`` are (path, JSON value) in the order written."""

    models: tuple[PayloadSelector, ...]
    params: tuple[tuple[str, Any], ...]


class PayloadFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Fires as PayloadRule; ``params`` are the paths to delete."""

    models: tuple[PayloadSelector, ...]
    params: tuple[str, ...]


class PayloadRules(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Applied in the order of these fields. The ``*_raw`` values were JSON text in the file and are parsed
    here: they differ from the plain ones only in when they are applied."""

    default: tuple[PayloadRule, ...] = ()
    """Set where the client's own body has nothing; the first rule to set a path wins."""
    default_raw: tuple[PayloadRule, ...] = ()
    override: tuple[PayloadRule, ...] = ()
    """Always set; the last rule wins."""
    override_raw: tuple[PayloadRule, ...] = ()
    filter: tuple[PayloadFilter, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.default or self.default_raw or self.override or self.override_raw or self.filter)
