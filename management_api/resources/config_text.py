"""The text of ``config.yaml`` with its secrets masked, and a text with masks made whole again.

Everything else stays character by character, so that a text which is fetched, edited and sent back differs
from the file by the edit alone. In comments, what looks like a key by its form, or by the name before it, is
masked too.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator

import msgspec
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

from management_api.config import composing, document
from management_api.config.problems import ConfigRefused
from management_api.resources import masking

_PROPERTIES = re.compile(r"(?:[&!]\S+\s+)+")
"""An anchor or a tag before a value."""
_IN_COMMENT = re.compile(
    r"(?i)(?:(?:api[-_]keys?|secret[-_]key|password|token)[\"']?\s*[:=]\s*[\"']?(?P<named>[^\s\"'#,}\]]{4,}))"
    r"|(?P<known>\b(?:sk-|gsk_|xai-|cpx-|ghp_|AIza)[A-Za-z0-9_-]{12,})"
)
_MASK_IN_COMMENT = re.compile(r"[0-9a-f]{8}…[^\s\"'#,}\]]{0,4}")


class Span(msgspec.Struct, frozen=True):
    """A text in the file from ``start`` to ``end``, its value, and how that is shown."""

    start: int
    end: int
    value: str
    shown: str
    is_quoted: bool = True
    is_client_key: bool = False
    is_secret: bool = False


class UnknownMask(Exception):
    """A mask stands where no secret fits it."""


def masked(text: str) -> str:
    """``text`` as it may be shown. Raises as ``document.parse``."""
    text, spans = _spans(text)
    return _replaced(text, [(span, _written(span)) for span in spans if span.shown != span.value])


def whole(text: str, held: str) -> str:
    """``text`` with its masks replaced by what stands for them in ``held``, the file's own text.

    Raises UnknownMask, and as ``document.parse`` for ``text``.
    """
    text, spans = _spans(text)
    pool = _slices(held)
    used: dict[str, int] = defaultdict(int)

    def slice_for(mask: str) -> str:
        at = min(used[mask], len(pool[mask]) - 1)
        used[mask] += 1
        return pool[mask][at]

    found = []
    for span in spans:
        if not span.is_quoted:
            masks = _MASK_IN_COMMENT.findall(text[span.start : span.end])
            if masks and masks[0] in pool:
                found.append((span, slice_for(masks[0])))
        elif span.value in pool:
            found.append((span, slice_for(span.value)))
        elif (span.is_secret and masking.is_mask(span.value, of_client_key=span.is_client_key)) or (
            "://" in span.value and masking.ELLIPSIS in span.value
        ):
            raise UnknownMask(f"no secret of the file is shown as {span.value[:40]}; write the secret itself")
    return _replaced(text, found)


def _slices(held: str) -> dict[str, list[str]]:
    """How each secret is written in ``held``, by its mask, in order; nothing for what is no YAML."""
    try:
        text, spans = _spans(held)
    except ConfigRefused:
        return {}
    found: dict[str, list[str]] = defaultdict(list)
    for span in spans:
        if span.shown != span.value:
            found[span.shown].append(text[span.start : span.end])
    return dict(found)


def _written(span: Span) -> str:
    return json.dumps(span.shown, ensure_ascii=False) if span.is_quoted else span.shown


def _replaced(text: str, replacements: list[tuple[Span, str]]) -> str:
    pieces, at = [], 0
    for span, written in sorted(replacements, key=lambda pair: pair[0].start):
        pieces += [text[at : span.start], written]
        at = span.end
    return "".join([*pieces, text[at:]])


def _spans(text: str) -> tuple[str, list[Span]]:
    """The text as it was composed, and every value and every secret in a comment, in order."""
    text, root = composing.compose(document.parse(text).text)
    values: dict[int, Span] = {}
    for path, node in _scalars(root, ()):
        span = _span(text, path, node)
        if span.start not in values or span.shown != span.value:
            values[span.start] = span
    spans = sorted(values.values(), key=lambda span: span.start)
    return text, sorted([*spans, *_in_comments(text, spans)], key=lambda span: span.start)


def _span(text: str, path: masking.Path, node: ScalarNode) -> Span:
    start, end = node.start_mark.index, node.end_mark.index
    while end > start and text[end - 1].isspace():  # the end of a block of text
        end -= 1
    if (properties := _PROPERTIES.match(text, start, end)) is not None:
        start = properties.end()
    value = str(node.value)
    return Span(
        start=start,
        end=end,
        value=value,
        shown=masking.shown(path, value.strip()) if value.strip() else value,
        is_client_key=masking.is_client_key(path),
        is_secret=masking.is_secret(path),
    )


def _scalars(node: object, path: masking.Path) -> Iterator[tuple[masking.Path, ScalarNode]]:
    """Every value with its path; one that aliases repeat, under each of them."""
    if isinstance(node, ScalarNode):
        yield path, node
    elif isinstance(node, SequenceNode):
        for index, item in enumerate(node.value):
            yield from _scalars(item, (*path, index))
    elif isinstance(node, MappingNode):
        for key, value in node.value:
            is_merge = str(key.value) == "<<"
            yield from _scalars(value, path if is_merge else (*path, str(key.value)))


def _in_comments(text: str, values: list[Span]) -> Iterator[Span]:
    at = 0
    for span in [*values, Span(start=len(text), end=len(text), value="", shown="")]:
        for comment in re.finditer(r"(?:(?<=\s)|^)#[^\n]*", text[at : span.start]):
            for found in _IN_COMMENT.finditer(comment[0]):
                name = "named" if found["named"] else "known"
                start = at + comment.start() + found.start(name)
                value = found[name]
                shown = value if masking.ELLIPSIS in value else masking.of_secret(value)
                yield Span(start=start, end=start + len(value), value=value, shown=shown, is_quoted=False)
        at = max(at, span.end)
