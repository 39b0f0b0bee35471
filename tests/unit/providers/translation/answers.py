"""Answers of the four vendors, each as it comes whole and as it comes in a stream: (events, body) by name."""

from __future__ import annotations

import json
from typing import Any

from providers.values import Format

Json = dict[str, Any]
Answer = tuple[bytes, Json]
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
WORDS = 'Grüße 🙂 "x" \\ </b>'
BIG = '{"n":12345678901234567890}'


def sse(*values: Json, named: bool = False, done: bool = False) -> bytes:
    texts = [
        (f"event: {value['type']}\n" if named else "") + f"data: {json.dumps(value, ensure_ascii=False)}\n\n"
        for value in values
    ]
    return ("".join(texts) + ("data: [DONE]\n\n" if done else "")).encode()


def halves(text: str) -> list[str]:
    return [text[: len(text) // 2], text[len(text) // 2 :]]


# --- OpenAI, Chat Completions ----------------------------------------------------------------------

CHAT_USAGE = {
    "prompt_tokens": 100,
    "completion_tokens": 50,
    "total_tokens": 150,
    "prompt_tokens_details": {"cached_tokens": 30, "cache_write_tokens": 10},
    "completion_tokens_details": {"reasoning_tokens": 20},
}
CHAT_HEAD = {"id": "chatcmpl-1", "created": 1_700_000_000, "model": "up", "service_tier": "priority"}
TOKENS = [
    {
        "token": "a",
        "logprob": -0.1,
        "bytes": [97],
        "top_logprobs": [{"token": "a", "logprob": -0.1, "bytes": [97]}],
    }
]


def chat(finish: str, *deltas: Json, logprobs: Any = None, **message: Any) -> Answer:
    def chunk(delta: Json, reason: str | None = None, tokens: Any = None) -> Json:
        choice = {"index": 0, "delta": delta, "finish_reason": reason, "logprobs": tokens}
        return {**CHAT_HEAD, "object": "chat.completion.chunk", "choices": [choice]}

    last = {**CHAT_HEAD, "object": "chat.completion.chunk", "choices": [], "usage": CHAT_USAGE}
    first = (
        chunk({"role": "assistant", **deltas[0]}, tokens=logprobs) if deltas else chunk({"role": "assistant"})
    )
    frames = [first, *map(chunk, deltas[1:]), chunk({}, finish), last]
    said = {"role": "assistant", "content": None, "refusal": None, **message}
    choice = {"index": 0, "message": said, "finish_reason": finish, "logprobs": logprobs}
    body = {**CHAT_HEAD, "object": "chat.completion", "choices": [choice], "usage": CHAT_USAGE}
    return sse(*frames, done=True), body


def fragment(index: int, text: str, **head: Any) -> Json:
    name = {"name": head.pop("name")} if "name" in head else {}
    return {"tool_calls": [{"index": index, **head, "function": {**name, "arguments": text}}]}


def chat_call(call_id: str, name: str, text: str) -> Json:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": text}}


CITED = {
    "type": "url_citation",
    "url_citation": {"start_index": 0, "end_index": 3, "title": "T", "url": "https://e.x"},
}
IMAGE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}, "index": 0}
CHAT = {
    "text": chat("stop", *({"content": half} for half in halves(WORDS)), content=WORDS),
    "thought": chat(
        "stop", {"reasoning_content": "Hm"}, {"content": "Yes"}, content="Yes", reasoning_content="Hm"
    ),
    "calls": chat(
        "tool_calls",
        {"content": "On it"},
        fragment(0, "", id="a", type="function", name="f"),
        fragment(1, "", id="b", type="function", name="g"),
        fragment(1, BIG[:5]),
        fragment(0, "{}"),
        fragment(1, BIG[5:]),
        content="On it",
        tool_calls=[chat_call("a", "f", "{}"), chat_call("b", "g", BIG)],
    ),
    "empty": chat(
        "stop", fragment(0, "", id="a", type="function", name="f"), tool_calls=[chat_call("a", "f", "")]
    ),
    "refusal": chat("stop", {"refusal": "I can"}, {"refusal": "not"}, refusal="I cannot"),
    "filter": chat("content_filter"),
    "length": chat("length", {"content": "Par"}, content="Par"),
    "logprobs": chat("stop", {"content": "a"}, logprobs={"content": TOKENS, "refusal": None}, content="a"),
    "cited": chat("stop", {"content": "abc"}, {"annotations": [CITED]}, content="abc", annotations=[CITED]),
    "image": chat("stop", {"content": "See"}, {"images": [IMAGE]}, content="See", images=[IMAGE]),
    "nothing": chat("stop", content=""),
}


