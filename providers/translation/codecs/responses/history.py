"""Neutral turns and instructions, encoded to the ``input`` items of a Responses request.

What the service insists on: the assistant's text is ``output_text`` in a message with an id, an output has
its call before it, and reasoning state goes back only to its issuer. So a result without its call becomes
text of the user, and reasoning of other vendors is dropped and reported.
"""

from __future__ import annotations

from providers.translation.codec import Capabilities
from providers.translation.codecs.openai.request import ILLEGAL_IN_NAME, MAX_NAME
from providers.translation.codecs.responses.content import encode_input
from providers.translation.codecs.responses.ids import digest_id
from providers.translation.codecs.responses.outcome import encode_citation
from providers.translation.codecs.responses.tools import ClientTools
from providers.translation.json_text import dumps
from providers.translation.kept_state import RESPONSES_FIELDS
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
from providers.translation.names import NameMap, build, tool_id
from providers.values import Format

Block = dict[str, Json]

MAX_CALL_ID = 64
_STORED = (*RESPONSES_FIELDS, "item_reference")
"""With these the call of a result may be in what OpenAI keeps."""


def name_map(request: Request) -> NameMap:
    """Every tool name of the request that does not fit OpenAI's pattern. Namespaced ones are sent apart."""
    members = {tool.name for tool in request.tools if tool.namespace is not None}
    wanted = [tool.name for tool in request.tools]
    if request.tool_choice is not None:
        wanted.extend(request.tool_choice.names)
    wanted.extend(part.name for turn in request.turns for part in turn.parts if isinstance(part, ToolCall))
    return build((name for name in wanted if name not in members), illegal=ILLEGAL_IN_NAME, limit=MAX_NAME)


def encode_input_items(
    request: Request, capabilities: Capabilities, names: NameMap, dropped: list[str]
) -> list[Block]:
    """The whole history. Adds to ``dropped`` what has no place; raises Untranslatable for content that no
    Responses message can carry."""
    return _HistoryWriter(request, capabilities, names, dropped).write()


