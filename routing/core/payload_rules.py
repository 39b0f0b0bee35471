"""Applies payload rules (``payload.py``) to the body of one request. Pure.

They see the body as it is about to be sent, in the upstream's format, so they win over thinking suffixes.
Conditions look at the body as earlier rules left it. A path that cannot be read (``json_path.py``) makes its
rule do nothing there: whoever takes the configuration in says so.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from routing.core import json_path
from routing.core.json_path import BadPath, Place
from routing.core.payload import PayloadFilter, PayloadRule, PayloadRules, PayloadSelector

RESPONSES_NAMES = frozenset({"responses", "response", "openai-response", "openai-responses"})
IMAGE_TOOL = "image_generation"


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """The request that rules are asked about."""

    models: tuple[str, ...]
    """The upstream model, and the model asked for without and with its suffix."""
    protocols: tuple[str, ...]
    """Names of the upstream's protocol, in lower case."""
    from_protocol: str
    headers: Mapping[str, str]


def rules_for(rules: PayloadRules, subject: Subject) -> PayloadRules:
    """What may hold for ``subject``, before its body is looked at; false when nothing does."""
    if not rules:
        return rules
    return PayloadRules(
        default=tuple(_meant(rules.default, subject)),
        default_raw=tuple(_meant(rules.default_raw, subject)),
        override=tuple(_meant(rules.override, subject)),
        override_raw=tuple(_meant(rules.override_raw, subject)),
        filter=tuple(_meant_filters(rules.filter, subject)),
    )


def applied(rules: PayloadRules, body: dict[str, Any]) -> dict[str, Any]:
    """``body`` as ``rules`` (from ``rules_for``) want it; it is never changed in place."""
    original, body = body, copy.deepcopy(body)
    already_set: set[Place] = set()
    for rule in (*rules.default, *rules.default_raw):
        if any(_holds(selector, body) for selector in rule.models):
            for text, value in rule.params:
                for place in _places(text, body):
                    if place not in already_set and not json_path.look_up(original, place)[0]:
                        json_path.put(body, place, copy.deepcopy(value))
                        already_set.add(place)
    for rule in (*rules.override, *rules.override_raw):
        if any(_holds(selector, body) for selector in rule.models):
            for text, value in rule.params:
                for place in _places(text, body):
                    json_path.put(body, place, copy.deepcopy(value))
    for cut in rules.filter:
        if any(_holds(selector, body) for selector in cut.models):
            for text in cut.params:
                for place in reversed(_places(text, body)):
                    json_path.take(body, place)
    return body


def _meant(rules: tuple[PayloadRule, ...], subject: Subject) -> Iterator[PayloadRule]:
    for rule in rules:
        if selectors := tuple(selector for selector in rule.models if _is_meant(selector, subject)):
            yield msgspec.structs.replace(rule, models=selectors)


def _meant_filters(rules: tuple[PayloadFilter, ...], subject: Subject) -> Iterator[PayloadFilter]:
    for rule in rules:
        if selectors := tuple(selector for selector in rule.models if _is_meant(selector, subject)):
            yield msgspec.structs.replace(rule, models=selectors)


def _is_meant(selector: PayloadSelector, subject: Subject) -> bool:
    if not any(_matches(selector.name, model) for model in subject.models):
        return False
    if selector.protocol and _name(selector.protocol) not in map(_name, subject.protocols):
        return False
    if selector.from_protocol and _name(selector.from_protocol) != _name(subject.from_protocol):
        return False
    headers = subject.headers
    return all(
        name in headers and _matches(pattern, headers[name]) for name, pattern in selector.headers.items()
    )


def _name(protocol: str) -> str:
    return "openai-response" if protocol in RESPONSES_NAMES else protocol


def _holds(selector: PayloadSelector, body: dict[str, Any]) -> bool:
    return (
        all(_has(body, path, value) for path, value in selector.match)
        and not any(_has(body, path, value) for path, value in selector.not_match)
        and all(_exists(body, path) for path in selector.exist)
        and not any(_exists(body, path) for path in selector.not_exist)
    )


def _has(body: dict[str, Any], path: str, wanted: Any) -> bool:
    return any(json_path.json_equal(value, wanted) for value in _values(path, body))


def _exists(body: dict[str, Any], path: str) -> bool:
    return any(value is not None for value in _values(path, body))


def _values(path: str, body: dict[str, Any]) -> list[Any]:
    try:
        return json_path.parse(path).values(body)
    except BadPath:
        return []


def _places(path: str, body: dict[str, Any]) -> list[Place]:
    try:
        return json_path.parse(path).places(body)
    except BadPath:
        return []


def _matches(pattern: str, text: str) -> bool:
    """``*`` for any run of characters, nothing else special; case counts; an empty pattern fits nothing."""
    if not pattern:
        return False
    expression = ".*".join(re.escape(part) for part in re.split(r"\*+", pattern))
    return re.fullmatch(expression, text, re.DOTALL) is not None


# --- the built-in image tool --------------------------------------------------------------------


def without_image_tool(body: dict[str, Any]) -> dict[str, Any]:
    """``body`` without the built-in tool that makes images and a choice that names it; itself when it has
    neither. OpenAI's Responses know the tool, and some clients bring it unasked."""
    tools = body.get("tools")
    kept = [tool for tool in tools if not _names_image_tool(tool)] if isinstance(tools, list) else None
    has_tool = kept is not None and len(kept) != len(tools or ())
    if not has_tool and not _names_image_tool(body.get("tool_choice")):
        return body
    body = dict(body)
    if has_tool:
        body["tools"] = kept
    if not body.get("tools"):  # a choice among none is refused by the vendor
        body.pop("tools", None)
        body.pop("tool_choice", None)
    if _names_image_tool(body.get("tool_choice")):
        del body["tool_choice"]
    return body


def _names_image_tool(value: Any) -> bool:
    if isinstance(value, dict):
        kind = value.get("type")
        return kind == IMAGE_TOOL or (kind == "tool" and value.get("name") == IMAGE_TOOL)
    return bool(value == IMAGE_TOOL)
