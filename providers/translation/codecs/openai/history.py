"""Neutral turns and instructions, encoded to ``messages[]`` for an OpenAI-compatible upstream.

What the API insists on: all calls of a turn in one assistant message, directly followed by one tool
message per call, each holding text only. So media inside results move to the user message after the
batch, and a result without its call becomes text of the user.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

import msgspec

from providers.translation.codec import Capabilities, Untranslatable
from providers.translation.json_text import dumps
from providers.translation.media import data_url, held_by_google, inline_text, named_file
from providers.translation.model import (
    Instruction,
    Json,
    Media,
    Part,
    Reasoning,
    RefusalText,
    Request,
    Role,
    Text,
    ToolCall,
    ToolResult,
    Turn,
    Unknown,
)
from providers.translation.names import NameMap, tool_id
from providers.values import Format

MAX_CALL_ID = 64
_AUDIO_FORMATS = {
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/mp3": "mp3",
    "audio/mpeg": "mp3",
}
_DETAILS = {"low": "low", "high": "high", "auto": "auto", "original": "high"}
_SUFFIXES = {
    "application/pdf": "pdf",
    "text/plain": "txt",
    "text/markdown": "md",
    "text/csv": "csv",
    "text/html": "html",
    "application/json": "json",
    "image/png": "png",
    "image/jpeg": "jpg",
}


def encode_messages(
    request: Request, capabilities: Capabilities, names: NameMap, dropped: list[str]
) -> list[dict[str, Json]]:
    """The whole history. Adds to ``dropped`` what has no place; raises Untranslatable for content that
    Chat Completions cannot carry."""
    writer = _HistoryWriter(request, capabilities, names, dropped)
    return writer.write()


class _Numbered(msgspec.Struct, frozen=True):
    index: int
    turn: Turn


class _HistoryWriter:
    def __init__(
        self, request: Request, capabilities: Capabilities, names: NameMap, dropped: list[str]
    ) -> None:
        self._request = request
        self._capabilities = capabilities
        self._names = names
        self._dropped = dropped
        self._messages: list[dict[str, Json]] = []
        self._open_calls: dict[str, ToolCall] = {}
        self._deferred: list[Json] = []
        """Media that had to leave a tool or assistant message; they go into the next user message."""
        self._held: list[Instruction] = []

    def write(self) -> list[dict[str, Json]]:
        self._instructions_at(None)
        numbered = [_Numbered(index, turn) for index, turn in enumerate(self._request.turns)]
        for role, run in groupby(numbered, key=lambda item: item.turn.role):
            if role is Role.USER:
                self._write_users(list(run))
            else:
                self._write_assistants(list(run))
        self._release_held()
        self._flush_deferred()
        for instruction in self._request.instructions:
            if instruction.position is not None and instruction.position >= len(numbered):
                self._instruction(instruction)
        return self._messages

    # --- instructions

    def _instructions_at(self, position: int | None) -> None:
        for instruction in self._request.instructions:
            if instruction.position == position:
                self._instruction(instruction)

    def _instruction(self, instruction: Instruction) -> None:
        role = instruction.role
        if role == "developer" and not self._capabilities.developer_role:
            role = "system"
        if any(part.ext.get(Format.OPENAI) for part in instruction.parts):
            content: Json = [self._text_part(part) for part in instruction.parts]
        else:
            # One string: not every compatible server accepts parts here.
            content = "\n".join(part.text for part in instruction.parts)
        if any(part.cache and Format.OPENAI not in part.ext for part in instruction.parts):
            self._dropped.append("messages.cache_control")
        self._messages.append({"role": role, "content": content, **instruction.ext.get(Format.OPENAI, {})})

    def _release_held(self) -> None:
        for instruction in self._held:
            self._instruction(instruction)
        self._held = []

    # --- user turns

    def _write_users(self, run: list[_Numbered]) -> None:
        """Consecutive user turns: their results first, because nothing may stand between a call and
        its results."""
        results: dict[str, tuple[int, ToolResult]] = {}
        orphans: dict[int, list[Json]] = {}
        for index, turn in ((item.index, item.turn) for item in run):
            for part in turn.parts:
                if not isinstance(part, ToolResult):
                    continue
                if part.call_id in self._open_calls:
                    results[part.call_id] = (index, part)
                else:
                    orphans.setdefault(index, []).extend(self._orphan(part, index))
        for index, result in results.values():
            self._tool_message(result, index)
        self._open_calls = {}
        self._release_held()
        for item in run:
            self._instructions_at(item.index)
            content = self._deferred + orphans.get(item.index, [])
            for part in item.turn.parts:
                if not isinstance(part, ToolResult):
                    content.extend(self._content_part(part, f"messages[{item.index}]"))
            if content:
                self._deferred = []
                self._user_message(content, item.turn)

    def _user_message(self, content: list[Json], turn: Turn) -> None:
        plain = len(content) == 1 and set(content[0]) == {"type", "text"}
        message: dict[str, Json] = {"role": "user", "content": content[0]["text"] if plain else content}
        if turn.name is not None:
            message["name"] = turn.name
        message.update(turn.ext.get(Format.OPENAI, {}))
        self._messages.append(message)

    def _flush_deferred(self) -> None:
        if self._deferred:
            self._messages.append({"role": "user", "content": self._deferred})
            self._deferred = []

    def _tool_message(self, result: ToolResult, index: int) -> None:
        call_id = tool_id_of(result.call_id)
        texts, media = self._result_content(result, index)
        if media:
            texts.append("(the media follow in the next user message)")
            label = f"Media returned by tool call {call_id}:"
            self._deferred.extend([{"type": "text", "text": label}, *media])
        if result.is_error:
            self._dropped.append(f"messages[{index}].is_error")
        if result.cache is not None:
            self._dropped.append("messages.cache_control")
        message: dict[str, Json] = {"role": "tool", "tool_call_id": call_id, "content": "\n".join(texts)}
        message.update(result.ext.get(Format.OPENAI, {}))
        self._messages.append(message)

    def _orphan(self, result: ToolResult, index: int) -> list[Json]:
        texts, media = self._result_content(result, index)
        label = f"Result of tool call {result.call_id}: " + "\n".join(texts)
        return [{"type": "text", "text": label}, *media]

    def _result_content(self, result: ToolResult, index: int) -> tuple[list[str], list[Json]]:
        if not result.parts and result.value is not None:
            return [result.value if isinstance(result.value, str) else dumps(result.value)], []
        texts: list[str] = []
        media: list[Json] = []
        for part in result.parts:
            for item in self._content_part(part, f"messages[{index}]"):
                if item.get("type") == "text":
                    texts.append(item["text"])
                else:
                    media.append(item)
        return texts, media

    # --- assistant turns

    def _write_assistants(self, run: list[_Numbered]) -> None:
        """One message per turn; a turn with calls swallows what follows it, up to the user's turn."""
        self._flush_deferred()
        self._open_calls = {}
        for group in self._joined(run):
            self._instructions_at(group[0].index)
            self._assistant_message(group)

    def _joined(self, run: list[_Numbered]) -> Iterator[list[_Numbered]]:
        group: list[_Numbered] = []
        for item in run:
            if group and not any(isinstance(part, ToolCall) for one in group for part in one.turn.parts):
                yield group
                group = []
            group.append(item)
        yield group

    def _assistant_message(self, group: list[_Numbered]) -> None:
        refusals: list[str] = []
        thoughts: list[str] = []
        calls: list[Json] = []
        path = f"messages[{group[0].index}]"
        for part in (part for item in group for part in item.turn.parts):
            self._report(part, path)
            if isinstance(part, Text):
                if part.citations:
                    self._dropped.append(f"{path}.citations")
            elif isinstance(part, RefusalText):
                refusals.append(part.text)
            elif isinstance(part, ToolCall):
                self._open_calls[part.id] = part
                calls.append(self._call(part))
            elif isinstance(part, Reasoning):
                if part.text and self._capabilities.reasoning_in_history:
                    thoughts.append(part.text)
                else:
                    self._dropped.append(f"{path}.reasoning")
            else:
                self._deferred.extend(self._content_part(part, path))
        text = joined_text(item.turn for item in group)
        message: dict[str, Json] = {"role": "assistant", "content": text}
        if not text and (calls or refusals):
            message["content"] = None
        if refusals:
            message["refusal"] = "\n".join(refusals)
        if thoughts:
            message["reasoning_content"] = "\n\n".join(thoughts)
        if calls:
            message["tool_calls"] = calls
        self._finish_assistant(message, group)

    def _finish_assistant(self, message: dict[str, Json], group: list[_Numbered]) -> None:
        for item in group:
            if item.turn.name is not None:
                message["name"] = item.turn.name
            message.update(item.turn.ext.get(Format.OPENAI, {}))
        self._messages.append(message)
        # Nothing may stand between calls and their results, so these wait until the results are written.
        positions = {item.index for item in group[1:]}
        self._held.extend(one for one in self._request.instructions if one.position in positions)

    def _call(self, call: ToolCall) -> dict[str, Json]:
        name = self._names.mangle(call.name)
        call_id = tool_id_of(call.id)
        if call.kind == "custom":
            return {"id": call_id, "type": "custom", "custom": {"name": name, "input": call.arguments}}
        arguments = call.arguments if call.arguments.strip() else "{}"
        item: dict[str, Json] = {
            "id": call_id,
            "type": "function",
            "function": {"name": name, "arguments": arguments},
        }
        signature = call.signature
        wanted = self._capabilities.signatures_required
        if wanted and signature is not None and signature.issuer is Format.GEMINI:
            item["extra_content"] = {"google": {"thought_signature": signature.value}}
        return item

    # --- parts of user messages

    def _text_part(self, part: Text) -> dict[str, Json]:
        return {"type": "text", "text": part.text, **part.ext.get(Format.OPENAI, {})}

    def _content_part(self, part: Part, path: str) -> list[dict[str, Json]]:
        """The part as content of a user message; empty when it had to be dropped (and was noted)."""
        self._report(part, path)
        if isinstance(part, Text):
            return [self._text_part(part)]
        if isinstance(part, RefusalText):
            return [{"type": "text", "text": part.text}]
        if isinstance(part, Media):
            return [{**encode_media(part, path), **part.ext.get(Format.OPENAI, {})}]
        if isinstance(part, Unknown) and part.format is Format.OPENAI:
            return [part.raw]
        kind = part.label if isinstance(part, Unknown) else type(part).__name__.lower()
        self._dropped.append(f"{path}.{kind}")
        return []

    def _report(self, part: Part, path: str) -> None:
        """Name what the part's format knows of it and this one does not."""
        if part.cache is not None and Format.OPENAI not in part.ext:
            self._dropped.append("messages.cache_control")
        self._dropped.extend(
            f"{path}.{key}" for issuer, raw in part.ext.items() if issuer is not Format.OPENAI for key in raw
        )


