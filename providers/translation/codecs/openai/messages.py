"""``messages[]`` of a Chat Completions request, decoded to turns and instructions.

System and developer messages become instructions with their position; consecutive tool messages
become one user turn of results; everything else is one turn per message, in order. What a message
means must be understood: an unknown role or part type is a MalformedRequest, never a guess.
"""

from __future__ import annotations

import msgspec

from providers.translation.codecs.openai import inline
from providers.translation.codecs.openai.fields import (
    as_list,
    as_object,
    as_string,
    cache_mark,
    invalid,
    missing,
    optional_object,
    optional_string,
    required_string,
    unsupported,
    wrong_type,
)
from providers.translation.json_text import dumps
from providers.translation.media import (
    is_data_url,
    mime_of_filename,
    sniff_mime,
)
from providers.translation.model import (
    CacheMark,
    Ext,
    Instruction,
    Json,
    Media,
    Part,
    Reasoning,
    RefusalText,
    Role,
    Signature,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)
from providers.values import Format

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
PART_TYPES = ("text", "image_url", "input_audio", "file", "refusal")

_TYPED_MESSAGE_KEYS = frozenset(
    {
        "role", "content", "name", "tool_calls", "function_call", "tool_call_id", "refusal", "cache_control",
        "reasoning_content", "reasoning", "annotations",
    }
)  # fmt: skip
_PART_EXT_KEYS = ("prompt_cache_breakpoint",)


def decode_messages(messages: Json) -> tuple[tuple[Instruction, ...], tuple[Turn, ...]]:
    """Instructions and turns of ``messages``; raises MalformedRequest with the path of the first fault."""
    if messages is None:
        raise missing("messages")
    items = as_list(messages, "messages")
    if not items:
        raise invalid("messages", "it must hold at least one message")
    reader = _MessageReader()
    for index, item in enumerate(items):
        path = f"messages[{index}]"
        reader.read(as_object(item, path), path)
    return tuple(reader.instructions), tuple(reader.turns)


