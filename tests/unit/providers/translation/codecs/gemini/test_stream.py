"""Streams: each is fed whole, byte by byte and cut at every event, and agrees with the whole answer."""

import json

import pytest
from google.genai import types

from providers.errors import UpstreamProtocolError
from providers.translation.accumulate import Accumulator
from providers.translation.codecs.gemini.codec import CODEC
from providers.translation.model import (
    ArgumentsDelta,
    Candidate,
    CitationDelta,
    End,
    ErrorInfo,
    Heartbeat,
    Media,
    PartStart,
    PartStop,
    Reasoning,
    ReasoningConfig,
    ReasoningDelta,
    Response,
    Signature,
    SignatureDelta,
    Start,
    Stop,
    StopKind,
    Stopped,
    StreamError,
    Text,
    TextDelta,
    ToolCall,
    Unknown,
    UnknownEvent,
    Usage,
    UsageUpdate,
)
from providers.translation.sse import SseEvent, SseReader
from providers.values import Format
from tests.unit.providers.translation.codecs.gemini.made import call, context, request

GOOGLES = Signature("c2ln", Format.GEMINI)


def chunk(*parts, index=None, **fields):
    """One chunk of the upstream. Fields of the candidate are those that Google puts there."""
    inner = ("finishReason", "finishMessage", "groundingMetadata", "logprobsResult")
    candidate = {name: fields.pop(name) for name in inner if name in fields}
    if parts:
        candidate["content"] = {"role": "model", "parts": list(parts)}
    if index is not None:
        candidate["index"] = index
    made = {"candidates": [candidate], "modelVersion": "gemini-x", "responseId": "r1", **fields}
    types.GenerateContentResponse.model_validate(made)
    return made


def thought(text, **fields):
    return {"text": text, "thought": True, **fields}


def counts(prompt, answer=None, thoughts=None):
    named = {
        "promptTokenCount": prompt,
        "candidatesTokenCount": answer,
        "thoughtsTokenCount": thoughts,
        "totalTokenCount": prompt + (answer or 0) + (thoughts or 0),
    }
    return {"usageMetadata": {name: value for name, value in named.items() if value is not None}}


def function(name, **args):
    return {"functionCall": {"name": name, "args": args}}


def whole(*parts, finishReason="STOP", usage=None, **fields):
    return chunk(*parts, finishReason=finishReason, **(usage or {}), **fields)


GROUNDING = {
    "groundingChunks": [{"web": {"uri": "https://a.example", "title": "A"}}],
    "groundingSupports": [{"segment": {"startIndex": 12, "endIndex": 18}, "groundingChunkIndices": [0]}],
}
TOKENS = [{"token": "a", "logProbability": -0.5}, {"token": "b", "logProbability": -1.0}]

