"""The four upstream formats as a vendor would read and write them, for ``tests/scripted_upstream.py``.

Nothing here shares code with the product's codecs. A request is judged by the vendors' published Python types
and by the rules that the types cannot say (each result answers a call, signatures come back unchanged); what
is wrong with it is returned as sentences. An answer is one ``Turn`` written as a stream or whole.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from anthropic.types import MessageParam, ToolUnionParam
from google.genai import types as gemini_types
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolUnionParam
from openai.types.responses import ResponseInputItemParam, ToolParam
from pydantic import TypeAdapter, ValidationError

SIGNATURE = base64.b64encode(b"a signature that only this upstream can read").decode()
"""Stands for Claude's thinking signature, Gemini's thoughtSignature and OpenAI's encrypted content."""
UNSIGNED_BY_GEMINI = ("context_engineering_is_the_way_to_go", "skip_thought_signature_validator")
"""What Google's documentation allows in place of a signature for a call that another model made."""


@dataclass
class Asked:
    """What the script needs of a request. ``tools`` maps a name to its schema, None for free text."""

    model: str
    streams: bool
    tools: dict[str, Any]
    prompt: str
    results: list[str]
    wants_reasoning: bool = False
    wants_thread: bool = False
    images: int = 0
    """Pictures in the conversation, those in results included."""
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Turn:
    """What the model answers: ``text``, and a call when ``tool`` is named; ``twin`` holds a second one."""

    number: int
    text: str = ""
    tool: str = ""
    arguments: dict[str, Any] | str = field(default_factory=dict)
    reasons: bool = False
    twin: Turn | None = None

    @property
    def calls(self) -> list[Turn]:
        """The turn itself and its twin, as far as they call something."""
        return [one for one in (self, self.twin) if one is not None and one.tool]

    @property
    def call_id(self) -> str:
        return f"call_scripted{self.number}"

    @property
    def arguments_text(self) -> str:
        return self.arguments if isinstance(self.arguments, str) else json.dumps(self.arguments)

    @property
    def pieces(self) -> list[str]:
        """The arguments in three pieces, as they come in a stream."""
        text = self.arguments_text
        third = max(1, len(text) // 3)
        return [text[:third], text[third : 2 * third], text[2 * third :]]

    @property
    def words(self) -> list[str]:
        return [word for word in (self.text[:7], self.text[7:]) if word]


@cache
def _adapter(type_: Any) -> TypeAdapter[Any]:
    """Kept, for making one takes a second."""
    return TypeAdapter(type_)


def against(type_: Any, value: Any, where: str) -> list[str]:
    """What the vendor's type says against ``value``: nothing, or one sentence for each fault."""
    try:
        _adapter(type_).validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[:6]
        return [f"{where}{list(fault['loc'])}: {fault['msg']} ({fault['input']!r:.80})" for fault in first]
    return []


def unanswered(calls: Iterable[str], results: Iterable[str]) -> list[str]:
    """Every call has its result and every result its call, as all four vendors demand."""
    made, given = list(calls), list(results)
    problems = [f"the call {one} has no result" for one in made if one not in given]
    return problems + [f"the result {one} answers no call" for one in given if one not in made]


def _texts(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] for part in content or [] if isinstance(part.get("text"), str))


def _count(value: Any, kind: str) -> int:
    """How often an object of that ``type``, or with a member of that name, stands anywhere in ``value``."""
    if isinstance(value, list):
        return sum(_count(one, kind) for one in value)
    if not isinstance(value, dict):
        return 0
    found = value.get("type") == kind or (kind in value and value.get("type") is None)
    return int(found) + sum(_count(one, kind) for one in value.values())


def _event(data: Any, name: str = "") -> bytes:
    return (f"event: {name}\n" if name else "").encode() + b"data: " + json.dumps(data).encode() + b"\n\n"


# --- OpenAI chat ------------------------------------------------------------------------------------


