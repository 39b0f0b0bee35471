"""What is written can be read again, and means the same."""

import pytest

from providers.translation.codecs.gemini.codec import CODEC
from providers.translation.codecs.gemini.grounding import encode_grounding
from providers.translation.model import (
    Activity,
    Candidate,
    Instruction,
    Media,
    OutputConfig,
    Reasoning,
    ReasoningConfig,
    Response,
    Sampling,
    Signature,
    Stop,
    StopKind,
    Text,
    Tool,
    ToolChoice,
    Unknown,
    Usage,
)
from providers.values import Format
from tests.unit.providers.translation.codecs.gemini.made import (
    PLAIN,
    call,
    context,
    model,
    request,
    result,
    user,
)

SIGNED = Signature("c2ln", Format.GEMINI)
SCHEMA = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}

REQUESTS = {
    "a question": request(user("Hi")),
    "a conversation": request(user("Hi", "there"), model("Hello"), user("Bye")),
    "an instruction": request(
        user("Hi"), instructions=(Instruction(parts=(Text(text="a"), Text(text="b"))),)
    ),
    "media": request(
        user(
            "see",
            Media(kind="image", mime="image/png", data="AAAA"),
            "and",
            Media(kind="video", mime="video/mp4", url="gs://b/x.mp4"),
            Media(kind="audio", mime="audio/wav", data="AAAA"),
            Media(kind="document", mime="application/pdf", data="AAAA"),
        )
    ),
    "parallel calls": request(
        user("go"),
        model("Sure", call("c1"), call("c2", arguments="{}")),
        user(result("c1"), result("c2", "bad", is_error=True), "go on"),
        model("Done"),
        user("thanks"),
    ),
    "thoughts": request(
        user("go"),
        model(Reasoning(text="hm", signature=SIGNED), call("c1", signature=SIGNED)),
        user(result("c1", "")),
        model(Text(text="Blue", signature=SIGNED)),
        user("why"),
    ),
    "tools": request(
        tools=(
            Tool(name="look", description="Looks", schema=SCHEMA),
            Tool(name="web_search", kind="web_search"),
        ),
        tool_choice=ToolChoice(mode="one", names=("look",)),
    ),
    "a set of tools": request(
        tools=(Tool(name="a"), Tool(name="b")),
        tool_choice=ToolChoice(mode="allowed", names=("a", "b"), required=True),
    ),
    "settings": request(
        sampling=Sampling(temperature=0.5, top_p=0.9, top_k=3, seed=1, stop=("x",), frequency_penalty=0.5),
        max_output_tokens=10,
        n=2,
        logprobs=True,
        top_logprobs=3,
        service_tier="default",
        reasoning=ReasoningConfig(mode="on", budget=512, show="summary"),
        output=OutputConfig(kind="json_schema", schema=SCHEMA, modalities=("text",)),
    ),
    "levels": request(reasoning=ReasoningConfig(mode="on", effort="high", show="none")),
    "raw fields": request(
        user(Unknown(raw={"executableCode": {"code": "1"}}, format=Format.GEMINI)),
        ext={
            Format.GEMINI: {
                "safetySettings": [{"category": "x"}],
                "generationConfig": {"audioTimestamp": True},
            }
        },
    ),
}


@pytest.mark.parametrize("asked", REQUESTS.values(), ids=REQUESTS)
def test_a_request_is_the_same_after_writing_and_reading(asked):
    encoded = CODEC.encode_request(asked, "gemini-x", PLAIN)
    assert CODEC.decode_request({**encoded.body, "model": asked.model, "stream": asked.stream}) == asked
    assert encoded.dropped == ()


def answer(*parts, stop=StopKind.END, detail="STOP", **fields):
    candidate = Candidate(
        parts=tuple(Text(text=part) if isinstance(part, str) else part for part in parts),
        stop=Stop(stop, detail=detail),
        **fields,
    )
    return Response(id="r1", model="fast", candidates=(candidate,))


CITED = Text(
    text="Größe und Süße",
    citations=(
        {"url": "https://a.example", "title": "A", "start": 0, "end": 5, "text": "Größe"},
        {"url": "https://b.example", "title": "B", "start": 10, "end": 14, "text": "Süße"},
        {"url": "https://a.example", "title": "A", "start": 10, "end": 14, "text": "Süße"},
    ),
)

RESPONSES = {
    "text": answer("Hello"),
    "everything": Response(
        id="r1",
        model="fast",
        created=1_700_000_000,
        candidates=(
            Candidate(
                parts=(
                    Reasoning(text="hm", signature=SIGNED),
                    Text(text="Hello", signature=SIGNED),
                    Media(kind="image", mime="image/png", data="AAAA"),
                    Unknown(
                        raw={"codeExecutionResult": {"outcome": "OUTCOME_OK"}},
                        format=Format.GEMINI,
                        activity=Activity(kind="code_execution", is_result=True, output=""),
                    ),
                ),
                stop=Stop(StopKind.LENGTH, detail="MAX_TOKENS", message="Enough."),
                logprobs=[
                    {
                        "token": "é",
                        "logprob": -0.5,
                        "bytes": [195, 169],
                        "top_logprobs": [{"token": "e", "logprob": -1.5, "bytes": [101]}],
                    }
                ],
            ),
            Candidate(
                index=1, parts=(Text(text="Hi"),), stop=Stop(StopKind.CONTENT_FILTER, detail="RECITATION")
            ),
        ),
        usage=Usage(
            input_total=10, cache_read=4, output_total=9, reasoning=3, total=19, audio_in=2, audio_out=1
        ),
    ),
    "calls": answer(
        "Sure", call("c1"), call("c2", arguments="{}", signature=SIGNED), stop=StopKind.TOOL_CALLS
    ),
    "citations": answer(Reasoning(text="hm"), "Two: ", Reasoning(text="hm"), CITED),
    "blocked": answer(stop=StopKind.CONTENT_FILTER, detail="SAFETY"),
    "nothing said": answer(stop=StopKind.LENGTH, detail="MAX_TOKENS"),
    "a broken call": answer(stop=StopKind.MALFORMED_CALL, detail="MALFORMED_FUNCTION_CALL"),
    "a blocked prompt": Response(id="r1", model="fast", candidates=(), block_reason="PROHIBITED_CONTENT"),
    "raw fields": answer(
        "a", ext={Format.GEMINI: {"safetyRatings": [{"category": "x"}], "avgLogprobs": -1.0}}
    ),
}


@pytest.mark.parametrize("said", RESPONSES.values(), ids=RESPONSES)
def test_an_answer_is_the_same_after_writing_and_reading(said):
    assert CODEC.decode_response(CODEC.encode_response(said, context()), context()) == said


def test_offsets_are_bytes_on_the_wire():
    made = encode_grounding([(0, CITED.text, citation) for citation in CITED.citations])
    assert [
        (one["segment"]["startIndex"], one["segment"]["endIndex"]) for one in made["groundingSupports"]
    ] == [(0, 7), (12, 18), (12, 18)]
    assert len(made["groundingChunks"]) == 2
