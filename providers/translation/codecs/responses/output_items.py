"""Items of an answer's ``output``, decoded to neutral parts: one way for whole answers and streams."""

from __future__ import annotations

from providers.errors import UpstreamProtocolError
from providers.translation.codec import AnswerContext
from providers.translation.codecs.openai.response import answer_arguments
from providers.translation.codecs.responses import activity
from providers.translation.codecs.responses.ids import foreign_id
from providers.translation.codecs.responses.input_items import reasoning_texts
from providers.translation.codecs.responses.outcome import decode_annotations
from providers.translation.codecs.responses.tools import full_name
from providers.translation.media import sniff_mime
from providers.translation.model import (
    Json,
    Media,
    Part,
    Reasoning,
    RefusalText,
    Signature,
    Text,
    ToolCall,
    Unknown,
)
from providers.values import Format

Block = dict[str, Json]

CALL_TYPES = {"function_call": "arguments", "custom_tool_call": "input"}
"""Types of the calls that the client executes, and where their text is."""
TEXT_KEYS = {"output_text": "text", "text": "text", "refusal": "refusal"}
"""Types of the content parts of a message, and where their text is."""


def type_of(block: Block) -> str:
    """The ``type`` of an item or a part, "" for one without."""
    kind = block.get("type")
    return kind if isinstance(kind, str) else ""


def decode_item(item: Block, place: int, context: AnswerContext) -> list[Part]:
    """The parts of one item. Raises UpstreamProtocolError for a call without a name."""
    kind = type_of(item)
    if kind == "message":
        content = item.get("content")
        found = (decode_text_part(part) for part in (content if isinstance(content, list) else []))
        return [part for part in found if part is not None]
    if kind in CALL_TYPES:
        return [decode_call(item, place, context, text=answer_arguments(item.get(CALL_TYPES[kind])))]
    if kind == "reasoning":
        part = decode_reasoning_item(item)
        return [part] if part is not None else []
    if kind == "image_generation_call":
        image = decode_image(item)
        return [image] if image is not None else []
    return [Unknown(raw=item, format=Format.RESPONSES, activity=activity.read(item))]


def decode_text_part(part: Json) -> Text | RefusalText | None:
    """None for what says nothing."""
    kind = part.get("type") if isinstance(part, dict) else None
    key = TEXT_KEYS.get(kind) if isinstance(kind, str) else None
    text = part.get(key) if key else None
    if not isinstance(text, str) or not text:
        return None
    if kind == "refusal":
        return RefusalText(text=text)
    return Text(text=text, citations=decode_annotations(part.get("annotations"), text))


def decode_call(item: Block, place: int, context: AnswerContext, *, text: str = "") -> ToolCall:
    name, call_id, namespace = item.get("name"), item.get("call_id"), item.get("namespace")
    if not isinstance(name, str) or not name:
        raise UpstreamProtocolError("the upstream sent a tool call without a name")
    return ToolCall(
        id=call_id if isinstance(call_id, str) and call_id else f"call_{context.seed}_{place}",
        name=full_name(namespace if isinstance(namespace, str) else None, context.names.restore(name)),
        arguments=text,
        kind="custom" if item.get("type") == "custom_tool_call" else "function",
        item_id=foreign_id(item.get("id")),
    )


def decode_reasoning_item(item: Block) -> Reasoning | None:
    """Summary and full text are kept apart; where both are there the summary is what clients show."""
    summary, content = reasoning_texts(item.get("summary")), reasoning_texts(item.get("content"))
    state = item_state(item)
    if not summary and not content and state is None:
        return None
    return Reasoning(
        text="\n\n".join(summary or content),
        is_summary=bool(summary) or not content,
        signature=state,
        item_id=foreign_id(item.get("id")),
    )


def item_state(item: Block) -> Signature | None:
    state = item.get("encrypted_content")
    return Signature(state, Format.RESPONSES) if isinstance(state, str) and state else None


def decode_image(item: Block) -> Media | None:
    data = item.get("result")
    if not isinstance(data, str) or not data:
        return None
    declared = item.get("output_format")
    mime = f"image/{declared}" if isinstance(declared, str) and declared else sniff_mime(data)
    return Media(kind="image", mime=mime or "image/png", data=data)
