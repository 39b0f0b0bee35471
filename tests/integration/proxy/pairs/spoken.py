"""What upstreams of the four formats say, and how to read what they were sent.

One scene (``Said``) is told in every format: whole, and as the events of a stream. Shapes: the vendors' API
references as of the SDKs that the tests use.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from providers.values import Format


@dataclass(frozen=True)
class Said:
    """An answer: text, then calls. ``stop`` is ``end``, ``calls`` or ``length``."""

    text: str = ""
    calls: tuple[tuple[str, str, dict[str, Any]], ...] = ()
    stop: str = "end"
    input: int = 9
    output: int = 5


HELLO = Said(text="Grüße, world 👋")
CALLS = Said(
    text="Let me look.",
    calls=(("call_a", "get_weather", {"city": "Paris"}), ("call_b", "get_weather", {"city": "Rome"})),
    stop="calls",
)
LENGTH = Said(text="Once upon", stop="length")

REASONS = {
    Format.OPENAI: {"end": "stop", "calls": "tool_calls", "length": "length"},
    Format.CLAUDE: {"end": "end_turn", "calls": "tool_use", "length": "max_tokens"},
    Format.GEMINI: {"end": "STOP", "calls": "STOP", "length": "MAX_TOKENS"},
}


def sse(value: Any, name: str | None = None) -> bytes:
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(value, ensure_ascii=False)}\n\n".encode()


# --- openai ------------------------------------------------------------------------------------


def _chat_usage(said: Said) -> dict[str, int]:
    return {
        "prompt_tokens": said.input,
        "completion_tokens": said.output,
        "total_tokens": said.input + said.output,
    }


def _chat_head(kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": 1_800_000_000, "model": "up"}


def openai_whole(said: Said) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": said.text or None, "refusal": None}
    if said.calls:
        message["tool_calls"] = [
            {"id": call_id, "type": "function", "function": {"name": name, "arguments": json.dumps(value)}}
            for call_id, name, value in said.calls
        ]
    finish = REASONS[Format.OPENAI][said.stop]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
    return {**_chat_head("chat.completion"), "choices": [choice], "usage": _chat_usage(said)}


def openai_stream(said: Said) -> list[bytes]:
    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return sse({**_chat_head("chat.completion.chunk"), "choices": [choice]})

    pieces = [chunk({"role": "assistant", "content": ""})]
    pieces += [chunk({"content": letter}) for letter in said.text]
    for index, (call_id, name, _) in enumerate(said.calls):
        function = {"name": name, "arguments": ""}
        pieces.append(
            chunk({"tool_calls": [{"index": index, "id": call_id, "type": "function", "function": function}]})
        )
    # The fragments of parallel calls come interleaved.
    texts = [json.dumps(value) for _, _, value in said.calls]
    for at in range(0, max(map(len, texts), default=0), 5):
        for index, text in enumerate(texts):
            if part := text[at : at + 5]:
                pieces.append(chunk({"tool_calls": [{"index": index, "function": {"arguments": part}}]}))
    pieces.append(chunk({}, REASONS[Format.OPENAI][said.stop]))
    pieces.append(sse({**_chat_head("chat.completion.chunk"), "choices": [], "usage": _chat_usage(said)}))
    return [*pieces, b"data: [DONE]\n\n"]


# --- claude ------------------------------------------------------------------------------------


def claude_whole(said: Said) -> dict[str, Any]:
    content: list[dict[str, Any]] = [{"type": "text", "text": said.text}] if said.text else []
    content += [
        {"type": "tool_use", "id": call_id, "name": name, "input": value}
        for call_id, name, value in said.calls
    ]
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "up",
        "content": content,
        "stop_reason": REASONS[Format.CLAUDE][said.stop],
        "stop_sequence": None,
        "usage": {"input_tokens": said.input, "output_tokens": said.output},
    }


def claude_stream(said: Said) -> list[bytes]:
    empty = {**claude_whole(said), "content": [], "stop_reason": None}
    empty["usage"] = {"input_tokens": said.input, "output_tokens": 1}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": empty}, {"type": "ping"}]
    blocks: list[tuple[dict[str, Any], list[dict[str, Any]]]] = []
    if said.text:
        deltas = [{"type": "text_delta", "text": letter} for letter in said.text]
        blocks.append(({"type": "text", "text": ""}, deltas))
    for call_id, name, value in said.calls:
        text = json.dumps(value)
        parts = [text[at : at + 5] for at in range(0, len(text), 5)]
        blocks.append(
            (
                {"type": "tool_use", "id": call_id, "name": name, "input": {}},
                [{"type": "input_json_delta", "partial_json": part} for part in parts],
            )
        )
    for index, (block, deltas) in enumerate(blocks):
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    delta = {"stop_reason": REASONS[Format.CLAUDE][said.stop], "stop_sequence": None}
    events.append({"type": "message_delta", "delta": delta, "usage": {"output_tokens": said.output}})
    events.append({"type": "message_stop"})
    return [sse(event, event["type"]) for event in events]


# --- gemini ------------------------------------------------------------------------------------


def _gemini_chunk(parts: list[dict[str, Any]], said: Said, finish: str | None = None) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    return {
        "candidates": [candidate],
        "usageMetadata": {
            "promptTokenCount": said.input,
            "candidatesTokenCount": said.output,
            "totalTokenCount": said.input + said.output,
        },
        "modelVersion": "up",
        "responseId": "resp-1",
    }


def _gemini_calls(said: Said) -> list[dict[str, Any]]:
    return [
        {"functionCall": {"id": call_id, "name": name, "args": value}} for call_id, name, value in said.calls
    ]


def gemini_whole(said: Said) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [{"text": said.text}] if said.text else []
    return _gemini_chunk([*parts, *_gemini_calls(said)], said, REASONS[Format.GEMINI][said.stop])


def gemini_chunks(said: Said) -> list[dict[str, Any]]:
    chunks = [_gemini_chunk([{"text": letter}], said) for letter in said.text]
    chunks += [_gemini_chunk([call], said) for call in _gemini_calls(said)]
    return [*chunks, _gemini_chunk([{"text": ""}], said, REASONS[Format.GEMINI][said.stop])]


def gemini_stream(said: Said) -> list[bytes]:
    return [sse(chunk) for chunk in gemini_chunks(said)]


# --- responses ---------------------------------------------------------------------------------


def _response(said: Said, status: str, output: list[dict[str, Any]]) -> dict[str, Any]:
    is_cut = status == "incomplete"
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_800_000_000,
        "status": status,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if is_cut else None,
        "instructions": None,
        "metadata": {},
        "model": "up",
        "output": output,
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": None
        if status == "in_progress"
        else {
            "input_tokens": said.input,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": said.output,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": said.input + said.output,
        },
    }


def _status(said: Said) -> str:
    return "incomplete" if said.stop == "length" else "completed"


def _items(said: Said) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    if said.text:
        part = {"type": "output_text", "text": said.text, "annotations": [], "logprobs": []}
        items.append(
            {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "status": _status(said),
                "content": [part],
            }
        )
    items += [
        {
            "id": f"fc_{call_id}",
            "type": "function_call",
            "status": "completed",
            "call_id": call_id,
            "name": name,
            "arguments": json.dumps(value),
        }
        for call_id, name, value in said.calls
    ]
    return items


def responses_whole(said: Said) -> dict[str, Any]:
    return _response(said, _status(said), _items(said))


def responses_stream(said: Said) -> list[bytes]:
    opening = _response(said, "in_progress", [])
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": opening},
        {"type": "response.in_progress", "response": opening},
    ]
    for index, item in enumerate(_items(said)):
        place = {"item_id": item["id"], "output_index": index}
        if item["type"] == "message":
            events += _message_events(item, place, index)
        else:
            bare = {**item, "status": "in_progress", "arguments": ""}
            events.append({"type": "response.output_item.added", "output_index": index, "item": bare})
            text = item["arguments"]
            kind = "response.function_call_arguments"
            events += [
                {"type": f"{kind}.delta", **place, "delta": text[at : at + 5]}
                for at in range(0, len(text), 5)
            ]
            events.append({"type": f"{kind}.done", **place, "arguments": text, "name": item["name"]})
        events.append({"type": "response.output_item.done", "output_index": index, "item": item})
    last = responses_whole(said)
    events.append({"type": f"response.{last['status']}", "response": last})
    return [sse({**event, "sequence_number": at}, event["type"]) for at, event in enumerate(events)]


def _message_events(item: dict[str, Any], place: dict[str, Any], index: int) -> list[dict[str, Any]]:
    part = item["content"][0]
    bare = {**item, "status": "in_progress", "content": []}
    where = {**place, "content_index": 0}
    return [
        {"type": "response.output_item.added", "output_index": index, "item": bare},
        {"type": "response.content_part.added", **where, "part": {**part, "text": ""}},
        *(
            {"type": "response.output_text.delta", **where, "delta": letter, "logprobs": []}
            for letter in part["text"]
        ),
        {"type": "response.output_text.done", **where, "text": part["text"], "logprobs": []},
        {"type": "response.content_part.done", **where, "part": part},
    ]


WHOLE: dict[Format, Callable[[Said], dict[str, Any]]] = {
    Format.OPENAI: openai_whole,
    Format.RESPONSES: responses_whole,
    Format.CLAUDE: claude_whole,
    Format.GEMINI: gemini_whole,
}
STREAM: dict[Format, Callable[[Said], list[bytes]]] = {
    Format.OPENAI: openai_stream,
    Format.RESPONSES: responses_stream,
    Format.CLAUDE: claude_stream,
    Format.GEMINI: gemini_stream,
}

# --- errors ------------------------------------------------------------------------------------


def refusal(format_: Format, status: int, message: str) -> dict[str, Any]:
    """The body of a refused request."""
    if format_ is Format.CLAUDE:
        kind = {400: "invalid_request_error", 429: "rate_limit_error", 529: "overloaded_error"}[status]
        return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}
    if format_ is Format.GEMINI:
        kind = {400: "INVALID_ARGUMENT", 429: "RESOURCE_EXHAUSTED"}.get(status, "UNAVAILABLE")
        return {"error": {"code": status, "message": message, "status": kind}}
    kind = {400: "invalid_request_error", 429: "rate_limit_error"}.get(status, "server_error")
    return {"error": {"message": message, "type": kind, "param": None, "code": None}}


def stream_error(format_: Format, message: str) -> bytes:
    """An error inside a stream, as each vendor tells it."""
    if format_ is Format.CLAUDE:
        error = {"type": "error", "error": {"type": "overloaded_error", "message": message}}
        return sse(error, "error")
    if format_ is Format.GEMINI:
        return sse({"error": {"code": 503, "message": message, "status": "UNAVAILABLE"}})
    if format_ is Format.RESPONSES:
        flat = {"type": "error", "code": "server_error", "message": message, "param": None}
        return sse({**flat, "sequence_number": 9}, "error")
    return sse({"error": {"message": message, "type": "server_error", "code": None, "param": None}})


# --- reading requests --------------------------------------------------------------------------


@dataclass(frozen=True)
class Sent:
    """What an upstream was asked, whatever the format."""

    model: str
    stream: bool
    texts: list[str]
    images: list[str]
    tools: list[str]
    calls: list[tuple[str, dict[str, Any]]]
    results: list[str]
    pairs: list[tuple[str, str]]
    """(id of the call, id of the result), in order of the results."""


def read_sent(format_: Format, path: str, body: dict[str, Any]) -> Sent:
    return _READERS[format_](path, body)


def lists() -> tuple[list[Any], ...]:
    return [], [], [], [], [], []


def _read_openai(path: str, body: dict[str, Any]) -> Sent:
    texts, images, calls, results, ids, answered = lists()
    for message in body["messages"]:
        content = message.get("content")
        if message["role"] == "tool":
            results.append(content if isinstance(content, str) else "".join(p["text"] for p in content))
            answered.append(message["tool_call_id"])
            continue
        parts: list[Any] = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
        for part in parts:
            if part["type"] == "text":
                texts.append(part["text"])
            else:
                images.append(part["image_url"]["url"].partition("base64,")[2])
        for call in message.get("tool_calls") or []:
            calls.append((call["function"]["name"], json.loads(call["function"]["arguments"])))
            ids.append(call["id"])
    tools = [tool["function"]["name"] for tool in body.get("tools", [])]
    streams = body.get("stream", False)
    return Sent(body["model"], streams, texts, images, tools, calls, results, paired(ids, answered))


def _read_responses(path: str, body: dict[str, Any]) -> Sent:
    texts, images, calls, results, ids, answered = lists()
    if body.get("instructions"):
        texts.append(body["instructions"])
    items = body["input"]
    listed: list[Any] = [{"role": "user", "content": items}] if isinstance(items, str) else items
    for item in listed:
        kind = item.get("type", "message")
        if kind == "function_call":
            calls.append((item["name"], json.loads(item["arguments"])))
            ids.append(item["call_id"])
        elif kind == "function_call_output":
            output = item["output"]
            results.append(output if isinstance(output, str) else "".join(part["text"] for part in output))
            answered.append(item["call_id"])
        elif kind == "message":
            content = item["content"]
            for part in [{"type": "input_text", "text": content}] if isinstance(content, str) else content:
                if part["type"] == "input_image":
                    images.append(part["image_url"].partition("base64,")[2])
                else:
                    texts.append(part["text"])
    tools = [tool["name"] for tool in body.get("tools", [])]
    streams = body.get("stream", False)
    return Sent(body["model"], streams, texts, images, tools, calls, results, paired(ids, answered))


def _read_claude(path: str, body: dict[str, Any]) -> Sent:
    texts, images, calls, results, ids, answered = lists()
    system = body.get("system") or []
    texts += [system] if isinstance(system, str) else [block["text"] for block in system]
    for message in body["messages"]:
        content = message["content"]
        blocks: list[Any] = [{"type": "text", "text": content}] if isinstance(content, str) else content
        for block in blocks:
            match block["type"]:
                case "text":
                    texts.append(block["text"])
                case "image":
                    images.append(block["source"]["data"])
                case "tool_use":
                    calls.append((block["name"], block["input"]))
                    ids.append(block["id"])
                case "tool_result":
                    value = block["content"]
                    results.append(value if isinstance(value, str) else "".join(p["text"] for p in value))
                    answered.append(block["tool_use_id"])
    tools = [tool["name"] for tool in body.get("tools", [])]
    streams = body.get("stream", False)
    return Sent(body["model"], streams, texts, images, tools, calls, results, paired(ids, answered))


def _read_gemini(path: str, body: dict[str, Any]) -> Sent:
    texts, images, calls, results, ids, answered = lists()
    if system := body.get("systemInstruction"):
        texts += [part["text"] for part in system["parts"]]
    for content in body["contents"]:
        for part in content["parts"]:
            if "functionCall" in part:
                calls.append((part["functionCall"]["name"], part["functionCall"].get("args", {})))
                ids.append(part["functionCall"].get("id") or part["functionCall"]["name"])
            elif "functionResponse" in part:
                response = part["functionResponse"]["response"]
                results.append(str(next(iter(response.values()))))
                answered.append(part["functionResponse"].get("id") or part["functionResponse"]["name"])
            elif "inlineData" in part:
                # Google's SDK writes the URL-safe alphabet, which its service takes too.
                images.append(part["inlineData"]["data"].replace("-", "+").replace("_", "/"))
            else:
                texts.append(part["text"])
    tools = [
        declared["name"]
        for tool in body.get("tools", [])
        for declared in tool.get("functionDeclarations") or tool.get("function_declarations") or []
    ]
    model, _, action = path.rpartition("/")[2].partition(":")
    streams = action.startswith("stream")
    return Sent(model, streams, texts, images, tools, calls, results, paired(ids, answered))


def paired(ids: list[str], answered: list[str]) -> list[tuple[str, str]]:
    return list(zip(ids, answered, strict=True))


_READERS: dict[Format, Callable[[str, dict[str, Any]], Sent]] = {
    Format.OPENAI: _read_openai,
    Format.RESPONSES: _read_responses,
    Format.CLAUDE: _read_claude,
    Format.GEMINI: _read_gemini,
}
