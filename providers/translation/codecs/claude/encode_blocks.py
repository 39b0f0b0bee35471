"""Neutral parts, encoded as content blocks of a request to Anthropic.

Content never disappears silently: what Anthropic cannot hold raises ``Untranslatable`` (audio, video,
other image types, office documents). Reasoning that another vendor signed, or nobody, is dropped and
reported, because Anthropic verifies signatures.
"""

from __future__ import annotations

from providers.translation import media, names
from providers.translation.codec import Untranslatable
from providers.translation.codecs.claude import citations
from providers.translation.json_text import dumps
from providers.translation.model import (
    CacheMark,
    Json,
    Media,
    Node,
    Part,
    Reasoning,
    RefusalText,
    Signature,
    Text,
    ToolCall,
    ToolResult,
    Unknown,
    names_in,
)
from providers.translation.names import NameMap
from providers.values import Format

Block = dict[str, Json]

_IMAGE_TYPES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
"""The four that ``image.source`` accepts (SDK type ``Base64ImageSource``)."""


_TTLS = ("5m", "1h")
_BREAKPOINT = "prompt_cache_breakpoint"


class Encoding:
    """What one request gathers while it is encoded: the name map and the list of what was dropped."""

    def __init__(self, name_map: NameMap, *, keeps_unsigned_thinking: bool = False) -> None:
        self.names = name_map
        self.keeps_unsigned_thinking = keeps_unsigned_thinking
        self._dropped: dict[str, None] = {}

    def drop(self, what: str) -> None:
        self._dropped[what] = None

    def drop_foreign(self, node: Node, where: str = "") -> None:
        """Report the extension fields of other formats on ``node``."""
        for format_, extra in node.ext.items():
            if format_ is not Format.CLAUDE:
                for key in names_in(extra):
                    if key == _BREAKPOINT and getattr(node, "cache", None) is not None:
                        continue  # it is the mark, which Anthropic has as well
                    self.drop(f"{where}.{key}" if where else key)

    @property
    def dropped(self) -> tuple[str, ...]:
        return tuple(self._dropped)


def own(node: Node) -> Block:
    """The raw fields of this format on ``node``."""
    return node.ext.get(Format.CLAUDE, {})


def mark(block: Block, cache: CacheMark | None) -> Block:
    if cache is not None:
        block["cache_control"] = cache_control(cache)
    return block


def cache_control(cache: CacheMark) -> Block:
    return {"type": "ephemeral", "ttl": cache.ttl} if cache.ttl in _TTLS else {"type": "ephemeral"}


def encode_part(part: Part, where: str, encoding: Encoding) -> list[Block]:
    """The blocks of one part, tool results excluded (see ``encode_result``). May be empty."""
    if not isinstance(part, Unknown):
        encoding.drop_foreign(part, where)
    match part:
        case Text():
            return encode_text(part, where, encoding)
        case RefusalText():
            return _plain(part.text, part.cache)
        case Media():
            if part.detail not in (None, "auto"):
                encoding.drop(f"{where}.detail")
            return [mark(_media(part, where), part.cache)]
        case Reasoning():
            return _reasoning(part, where, encoding)
        case ToolCall():
            return [_tool_use(part, where, encoding)]
        case Unknown():
            return _unknown(part, where, encoding)
    raise Untranslatable(f"{where}: this part has no form in an Anthropic request", param=where)


def encode_text(part: Text, where: str, encoding: Encoding) -> list[Block]:
    """A text block; none when the text is blank, which Anthropic refuses."""
    raw = own(part)
    if written := _original(part):
        return [mark(written, part.cache)]
    _drop_signature(part.signature, where, encoding)
    blocks = _plain(part.text, part.cache)
    if blocks:
        blocks[0].update({key: value for key, value in raw.items() if key != "citations"})
        kept = citations.replayable(raw.get("citations"))
        if kept:
            blocks[0]["citations"] = kept
        elif part.citations:
            encoding.drop(f"{where}.citations")
    return blocks


def _plain(text: str, cache: CacheMark | None) -> list[Block]:
    return [mark({"type": "text", "text": text}, cache)] if text.strip() else []


def _drop_signature(signature: Signature | None, where: str, encoding: Encoding) -> None:
    if signature is not None:
        encoding.drop(f"{where}.signature")