# --- Anthropic, Messages ---------------------------------------------------------------------------

CLAUDE_USAGE = {
    "input_tokens": 60,
    "cache_read_input_tokens": 30,
    "cache_creation_input_tokens": 10,
    "output_tokens": 1,
}
CLAUDE_LAST = {"output_tokens": 50, "output_tokens_details": {"thinking_tokens": 20}}


def message(stop: str, *blocks: Json, **more: Any) -> Answer:
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "up", "stop_sequence": None}
    started: Json = {**head, "content": [], "stop_reason": None, "usage": CLAUDE_USAGE}
    frames: list[Json] = [{"type": "message_start", "message": started}, {"type": "ping"}]
    for index, block in enumerate(blocks):
        empty, deltas = block_deltas(block)
        frames.append({"type": "content_block_start", "index": index, "content_block": empty})
        frames += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        frames.append({"type": "content_block_stop", "index": index})
    delta = {"stop_reason": stop, "stop_sequence": None, **more}
    frames += [{"type": "message_delta", "delta": delta, "usage": CLAUDE_LAST}, {"type": "message_stop"}]
    body = {**head, "content": list(blocks), "usage": {**CLAUDE_USAGE, **CLAUDE_LAST}, **delta}
    return sse(*frames, named=True), body


def block_deltas(block: Json) -> tuple[Json, list[Json]]:
    """A block as it starts, and what its deltas bring."""
    if block["type"] == "text":
        cited = [{"type": "citations_delta", "citation": one} for one in block.get("citations", [])]
        texts = [{"type": "text_delta", "text": half} for half in halves(block["text"])]
        return {"type": "text", "text": ""}, [*texts, *cited]
    if block["type"] == "thinking":
        deltas = [{"type": "thinking_delta", "thinking": half} for half in halves(block["thinking"])]
        signed = {"type": "signature_delta", "signature": block["signature"]}
        return {"type": "thinking", "thinking": "", "signature": ""}, [*deltas, signed]
    if block["type"] in ("tool_use", "server_tool_use"):
        text = json.dumps(block["input"], separators=(",", ":"), ensure_ascii=False) if block["input"] else ""
        return {**block, "input": {}}, [
            {"type": "input_json_delta", "partial_json": half} for half in halves(text)
        ]
    return block, []


def use(identity: str, name: str, value: Json, kind: str = "tool_use") -> Json:
    return {"type": kind, "id": identity, "name": name, "input": value}


def text(words: str, **more: Any) -> Json:
    return {"type": "text", "text": words, **more}


