"""A ``generateContent`` request to the neutral model.

Facts: https://ai.google.dev/api/generate-content (v1beta, as of google-genai 3.4). Lenient: camelCase and
snake_case, a missing role means user, a single object stands for a list of one. ``model`` and ``stream``
are in the URL; the caller puts them into the body. Calls without an id get one from their place in the
conversation, so that the same history always gives the same ids.
"""

from __future__ import annotations

from providers.translation.codec import MalformedRequest
from providers.translation.codecs.gemini.activity import is_own
from providers.translation.codecs.gemini.fields import Fields
from providers.translation.codecs.gemini.parts import decode_file, decode_inline
from providers.translation.codecs.gemini.request_options import decode_options
from providers.translation.codecs.gemini.signatures import from_client
from providers.translation.json_text import dumps
from providers.translation.model import (
    Instruction,
    Json,
    Part,
    Reasoning,
    Request,
    Role,
    Signature,
    Text,
    ToolCall,
    ToolResult,
    Turn,
    Unknown,
)
from providers.values import Format

_ROLES = {"user": Role.USER, "function": Role.USER, "tool": Role.USER, "model": Role.ASSISTANT}


def decode_request(body: Json) -> Request:
    """Raises MalformedRequest; its ``param`` is the path of the field (``contents[2].parts[0].text``)."""
    fields = Fields(body, "", MalformedRequest)
    model = fields.text("model") or ""
    stream = fields.flag("stream") or False
    contents = fields.take("contents")
    if isinstance(contents, str):
        contents = [{"parts": [{"text": contents}]}]
    if not isinstance(contents, list | dict) or not contents:
        raise fields.refuse("contents", "must be a list with at least one content")
    turns = _Conversation(contents if isinstance(contents, list) else [contents]).turns()
    return decode_options(fields, model=model, stream=stream, turns=turns, instructions=_instructions(fields))


def _instructions(fields: Fields) -> tuple[Instruction, ...]:
    raw = fields.take("systemInstruction")
    if raw is None:
        return ()
    path = "systemInstruction"
    if isinstance(raw, str):
        return (Instruction(parts=(Text(text=raw),)),) if raw else ()
    if isinstance(raw, dict) and "parts" not in raw and "text" in raw:
        raw = {"parts": [raw]}
    content = Fields(raw, path, MalformedRequest)
    parts = []
    for part in content.objects("parts"):
        text = part.text("text")
        if text is None:
            raise part.refuse("text", "is missing: a system instruction is text")
        if text:
            parts.append(Text(text=text))
    return (Instruction(parts=tuple(parts)),) if parts else ()


