"""The conversation, encoded as Anthropic's ``messages`` and ``system``.

Rules: the first message is the user's, roles alternate, a user message starts with the results of the
calls in the message before it, no text block is empty. Mid-conversation instructions stay in place only
where the model takes them, else they move to the end of ``system``.
"""

from __future__ import annotations

from providers.translation import names
from providers.translation.codec import Capabilities
from providers.translation.codecs.claude.encode_blocks import (
    Block,
    Encoding,
    encode_part,
    encode_result,
    encode_text,
    orphan_result,
)
from providers.translation.model import Instruction, Json, Part, Request, Role, ToolResult, Turn

Message = dict[str, Json]

_USERS_OWN = frozenset({"image", "document"})
"""Blocks that are "not permitted within assistant turns" (seen in the service's error, 2025)."""

_FILLER = "..."
"""The text of a user message that must exist though nobody wrote one (blank text is refused)."""


def encode_messages(
    request: Request, capabilities: Capabilities, encoding: Encoding
) -> tuple[list[Block], list[Message]]:
    """``system`` blocks and ``messages``."""
    system: list[Block] = []
    hoisted: list[Block] = []
    between: dict[int, list[Block]] = {}
    for n, instruction in enumerate(request.instructions):
        blocks = _instruction(instruction, f"instructions[{n}]", encoding)
        if not instruction.position:
            system += blocks
        elif capabilities.mid_system and _may_stand(request.turns, instruction.position):
            between.setdefault(min(instruction.position, len(request.turns)), []).extend(blocks)
        else:
            hoisted += blocks
    messages = _Messages(encoding)
    for n, turn in enumerate(request.turns):
        messages.system(between.get(n, []))
        messages.add(turn, f"messages[{n}]")
    messages.system(between.get(len(request.turns), []))
    return system + hoisted, messages.finish()


def _instruction(instruction: Instruction, where: str, encoding: Encoding) -> list[Block]:
    encoding.drop_foreign(instruction, where)
    return [block for part in instruction.parts for block in encode_text(part, where, encoding)]


def _may_stand(turns: tuple[Turn, ...], position: int) -> bool:
    """Directly after a user turn, and not between two of them: a later one may hold tool results."""
    before = turns[min(position, len(turns)) - 1] if turns else None
    after = turns[position] if position < len(turns) else None
    return (before is not None and before.role is Role.USER) and (
        after is None or after.role is Role.ASSISTANT
    )


class _Messages:
    """Messages under construction. ``_open`` holds the calls that the next user message may answer."""

    def __init__(self, encoding: Encoding) -> None:
        self._encoding = encoding
        self._messages: list[Message] = []
        self._open: set[str] = set()
        self._moved: list[Block] = []
        """Media of the assistant: Anthropic refuses them in its turns, so the next user message has them."""

    def add(self, turn: Turn, where: str) -> None:
        self._encoding.drop_foreign(turn, where)
        if turn.name:
            self._encoding.drop(f"{where}.name")
        blocks = [block for part in turn.parts for block in self._part(part, where)]
        if turn.role is Role.ASSISTANT:
            self._moved += [block for block in blocks if block.get("type") in _USERS_OWN]
            blocks = [block for block in blocks if block.get("type") not in _USERS_OWN]
        else:
            blocks, self._moved = self._moved + blocks, []
        if not blocks:
            return
        if turn.role is Role.ASSISTANT:
            calls = {block["id"] for block in blocks if block.get("type") == "tool_use"}
            self._open = self._open | calls if self._last_role() == "assistant" else calls
        self._append(turn.role.value, blocks)

    def system(self, blocks: list[Block]) -> None:
        if blocks:
            self._append("system", blocks)

    def finish(self) -> list[Message]:
        if self._moved:
            self._append("user", self._moved)
        if not self._messages or self._messages[0]["role"] != "user":
            self._messages.insert(0, {"role": "user", "content": [{"type": "text", "text": _FILLER}]})
        for message in self._messages:
            if message["role"] == "user":
                message["content"] = _results_first(message["content"])
        _trim_prefill(self._messages)
        return self._messages

    def _part(self, part: Part, where: str) -> list[Block]:
        if not isinstance(part, ToolResult):
            return encode_part(part, where, self._encoding)
        if names.tool_id(part.call_id) in self._open:
            return [encode_result(part, where, self._encoding)]
        return orphan_result(part, where, self._encoding)

    def _append(self, role: str, blocks: list[Block]) -> None:
        if self._last_role() == role:
            self._messages[-1]["content"] += blocks
        else:
            self._messages.append({"role": role, "content": blocks})

    def _last_role(self) -> str | None:
        return self._messages[-1]["role"] if self._messages else None


def _results_first(blocks: list[Block]) -> list[Block]:
    """Results before everything else; the sort is stable."""
    return sorted(blocks, key=lambda block: block.get("type") != "tool_result")


def _trim_prefill(messages: list[Message]) -> None:
    """A last assistant message is a prefill, and Anthropic refuses white space at its end."""
    blocks = messages[-1]["content"]
    if messages[-1]["role"] == "assistant" and blocks[-1].get("type") == "text":
        blocks[-1]["text"] = blocks[-1]["text"].rstrip()