THOUGHT = {"type": "thinking", "thinking": "Hm é", "signature": "Ab+/=="}
FOUND = {
    "type": "web_search_result",
    "url": "https://e.x",
    "title": "T",
    "encrypted_content": "E=",
    "page_age": None,
}
LOCATION = {
    "type": "web_search_result_location",
    "url": "https://e.x",
    "title": "T",
    "cited_text": "c",
    "encrypted_index": "I=",
}
RAN = {"type": "code_execution_result", "stdout": "1\n", "stderr": "", "return_code": 0, "content": []}
CLAUDE = {
    "text": message("end_turn", text(WORDS)),
    "thought": message("end_turn", {"type": "redacted_thinking", "data": "Enc+/="}, THOUGHT, text("Yes")),
    "calls": message(
        "tool_use", THOUGHT, text("On it"), use("toolu_a", "f", {}), use("toolu_b", "g", {"é": [1, 2**64]})
    ),
    "between": message(
        "tool_use", use("toolu_a", "f", {"a": 1}), THOUGHT, use("toolu_b", "g", {}), text("after")
    ),
    "search": message(
        "end_turn",
        use("srvtoolu_1", "web_search", {"query": "q"}, "server_tool_use"),
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [FOUND]},
        text("Answer: "),
        text("cited", citations=[LOCATION]),
    ),
    "code": message(
        "end_turn",
        use("srvtoolu_1", "code_execution", {"code": "print(1)"}, "server_tool_use"),
        {"type": "code_execution_tool_result", "tool_use_id": "srvtoolu_1", "content": RAN},
        text("1"),
    ),
    "refusal": message(
        "refusal", text("Par"), stop_details={"type": "refusal", "category": None, "explanation": "No."}
    ),
    "blocked": message("refusal"),
    "length": message("max_tokens", text("Par")),
    "window": message("model_context_window_exceeded", text("Par")),
    "pause": message("pause_turn", text("Par")),
    "nothing": message("end_turn"),
}


# --- Google, generateContent -----------------------------------------------------------------------

GEMINI_USAGE = {
    "promptTokenCount": 90,
    "cachedContentTokenCount": 30,
    "candidatesTokenCount": 30,
    "thoughtsTokenCount": 20,
    "toolUsePromptTokenCount": 10,
    "totalTokenCount": 150,
}
SIGNED = {"thoughtSignature": "U2lnbmVkIQ=="}


def generated(reason: str, *chunks: list[Json], whole: list[Json] | None = None, **more: Any) -> Answer:
    """``whole``: the parts of the whole answer where texts of several chunks are one."""
    head = {"modelVersion": "up", "responseId": "r1"}
    frames: list[Json] = []
    for number, parts in enumerate(chunks or ([],)):
        candidate: Json = {"index": 0, **({"content": {"role": "model", "parts": parts}} if parts else {})}
        if number == max(len(chunks), 1) - 1:
            candidate |= {"finishReason": reason, **more}
        frames.append({"candidates": [candidate], "usageMetadata": GEMINI_USAGE, **head})
    parts = whole if whole is not None else [part for chunk in chunks for part in chunk]
    content = {"content": {"role": "model", "parts": parts}} if parts else {}
    candidate = {"index": 0, "finishReason": reason, **content, **more}
    return sse(*frames), {"candidates": [candidate], "usageMetadata": GEMINI_USAGE, **head}


BLOCKED = {
    "promptFeedback": {"blockReason": "SAFETY"},
    "usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 9},
    "modelVersion": "up",
    "responseId": "r1",
}
SUPPORT = {"segment": {"startIndex": 0, "endIndex": 7, "text": "Grüße"}, "groundingChunkIndices": [0]}
GROUNDING = {
    "groundingChunks": [{"web": {"uri": "https://e.x", "title": "T"}}],
    "groundingSupports": [SUPPORT],
}
GEMINI = {
    "text": generated("STOP", *([{"text": half}] for half in halves(WORDS)), whole=[{"text": WORDS}]),
    "thought": generated(
        "STOP",
        [{"text": "Hm", "thought": True}],
        [{"text": "Yes"}],
        [{"text": "", **SIGNED}],
        whole=[{"text": "Hm", "thought": True}, {"text": "Yes", **SIGNED}],
    ),
    "calls": generated(
        "STOP",
        [{"functionCall": {"name": "f", "args": {"é": [2**64]}}, **SIGNED}],
        [{"functionCall": {"name": "f", "args": {}}}, {"functionCall": {"id": "x", "name": "g"}}],
    ),
    "grounded": generated("STOP", [{"text": WORDS}], groundingMetadata=GROUNDING),
    "code": generated(
        "STOP",
        [{"executableCode": {"language": "PYTHON", "code": "print(1)"}}],
        [{"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1\n"}}, {"text": "1"}],
    ),
    "image": generated(
        "STOP", [{"text": "See"}], [{"inlineData": {"mimeType": "image/png", "data": PNG}}], [{"text": "it"}]
    ),
    "file": generated("STOP", [{"fileData": {"mimeType": "video/mp4", "fileUri": "https://e.x/v.mp4"}}]),
    "safety": generated("SAFETY", [{"text": "Par"}]),
    "blocked": generated("PROHIBITED_CONTENT", finishMessage="No."),
    "prompt": (sse(BLOCKED), BLOCKED),
    "length": generated("MAX_TOKENS"),
    "nothing": generated("STOP"),
    "malformed": generated("MALFORMED_FUNCTION_CALL", finishMessage="x"),
}