def _reasoning(part: Reasoning, where: str, encoding: Encoding) -> list[Block]:
    """Thinking goes back complete and unchanged, or not at all; to a look-alike also unsigned."""
    if part.redacted is not None and part.redacted.issuer is Format.CLAUDE:
        return [{"type": "redacted_thinking", "data": part.redacted.value}]
    if part.signature is not None and part.signature.issuer is Format.CLAUDE:
        return [{"type": "thinking", "thinking": part.text, "signature": part.signature.value}]
    if encoding.keeps_unsigned_thinking and part.text:
        return [{"type": "thinking", "thinking": part.text, "signature": ""}]
    encoding.drop(f"{where}.reasoning")
    return []


def _tool_use(part: ToolCall, where: str, encoding: Encoding) -> Block:
    _drop_signature(part.signature, where, encoding)
    block: Block = {
        "type": "tool_use",
        "id": names.tool_id(part.id),
        "name": encoding.names.mangle(part.name),
        "input": part.value(),
    }
    return mark(block | own(part), part.cache)


def _unknown(part: Unknown, where: str, encoding: Encoding) -> list[Block]:
    if part.format is Format.CLAUDE:
        return [dict(part.raw)]
    encoding.drop(f"{where}.{part.label}")
    return []


# --- tool results ----------------------------------------------------------------------------


def encode_result(part: ToolResult, where: str, encoding: Encoding) -> Block:
    """A ``tool_result`` block. One plain text stays a string; an empty result has no content."""
    encoding.drop_foreign(part, where)
    block: Block = {"type": "tool_result", "tool_use_id": names.tool_id(part.call_id)}
    content = result_content(part, where, encoding)
    if len(content) == 1 and content[0].keys() == {"type", "text"}:
        block["content"] = content[0]["text"]
    elif content:
        block["content"] = content
    if part.is_error:
        block["is_error"] = True
    return mark(block | own(part), part.cache)


def result_content(part: ToolResult, where: str, encoding: Encoding) -> list[Block]:
    if not part.parts:
        if part.value is None:
            return []
        return _plain(part.value if isinstance(part.value, str) else dumps(part.value), None)
    return [block for inner in part.parts for block in encode_part(inner, where, encoding)]


def orphan_result(part: ToolResult, where: str, encoding: Encoding) -> list[Block]:
    """A result without its call, as text: Anthropic answers 400 to the block, and the content matters."""
    name = part.name or part.call_id
    head = f"Result of an earlier call to {name}:" if name else "Result of an earlier tool call:"
    return [{"type": "text", "text": head}, *result_content(part, where, encoding)]


# --- media -----------------------------------------------------------------------------------


def _media(part: Media, where: str) -> Block:
    if media.held_by_google(part.url):
        raise Untranslatable(f"{where}: this file is held by Google; send it inline", param=where)
    mime = media.normal_mime(part.mime) if part.mime else None
    if mime is None and part.data is not None:
        mime = media.sniff_mime(part.data, part.filename)
    elif mime is None and part.filename:
        mime = media.mime_of_filename(part.filename)
    if part.kind == "image" or (part.kind == "document" and mime in _IMAGE_TYPES):
        return _image(part, mime, where)
    if part.kind == "document":
        return _document(part, mime, where)
    raise Untranslatable(f"{where}: Anthropic models take no {part.kind} input", param=where)


def _image(part: Media, mime: str | None, where: str) -> Block:
    source = _reference(part)
    if source is None:
        mime = mime or "image/png"
        if mime not in _IMAGE_TYPES or not part.data:
            raise Untranslatable(
                f"{where}: Anthropic models take jpeg, png, gif and webp images, not {mime}", param=where
            )
        source = {"type": "base64", "media_type": mime, "data": part.data}
    return {"type": "image", "source": source} | own(part)


def _document(part: Media, mime: str | None, where: str) -> Block:
    source = _reference(part)
    if source is None:
        text = part.text if part.text is not None else media.inline_text(mime, part.data)
        if text is not None:
            source = {"type": "text", "media_type": "text/plain", "data": text}
        elif part.data and mime in ("application/pdf", None):
            source = {"type": "base64", "media_type": "application/pdf", "data": part.data}
        else:
            raise Untranslatable(
                f"{where}: Anthropic models take PDF and text documents, not {mime}", param=where
            )
    block: Block = {"type": "document", "source": source}
    if title := part.title or part.filename:
        block["title"] = title
    return block | own(part) | _original(part)


def _original(part: Part) -> Block:
    """The block, or the fields of one, as this format had them."""
    found = part.original
    return dict(found.raw) if found is not None and found.format is Format.CLAUDE else {}


def _reference(part: Media) -> Block | None:
    if part.url is not None:
        return {"type": "url", "url": part.url}
    if part.file_id is not None:
        return {"type": "file", "file_id": part.file_id}
    return None
