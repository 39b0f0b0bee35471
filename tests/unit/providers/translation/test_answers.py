"""Rich answers over all sixteen pairs: every event is what the vendor's types say, and the SDK's accumulator
makes of the stream what the whole answer says, be it streamed, told in one piece or collected."""

from __future__ import annotations

import json
from typing import Any

import pytest
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message, RawMessageStreamEvent
from google.genai.types import GenerateContentResponse
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response as OpenAIResponse
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from providers.errors import UpstreamProtocolError
from providers.translation.accumulate import Accumulator
from providers.translation.codec import AnswerContext
from providers.translation.model import End, Event
from providers.translation.names import IDENTITY
from providers.translation.registry import CODECS
from providers.translation.sse import SseReader
from providers.translation.unfold import events_of
from providers.values import Format
from tests.unit.providers.translation.answers import ANSWERS, CASES

OPENAI, RESPONSES, CLAUDE, GEMINI = Format.OPENAI, Format.RESPONSES, Format.CLAUDE, Format.GEMINI
BODIES: dict[Format, dict[str, Any]] = {
    OPENAI: {"model": "m", "messages": [{"role": "user", "content": "Hi"}]},
    RESPONSES: {"model": "m", "input": "Hi"},
    CLAUDE: {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]},
    GEMINI: {
        "model": "m",
        "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
        "generationConfig": {"thinkingConfig": {"includeThoughts": True}},
    },
}
CONTEXTS = {
    client: AnswerContext(
        model="route",
        now=7,
        seed="ab",
        names=IDENTITY,
        stream=True,
        request=CODECS[client].decode_request(body),
    )
    for client, body in BODIES.items()
}
TYPES: dict[Format, Any] = {
    OPENAI: ChatCompletion,
    RESPONSES: OpenAIResponse,
    CLAUDE: Message,
    GEMINI: GenerateContentResponse,
}
CLAUDE_EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
RESPONSES_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def decoded(source: Format, stream: bytes, context: AnswerContext, size: int) -> list[Event]:
    reader, decoder = SseReader(), CODECS[source].stream_decoder(context)
    frames = [frame for at in range(0, len(stream), size) for frame in reader.feed(stream[at : at + size])]
    events = [event for frame in (*frames, *reader.close()) for event in decoder.feed(frame)]
    return events if events and isinstance(events[-1], End) else events + decoder.close()


def heard(client: Format, events: list[Event], context: AnswerContext) -> Any:
    """What the client's SDK makes of the stream; each event is checked on the way."""
    encoder, reader = CODECS[client].stream_encoder(context), SseReader()
    frames = reader.feed(b"".join(encoder.encode(event) for event in events))
    assert not reader.close()
    if client is OPENAI:
        assert [frame.data for frame in frames].index("[DONE]") == len(frames) - 1
        state = ChatCompletionStreamState()
        for frame in frames[:-1]:
            state.handle_chunk(ChatCompletionChunk.model_validate_json(frame.data))
        return state.current_completion_snapshot.to_dict()
    values = [json.loads(frame.data) for frame in frames]
    if client is GEMINI:
        return merged_chunks(values)
    assert [frame.name for frame in frames] == [value["type"] for value in values]
    if client is RESPONSES:
        assert [value["sequence_number"] for value in values] == list(range(len(values)))
        for value in values:
            RESPONSES_EVENT.validate_python(value)
        return values[-1]["response"]
    snapshot: Any = None
    buffers: dict[int, bytes] = {}
    for value in values:
        if value["type"] != "ping":
            event = CLAUDE_EVENT.validate_python(value)
            snapshot = accumulate_event(event=event, current_snapshot=snapshot, json_bufs=buffers)
    assert snapshot is not None
    assert values[-1]["type"] == "message_stop"
    return snapshot.to_dict()


def merged_chunks(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    """The SDK has no accumulator: parts in a row, the last word of all else."""
    whole: dict[str, Any] = {"candidates": [{"content": {"role": "model", "parts": []}}]}
    for chunk in chunks:
        GenerateContentResponse.model_validate(chunk)
        (candidate,) = chunk.pop("candidates")
        content = candidate.pop("content")
        whole["candidates"][0]["content"]["parts"] += content["parts"]
        whole["candidates"][0] |= candidate
        whole |= chunk
    return whole


def essence(client: Format, answer: Any) -> Any:
    """What two forms of one answer share: nulls, empty texts and how texts were split do not count."""
    if client is OPENAI:
        choices = [{**choice, "message": known(choice["message"])} for choice in answer["choices"]]
        return [known(choice) for choice in choices], answer.get("usage"), answer.get("service_tier")
    if client is RESPONSES:
        return [answer[name] for name in ("status", "output", "usage", "incomplete_details", "service_tier")]
    if client is CLAUDE:
        names = ("content", "stop_reason", "stop_sequence", "stop_details", "usage")
        return known({name: answer.get(name) for name in names})
    candidate: Any = answer["candidates"][0] if "candidates" in answer else {"finishReason": "SAFETY"}
    parts = candidate.get("content", {}).get("parts", [])
    rest = {name: value for name, value in candidate.items() if name != "content"}
    return joined_parts(parts), rest | {"index": 0}, answer["usageMetadata"]


def known(value: Any) -> Any:
    if isinstance(value, dict):
        dropped = ("index", "parsed", "parsed_arguments", "parsed_output", "category")
        return {
            name: known(one) for name, one in value.items() if one not in (None, []) and name not in dropped
        }
    return [known(one) for one in value] if isinstance(value, list) else value


def joined_parts(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    for part in parts:
        last = out[-1] if out else {}
        is_text = "text" in part and "text" in last and "thoughtSignature" not in last
        if is_text and part.get("thought") == last.get("thought"):
            out[-1] = {**last, **part, "text": last["text"] + part["text"]}
        elif part != {"text": ""}:
            out.append(part)
    return out


@pytest.mark.parametrize("client", CODECS, ids=lambda client: f"to-{client}")
@pytest.mark.parametrize(("source", "name"), CASES, ids=lambda value: str(value))
def test_a_stream_says_what_the_whole_answer_says(source, name, client):
    stream, body = ANSWERS[source][name]
    context = CONTEXTS[client]
    answer = CODECS[source].decode_response(body, context)
    if name == "malformed" and client is not GEMINI:
        with pytest.raises(UpstreamProtocolError, match="without an answer"):
            CODECS[client].encode_response(answer, context)
        return
    whole = CODECS[client].encode_response(answer, context)
    TYPES[client].model_validate(whole)
    events = decoded(source, stream, context, len(stream))
    assert decoded(source, stream, context, 1) == events
    assert decoded(source, stream.replace(b"\n", b"\r\n"), context, 7) == events
    expected = essence(client, whole)
    assert essence(client, heard(client, events, context)) == expected
    assert essence(client, heard(client, list(events_of(answer)), context)) == expected
    collected = Accumulator()
    for event in events:
        collected.add(event)
    assert essence(client, CODECS[client].encode_response(collected.response(context), context)) == expected
