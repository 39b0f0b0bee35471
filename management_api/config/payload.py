"""``payload`` of the file as PayloadRules. Pure; what the rules do is in ``routing/core/payload.py``."""

from __future__ import annotations

import json
from typing import Any

from management_api.config.fields import Fields
from routing.core.payload import PayloadFilter, PayloadRule, PayloadRules, PayloadSelector

PROTOCOLS = {
    "response": "openai-response",
    "responses": "openai-response",
    "openai-responses": "openai-response",
}
"""Other spellings of a protocol."""


def read_payload(fields: Fields) -> PayloadRules:
    block = fields.mapping("payload")
    if block is None:
        return PayloadRules()
    found = PayloadRules(
        default=tuple(_rules(block, "default", raw=False)),
        default_raw=tuple(_rules(block, "default-raw", raw=True)),
        override=tuple(_rules(block, "override", raw=False)),
        override_raw=tuple(_rules(block, "override-raw", raw=True)),
        filter=tuple(_filters(block)),
    )
    block.finish()
    return found


def _rules(block: Fields, key: str, *, raw: bool) -> list[PayloadRule]:
    found = []
    for entry in block.mappings(key):
        selectors = _selectors(entry)
        params = _params(entry, raw=raw)
        entry.finish()
        if not selectors:
            entry.warn("", "has no models, so it never applies")
        elif params:
            found.append(PayloadRule(models=selectors, params=params))
    return found


def _filters(block: Fields) -> list[PayloadFilter]:
    found = []
    for entry in block.mappings("filter"):
        selectors = _selectors(entry)
        params = tuple(text for _, _, text in entry.texts("params"))
        entry.finish()
        if not selectors:
            entry.warn("", "has no models, so it never applies")
        elif params:
            found.append(PayloadFilter(models=selectors, params=params))
    return found


def _params(entry: Fields, *, raw: bool) -> tuple[tuple[str, Any], ...]:
    """(path, value). A raw text that is no JSON drops the rule; a raw null is left out."""
    given = entry.plain("params")
    if given is None:
        return ()
    if not isinstance(given, dict):
        entry.error("params", "must be a mapping of paths to values")
        return ()
    if not raw:
        return tuple(given.items())
    found = []
    for path, value in given.items():
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError:
                entry.warn("params", f"has text at `{path}` that is no JSON; the rule is left out")
                return ()
        elif value is None:
            continue
        found.append((path, value))
    return tuple(found)


def _selectors(entry: Fields) -> tuple[PayloadSelector, ...]:
    found = []
    for item in entry.mappings_or_names("models", "name"):
        selector = PayloadSelector(
            name=item.text("name"),
            protocol=_protocol(item, "protocol"),
            from_protocol=_protocol(item, "from-protocol"),
            headers={name.strip().lower(): pattern for name, _, pattern in item.pairs("headers")},
            match=_conditions(item, "match"),
            not_match=_conditions(item, "not-match"),
            exist=tuple(text for _, _, text in item.texts("exist")),
            not_exist=tuple(text for _, _, text in item.texts("not-exist")),
        )
        item.finish()
        if selector.name:
            found.append(selector)
        elif "name" not in item.failed:
            item.warn("", "has no name, so it never fits")
    return tuple(found)


def _protocol(item: Fields, key: str) -> str:
    word = item.text(key).lower()
    return PROTOCOLS.get(word, word)


def _conditions(item: Fields, key: str) -> tuple[tuple[str, Any], ...]:
    """A list of ``{path: value}``; one mapping counts as a list of one."""
    given = item.plain(key)
    if given is None:
        return ()
    listed = given if isinstance(given, list) else [given]
    if not all(isinstance(one, dict) for one in listed):
        item.error(key, "must be a list of `path: value`")
        return ()
    return tuple(pair for one in listed for pair in one.items())
