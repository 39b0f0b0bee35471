"""The items of an answer while it is written: what of each was said, and its form at every stage."""

from __future__ import annotations

from typing import Protocol

from providers.translation.codec import AnswerContext
from providers.translation.codecs.responses.activity import is_own_activity, item_of, with_result
from providers.translation.codecs.responses.ids import item_id
from providers.translation.json_text import dump_bytes
from providers.translation.media import parse_data_url
from providers.translation.model import Activity, Json, Media, Unknown
from providers.values import Format

Block = dict[str, Json]

_IMAGE_FORMATS = {"image/png": "png", "image/jpeg": "jpeg", "image/webp": "webp", "image/gif": "gif"}


def delta_head(kind: str, address: Block) -> bytes:
    """The start of a delta event, up to its sequence number."""
    fields = dump_bytes({"type": kind, **address})[:-1]
    return b"event: " + kind.encode() + b"\ndata: " + fields + b',"sequence_number":'


class Item(Protocol):
    """An item of the output. ``final`` is what ``output_item.done`` said."""

    index: int
    final: Block

    def skeleton(self) -> Block: ...
    def block(self, status: str) -> Block: ...


class TextContent:
    """One text or refusal of a message."""

    __slots__ = ("address", "annotations", "head", "is_refusal", "logprobs", "texts")

    def __init__(self, message: MessageItem, index: int, *, is_refusal: bool) -> None:
        self.address: Block = {
            "item_id": message.id,
            "output_index": message.index,
            "content_index": index,
        }
        self.is_refusal = is_refusal
        kind = "response.refusal.delta" if is_refusal else "response.output_text.delta"
        self.head = delta_head(kind, self.address)
        self.texts: list[str] = []
        self.logprobs: list[Json] = []
        self.annotations: list[Json] = []

    def skeleton(self) -> Block:
        if self.is_refusal:
            return {"type": "refusal", "refusal": ""}
        return {"type": "output_text", "text": "", "annotations": [], "logprobs": []}

    def block(self) -> Block:
        text = "".join(self.texts)
        if self.is_refusal:
            return {"type": "refusal", "refusal": text}
        return {
            "type": "output_text",
            "text": text,
            "annotations": list(self.annotations),
            "logprobs": list(self.logprobs),
        }


class MessageItem:
    __slots__ = ("contents", "final", "id", "index", "phase")

    def __init__(self, index: int, context: AnswerContext) -> None:
        self.index = index
        self.id = item_id("msg", index, context)
        self.phase: str | None = None
        self.contents: list[TextContent] = []
        self.final: Block = {}

    def new_content(self, *, is_refusal: bool) -> TextContent:
        content = TextContent(self, len(self.contents), is_refusal=is_refusal)
        self.contents.append(content)
        return content

    def skeleton(self) -> Block:
        return self._block("in_progress", [])

    def block(self, status: str) -> Block:
        return self._block(status, [content.block() for content in self.contents])

    def _block(self, status: str, content: list[Json]) -> Block:
        block: Block = {"id": self.id, "type": "message", "status": status, "role": "assistant"}
        if self.phase is not None:
            block["phase"] = self.phase
        return {**block, "content": content}


class ReasoningItem:
    """Its text is one summary part: that is what clients show. ``state`` becomes ``encrypted_content``."""

    __slots__ = ("address", "final", "head", "id", "index", "state", "texts")

    def __init__(self, index: int, context: AnswerContext, known_id: str | None) -> None:
        self.index = index
        self.id = item_id("rs", index, context, known_id)
        self.address: Block = {"item_id": self.id, "output_index": index, "summary_index": 0}
        self.head = delta_head("response.reasoning_summary_text.delta", self.address)
        self.texts: list[str] = []
        self.state: str | None = None
        self.final: Block = {}

    def skeleton(self) -> Block:
        return {"id": self.id, "type": "reasoning", "status": "in_progress", "summary": []}

    def block(self, status: str) -> Block:
        summary = [{"type": "summary_text", "text": "".join(self.texts)}] if self.texts else []
        block: Block = {"id": self.id, "type": "reasoning", "status": status, "summary": summary}
        if self.state is not None:
            block["encrypted_content"] = self.state
        return block


class CallItem:
    __slots__ = (
        "address", "call_id", "event", "final", "head", "id", "index", "is_custom", "spelled", "texts",
    )  # fmt: skip

    def __init__(
        self,
        index: int,
        context: AnswerContext,
        call_id: str,
        spelled: Block,
        known_id: str | None,
        *,
        is_custom: bool,
    ) -> None:
        self.index = index
        self.call_id = call_id
        self.spelled = spelled
        """``name``, and ``namespace`` if it has one."""
        self.is_custom = is_custom
        self.id = item_id("ctc" if is_custom else "fc", index, context, known_id)
        self.event = "custom_tool_call_input" if is_custom else "function_call_arguments"
        self.address: Block = {"item_id": self.id, "output_index": index}
        self.head = delta_head(f"response.{self.event}.delta", self.address)
        self.texts: list[str] = []
        self.final: Block = {}

    def said(self) -> Block:
        """The fields of the event that ends the arguments."""
        text = "".join(self.texts)
        return {"input": text} if self.is_custom else {"arguments": text, "name": self.spelled["name"]}

    def skeleton(self) -> Block:
        return self._block("in_progress", "")

    def block(self, status: str) -> Block:
        return self._block(status, "".join(self.texts))

    def _block(self, status: str, text: str) -> Block:
        kind, key = ("custom_tool_call", "input") if self.is_custom else ("function_call", "arguments")
        return {
            "id": self.id,
            "type": kind,
            "status": status,
            key: text,
            "call_id": self.call_id,
            **self.spelled,
        }


class WholeItem:
    """An item that comes in one piece: an image, or one of OpenAI's own."""

    __slots__ = ("_block", "_skeleton", "final", "id", "index", "progress")

    def __init__(self, index: int, skeleton: Block, block: Block, progress: tuple[str, ...]) -> None:
        self.index = index
        self.id = block.get("id")
        self.progress = progress
        """Events between added and done."""
        self.final: Block = {}
        self._skeleton = skeleton
        self._block = block

    @classmethod
    def of(cls, part: Media | Unknown, index: int, context: AnswerContext) -> WholeItem | None:
        """None for what an output cannot show: other vendors' items, audio, video, images by URL."""
        if isinstance(part, Unknown):
            if part.format is Format.RESPONSES:
                return cls(index, part.raw, part.raw, ())
            made = item_of(part.activity, index, context) if part.activity is not None else None
            return cls(index, *made) if made is not None else None
        data, mime = part.data, part.mime
        if data is None and part.url is not None and part.url[:5] == "data:":
            try:
                mime, data = parse_data_url(part.url)
            except ValueError:
                return None
        if part.kind != "image" or not data:
            return None
        call: Block = {"id": item_id("ig", index, context), "type": "image_generation_call"}
        done = {**call, "status": "completed", "result": data}
        if (image_format := _IMAGE_FORMATS.get(mime or "")) is not None:
            done["output_format"] = image_format
        events = ("in_progress", "generating", "completed")
        progress = tuple(f"response.image_generation_call.{event}" for event in events)
        return cls(index, {**call, "status": "in_progress", "result": None}, done, progress)

    def add_result(self, activity: Activity) -> None:
        """What came of the activity that this item tells of. Until it is done, it may be told."""
        if is_own_activity(self._block):
            self._block = with_result(self._block, activity)

    def skeleton(self) -> Block:
        return self._skeleton

    def block(self, _status: str) -> Block:
        return self._block