class _MessageReader:
    """Walks the messages in order. ``_names`` maps call ids to tool names, for the results."""

    def __init__(self) -> None:
        self.instructions: list[Instruction] = []
        self.turns: list[Turn] = []
        self._in_results = False
        self._names: dict[str, str] = {}
        self._legacy_open: list[tuple[str, str]] = []
        self._legacy_count = 0

    def read(self, message: dict[str, Json], path: str) -> None:
        role = required_string(message, "role", f"{path}.")
        if role in ("tool", "function"):
            self._add_result(self._result(message, path, legacy=role == "function"))
            return
        self._in_results = False
        if role in ("system", "developer"):
            self._add_instruction(message, role, path)
        elif role == "user":
            self._add_user(message, path)
        elif role == "assistant":
            self._add_assistant(message, path)
        else:
            raise unsupported(f"{path}.role", role, ROLES)

    def _add_instruction(self, message: dict[str, Json], role: str, path: str) -> None:
        parts = _content(message, path, allowed=("text",))
        texts = tuple(part for part in parts if isinstance(part, Text) and part.text)
        if not texts:
            return  # an empty instruction says nothing, and some upstreams refuse it
        position = len(self.turns) or None
        self.instructions.append(
            Instruction(parts=texts, role=role, position=position, ext=_message_ext(message, also=("name",)))
        )

    def _add_user(self, message: dict[str, Json], path: str) -> None:
        if message.get("content") is None:
            raise missing(f"{path}.content")
        parts = _content(message, path, allowed=("text", "image_url", "input_audio", "file"))
        self._add(Role.USER, parts, message, path)

    def _add_assistant(self, message: dict[str, Json], path: str) -> None:
        parts: list[Part] = []
        thought = message.get("reasoning_content") or message.get("reasoning")
        if isinstance(thought, str) and thought:
            parts.append(Reasoning(text=thought))
        content = _content(message, path, allowed=("text", "refusal"))
        calls = self._calls(message, path)
        refusal = optional_string(message, "refusal", f"{path}.")
        if refusal:
            content.append(RefusalText(text=refusal))
        if calls or refusal:
            content = [part for part in content if not (isinstance(part, Text) and not part.text)]
        self._add(Role.ASSISTANT, [*parts, *content, *calls], message, path)

    def _add(self, role: Role, parts: list[Part], message: dict[str, Json], path: str) -> None:
        mark = cache_mark(message, f"{path}.")
        self.turns.append(
            Turn(
                role=role,
                parts=tuple(_mark_last(parts, mark)),
                name=optional_string(message, "name", f"{path}."),
                ext=_message_ext(message),
            )
        )

    def _add_result(self, result: ToolResult) -> None:
        if self._in_results:
            last = self.turns[-1]
            self.turns[-1] = msgspec.structs.replace(last, parts=(*last.parts, result))
        else:
            self.turns.append(Turn(role=Role.USER, parts=(result,)))
        self._in_results = True

    def _result(self, message: dict[str, Json], path: str, *, legacy: bool) -> ToolResult:
        if legacy:
            name: str | None = required_string(message, "name", f"{path}.")
            call_id = self._legacy_call_id(str(name))
        else:
            call_id = required_string(message, "tool_call_id", f"{path}.")
            name = optional_string(message, "name", f"{path}.") or self._names.get(call_id)
        # OpenAI allows text only; several clients put images here and mean it.
        parts = _content(message, path, allowed=("text", "image_url", "input_audio", "file"))
        kept = tuple(part for part in parts if not (isinstance(part, Text) and not part.text))
        return ToolResult(
            call_id=call_id,
            name=name,
            parts=kept,
            cache=cache_mark(message, f"{path}."),
            ext=_message_ext(message),
        )

    def _legacy_call_id(self, name: str) -> str:
        for index, (call_id, called) in enumerate(self._legacy_open):
            if called == name:
                del self._legacy_open[index]
                return call_id
        return f"call_{name}"

    def _calls(self, message: dict[str, Json], path: str) -> list[ToolCall]:
        calls = []
        if (items := message.get("tool_calls")) is not None:
            for index, item in enumerate(as_list(items, f"{path}.tool_calls")):
                where = f"{path}.tool_calls[{index}]"
                call = _call(as_object(item, where), where)
                self._names[call.id] = call.name
                calls.append(call)
        legacy = optional_object(message, "function_call", f"{path}.")
        if legacy is not None:
            name = required_string(legacy, "name", f"{path}.function_call.")
            self._legacy_count += 1
            call_id = f"call_legacy_{self._legacy_count}"
            self._legacy_open.append((call_id, name))
            arguments = arguments_text(legacy.get("arguments"), f"{path}.function_call.arguments")
            calls.append(ToolCall(id=call_id, name=name, arguments=arguments))
        return calls


def _call(item: dict[str, Json], path: str) -> ToolCall:
    call_id = required_string(item, "id", f"{path}.")
    kind = optional_string(item, "type", f"{path}.") or ("custom" if "custom" in item else "function")
    mark = cache_mark(item, f"{path}.")
    if kind == "custom":
        custom = as_object(item.get("custom"), f"{path}.custom")
        name = required_string(custom, "name", f"{path}.custom.")
        text = optional_string(custom, "input", f"{path}.custom.") or ""
        return ToolCall(id=call_id, name=name, arguments=text, kind="custom", cache=mark)
    if kind != "function":
        raise unsupported(f"{path}.type", kind, ("function", "custom"))
    function = as_object(item.get("function"), f"{path}.function")
    return ToolCall(
        id=call_id,
        name=required_string(function, "name", f"{path}.function."),
        arguments=arguments_text(function.get("arguments"), f"{path}.function.arguments"),
        signature=call_signature(item),
        cache=mark,
    )


def call_signature(item: dict[str, Json]) -> Signature | None:
    """Google's own OpenAI shim puts a call's signature in ``extra_content.google.thought_signature``."""
    value: Json = item
    for key in ("extra_content", "google", "thought_signature"):
        value = value.get(key) if isinstance(value, dict) else None
    return Signature(value, Format.GEMINI) if isinstance(value, str) and value else None


def arguments_text(value: Json, param: str) -> str:
    """Arguments are JSON text; some clients send the object itself."""
    if value is None:
        return ""
    if isinstance(value, dict):
        return dumps(value)
    return as_string(value, param)


# --- content -----------------------------------------------------------------------------------