def read_openai(body: Any) -> Asked:
    messages, tools = body["messages"], body.get("tools") or []
    problems = [
        fault
        for place, message in enumerate(messages)
        for fault in against(ChatCompletionMessageParam, message, f"messages[{place}]")
    ] + against(list[ChatCompletionToolUnionParam], tools, "tools")
    calls = [call["id"] for message in messages for call in message.get("tool_calls") or []]
    results = [message for message in messages if message["role"] == "tool"]
    return Asked(
        model=body["model"],
        streams=bool(body.get("stream")),
        tools={one["name"]: one.get("parameters") for one in (tool[tool["type"]] for tool in tools)},
        prompt="\n".join(_texts(one["content"]) for one in messages if one["role"] == "user"),
        results=[_texts(one["content"]) for one in results],
        images=_count(messages, "image_url"),
        problems=problems + unanswered(calls, [one["tool_call_id"] for one in results]),
    )


def _openai_usage() -> dict[str, Any]:
    return {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}


def _openai_call(call: Turn, arguments: str) -> dict[str, Any]:
    """A custom call where its arguments are free text."""
    kind, name = ("custom", "input") if isinstance(call.arguments, str) else ("function", "arguments")
    return {"id": call.call_id, "type": kind, kind: {"name": call.tool, name: arguments}}


def whole_openai(asked: Asked, turn: Turn) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": turn.text or None, "refusal": None}
    if turn.tool:
        message["tool_calls"] = [_openai_call(call, call.arguments_text) for call in turn.calls]
    finish = "tool_calls" if turn.tool else "stop"
    return {
        "id": f"chatcmpl-scripted{turn.number}",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": asked.model,
        "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
        "usage": _openai_usage(),
    }


def stream_openai(asked: Asked, turn: Turn) -> Iterator[bytes]:
    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return _event({**head, "choices": [choice], "usage": None})

    head = {key: value for key, value in whole_openai(asked, turn).items() if key not in ("choices", "usage")}
    head["object"] = "chat.completion.chunk"
    yield chunk({"role": "assistant", "content": ""})
    for word in turn.words:
        yield chunk({"content": word})
    for index, call in enumerate(turn.calls):
        yield chunk({"tool_calls": [{"index": index, **_openai_call(call, "")}]})
    for pieces in zip(*(call.pieces for call in turn.calls), strict=True):  # parallel calls interleave
        for index, (call, piece) in enumerate(zip(turn.calls, pieces, strict=True)):
            kind, name = ("custom", "input") if isinstance(call.arguments, str) else ("function", "arguments")
            yield chunk({"tool_calls": [{"index": index, kind: {name: piece}}]})
    yield chunk({}, "tool_calls" if turn.tool else "stop")
    yield _event({**head, "choices": [], "usage": _openai_usage()})
    yield b"data: [DONE]\n\n"


# --- OpenAI Responses -------------------------------------------------------------------------------


def read_responses(body: Any) -> Asked:
    given, tools = body["input"], body.get("tools") or []
    items = [{"role": "user", "content": given}] if isinstance(given, str) else _as_typed(given)
    problems = [
        fault
        for place, item in enumerate(items)
        for fault in against(ResponseInputItemParam, item, f"input[{place}]")
    ] + against(list[ToolParam], tools, "tools")
    problems += [
        f"input[{place}] brings reasoning that this upstream never wrote"
        for place, item in enumerate(items)
        if item.get("type") == "reasoning" and item.get("encrypted_content") not in (None, SIGNATURE)
    ]
    results = [item for item in items if str(item.get("type")).endswith("_call_output")]
    calls = [item["call_id"] for item in items if item.get("type") in ("function_call", "custom_tool_call")]
    offered = {
        tool["name"]: tool.get("parameters") for tool in tools if tool["type"] in ("function", "custom")
    }
    return Asked(
        model=body["model"],
        streams=bool(body.get("stream")),
        tools=offered,
        prompt="\n".join(_texts(item.get("content")) for item in items if item.get("role") == "user"),
        results=[_texts(item["output"]) for item in results],
        wants_reasoning=bool(body.get("reasoning")),
        images=_count(items, "input_image"),
        problems=problems + unanswered(calls, [item["call_id"] for item in results]),
    )