class _Conversation:
    """Walks the contents once, giving calls their ids and results the calls they answer."""

    def __init__(self, contents: list[Json]) -> None:
        self._contents = [
            Fields(raw, f"contents[{index}]", MalformedRequest) for index, raw in enumerate(contents)
        ]
        self._open: list[ToolCall] = []
        self._ids: set[str] = set()

    def turns(self) -> tuple[Turn, ...]:
        turns = (self._turn(index, content) for index, content in enumerate(self._contents))
        return tuple(turn for turn in turns if turn is not None)

    def _turn(self, index: int, content: Fields) -> Turn | None:
        name = content.text("role") or "user"
        if name not in _ROLES:
            raise content.refuse("role", "must be user or model")
        role = _ROLES[name]
        decoded = (
            self._part(part, role, f"call_{index}_{place}")
            for place, part in enumerate(content.objects("parts"))
        )
        parts = [part for part in decoded if part is not None]
        if role is Role.USER:
            # The neutral model wants results first; the sort is stable.
            parts.sort(key=lambda part: not isinstance(part, ToolResult))
        return Turn(role=role, parts=tuple(parts), ext=content.ext()) if parts else None

    def _part(self, part: Fields, role: Role, place: str) -> Part | None:
        if (call := part.object("functionCall")) is not None:
            return self._call(call, part, place)
        if (result := part.object("functionResponse")) is not None:
            return self._result(result, part, place)
        if (blob := part.object("inlineData")) is not None:
            return decode_inline(blob, part)
        if (file := part.object("fileData")) is not None:
            return decode_file(file, part)
        text = part.text("text")
        if text is not None:
            return _text(part, text)
        rest = part.rest()
        if is_own(rest):
            return None  # what another vendor's tool did, as this gateway told it
        rest.pop("thought", None)
        return Unknown(raw=part.rest(), format=Format.GEMINI) if rest else None

    def _call(self, call: Fields, part: Fields, place: str) -> ToolCall:
        name = call.text("name")
        if not name:
            raise call.refuse("name", "is missing")
        args = call.raw_object("args")
        signature, _ = _signature(part)
        decoded = ToolCall(
            id=self._fresh_id(call.text("id") or place),
            name=name,
            arguments=dumps(args or {}),
            signature=signature,
            ext=part.ext(),
        )
        self._open.append(decoded)
        return decoded

    def _fresh_id(self, wanted: str) -> str:
        unique, count = wanted, 1
        while unique in self._ids:
            count += 1
            unique = f"{wanted}_{count}"
        self._ids.add(unique)
        return unique

    def _result(self, result: Fields, part: Fields, place: str) -> ToolResult:
        call_id, name = result.text("id"), result.text("name")
        if not name and not call_id:
            raise result.refuse("name", "is missing")
        response = result.take("response")
        media: list[Part] = []
        for extra in result.objects("parts"):
            if (blob := extra.object("inlineData")) is not None:
                media.append(decode_inline(blob, extra))
            elif (file := extra.object("fileData")) is not None:
                media.append(decode_file(file, extra))
            else:
                raise extra.refuse("", "must hold inlineData or fileData")
        call = self._answered(call_id, name)
        parts, value, is_error = read_result(response, media)
        return ToolResult(
            call_id=call.id if call else call_id or place,
            name=name or (call.name if call else None),
            parts=parts,
            value=value,
            is_error=is_error,
            ext=part.ext(),
        )

    def _answered(self, call_id: str | None, name: str | None) -> ToolCall | None:
        """The open call with that id, else the oldest open one with that name."""
        matches = [call for call in self._open if call_id and call.id == call_id]
        matches = matches or [call for call in self._open if call.name == name]
        if not matches:
            return None
        self._open.remove(matches[0])
        return matches[0]


def read_result(response: Json, media: list[Part]) -> tuple[tuple[Part, ...], Json, bool]:
    """Parts, structured value and error flag of ``functionResponse.response``.

    The documented keys are ``output`` and ``error``; without them the whole object is the output.
    """
    is_error = isinstance(response, dict) and bool(response.get("error"))
    text: str | None = None
    if response is None:
        text = ""
    elif not isinstance(response, dict):
        text = response if isinstance(response, str) else dumps(response)
    elif len(response) <= 1:
        only = next(iter(response.items()), ("output", ""))
        text = only[1] if only[0] in ("output", "error") and isinstance(only[1], str) else None
    if text is not None:
        return (*((Text(text=text),) if text else ()), *media), None, is_error
    if media:
        return (Text(text=dumps(response)), *media), None, is_error
    return (), response, is_error


def _signature(part: Fields) -> tuple[Signature | None, bool]:
    value = part.text("thoughtSignature")
    return from_client(value) if value else (None, False)


def _text(part: Fields, text: str) -> Part | None:
    signature, is_redacted = _signature(part)
    if part.flag("thought"):
        if is_redacted:
            return Reasoning(redacted=signature, ext=part.ext())
        return Reasoning(text=text, signature=signature, ext=part.ext()) if text or signature else None
    # An empty text is no content, unless it carries the signature of the answer.
    return Text(text=text, signature=signature, ext=part.ext()) if text or signature else None