def _content(message: dict[str, Json], path: str, *, allowed: tuple[str, ...]) -> list[Part]:
    """The parts of a message; one empty Text when there is nothing, so that a turn is never empty."""
    content = message.get("content")
    param = f"{path}.content"
    if content is None or isinstance(content, str):
        return [Text(text=content or "")]
    if not isinstance(content, list):
        raise wrong_type(param, "a string or an array of content parts", content)
    parts: list[Part] = []
    for index, item in enumerate(content):
        where = f"{param}[{index}]"
        if isinstance(item, str):
            parts.append(Text(text=item))
            continue
        part = _part(as_object(item, where), where, allowed)
        if not (isinstance(part, Text) and not part.text):
            parts.append(part)
    return parts or [Text(text="")]


def _part(item: dict[str, Json], path: str, allowed: tuple[str, ...]) -> Part:
    kind = optional_string(item, "type", f"{path}.") or next((name for name in allowed if name in item), "")
    if kind not in allowed:
        raise unsupported(f"{path}.type", kind, allowed)
    part = _PART_READERS[kind](item, path)
    mark = cache_mark(item, f"{path}.")
    raw = {key: item[key] for key in _PART_EXT_KEYS if item.get(key) is not None}
    if mark is None and not raw:
        return part
    ext: Ext = {Format.OPENAI: raw} if raw else {}
    return msgspec.structs.replace(part, cache=mark, ext=ext)


def _text(item: dict[str, Json], path: str) -> Part:
    if item.get("text") is None:
        raise missing(f"{path}.text")
    return Text(text=as_string(item["text"], f"{path}.text"))


def _refusal(item: dict[str, Json], path: str) -> Part:
    return RefusalText(text=required_string(item, "refusal", f"{path}."))


def _image(item: dict[str, Json], path: str) -> Part:
    source = item.get("image_url")
    if isinstance(source, str):  # not official, but widely sent
        source, param = {"url": source}, f"{path}.image_url"
    else:
        param = f"{path}.image_url.url"
    image = as_object(source, f"{path}.image_url")
    url = image.get("url")
    if url is None:
        raise missing(param)
    text = as_string(url, param).strip()
    detail = optional_string(image, "detail", f"{path}.image_url.")
    if is_data_url(text):
        mime, data = inline.of_data_url(text, param)
        return Media(kind="image", mime=mime or sniff_mime(data) or "image/png", data=data, detail=detail)
    if "://" not in text:
        raise invalid(param, "it must be an http(s) URL or a base64 data URL")
    return Media(kind="image", url=text, detail=detail)


def _audio(item: dict[str, Json], path: str) -> Part:
    audio = as_object(item.get("input_audio"), f"{path}.input_audio")
    data = required_string(audio, "data", f"{path}.input_audio.")
    audio_format = required_string(audio, "format", f"{path}.input_audio.")
    _, data = inline.of_text(data, f"{path}.input_audio.data")
    return Media(kind="audio", mime=f"audio/{audio_format}", data=data, audio_format=audio_format)


def _file(item: dict[str, Json], path: str) -> Part:
    file = as_object(item.get("file"), f"{path}.file")
    filename = optional_string(file, "filename", f"{path}.file.")
    if file_id := optional_string(file, "file_id", f"{path}.file."):
        return Media(kind="document", file_id=file_id, filename=filename)
    param = f"{path}.file.file_data"
    text = required_string(file, "file_data", f"{path}.file.")
    if text.startswith(("http://", "https://")):  # some gateways define it so
        return Media(kind="document", url=text, filename=filename, mime=mime_of_filename(filename or text))
    mime, data = inline.of_text(text, param)
    mime = mime or sniff_mime(data, filename) or "application/octet-stream"
    major = mime.partition("/")[0]
    kind = major if major in ("image", "audio", "video") else "document"
    return Media(kind=kind, mime=mime, data=data, filename=filename)


_PART_READERS = {
    "text": _text,
    "image_url": _image,
    "input_audio": _audio,
    "file": _file,
    "refusal": _refusal,
}


def _mark_last(parts: list[Part], mark: CacheMark | None) -> list[Part]:
    """A mark on the message counts for its last part."""
    if mark is None or not parts:
        return parts
    return [*parts[:-1], msgspec.structs.replace(parts[-1], cache=mark)]


def _message_ext(message: dict[str, Json], also: tuple[str, ...] = ()) -> Ext:
    raw = {
        key: value
        for key, value in message.items()
        if value is not None and (key not in _TYPED_MESSAGE_KEYS or key in also)
    }
    return {Format.OPENAI: raw} if raw else {}
