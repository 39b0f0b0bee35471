"""``input`` of a Responses request, decoded to turns and instructions.

Items are flat: consecutive messages of the assistant, calls and reasoning form one assistant turn,
consecutive outputs one user turn of results. Messages of role system or developer become instructions at
their position. Items that only OpenAI understands (its own tools' calls, references to stored items,
compaction) become Unknown parts and go back to OpenAI as they are.
"""

from __future__ import annotations

import msgspec

from providers.translation.codecs.openai import inline
from providers.translation.codecs.openai.fields import (
    as_list,
    as_object,
    as_string,
    missing,
    optional_string,
    required_string,
    unsupported,
    wrong_type,
)
from providers.translation.codecs.responses import carrier
from providers.translation.codecs.responses.activity import is_own_activity
from providers.translation.codecs.responses.content import (
    ASSISTANT_TYPES,
    TEXT_TYPES,
    USER_TYPES,
    decode_content,
)
from providers.translation.codecs.responses.ids import foreign_id
from providers.translation.codecs.responses.tools import decode_tools, full_name
from providers.translation.json_text import dumps
from providers.translation.kept_state import RESPONSES_ITEMS
from providers.translation.media import sniff_mime
from providers.translation.model import (
    Ext,
    Instruction,
    Json,
    Media,
    Part,
    Reasoning,
    Role,
    Signature,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Turn,
    Unknown,
)
from providers.values import Format

Block = dict[str, Json]

ROLES = ("user", "assistant", "system", "developer")

_USER_ITEMS = ("_output", "_response")
"""Endings of the types of items that the client's side produced."""