STREAMS = {
    "text": (
        [
            chunk({"text": "Grü"}),
            chunk({"text": "ße\u2028 🌍"}),
            chunk({"text": ""}, finishReason="STOP", **counts(3, 4)),
        ],
        whole({"text": "Grüße\u2028 🌍"}, usage=counts(3, 4)),
    ),
    "thoughts": (
        [
            chunk(thought("h"), **counts(3, thoughts=5)),
            chunk(thought("m"), {"text": "Yes"}, **counts(3, 1, 7)),
            chunk(
                {"text": "."},
                finishReason="STOP",
                usageMetadata={"candidatesTokenCount": 2, "totalTokenCount": 12},
            ),
        ],
        whole(thought("hm"), {"text": "Yes."}, usage=counts(3, 2, 7)),
    ),
    "a signature at the end": (
        [chunk({"text": "Yes"}), chunk({"text": "", "thoughtSignature": "c2ln"}, finishReason="STOP")],
        whole({"text": "Yes", "thoughtSignature": "c2ln"}),
    ),
    "a signature without a text": (
        [
            chunk(function("f"), {"text": "", "thoughtSignature": "c2ln"}),
            chunk({"text": "x"}, finishReason="STOP"),
        ],
        whole(function("f"), {"text": "", "thoughtSignature": "c2ln"}, {"text": "x"}),
    ),
    "parallel calls in one chunk and the next": (
        [
            chunk({"text": "Sure"}),
            chunk({**function("f", n=1), "thoughtSignature": "c2ln"}, function("f", n=1)),
            chunk(function("g")),
            chunk(finishReason="STOP", **counts(3, 4)),
        ],
        whole(
            {"text": "Sure"},
            {**function("f", n=1), "thoughtSignature": "c2ln"},
            function("f", n=1),
            function("g"),
            usage=counts(3, 4),
        ),
    ),
    "a call after its reason": (
        [chunk(finishReason="STOP"), chunk({"functionCall": {"id": "x", "name": "f"}}, finishReason="STOP")],
        whole({"functionCall": {"id": "x", "name": "f"}}),
    ),
    "STOP in every chunk": (
        [chunk({"text": "a"}, finishReason="STOP"), chunk({"text": "b"}, finishReason="STOP")],
        whole({"text": "ab"}),
    ),
    "two candidates": (
        [
            chunk({"text": "a"}, index=0),
            chunk({"text": "x"}, index=1),
            chunk({"text": "b"}, index=0, finishReason="MAX_TOKENS"),
            chunk(index=1, finishReason="SAFETY", finishMessage="No."),
        ],
        {
            "candidates": [
                {"index": 0, "content": {"parts": [{"text": "ab"}]}, "finishReason": "MAX_TOKENS"},
                {
                    "index": 1,
                    "content": {"parts": [{"text": "x"}]},
                    "finishReason": "SAFETY",
                    "finishMessage": "No.",
                },
            ],
            "modelVersion": "gemini-x",
            "responseId": "r1",
        },
    ),
    "an image and code": (
        [
            chunk({"text": "See"}),
            chunk({"inlineData": {"mimeType": "image/png", "data": "AAAA"}}),
            chunk({"executableCode": {"code": "1"}}),
            chunk({"text": "there"}, finishReason="STOP"),
        ],
        whole(
            {"text": "See"},
            {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
            {"executableCode": {"code": "1"}},
            {"text": "there"},
        ),
    ),
    "grounding": (
        [
            chunk({"text": "Größe und "}),
            chunk({"text": "Süße"}, finishReason="STOP", groundingMetadata=GROUNDING),
        ],
        whole({"text": "Größe und Süße"}, groundingMetadata=GROUNDING),
    ),
    "log probabilities": (
        [
            chunk({"text": "a"}, logprobsResult={"chosenCandidates": TOKENS[:1]}),
            chunk({"text": "b"}, finishReason="STOP", logprobsResult={"chosenCandidates": TOKENS[1:]}),
        ],
        whole({"text": "ab"}, logprobsResult={"chosenCandidates": TOKENS}),
    ),
    "nothing said": ([chunk(finishReason="MAX_TOKENS")], whole(finishReason="MAX_TOKENS")),
    "unspecified until the end": (
        [chunk({"text": "a"}, finishReason="FINISH_REASON_UNSPECIFIED"), chunk(finishReason="STOP")],
        whole({"text": "a"}),
    ),
    "chunks in an array": (
        [[chunk({"text": "a"}), chunk({"text": "b"})], [], [chunk(finishReason="STOP")]],
        whole({"text": "ab"}),
    ),
}


def wire(chunks, newline="\n"):
    return "".join(
        f"data: {json.dumps(one, ensure_ascii=False)}{newline}{newline}" for one in chunks
    ).encode()


def read(pieces):
    """All events of a stream that arrives in these pieces."""
    reader, decoder = SseReader(), CODEC.stream_decoder(context())
    events = []
    for piece in pieces:
        for frame in reader.feed(piece):
            events += decoder.feed(frame)
    for frame in reader.close():
        events += decoder.feed(frame)
    return events + decoder.close()


def accumulated(events):
    accumulator = Accumulator()
    for event in events:
        accumulator.add(event)
    return accumulator.response(context())


def by_byte(data):
    return [data[i : i + 1] for i in range(len(data))]


def check_grammar(events):
    """Start first, one open part per candidate, deltas only into it, nothing after End."""
    assert isinstance(events[0], Start)
    assert isinstance(events[-1], End)
    assert [type(event) for event in events].count(End) == 1
    current: dict[int, int] = {}
    seen: dict[int, int] = {}
    stopped = set()
    for event in events:
        if isinstance(event, PartStart):
            assert current.get(event.candidate) is None
            assert event.i == seen.get(event.candidate, 0)
            seen[event.candidate] = event.i + 1
            current[event.candidate] = event.i
        elif isinstance(event, PartStop):
            assert current.pop(event.candidate) == event.i
        elif isinstance(event, TextDelta | ReasoningDelta | SignatureDelta | ArgumentsDelta | CitationDelta):
            assert current[event.candidate] == event.i
        elif isinstance(event, Stopped):
            assert event.candidate not in stopped
            assert event.candidate not in current
            stopped.add(event.candidate)
    assert not current


@pytest.mark.parametrize(("chunks", "body"), STREAMS.values(), ids=STREAMS)
def test_a_stream_says_the_same_as_the_whole_answer_however_it_is_cut(chunks, body):
    data = wire(chunks)
    events = read([data])
    check_grammar(events)
    assert read(by_byte(data)) == events
    assert read([wire(chunks, "\r\n")]) == events
    assert read(by_byte(wire(chunks, "\r\n"))) == events
    for end in range(len(chunks)):
        assert read([wire(chunks[:end]), wire(chunks[end:])]) == events
    expected = CODEC.decode_response(body, context())
    got = accumulated(events)
    assert got.candidates == tuple(without_ext(candidate) for candidate in expected.candidates)
    assert (got.id, got.model, got.usage) == (expected.id, expected.model, expected.usage)


def without_ext(candidate):
    return Candidate(
        index=candidate.index, parts=candidate.parts, stop=candidate.stop, logprobs=candidate.logprobs
    )


@pytest.mark.parametrize("name", [name for name in STREAMS if name not in ("a call after its reason",)])
def test_a_stream_that_is_cut_before_its_reason_is_an_error(name):
    chunks, _ = STREAMS[name]
    decoder = CODEC.stream_decoder(context())
    for one in chunks:
        if "finishReason" in json.dumps(one) and "UNSPECIFIED" not in json.dumps(one):
            break
        decoder.feed(SseEvent(None, json.dumps(one)))
    with pytest.raises(UpstreamProtocolError):
        decoder.close()


def test_a_stream_without_frames_is_an_error():
    with pytest.raises(UpstreamProtocolError):
        read([b""])


def test_a_blocked_prompt_stops_for_the_content_filter():
    feedback = {"blockReason": "SAFETY", "blockReasonMessage": "No."}
    events = read([wire([{"promptFeedback": feedback, **counts(3)}])])
    check_grammar(events)
    assert Stopped(stop=Stop(StopKind.CONTENT_FILTER, detail="SAFETY", message="No.")) in events


def test_an_error_inside_the_stream_is_the_last_event():
    error = {"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}
    for wrapped in (error, [error]):
        events = read([wire([chunk({"text": "a"}), wrapped, chunk({"text": "b"}, finishReason="STOP")])])
        assert events[-1] == StreamError(
            info=ErrorInfo(status=503, message="busy", code="service_unavailable")
        )
        assert len(events) == 4


def test_noise_is_ignored_and_rubbish_is_not():
    decoder = CODEC.stream_decoder(context())
    assert decoder.feed(SseEvent(None, " ")) == [Heartbeat()]
    assert decoder.feed(SseEvent(None, "[DONE]")) == []
    for rubbish in ("{", "3", '"x"', '{"candidates":[{"content":{"parts":[3]}}]}'):
        with pytest.raises(UpstreamProtocolError):
            CODEC.stream_decoder(context()).feed(SseEvent(None, rubbish))


def test_usage_is_cumulative_and_told_only_when_it_changes():
    events = read(
        [
            wire(
                [
                    chunk({"text": "a"}, **counts(3, 1)),
                    chunk({"text": "b"}, **counts(3, 1)),
                    whole(**counts(3, 2)),
                ]
            )
        ]
    )
    assert [event.usage.output_total for event in events if isinstance(event, UsageUpdate)] == [1, 2]


# --- towards the client ------------------------------------------------------------------------


def write(events, ctx=None):
    """The chunks that a client reads, checked against the SDK and the grammar of the format."""
    encoder = CODEC.stream_encoder(ctx or context())
    assert encoder.content_type == "text/event-stream"
    data = b"".join(encoder.encode(event) for event in events)
    chunks = []
    for line in data.decode().split("\n\n")[:-1]:
        assert line.startswith("data: {")
        chunks.append(json.loads(line.removeprefix("data: ")))
        types.GenerateContentResponse.model_validate(chunks[-1])
    return chunks


@pytest.mark.parametrize(("chunks", "body"), STREAMS.values(), ids=STREAMS)
def test_what_is_written_reads_as_the_same_answer(chunks, body):
    events = read([wire(chunks)])
    written = write(events)
    again = read([wire(written)])
    check_grammar(again)
    assert without_models(accumulated(again)) == without_models(accumulated(events))
    finishes = [i for i, one in enumerate(written) if any("finishReason" in c for c in one["candidates"])]
    assert finishes == [len(written) - 1]
    assert all(one["modelVersion"] == "fast" and one["responseId"] == "r1" for one in written)


def without_models(response):
    return Response(id=response.id, model="", candidates=response.candidates, usage=response.usage)


def parts_of(chunks):
    return [part for one in chunks for c in one["candidates"] for part in c["content"]["parts"]]


def test_arguments_wait_until_their_call_is_whole():
    encoder = CODEC.stream_encoder(context())
    first, second = ToolCall(id="a", name="f"), ToolCall(id="b", name="g")
    for event in (
        Start(id="r1"),
        PartStart(i=0, part=first),
        PartStart(i=1, part=second),
        ArgumentsDelta(i=0, text='{"n"'),
        ArgumentsDelta(i=1, text=""),
        ArgumentsDelta(i=0, text=":1}"),
        SignatureDelta(i=0, signature=GOOGLES),
    ):
        assert encoder.encode(event) == b""
    (made,) = parts_of([json.loads(encoder.encode(PartStop(i=0))[6:])])
    assert made == {"functionCall": {"id": "a", "name": "f", "args": {"n": 1}}, "thoughtSignature": "c2ln"}
    last = encoder.encode(Stopped(stop=Stop(StopKind.TOOL_CALLS))) + encoder.encode(End())
    chunks = [json.loads(line[6:]) for line in last.decode().split("\n\n")[:-1]]
    assert parts_of(chunks)[0] == {"functionCall": {"id": "b", "name": "g", "args": {}}}
    assert chunks[-1]["candidates"][0]["finishReason"] == "STOP"


@pytest.mark.parametrize(("kind", "shown"), [(StopKind.LENGTH, 0), (StopKind.END, 1)])
def test_a_call_that_the_limit_cut_is_not_shown_as_one(kind, shown):
    chunks = write(
        [
            PartStart(i=0, part=call(arguments="")),
            ArgumentsDelta(i=0, text='{"n":'),
            PartStop(i=0),
            Stopped(stop=Stop(kind)),
            End(),
        ]
    )
    assert len([part for part in parts_of(chunks) if "functionCall" in part]) == shown


def test_thoughts_are_shown_only_to_who_asked_and_state_is_kept():
    events = [
        PartStart(i=0, part=Reasoning()),
        ReasoningDelta(i=0, text="hm"),
        SignatureDelta(i=0, signature=Signature("abc", Format.CLAUDE)),
        PartStop(i=0),
        PartStart(i=1, part=Reasoning(redacted=Signature("xyz", Format.CLAUDE))),
        PartStop(i=1),
        Stopped(stop=Stop(StopKind.END)),
        End(),
    ]
    shown = parts_of(write(events, context(request=request(reasoning=ReasoningConfig(show="full")))))
    hidden = parts_of(write(events, context(request=request())))
    assert [part["text"] for part in shown] == ["hm", "", "", ""]
    assert hidden == shown[1:]
    back = CODEC.decode_request({"contents": [{"role": "model", "parts": hidden}]}).turns[0].parts
    assert back == (
        Reasoning(signature=Signature("abc", Format.CLAUDE)),
        Reasoning(redacted=Signature("xyz", Format.CLAUDE)),
    )


def test_an_empty_stream_still_ends_properly():
    (last,) = write(
        [
            Start(id="r1", usage=Usage(input_total=3)),
            Heartbeat(),
            UsageUpdate(usage=Usage(output_total=0)),
            End(),
        ]
    )
    assert last == {
        "candidates": [
            {"content": {"role": "model", "parts": [{"text": ""}]}, "finishReason": "STOP", "index": 0}
        ],
        "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 0, "totalTokenCount": 3},
        "modelVersion": "fast",
        "responseId": "r1",
    }


def test_whole_parts_go_out_at_once():
    chunks = write(
        [
            PartStart(i=0, part=Media(kind="image", mime="image/png", data="AAAA")),
            PartStart(i=1, part=Unknown(raw={"type": "x"}, format=Format.CLAUDE)),
            PartStart(i=2, part=Text(text="pre")),
            TextDelta(i=2, text="fix"),
            TextDelta(i=2, text=""),
            PartStop(i=2),
            UnknownEvent(
                raw={"usageMetadata": {"promptTokenCount": 1}, "candidates": []}, format=Format.GEMINI
            ),
            UnknownEvent(raw={"type": "ping"}, format=Format.CLAUDE),
            End(),
        ]
    )
    assert [part.get("text", "media") for part in parts_of(chunks)] == ["media", "pre", "fix", ""]


def test_an_error_has_googles_form_and_nothing_follows():
    info = ErrorInfo(status=529, message="busy", retry_after_s=1.5)
    encoder = CODEC.stream_encoder(context())
    assert encoder.encode(StreamError(info=info)) == encoder.error(info)
    error = json.loads(encoder.error(info)[6:])["error"]
    assert (error["code"], error["status"], error["message"]) == (503, "UNAVAILABLE", "busy")