def _as_typed(items: list[Any]) -> list[Any]:
    """The items without two things that the vendor takes and its types do not know.

    Codex sends ``"content": null`` in reasoning items. Reasoning without an id is accepted as well (Codex
    sent none for long), while a wrong id is refused, because the encrypted content names it too.
    """
    kept = [{name: value for name, value in item.items() if value is not None} for item in items]
    return [{"id": "", **item} if item.get("type") == "reasoning" else item for item in kept]


def _responses_output(turn: Turn) -> list[dict[str, Any]]:
    output: list[dict[str, Any]] = []
    if turn.reasons:
        output.append(
            {
                "id": f"rs_scripted{turn.number}",
                "type": "reasoning",
                "summary": [{"type": "summary_text", "text": "Thinking."}],
                "encrypted_content": SIGNATURE,
            }
        )
    if turn.text:
        part = {"type": "output_text", "text": turn.text, "annotations": [], "logprobs": []}
        output.append(
            {
                "id": f"msg_scripted{turn.number}",
                "type": "message",
                "role": "assistant",
                "status": "completed",
                "content": [part],
            }
        )
    return output + [_responses_call(call) for call in turn.calls]


def _responses_call(call: Turn) -> dict[str, Any]:
    shared = {"status": "completed", "call_id": call.call_id, "name": call.tool}
    if isinstance(call.arguments, str):
        head = {"id": f"ctc_scripted{call.number}", "type": "custom_tool_call"}
        return {**head, **shared, "input": call.arguments}
    head = {"id": f"fc_scripted{call.number}", "type": "function_call"}
    return {**head, **shared, "arguments": call.arguments_text}


def whole_responses(asked: Asked, turn: Turn) -> dict[str, Any]:
    return {
        "id": f"resp_scripted{turn.number}",
        "object": "response",
        "created_at": 1_790_000_000,
        "status": "completed",
        "model": asked.model,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "output": _responses_output(turn),
        "usage": {
            "input_tokens": 11,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": 7,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 18,
        },
    }


def stream_responses(asked: Asked, turn: Turn) -> Iterator[bytes]:
    whole = whole_responses(asked, turn)
    begun = {**whole, "status": "in_progress", "output": [], "usage": None}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
    ]
    for index, item in enumerate(whole["output"]):
        said = next((call for call in turn.calls if call.call_id == item.get("call_id")), turn)
        events += _responses_item(said, index, item)
    events.append({"type": "response.completed", "response": whole})
    for number, event in enumerate(events):
        yield _event({**event, "sequence_number": number}, event["type"])


def _responses_item(turn: Turn, index: int, item: dict[str, Any]) -> list[dict[str, Any]]:
    """One output item as its events."""
    place = {"item_id": item["id"], "output_index": index}
    inner: list[dict[str, Any]] = []
    started = dict(item)
    if item["type"] == "function_call":
        started |= {"arguments": "", "status": "in_progress"}
        name = "response.function_call_arguments"
        inner = [{"type": f"{name}.delta", **place, "delta": piece} for piece in turn.pieces]
        inner.append({"type": f"{name}.done", **place, "name": turn.tool, "arguments": turn.arguments_text})
    elif item["type"] == "custom_tool_call":
        started |= {"input": "", "status": "in_progress"}
        name = "response.custom_tool_call_input"
        inner = [{"type": f"{name}.delta", **place, "delta": piece} for piece in turn.pieces]
        inner.append({"type": f"{name}.done", **place, "input": turn.arguments})
    elif item["type"] == "message":
        started |= {"content": [], "status": "in_progress"}
        part, place = item["content"][0], {**place, "content_index": 0}
        empty = {**part, "text": ""}
        inner.append({"type": "response.content_part.added", **place, "part": empty})
        inner += [
            {"type": "response.output_text.delta", **place, "delta": word, "logprobs": []}
            for word in turn.words
        ]
        inner.append({"type": "response.output_text.done", **place, "text": turn.text, "logprobs": []})
        inner.append({"type": "response.content_part.done", **place, "part": part})
    else:
        started |= {"summary": [], "encrypted_content": None}
        part, place = item["summary"][0], {**place, "summary_index": 0}
        name = "response.reasoning_summary"
        inner = [
            {"type": f"{name}_part.added", **place, "part": {**part, "text": ""}},
            {"type": f"{name}_text.delta", **place, "delta": part["text"]},
            {"type": f"{name}_text.done", **place, "text": part["text"]},
            {"type": f"{name}_part.done", **place, "part": part},
        ]
    return [
        {"type": "response.output_item.added", "output_index": index, "item": started},
        *inner,
        {"type": "response.output_item.done", "output_index": index, "item": item},
    ]