# --- OpenAI, Responses -----------------------------------------------------------------------------

RESPONSES_USAGE = {
    "input_tokens": 100,
    "input_tokens_details": {"cached_tokens": 30, "cache_write_tokens": 10},
    "output_tokens": 50,
    "output_tokens_details": {"reasoning_tokens": 20},
    "total_tokens": 150,
}
RESPONSES_HEAD = {
    "id": "resp_1", "object": "response", "created_at": 1_700_000_000, "model": "up", "tools": [],
    "tool_choice": "auto", "parallel_tool_calls": True, "service_tier": "priority", "error": None,
}  # fmt: skip
CALL_KEYS = {
    "function_call": ("arguments", "function_call_arguments"),
    "custom_tool_call": ("input", "custom_tool_call_input"),
}


def response(*items: Json, status: str = "completed", reason: str | None = None) -> Answer:
    opening = {
        **RESPONSES_HEAD,
        "status": "in_progress",
        "output": [],
        "usage": None,
        "incomplete_details": None,
    }
    frames: list[Json] = [
        {"type": f"response.{kind}", "response": opening} for kind in ("created", "in_progress")
    ]
    for index, item in enumerate(items):
        frames += item_events(item, index)
    details = {"reason": reason} if reason else None
    ending = {
        "status": status,
        "output": list(items),
        "usage": RESPONSES_USAGE,
        "incomplete_details": details,
    }
    body = {**RESPONSES_HEAD, **ending}
    frames.append({"type": f"response.{status}", "response": body})
    return sse(*({**one, "sequence_number": n} for n, one in enumerate(frames)), named=True), body


def item_events(item: Json, index: int) -> list[Json]:
    address = {"item_id": item["id"], "output_index": index}
    skeleton, events = dict(item), []
    if item["type"] == "message":
        skeleton["content"] = []
        for place, part in enumerate(item["content"]):
            events += content_events(part, {**address, "content_index": place})
    elif item["type"] == "reasoning":
        skeleton["summary"] = []
        for place, part in enumerate(item["summary"]):
            said = {**address, "summary_index": place}
            events.append(
                {"type": "response.reasoning_summary_part.added", **said, "part": {**part, "text": ""}}
            )
            events.append({"type": "response.reasoning_summary_text.delta", **said, "delta": part["text"]})
            events.append({"type": "response.reasoning_summary_text.done", **said, "text": part["text"]})
    elif item["type"] in CALL_KEYS:
        key, kind = CALL_KEYS[item["type"]]
        skeleton[key] = ""
        events += [{"type": f"response.{kind}.delta", **address, "delta": half} for half in halves(item[key])]
        events.append({"type": f"response.{kind}.done", **address, key: item[key]})
    ends = [{"type": f"response.output_item.{end}", "output_index": index, "item": block}
            for end, block in (("added", skeleton), ("done", item))]  # fmt: skip
    return [ends[0], *events, ends[1]]