def joined_text(turns: Iterable[Turn]) -> str:
    """All texts of an assistant message as one.

    Neighbours are pieces of one text (Anthropic cuts it at every citation) and are put together as they
    are. Between texts that something else parted, a call or a thought, goes an empty line: a sentence that
    led to a call would run into the one after it.
    """
    pieces: list[str] = []
    for turn in turns:
        is_apart = bool(pieces)
        for part in turn.parts:
            if not isinstance(part, Text):
                is_apart = bool(pieces)
            elif part.text:
                pieces.extend(["\n\n", part.text] if is_apart else [part.text])
                is_apart = False
    return "".join(pieces)


def tool_id_of(call_id: str) -> str:
    """Ids are opaque to OpenAI; only over-long ones are shortened, the same way for call and result."""
    return call_id if 0 < len(call_id) <= MAX_CALL_ID else tool_id(call_id, limit=MAX_CALL_ID)


def encode_media(media: Media, path: str) -> dict[str, Json]:
    """A user content part. Raises Untranslatable for what the format has no form for."""
    if held_by_google(media.url):
        raise Untranslatable("This file is held by Google; send it inline.", param=path)
    if media.kind == "image" and media.file_id is None:
        url = media.url if media.url is not None else data_url(media.mime, media.data or "")
        image: dict[str, Json] = {"url": url}
        if media.detail is not None:
            image["detail"] = _DETAILS.get(media.detail, "auto")
        return {"type": "image_url", "image_url": image}
    if media.kind == "audio" and media.data is not None:
        audio_format = media.audio_format or _AUDIO_FORMATS.get(media.mime or "")
        if audio_format not in ("wav", "mp3"):
            raise Untranslatable(
                f"Audio of type {media.mime or 'unknown'} cannot be sent to this upstream: wav and mp3 only.",
                param=path,
            )
        return {"type": "input_audio", "input_audio": {"data": media.data, "format": audio_format}}
    text = media.text if media.text is not None else inline_text(media.mime, media.data)
    if text is not None:  # the API reads no file but PDF
        title = media.title or media.filename
        return {"type": "text", "text": f"{title}\n\n{text}" if title else text}
    if media.kind == "document":
        return _encode_file(media, path)
    form = "by URL" if media.url is not None else "inline" if media.data is not None else "by file id"
    raise Untranslatable(f"The upstream's format cannot carry {media.kind} {form}.", param=path)


def _encode_file(media: Media, path: str) -> dict[str, Json]:
    if media.file_id is not None:
        file: dict[str, Json] = {"file_id": media.file_id}
        if media.filename is not None:
            file["filename"] = media.filename
        return {"type": "file", "file": file}
    if media.data is None:
        raise Untranslatable(
            "The upstream's format cannot carry a document by URL; send its content instead.", param=path
        )
    mime = media.mime or "application/pdf"
    filename = media.filename or (named_file(media.title, mime) if media.title else None)
    filename = filename or f"document.{_SUFFIXES.get(mime, 'bin')}"
    return {"type": "file", "file": {"filename": filename, "file_data": data_url(mime, media.data)}}