# --- Claude -----------------------------------------------------------------------------------------


def read_claude(body: Any) -> Asked:
    messages, tools = body["messages"], body.get("tools") or []
    problems = [
        fault
        for place, message in enumerate(messages)
        for fault in against(MessageParam, message, f"messages[{place}]")
    ] + against(list[ToolUnionParam], tools, "tools")
    blocks = [
        (message["role"], block)
        for message in messages
        if not isinstance(message["content"], str)
        for block in message["content"]
    ]
    problems += [
        "a thinking block is not signed by this upstream"
        for _, block in blocks
        if block["type"] == "thinking" and block["signature"] != SIGNATURE
    ]
    calls = [block["id"] for role, block in blocks if block["type"] == "tool_use"]
    results = [block for role, block in blocks if block["type"] == "tool_result"]
    kind = (body.get("thinking") or {}).get("type")
    if kind == "enabled" and calls and not _begins_with_thinking(messages):
        problems.append("thinking is enabled and the last assistant message does not begin with thinking")
    return Asked(
        model=body["model"],
        streams=bool(body.get("stream")),
        tools={tool["name"]: tool.get("input_schema") for tool in tools},
        prompt="\n".join(_texts(one["content"]) for one in messages if one["role"] == "user"),
        results=[_texts(block.get("content")) for block in results],
        wants_reasoning=kind in ("enabled", "adaptive"),
        wants_thread=body.get("thread") is not None,
        images=_count(messages, "image"),
        problems=problems + unanswered(calls, [block["tool_use_id"] for block in results]),
    )


def _begins_with_thinking(messages: list[Any]) -> bool:
    last = [message for message in messages if message["role"] == "assistant"][-1]
    return last["content"][0]["type"] in ("thinking", "redacted_thinking")


def _claude_blocks(turn: Turn) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if turn.reasons:
        blocks.append({"type": "thinking", "thinking": "Thinking.", "signature": SIGNATURE})
    if turn.text:
        blocks.append({"type": "text", "text": turn.text, "citations": None})
    for call in turn.calls:
        use = {"type": "tool_use", "id": f"toolu_scripted{call.number}", "name": call.tool}
        blocks.append({**use, "input": call.arguments})
    return blocks


def whole_claude(asked: Asked, turn: Turn) -> dict[str, Any]:
    return {
        "id": f"msg_scripted{turn.number}",
        "type": "message",
        "role": "assistant",
        "model": asked.model,
        "content": _claude_blocks(turn),
        "stop_reason": "tool_use" if turn.tool else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 11, "output_tokens": 7},
    }