def content_events(part: Json, address: Json) -> list[Json]:
    kind, key = ("output_text", "text") if part["type"] == "output_text" else ("refusal", "refusal")
    begun = {**part, key: "", **({"annotations": []} if kind == "output_text" else {})}
    events: list[Json] = [{"type": "response.content_part.added", **address, "part": begun}]
    for number, half in enumerate(halves(part[key])):
        tokens = {"logprobs": part["logprobs"] if number else []} if kind == "output_text" else {}
        events.append({"type": f"response.{kind}.delta", **address, "delta": half, **tokens})
    for number, annotation in enumerate(part.get("annotations", [])):
        said = {"annotation_index": number, "annotation": annotation}
        events.append({"type": "response.output_text.annotation.added", **address, **said})
    events.append({"type": f"response.{kind}.done", **address, key: part[key]})
    return [*events, {"type": "response.content_part.done", **address, "part": part}]


def said(words: str, *annotations: Json, logprobs: Any = ()) -> Json:
    return {
        "type": "output_text",
        "text": words,
        "annotations": list(annotations),
        "logprobs": list(logprobs),
    }


def item(*content: Json, status: str = "completed") -> Json:
    return {"id": "msg_1", "type": "message", "role": "assistant", "status": status, "content": list(content)}


def thought(identity: str, *texts: str, state: str) -> Json:
    summary = [{"type": "summary_text", "text": one} for one in texts]
    return {"id": identity, "type": "reasoning", "summary": summary, "encrypted_content": state}


def called(identity: str, name: str, arguments: str) -> Json:
    head = {"id": f"fc_{identity}", "type": "function_call", "call_id": identity, "status": "completed"}
    return {**head, "name": name, "arguments": arguments}


URL = {"type": "url_citation", "start_index": 0, "end_index": 3, "title": "T", "url": "https://e.x"}
SEARCHED = {"type": "search", "query": "q", "sources": [{"type": "url", "url": "https://e.x"}]}
LOGS = {"code": "print(1)", "container_id": "c", "outputs": [{"type": "logs", "logs": "1\n"}]}
RESPONSES = {
    "text": response(item(said(WORDS))),
    "thought": response(thought("rs_1", "First.", "Second.", state="gAA-_="), item(said("Yes"))),
    "state": response(thought("rs_1", state="gAA-_="), item(said("Yes"))),
    "calls": response(
        thought("rs_1", "S", state="g1"), item(said("On it")), called("a", "f", ""), called("b", "g", BIG)
    ),
    "between": response(called("a", "f", "{}"), thought("rs_1", "S", state="g1"), called("b", "g", BIG)),
    "texts": response(item(said("One"), said("Two"))),
    "refusal": response(item(said("Well"), {"type": "refusal", "refusal": "I cannot"})),
    "cited": response(
        {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": SEARCHED},
        item(said("abc", URL)),
    ),
    "code": response(
        {"id": "ci_1", "type": "code_interpreter_call", "status": "completed", **LOGS}, item(said("1"))
    ),
    "image": response(
        {
            "id": "ig_1",
            "type": "image_generation_call",
            "status": "completed",
            "result": PNG,
            "output_format": "png",
        }
    ),
    "length": response(
        item(said("Par"), status="incomplete"), status="incomplete", reason="max_output_tokens"
    ),
    "filter": response(item(said("Par")), status="incomplete", reason="content_filter"),
    "logprobs": response(item(said("a", logprobs=TOKENS))),
    "nothing": response(),
}

ANSWERS: dict[Format, dict[str, Answer]] = {
    Format.OPENAI: CHAT,
    Format.RESPONSES: RESPONSES,
    Format.CLAUDE: CLAUDE,
    Format.GEMINI: GEMINI,
}
CASES = [(source, name) for source, answers in ANSWERS.items() for name in answers]