class _HistoryWriter:
    def __init__(
        self, request: Request, capabilities: Capabilities, names: NameMap, dropped: list[str]
    ) -> None:
        self._request = request
        self._developer = "developer" if capabilities.developer_role else "system"
        self._names = names
        self._dropped = dropped
        self._items: list[Block] = []
        self._message: Block | None = None
        """The message that the next part of the same author joins."""
        self._calls: dict[str, ToolCall] = {}
        self._client_tools = ClientTools(request)
        own = request.ext.get(Format.RESPONSES, {})
        self._may_be_stored = any(key in own for key in _STORED)

    def write(self) -> list[Block]:
        turns = self._request.turns
        waiting: dict[int, list[tuple[int, Instruction]]] = {}
        for number, instruction in enumerate(self._request.instructions):
            place = min(instruction.position or 0, len(turns))
            waiting.setdefault(place, []).append((number, instruction))
        for index in range(len(turns) + 1):
            for number, instruction in waiting.get(index, ()):
                self._instruction(instruction, f"instructions[{number}]")
            if index < len(turns):
                self._turn(turns[index], f"messages[{index}]")
        return self._items

    def _turn(self, turn: Turn, path: str) -> None:
        self._message = None
        if turn.name is not None:
            self._dropped.append(f"{path}.name")
        self._report_foreign(turn, path)
        for part in turn.parts:
            if part.cache is not None and not part.ext.get(Format.RESPONSES):
                self._dropped.append("cache_control")
            self._report_foreign(part, path)
            if isinstance(part, ToolResult):
                self._result(part, path)
            elif isinstance(part, Unknown):
                self._unknown(part, path)
            elif turn.role is Role.USER:
                self._user_part(part, path)
            else:
                self._assistant_part(part, path)

    def _report_foreign(self, node: Turn | Part | Instruction, path: str) -> None:
        for issuer, raw in node.ext.items():
            if issuer is not Format.RESPONSES:
                self._dropped.extend(f"{path}.{key}" for key in raw)

    def _add(self, item: Block) -> None:
        self._message = None
        self._items.append(item)

    def _say(self, role: str, block: Block) -> None:
        """Add ``block`` to the open message of ``role``, or to a new one."""
        message = self._message
        if message is None or message["role"] != role:
            message = {"type": "message", "role": role, "content": []}
            self._items.append(message)
            self._message = message
        message["content"].append(block)

    # --- instructions

    def _instruction(self, instruction: Instruction, path: str) -> None:
        self._report_foreign(instruction, path)
        self._message = None
        role = "system" if instruction.role == "system" else self._developer
        for part in instruction.parts:
            if part.cache is not None and not part.ext.get(Format.RESPONSES):
                self._dropped.append("cache_control")
            if part.text and (block := encode_input(part, path)) is not None:
                self._say(role, block)
        self._message = None

    # --- the user

    def _user_part(self, part: Part, path: str) -> None:
        block = encode_input(part, path)
        if block is None:
            self._dropped.append(f"{path}.{type(part).__name__.lower()}")
        else:
            self._say("user", block)

    def _result(self, result: ToolResult, path: str) -> None:
        if result.is_error:
            self._dropped.append(f"{path}.is_error")
        call = self._calls.get(result.call_id)
        if call is None and not self._may_be_stored:
            self._orphan(result, path)
            return
        kind = call.kind if call is not None else result.kind
        self._add(
            {
                "type": "custom_tool_call_output" if kind == "custom" else "function_call_output",
                "call_id": call_id_of(result.call_id),
                "output": self._output(result, path),
            }
        )

    def _output(self, result: ToolResult, path: str) -> Json:
        if not result.parts:
            value = result.value
            return "" if value is None else value if isinstance(value, str) else dumps(value)
        blocks: list[Block] = []
        for part in result.parts:
            block = encode_input(part, path)
            if block is None:
                kind = part.label if isinstance(part, Unknown) else type(part).__name__.lower()
                self._dropped.append(f"{path}.{kind}")
            else:
                blocks.append(block)
        if len(blocks) == 1 and blocks[0].keys() == {"type", "text"}:
            return blocks[0]["text"]
        return blocks or ""

    def _orphan(self, result: ToolResult, path: str) -> None:
        output = self._output(result, path)
        label = f"Result of tool call {result.name or result.call_id}: "
        blocks = [{"type": "input_text", "text": output}] if isinstance(output, str) else output
        for index, block in enumerate(blocks):
            if index == 0 and block["type"] == "input_text":
                block = {**block, "text": label + block["text"]}
            self._say("user", block)

    # --- the assistant

    def _assistant_part(self, part: Part, path: str) -> None:
        if isinstance(part, Text):
            self._text(part, path)
        elif isinstance(part, RefusalText):
            self._speak(part, {"type": "refusal", "refusal": part.text})
        elif isinstance(part, ToolCall):
            self._call(part, path)
        elif isinstance(part, Reasoning):
            self._reasoning(part, path)
        elif isinstance(part, Media) and part.kind == "image" and part.data:
            item_id = digest_id("ig", len(self._items), part.data)
            self._add(
                {"type": "image_generation_call", "id": item_id, "status": "completed", "result": part.data}
            )
        else:
            self._message = None
            self._user_part(part, path)
            self._message = None

    def _text(self, part: Text, path: str) -> None:
        if part.signature is not None:
            self._dropped.append(f"{path}.signature")
        if not part.text:
            return
        found = (encode_citation(citation, len(part.text)) for citation in part.citations)
        annotations = [annotation for annotation in found if annotation is not None]
        if len(annotations) < len(part.citations):
            self._dropped.append(f"{path}.citations")
        self._speak(part, {"type": "output_text", "text": part.text, "annotations": annotations})

    def _speak(self, part: Text | RefusalText, block: Block) -> None:
        phase = part.ext.get(Format.RESPONSES, {}).get("phase")
        if phase is not None:
            self._message = None
        if self._message is None or self._message["role"] != "assistant":
            # The published type requires id and status of a message of the assistant.
            item_id = digest_id("msg", len(self._items), part.text)
            self._message = {"type": "message", "id": item_id, "role": "assistant", "status": "completed"}
            if phase is not None:
                self._message["phase"] = phase
            self._message["content"] = []
            self._items.append(self._message)
        self._message["content"].append(block)

    def _call(self, call: ToolCall, path: str) -> None:
        self._calls[call.id] = call
        if call.signature is not None:
            self._dropped.append(f"{path}.signature")
        spelled = self._client_tools.spelled(call.name)
        if "namespace" not in spelled:
            spelled = {"name": self._names.mangle(call.name)}
        item: Block = {"type": "function_call", "call_id": call_id_of(call.id), **spelled}
        if call.kind == "custom":
            item["type"] = "custom_tool_call"
            item["input"] = call.arguments
        else:
            item["arguments"] = call.arguments if call.arguments.strip() else "{}"
        if call.item_id is not None:
            item["id"] = call.item_id
        self._add(item)

    def _reasoning(self, part: Reasoning, path: str) -> None:
        """OpenAI's own goes back: its state, or the id of what it keeps. Without an id none is made up,
        because the service checks that the state belongs to the id."""
        signature = part.signature
        is_own = signature is not None and signature.issuer is Format.RESPONSES
        if not is_own and (part.item_id is None or signature is not None or part.redacted is not None):
            self._dropped.append(f"{path}.reasoning")
            return
        item: Block = {"type": "reasoning"}
        if part.item_id is not None:
            item["id"] = part.item_id
        item["summary"] = []
        if part.text and part.is_summary:
            item["summary"] = [{"type": "summary_text", "text": part.text}]
        elif part.text:
            item["content"] = [{"type": "reasoning_text", "text": part.text}]
        if signature is not None:
            item["encrypted_content"] = signature.value
        self._add(item)

    def _unknown(self, part: Unknown, path: str) -> None:
        if part.format is Format.RESPONSES:
            self._add(part.raw)
            return
        self._dropped.append(f"{path}.{part.label}")


def call_id_of(call_id: str) -> str:
    """Call ids are opaque to OpenAI; only over-long ones are shortened, the same way for call and result."""
    return call_id if 0 < len(call_id) <= MAX_CALL_ID else tool_id(call_id, limit=MAX_CALL_ID)
