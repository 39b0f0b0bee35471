"""``contents`` of a ``generateContent`` request from the neutral turns.

What Google enforces (https://ai.google.dev/gemini-api/docs/function-calling and /thought-signatures): no
part and no content is empty; the results of all calls of a content stand together, first, in the content
right after it; a result is an object; a signature stays on the very part it came with. The first content
is the user's.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from providers.translation.codec import Capabilities, Untranslatable
from providers.translation.codecs.gemini.fields import merge_missing
from providers.translation.codecs.gemini.parts import encode_media, resolution
from providers.translation.codecs.gemini.signatures import ESCAPE
from providers.translation.model import (
    Json,
    Media,
    Part,
    Reasoning,
    RefusalText,
    Request,
    Role,
    Signature,
    Text,
    ToolCall,
    ToolResult,
    Turn,
    Unknown,
)
from providers.translation.names import NameMap
from providers.values import Format

_FILLER: dict[str, Json] = {"role": "user", "parts": [{"text": " "}]}
"""A part needs content, and the conversation needs a user who begins it."""

_DATA = ("inlineData", "fileData")
_READ_INSIDE = frozenset({"image/png", "image/jpeg", "image/webp", "application/pdf", "text/plain"})
"""What a function's response may hold on models that read media there:
https://ai.google.dev/gemini-api/docs/function-calling#multimodal-function-responses."""

_ROLES = {Role.USER: "user", Role.ASSISTANT: "model"}


def encode_contents(
    request: Request, can: Capabilities, names: NameMap, report: Callable[[str], None]
) -> list[Json]:
    """Never empty. Raises Untranslatable for a file that Google cannot read."""
    writer = _Writer(can, names, report)
    contents: list[dict[str, Json]] = []
    current_from = _current_turn(request.turns)
    for index, turn in enumerate(request.turns):
        content = writer.content(turn, f"messages[{index}]")
        if not content["parts"]:
            continue
        if contents and contents[-1]["role"] == content["role"]:
            contents[-1]["parts"] += content["parts"]
            merge_missing(contents[-1], content)
        else:
            contents.append(content)
        if can.signatures_required and index > current_from:
            _sign_step(contents[-1])
    for content in contents:
        # Stable: results move to the front, everything else keeps its order.
        content["parts"].sort(key=lambda part: "functionResponse" not in part)
    if not contents or contents[0]["role"] == "model":
        contents.insert(0, {**_FILLER, "parts": list(_FILLER["parts"])})
    return list(contents)


def _current_turn(turns: tuple[Turn, ...]) -> int:
    """Index of the last turn in which the user said something instead of answering calls; -1 for none."""
    for index in range(len(turns) - 1, -1, -1):
        turn = turns[index]
        if turn.role is Role.USER and not any(isinstance(part, ToolResult) for part in turn.parts):
            return index
    return -1


def _sign_step(content: dict[str, Json]) -> None:
    """The first call of a step must be signed; one that came from another model gets the escape value."""
    first = next((part for part in content["parts"] if "functionCall" in part), None)
    if content["role"] == "model" and first is not None:
        first.setdefault("thoughtSignature", ESCAPE)