def stream_claude(asked: Asked, turn: Turn) -> Iterator[bytes]:
    def event(kind: str, **fields: Any) -> bytes:
        return _event({"type": kind, **fields}, kind)

    whole = whole_claude(asked, turn)
    usage = {"input_tokens": 11, "output_tokens": 1}
    yield event("message_start", message={**whole, "content": [], "stop_reason": None, "usage": usage})
    yield event("ping")
    empty: dict[str, Any]
    for index, block in enumerate(whole["content"]):
        match block["type"]:
            case "thinking":
                empty = {"type": "thinking", "thinking": "", "signature": ""}
                deltas = [
                    {"type": "thinking_delta", "thinking": block["thinking"]},
                    {"type": "signature_delta", "signature": block["signature"]},
                ]
            case "text":
                empty = {**block, "text": ""}
                deltas = [{"type": "text_delta", "text": word} for word in turn.words]
            case _:
                empty = {**block, "input": {}}
                said = next(call for call in turn.calls if block["id"] == f"toolu_scripted{call.number}")
                deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in said.pieces]
        yield event("content_block_start", index=index, content_block=empty)
        for delta in deltas:
            yield event("content_block_delta", index=index, delta=delta)
        yield event("content_block_stop", index=index)
    ending = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    yield event("message_delta", delta=ending, usage={"output_tokens": 7})
    yield event("message_stop")


# --- Gemini -----------------------------------------------------------------------------------------


def read_gemini(body: Any, model: str, streams: bool) -> Asked:
    contents, tools = body["contents"], body.get("tools") or []
    problems = against(list[gemini_types.Content], contents, "contents")
    problems += against(list[gemini_types.Tool], tools, "tools")
    parts = [part for content in contents for part in content.get("parts") or []]
    called = [part for part in parts if "functionCall" in part]
    firsts = [
        next(part for part in content["parts"] if "functionCall" in part)
        for content in contents
        if any("functionCall" in part for part in content.get("parts") or [])
    ]
    for part in firsts:
        signature = part.get("thoughtSignature")
        if signature != SIGNATURE and signature not in UNSIGNED_BY_GEMINI:
            problems.append(f"the function call lacks its thoughtSignature: {json.dumps(part)[:200]}")
    results = [part["functionResponse"] for part in parts if "functionResponse" in part]
    declared = [one for tool in tools for one in tool.get("functionDeclarations") or []]
    return Asked(
        model=model,
        streams=streams,
        tools={one["name"]: one.get("parametersJsonSchema", one.get("parameters")) for one in declared},
        prompt="\n".join(_texts(one["parts"]) for one in contents if one.get("role") == "user"),
        results=["\n".join(str(value) for value in one["response"].values()) for one in results],
        images=_count(contents, "inlineData"),
        problems=problems
        + unanswered([part["functionCall"]["name"] for part in called], [one["name"] for one in results]),
    )


def _gemini_answer(asked: Asked, parts: list[dict[str, Any]], finish: str | None) -> dict[str, Any]:
    candidate: dict[str, Any] = {"index": 0, "content": {"role": "model", "parts": parts}}
    if finish:
        candidate["finishReason"] = finish
    usage = {"promptTokenCount": 11, "candidatesTokenCount": 7, "totalTokenCount": 18}
    return {
        "candidates": [candidate],
        "usageMetadata": usage,
        "modelVersion": asked.model,
        "responseId": "scripted",
    }


def _gemini_call(turn: Turn) -> list[dict[str, Any]]:
    """The calls; of parallel ones only the first is signed."""
    parts: list[dict[str, Any]] = [
        {"functionCall": {"name": call.tool, "args": call.arguments}} for call in turn.calls
    ]
    return [
        {**part, "thoughtSignature": SIGNATURE} if place == 0 else part for place, part in enumerate(parts)
    ]


def whole_gemini(asked: Asked, turn: Turn) -> dict[str, Any]:
    text = [{"text": turn.text}] if turn.text else []
    return _gemini_answer(asked, text + _gemini_call(turn), "STOP")


def stream_gemini(asked: Asked, turn: Turn) -> Iterator[bytes]:
    for word in turn.words:
        yield _event(_gemini_answer(asked, [{"text": word}], None))
    if turn.tool:
        yield _event(_gemini_answer(asked, _gemini_call(turn), None))
    yield _event(_gemini_answer(asked, [{"text": ""}], "STOP"))