class InputReader:
    """Walks the items in order. ``_names`` maps call ids to tool names, for the results."""

    def __init__(self) -> None:
        self.instructions: list[Instruction] = []
        self.tools: list[Tool] = []
        self.state: dict[str, Json] = {}
        self._open: Role | None = None
        """The turn that the next item may join: the assistant's, or one of results."""
        self._names: dict[str, str] = {}
        self._drafts: list[tuple[Role, list[Part]]] = []

    @property
    def turns(self) -> tuple[Turn, ...]:
        return tuple(Turn(role=role, parts=tuple(parts)) for role, parts in self._drafts)

    def read(self, value: Json) -> None:
        """Read the whole ``input``; raises MalformedRequest with the path of the first fault."""
        if isinstance(value, str):
            self._drafts.append((Role.USER, [Text(text=value)]))
            return
        if not isinstance(value, list):
            raise wrong_type("input", "a string or an array of input items", value)
        for index, item in enumerate(as_list(value, "input")):
            path = f"input[{index}]"
            if isinstance(item, str):
                item = {"role": "user", "content": item}
            self._item(as_object(item, path), path)

    def instruct(self, text: str) -> None:
        """The ``instructions`` of the request, before any item."""
        if text:
            self.instructions.append(Instruction(parts=(Text(text=text),)))

    def _item(self, item: Block, path: str) -> None:
        kind = optional_string(item, "type", f"{path}.")
        if kind is None:
            if "role" not in item and "id" not in item:
                raise missing(f"{path}.type")
            kind = "message" if "role" in item else "item_reference"
        match kind:
            case "message":
                self._message(item, path)
            case "function_call" | "custom_tool_call":
                self._call(item, kind, path)
            case "function_call_output" | "custom_tool_call_output":
                self._output(item, kind, path)
            case "reasoning":
                self._reasoning(item, path)
            case "image_generation_call" if item.get("result"):
                mime, data = inline.of_text(as_string(item["result"], f"{path}.result"), f"{path}.result")
                mime = mime or sniff_mime(data) or "image/png"
                self._assistant(Media(kind="image", mime=mime, data=data))
            case "additional_tools":
                self.tools.extend(decode_tools(item.get("tools"), f"{path}.tools"))
            case _:
                self._unknown(item, kind)

    # --- messages

    def _message(self, item: Block, path: str) -> None:
        role = required_string(item, "role", f"{path}.")
        if role not in ROLES:
            raise unsupported(f"{path}.role", role, ROLES)
        if item.get("content") is None:
            raise missing(f"{path}.content")
        if role == "assistant":
            self._assistant_message(item, path)
        elif role == "user":
            parts = decode_content(item["content"], f"{path}.content", USER_TYPES)
            self._open = None
            self._drafts.append((Role.USER, parts or [Text(text="")]))
        else:
            self._instruction(item, role, path)

    def _instruction(self, item: Block, role: str, path: str) -> None:
        parts = decode_content(item["content"], f"{path}.content", TEXT_TYPES)
        texts = tuple(part for part in parts if isinstance(part, Text))
        if texts:  # an empty instruction says nothing, and some upstreams refuse it
            position = len(self._drafts) or None
            self.instructions.append(Instruction(parts=texts, role=role, position=position))
        self._open = None

    def _assistant_message(self, item: Block, path: str) -> None:
        phase = optional_string(item, "phase", f"{path}.")
        parts = decode_content(item["content"], f"{path}.content", ASSISTANT_TYPES)
        for index, part in enumerate(parts):
            if phase is not None and index == 0:
                ext: Ext = {Format.RESPONSES: {**part.ext.get(Format.RESPONSES, {}), "phase": phase}}
                part = msgspec.structs.replace(part, ext=ext)
            self._assistant(part)

    def _assistant(self, part: Part) -> None:
        self._join(Role.ASSISTANT, part)

    def _join(self, role: Role, part: Part) -> None:
        if self._open is not role:
            self._drafts.append((role, []))
            self._open = role
        self._drafts[-1][1].append(part)

    # --- calls and outputs

    def _call(self, item: Block, kind: str, path: str) -> None:
        call_id = optional_string(item, "call_id", f"{path}.") or optional_string(item, "id", f"{path}.")
        if not call_id:
            raise missing(f"{path}.call_id")
        name = required_string(item, "name", f"{path}.")
        name = full_name(optional_string(item, "namespace", f"{path}."), name)
        is_custom = kind == "custom_tool_call"
        key = "input" if is_custom else "arguments"
        self._names[call_id] = name
        self._assistant(
            ToolCall(
                id=call_id,
                name=name,
                arguments=_arguments(item.get(key), f"{path}.{key}"),
                kind="custom" if is_custom else "function",
                item_id=foreign_id(item.get("id")),
            )
        )

    def _output(self, item: Block, kind: str, path: str) -> None:
        call_id = required_string(item, "call_id", f"{path}.")
        output = item.get("output")
        parts: list[Part] = []
        value: Json = None
        if isinstance(output, dict | int | float):
            value = output  # not official; the meaning is plain
        elif output is not None:
            parts = decode_content(output, f"{path}.output", USER_TYPES)
        name = self._names.get(call_id) or optional_string(item, "name", f"{path}.")
        self._join(
            Role.USER,
            ToolResult(
                call_id=call_id,
                name=name,
                parts=tuple(parts),
                value=value,
                kind="custom" if kind == "custom_tool_call_output" else "function",
            ),
        )

    # --- reasoning

    def _reasoning(self, item: Block, path: str) -> None:
        state = optional_string(item, "encrypted_content", f"{path}.") or ""
        signature, place = carrier.unwrap(state)
        if place == carrier.LAST:
            self._sign_text(signature)
            return
        if (call_id := carrier.call_id_of(place)) is not None:
            self._sign_call(call_id, signature)
            return
        summary = reasoning_texts(item.get("summary"))
        content = reasoning_texts(item.get("content"))
        text = "\n\n".join(summary or content)
        redacted = place == carrier.REDACTED
        part = Reasoning(
            text=text,
            is_summary=bool(summary) or not content,
            signature=None if redacted else signature,
            redacted=signature if redacted else None,
            item_id=foreign_id(item.get("id")),
        )
        if text or signature is not None or part.item_id is not None:
            self._assistant(part)

    def _sign_text(self, signature: Signature | None) -> None:
        """The state of the text before it; of an empty one when there is none (Gemini signs those too)."""
        if signature is None:
            return
        parts = self._drafts[-1][1] if self._open is Role.ASSISTANT else []
        last = parts[-1] if parts else None
        if isinstance(last, Text) and last.signature is None:
            parts[-1] = msgspec.structs.replace(last, signature=signature)
        else:
            self._assistant(Text(text="", signature=signature))

    def _sign_call(self, call_id: str, signature: Signature | None) -> None:
        """The state of a call of this turn. A call that is gone needs no state."""
        if signature is None or self._open is not Role.ASSISTANT:
            return
        parts = self._drafts[-1][1]
        for index, part in enumerate(parts):
            if isinstance(part, ToolCall) and part.id == call_id:
                parts[index] = msgspec.structs.replace(part, signature=signature)

    # --- the rest

    def _unknown(self, item: Block, kind: str) -> None:
        if is_own_activity(item):
            return  # this gateway told of it; nobody knows it by that id
        part = Unknown(raw=item, format=Format.RESPONSES)
        if kind in RESPONSES_ITEMS:
            self.state[kind] = True
        role = Role.USER if kind.endswith(_USER_ITEMS) else Role.ASSISTANT
        self._join(role, part)


def reasoning_texts(raw: Json) -> list[str]:
    """The texts of ``summary`` or ``content``, in order. Never raises."""
    items = raw if isinstance(raw, list) else []
    texts = (item.get("text") if isinstance(item, dict) else item for item in items)
    return [text for text in texts if isinstance(text, str) and text]


def _arguments(value: Json, param: str) -> str:
    """Arguments are JSON text; some clients send the object itself."""
    if value is None:
        return ""
    return dumps(value) if isinstance(value, dict) else as_string(value, param)