class _Writer:
    """Walks the turns in order and remembers the calls, because a result names the function it answers."""

    def __init__(self, can: Capabilities, names: NameMap, report: Callable[[str], None]) -> None:
        self._can = can
        self._names = names
        self._report = report
        self._calls: dict[str, tuple[int, str]] = {}

    def content(self, turn: Turn, where: str) -> dict[str, Json]:
        if turn.name:
            self._report(f"{where}.name")
        results = [part for part in turn.parts if isinstance(part, ToolResult)]
        # Without ids Google pairs by order, so results follow the order of their calls.
        results.sort(key=lambda result: self._calls.get(result.call_id, (len(self._calls), ""))[0])
        ordered = iter(results)
        parts: list[Json] = []
        for part in turn.parts:
            current = next(ordered) if isinstance(part, ToolResult) else part
            parts += self._part(current, where)
        content: dict[str, Json] = {"role": _ROLES[turn.role], "parts": parts}
        merge_missing(content, turn.ext.get(Format.GEMINI, {}))
        self._report_foreign(turn.ext, where)
        return content

    def _part(self, part: Part, where: str) -> list[Json]:
        self._report_part(part, where)
        own = part.ext.get(Format.GEMINI, {})
        encoded: list[dict[str, Json]]
        match part:
            case Text():
                encoded = self._text(part, where)
            case RefusalText():
                encoded = [{"text": part.text}] if part.text else []
            case Media():
                encoded = [self._media(part, where)]
            case Reasoning():
                encoded = self._reasoning(part, where)
            case ToolCall():
                encoded = [self._call(part, where)]
            case ToolResult():
                encoded = self._result(part, where)
            case Unknown(format=Format.GEMINI):
                encoded = [dict(part.raw)]
            case Unknown():
                self._report(f"{where}.{part.label}")
                encoded = []
            case _:
                self._report(where)
                encoded = []
        if encoded:
            merge_missing(encoded[0], own)
        return list(encoded)

    def _text(self, part: Text, where: str) -> list[dict[str, Json]]:
        signature = self._own(part.signature, where)
        if part.citations:
            self._report(f"{where}.citations")
        if not part.text and not signature:
            return []
        return [{"text": part.text, **signature}]

    def _own(self, signature: Signature | None, where: str) -> dict[str, Json]:
        if signature is None:
            return {}
        if signature.issuer is not Format.GEMINI:
            self._report(f"{where}.signature")
            return {}
        return {"thoughtSignature": signature.value}

    def _media(self, media: Media, where: str) -> dict[str, Json]:
        encoded = encode_media(media)
        if encoded is None:
            raise Untranslatable(
                "this file is held by another vendor, or its data cannot be read; send it inline", param=where
            )
        for field, value in (("filename", media.filename), ("title", media.title)):
            if value:
                self._report(f"{where}.{field}")
        if media.detail in ("low", "high"):
            # Only Gemini 3, the generation that requires signatures, takes a resolution per part.
            if self._can.signatures_required:
                encoded["mediaResolution"] = resolution(media.detail)
            else:
                self._report(f"{where}.detail")
        return encoded

    def _reasoning(self, part: Reasoning, where: str) -> list[dict[str, Json]]:
        """Only what Google signed goes back; a thought of unknown or other origin is never shown as text."""
        signature = part.signature
        if signature is None or signature.issuer is not Format.GEMINI:
            self._report(f"{where}.reasoning")
            return []
        return [{"text": part.text, "thought": True, "thoughtSignature": signature.value}]

    def _call(self, call: ToolCall, where: str) -> dict[str, Json]:
        self._calls[call.id] = (len(self._calls), call.name)
        function: dict[str, Json] = {"name": self._names.mangle(call.name), "args": call.value()}
        if self._can.call_ids:
            function = {"id": call.id, **function}
        return {"functionCall": function, **self._own(call.signature, where)}

    def _result(self, result: ToolResult, where: str) -> list[dict[str, Json]]:
        text = "\n".join(_texts(result))
        inside: list[dict[str, Json]] = []
        media: list[dict[str, Json]] = []
        for part in result.parts:
            self._report_part(part, where)
            if isinstance(part, Media):
                encoded = self._media(part, where)
                goes_inside = self._can.media_in_results and _mime_of(encoded) in _READ_INSIDE
                (inside if goes_inside else media).append(encoded)
            elif not isinstance(part, Text | RefusalText):
                self._report(
                    f"{where}.{part.label if isinstance(part, Unknown) else type(part).__name__.lower()}"
                )
        if result.call_id not in self._calls:
            # Google refuses a result without its call, and losing what it says would be worse.
            self._report(f"{where}.call_id")
            said = text if result.value is None else msgspec.json.encode(result.value).decode()
            head = f"Result of the tool {result.name or result.call_id}:\n{said}"
            return [{"text": head}, *inside, *media]
        _, name = self._calls[result.call_id]
        function: dict[str, Json] = {
            "name": self._names.mangle(name),
            "response": _response(result, text),
        }
        if inside:
            # The part has no more than its data here: a resolution is not documented for it.
            function["parts"] = [
                {name: value for name, value in part.items() if name in _DATA} for part in inside
            ]
        if self._can.call_ids:
            function = {"id": result.call_id, **function}
        return [{"functionResponse": function}, *media]

    def _report_part(self, part: Part, where: str) -> None:
        if part.cache is not None:
            self._report("cache_control")
        self._report_foreign(part.ext, where)

    def _report_foreign(self, ext: dict[Format, dict[str, Json]], where: str) -> None:
        for issuer, fields in ext.items():
            if issuer is not Format.GEMINI:
                for field in fields:
                    self._report(f"{where}.{field}")


def _mime_of(part: dict[str, Json]) -> str:
    return next((part[name].get("mimeType", "") for name in _DATA if name in part), "")


def _texts(result: ToolResult) -> list[str]:
    return [part.text for part in result.parts if isinstance(part, Text | RefusalText)]


def _response(result: ToolResult, text: str) -> dict[str, Json]:
    """Always an object, under the documented keys ``output`` and ``error`` unless it was one already."""
    key = "error" if result.is_error else "output"
    value = result.value
    if value is None:
        value = text
        if text.lstrip().startswith("{"):
            try:
                value = msgspec.json.decode(text)
            except (msgspec.DecodeError, RecursionError):
                value = text
    if isinstance(value, dict) and (not result.is_error or value.get("error")):
        return value
    return {key: value}
