"""The conversation as Kiro wants it: a history of alternating messages, and one current message.

Rules: the history begins with a user message and alternates; no content is empty; the current message is
the user's; the results of tools answer calls of the message right before. A message of ours is a ``Draft``
until all of it is there. Undocumented, learnt from refusals: docs/protocols/kiro.md.
"""

from __future__ import annotations

from providers.translation import media, names
from providers.translation.codec import Untranslatable
from providers.translation.codecs.kiro.encoding import Encoding
from providers.translation.json_text import dumps
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
    Unknown,
)

Block = dict[str, Json]

_IMAGE_FORMATS = {"image/jpeg": "jpeg", "image/png": "png", "image/gif": "gif", "image/webp": "webp"}

NOTHING_SAID = "."
GO_ON = "Continue"
RESULTS_ONLY = "Tool results provided."
_NO_OUTPUT = "(no output)"


class Draft:
    """One message under construction: consecutive parts of one author."""

    def __init__(self, role: Role) -> None:
        self.role = role
        self.texts: list[str] = []
        self.images: list[Block] = []
        self.calls: list[Block] = []
        self.results: dict[str, Block] = {}

    def assistant(self) -> Block:
        message: Block = {"content": self._content() or NOTHING_SAID}
        if self.calls:
            message["toolUses"] = self.calls
        return {"assistantResponseMessage": message}

    def user(self, model_id: str, tools: list[Block] | None = None) -> Block:
        content = self._content() or (RESULTS_ONLY if self.results else GO_ON)
        message: Block = {"content": content, "modelId": model_id, "origin": "AI_EDITOR"}
        if self.images:
            message["images"] = self.images
        context: Block = {}
        if self.results:
            context["toolResults"] = list(self.results.values())
        if tools:
            context["tools"] = tools
        if context:
            message["userInputMessageContext"] = context
        return {"userInputMessage": message}

    def _content(self) -> str:
        return "\n\n".join(self.texts)


def drafts_of(request: Request, encoding: Encoding) -> tuple[str, list[Draft]]:
    """The system text, and the messages: alternating, the first and the last the user's."""
    conversation = _Conversation(encoding)
    system: list[str] = []
    between: dict[int, list[str]] = {}
    for n, instruction in enumerate(request.instructions):
        text = _instruction(instruction, f"instructions[{n}]", encoding)
        if text and instruction.position:
            between.setdefault(min(instruction.position, len(request.turns)), []).append(text)
        elif text:
            system.append(text)
    for n, turn in enumerate(request.turns):
        conversation.instruct(between.get(n, []))
        encoding.drop_foreign(turn, f"messages[{n}]")
        if turn.name:
            encoding.drop(f"messages[{n}].name")
        for part in turn.parts:
            conversation.add(turn.role, part, f"messages[{n}]")
    conversation.instruct(between.get(len(request.turns), []))
    return "\n\n".join(system), conversation.finished()


def _instruction(instruction: Instruction, where: str, encoding: Encoding) -> str:
    encoding.drop_foreign(instruction, where)
    return "\n\n".join(part.text for part in instruction.parts if part.text.strip())


class _Conversation:
    def __init__(self, encoding: Encoding) -> None:
        self._encoding = encoding
        self._drafts: list[Draft] = []

    def instruct(self, texts: list[str]) -> None:
        """Instructions between two messages stand where they were, marked in the user's message."""
        for text in texts:
            self._draft(Role.USER).texts.append(marked_system(text))

    def add(self, role: Role, part: Part, where: str) -> None:
        if not isinstance(part, Unknown):
            self._encoding.drop_foreign(part, where)
        match part:
            case Text() | RefusalText():
                if part.text.strip():
                    self._draft(role).texts.append(part.text)
            case Media():
                self._media(self._draft(role), part, where)
            case ToolCall():
                self._draft(role).calls.append(self._call(part))
            case ToolResult():
                self._result(part, where)
            case Reasoning():
                self._encoding.drop(f"{where}.reasoning")
            case Unknown():
                kind = part.raw.get("type")
                self._encoding.drop(f"{where}.{kind if isinstance(kind, str) else 'part'}")

    def finished(self) -> list[Draft]:
        drafts = self._drafts
        if not drafts or drafts[-1].role is Role.ASSISTANT:
            drafts.append(Draft(Role.USER))  # says "Continue"
        if drafts[0].role is Role.ASSISTANT:
            opening = Draft(Role.USER)
            opening.texts.append(NOTHING_SAID)
            drafts.insert(0, opening)
        return drafts

    def _draft(self, role: Role) -> Draft:
        if not self._drafts or self._drafts[-1].role is not role:
            self._drafts.append(Draft(role))
        return self._drafts[-1]

    def _call(self, part: ToolCall) -> Block:
        return {
            "toolUseId": names.tool_id(part.id),
            "name": self._encoding.names.mangle(part.name),
            "input": part.value(),
        }

    def _result(self, part: ToolResult, where: str) -> None:
        """A result; one whose call is not in the message before is told in words, for the service refuses
        it, and the first of two for one call stands."""
        draft = self._draft(Role.USER)
        before = self._drafts[-2].calls if len(self._drafts) > 1 else []
        texts = self._result_texts(draft, part, where)
        call_id = names.tool_id(part.call_id)
        if not any(call["toolUseId"] == call_id for call in before):
            name = part.name or part.call_id
            draft.texts += [f"Result of an earlier call to {name}:", *texts]
        elif call_id not in draft.results:
            draft.results[call_id] = {
                "toolUseId": call_id,
                "status": "error" if part.is_error else "success",
                "content": [{"text": text} for text in texts or [_NO_OUTPUT]],
            }
        else:
            self._encoding.drop(f"{where}.tool_result")

    def _result_texts(self, draft: Draft, part: ToolResult, where: str) -> list[str]:
        """The texts of a result; pictures go to the message that it stands in."""
        if not part.parts:
            if part.value is None:
                return []
            return [part.value if isinstance(part.value, str) else dumps(part.value)]
        texts = []
        for inner in part.parts:
            if isinstance(inner, Media):
                if (text := _text_of(inner)) is not None:
                    texts.append(text)
                else:
                    self._media(draft, inner, where)
            elif isinstance(inner, Text | RefusalText) and inner.text.strip():
                texts.append(inner.text)
        return texts

    def _media(self, draft: Draft, part: Media, where: str) -> None:
        text, mime = _text_of(part), _mime_of(part)
        if text is not None:
            title = part.title or part.filename
            draft.texts.append(f"{title}:\n{text}" if title else text)
            return
        if not part.data or mime not in _IMAGE_FORMATS:
            kind = part.kind if part.data else f"{part.kind} that is only linked to"
            raise Untranslatable(
                f"{where}: Kiro takes inline png, jpeg, gif and webp images and text, no {kind}", param=where
            )
        draft.images.append({"format": _IMAGE_FORMATS[mime], "source": {"bytes": part.data}})


def _text_of(part: Media) -> str | None:
    return part.text if part.text is not None else media.inline_text(_mime_of(part), part.data)


def _mime_of(part: Media) -> str | None:
    if part.mime:
        return media.normal_mime(part.mime)
    return media.sniff_mime(part.data, part.filename) if part.data else None


def marked_system(text: str) -> str:
    """The service has no field for a system prompt: it stands in the user's message, between marks."""
    return f"<system_prompt>\n{text}\n</system_prompt>"
