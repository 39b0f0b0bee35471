"""Content blocks of an Anthropic client, decoded to neutral parts.

Blocks that only Anthropic understands (server tools and their results, container uploads, compaction)
become ``Unknown`` and go back to Anthropic untouched. Source: the SDK's ``ContentBlockParam`` union.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import msgspec

from providers.translation import media
from providers.translation.codecs.claude import activity, carrier, citations, fields
from providers.translation.json_text import dumps
from providers.translation.model import (
    Ext,
    Json,
    Media,
    Original,
    Part,
    Reasoning,
    Signature,
    Text,
    ToolCall,
    ToolResult,
    Unknown,
)
from providers.values import Format

CallNames: TypeAlias = dict[str, str]
"""Call id to tool name, filled as calls are read: results do not repeat the name."""

_Decoder: TypeAlias = Callable[[dict[str, Json], str, CallNames], list[Part]]


def decode_content(content: Json, param: str, call_names: CallNames) -> list[Part]:
    """The parts of one message. ``content`` is a string or an array of blocks; empty text is no part."""
    if isinstance(content, str):
        return [Text(text=content)] if content else []
    parts: list[Part] = []
    pending: Signature | None = None
    for n, raw in enumerate(fields.sequence(content, param)):
        path = f"{param}[{n}]"
        if isinstance(raw, str):
            raw = {"type": "text", "text": raw}
        block = fields.mapping(raw, path)
        kind = fields.text(block.get("type", "text"), f"{path}.type")
        if kind == "thinking":
            signature, place = carrier.unwrap(
                fields.optional_text(block.get("signature"), f"{path}.signature") or ""
            )
            if place is carrier.Place.NEXT:
                pending = signature
                continue
            if place is carrier.Place.LAST:
                _sign_last(parts, signature)
                continue
        for part in _DECODERS.get(kind, _unknown)(block, path, call_names):
            parts.append(_signed(part, pending))
            pending = None
    return parts


def _sign_last(parts: list[Part], signature: Signature | None) -> None:
    """Give the state back to the part before it. Gemini may also sign a text that is empty."""
    last = parts[-1] if parts else None
    if isinstance(last, ToolCall | Text) and last.signature is None:
        parts[-1] = _signed(last, signature)
    elif signature is not None:
        parts.append(Text(text="", signature=signature))


def _signed(part: Part, signature: Signature | None) -> Part:
    if signature is not None and isinstance(part, ToolCall | Text):
        return msgspec.structs.replace(part, signature=signature)
    return part


def _text(block: dict[str, Json], param: str, _: CallNames) -> list[Part]:
    text = fields.text(block.get("text"), f"{param}.text")
    if not text:
        return []
    return [
        Text(
            text=text,
            citations=citations.decode(block.get("citations"), len(text)),
            cache=fields.cache_mark(block, param),
            ext=fields.rest(block, frozenset({"type", "text", "cache_control"})),
        )
    ]


def _image(block: dict[str, Json], param: str, _: CallNames) -> list[Part]:
    source = fields.mapping(block.get("source"), f"{param}.source")
    ext = fields.rest(block, frozenset({"type", "source", "cache_control"}))
    return [_media("image", source, block, param, ext)]


def _document(block: dict[str, Json], param: str, names: CallNames) -> list[Part]:
    source = fields.mapping(block.get("source"), f"{param}.source")
    ext = fields.rest(block, frozenset({"type", "source", "title", "cache_control"}))
    if source.get("type") == "content":
        return _document_of_blocks(block, source, param, names, ext)
    return [_media("document", source, block, param, ext)]


def _document_of_blocks(
    block: dict[str, Json], source: dict[str, Json], param: str, names: CallNames, ext: Ext
) -> list[Part]:
    """A document made of blocks: text stays one document, text with images is flattened in order.

    In the first case the raw source stays with it, so Anthropic gets the blocks (citations refer to them
    by number).
    """
    parts = decode_content(source.get("content"), f"{param}.source.content", names)
    texts = [part.text for part in parts if isinstance(part, Text)]
    if len(texts) != len(parts):
        return parts
    return [
        Media(
            kind="document",
            mime="text/plain",
            text="\n".join(texts),
            title=fields.optional_text(block.get("title"), f"{param}.title"),
            cache=fields.cache_mark(block, param),
            original=Original(Format.CLAUDE, {"source": source}),
            ext=ext,
        )
    ]


def _media(kind: str, source: dict[str, Json], block: dict[str, Json], param: str, ext: Ext) -> Media:
    path = f"{param}.source"
    common = Media(
        kind=kind,
        title=fields.optional_text(block.get("title"), f"{param}.title") if kind == "document" else None,
        cache=fields.cache_mark(block, param),
        ext=ext,
    )
    mime = fields.optional_text(source.get("media_type"), f"{path}.media_type")
    mime = media.normal_mime(mime) if mime else None
    match source.get("type"):
        case "base64":
            try:
                data = media.standard_base64(fields.text(source.get("data"), f"{path}.data"))
            except ValueError as error:
                raise fields.malformed(f"{path}.data", str(error)) from error
            return msgspec.structs.replace(common, data=data, mime=mime or media.sniff_mime(data))
        case "url":
            return msgspec.structs.replace(common, url=fields.text(source.get("url"), f"{path}.url"))
        case "file":
            file_id = fields.text(source.get("file_id"), f"{path}.file_id")
            return msgspec.structs.replace(common, file_id=file_id)
        case "text" if kind == "document":
            text = fields.text(source.get("data"), f"{path}.data")
            return msgspec.structs.replace(common, text=text, mime=mime or "text/plain")
    raise fields.malformed(f"{path}.type", f"unknown {kind} source {source.get('type')!r}")


def _search_result(block: dict[str, Json], param: str, names: CallNames) -> list[Part]:
    """Flattened to text for other formats; the raw block stays for Anthropic."""
    lines = [
        fields.optional_text(block.get("title"), f"{param}.title"),
        fields.optional_text(block.get("source"), f"{param}.source"),
    ]
    for part in decode_content(block.get("content"), f"{param}.content", names):
        if isinstance(part, Text):
            lines.append(part.text)
    return [
        Text(
            text="\n".join(line for line in lines if line),
            cache=fields.cache_mark(block, param),
            original=Original(Format.CLAUDE, block),
        )
    ]


def _thinking(block: dict[str, Json], param: str, _: CallNames) -> list[Part]:
    signature, _place = carrier.unwrap(block.get("signature") or "")
    text = fields.optional_text(block.get("thinking"), f"{param}.thinking") or ""
    return [Reasoning(text=text, signature=signature)] if text or signature else []


def _redacted(block: dict[str, Json], param: str, _: CallNames) -> list[Part]:
    signature, _place = carrier.unwrap(fields.text(block.get("data"), f"{param}.data"))
    return [Reasoning(redacted=signature)] if signature else []


def _tool_use(block: dict[str, Json], param: str, names: CallNames) -> list[Part]:
    call_id = fields.text(block.get("id"), f"{param}.id")
    name = fields.text(block.get("name"), f"{param}.name")
    names[call_id] = name
    return [
        ToolCall(
            id=call_id,
            name=name,
            arguments=dumps(fields.optional_mapping(block.get("input"), f"{param}.input")),
            cache=fields.cache_mark(block, param),
            ext=fields.rest(block, frozenset({"type", "id", "name", "input", "cache_control"})),
        )
    ]


def _tool_result(block: dict[str, Json], param: str, names: CallNames) -> list[Part]:
    call_id = fields.text(block.get("tool_use_id"), f"{param}.tool_use_id")
    content = block.get("content")
    parts = [] if content is None else decode_content(content, f"{param}.content", names)
    known = frozenset({"type", "tool_use_id", "content", "is_error", "cache_control"})
    return [
        ToolResult(
            call_id=call_id,
            name=names.get(call_id),
            parts=tuple(parts),
            is_error=bool(fields.optional_flag(block.get("is_error"), f"{param}.is_error")),
            cache=fields.cache_mark(block, param),
            ext=fields.rest(block, known),
        )
    ]


def _unknown(block: dict[str, Json], _param: str, _names: CallNames) -> list[Part]:
    return [] if activity.is_own(block) else [Unknown(raw=block, format=Format.CLAUDE)]


_DECODERS: dict[str, _Decoder] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "search_result": _search_result,
    "thinking": _thinking,
    "redacted_thinking": _redacted,
    "tool_use": _tool_use,
    "tool_result": _tool_result,
}
