from __future__ import annotations

import pytest

from providers.translation.codec import MalformedRequest, Untranslatable
from providers.translation.codecs.responses.codec import CODEC
from providers.translation.model import (
    Instruction,
    Media,
    OutputConfig,
    Reasoning,
    ReasoningConfig,
    RefusalText,
    Request,
    Sampling,
    Signature,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from providers.translation.model import (
    ToolChoice as Choice,
)
from providers.values import Format
from tests.unit.providers.translation.codecs.responses.wire import (
    PNG,
    assistant,
    decode_request,
    encode,
    encode_request,
    make_request,
    user,
)

SCHEMA = {"type": "object", "properties": {"q": {"type": "string"}}}
OWN = Format.RESPONSES


# --- decoding: the top level -----------------------------------------------------------------


def test_a_bare_string_is_one_user_text():
    assert decode_request(input="Hi").turns == (user("Hi"),)


def test_every_parameter_finds_its_place():
    request = decode_request(
        stream=True,
        instructions="Be brief.",
        parallel_tool_calls=False,
        reasoning={"effort": "high", "summary": "auto"},
        include=["reasoning.encrypted_content", "message.output_text.logprobs"],
        text={"verbosity": "low"},
        max_output_tokens=64,
        temperature=0.5,
        top_p=0.9,
        top_logprobs=3,
        metadata={"a": "b"},
        user="u",
        prompt_cache_key="k",
        service_tier="flex",
        store=False,
    )
    assert request.instructions == (Instruction(parts=(Text(text="Be brief."),)),)
    assert request.reasoning == ReasoningConfig(mode="on", effort="high", show="summary", encrypted=True)
    assert request.sampling == Sampling(temperature=0.5, top_p=0.9)
    assert (request.stream, request.include_usage, request.parallel) == (True, True, False)
    assert (request.logprobs, request.top_logprobs, request.max_output_tokens) == (True, 3, 64)
    assert (request.output.verbosity, request.metadata) == ("low", {"a": "b"})
    assert (request.user, request.cache_key, request.service_tier) == ("u", "k", "flex")
    assert request.store is False
    assert request.ext == {}


def test_text_formats():
    schema = {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": True, "description": "d"}
    wanted = OutputConfig(kind="json_schema", name="n", schema=SCHEMA, strict=True, description="d")
    assert decode_request(text={"format": schema}).output == wanted
    assert decode_request(text={"format": {"type": "json_object"}}).output.kind == "json"
    assert decode_request(text={"format": {"type": "text"}}).output == OutputConfig()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("previous_response_id", "resp_1"),
        ("conversation", {"id": "conv_1"}),
        ("prompt", {"id": "pmpt_1"}),
        ("background", True),
        ("truncation", "auto"),
        ("context_management", [{"type": "compaction"}]),
        ("max_tool_calls", 3),
        ("include", ["web_search_call.results"]),
    ],
)
def test_what_only_openai_understands_is_kept_for_openai(field, value):
    request = decode_request(**{field: value})
    assert request.ext == {OWN: {field: value}}
    assert encode(request)[field] == value


def test_defaults_spelled_out_ask_for_nothing():
    assert decode_request(background=False, truncation="disabled").ext == {}


def test_input_may_be_missing_when_openai_keeps_the_conversation():
    request = CODEC.decode_request({"model": "m", "previous_response_id": "resp_1"})
    assert request.turns == ()


def test_a_safety_identifier_is_sent_back_as_one():
    body = encode(decode_request(safety_identifier="s", user="u"))
    assert (body["safety_identifier"], body["user"]) == ("s", "u")


def marked_by(mark):
    part = {"type": "input_text", "text": "x", "prompt_cache_breakpoint": mark}
    return {"role": "user", "content": [part]}


# --- decoding: faults ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": 3}, "model"),
        ({"model": ""}, "model"),
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": 3}, "input"),
        ({"input": [3]}, "input[0]"),
        ({"input": [{}]}, "input[0].type"),
        ({"input": [{"type": 3}]}, "input[0].type"),
        ({"input": [{"role": "robot", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "user"}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": 3}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": [{"type": "hologram"}]}]}, "input[0].content[0].type"),
        ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input[0].content[0].text"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image"}]}]},
            "input[0].content[0].image_url",
        ),
        ({"input": [{"role": "system", "content": [{"type": "input_image"}]}]}, "input[0].content[0].type"),
        ({"input": [{"type": "function_call", "name": "f"}]}, "input[0].call_id"),
        ({"input": [{"type": "function_call", "call_id": "c"}]}, "input[0].name"),
        ({"input": [{"type": "function_call_output", "output": "x"}]}, "input[0].call_id"),
        ({"input": [{"type": "reasoning", "encrypted_content": 3}]}, "input[0].encrypted_content"),
        ({"input": [{"type": "image_generation_call", "id": "ig", "result": "!!!"}]}, "input[0].result"),
        ({"input": [marked_by({"mode": "auto"})]}, "input[0].content[0].prompt_cache_breakpoint.mode"),
        ({"instructions": 3}, "instructions"),
        ({"tools": {}}, "tools"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": [{"type": "namespace", "name": "n", "tools": [{}]}]}, "tools[0].tools[0].name"),
        (
            {"tools": [{"type": "namespace", "name": "n", "tools": [{"type": "namespace", "name": "m"}]}]},
            "tools[0].tools[0].type",
        ),
        ({"tool_choice": "maybe"}, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.name"),
        ({"reasoning": {"effort": "huge"}}, "reasoning.effort"),
        ({"reasoning": {"summary": "long"}}, "reasoning.summary"),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
        ({"temperature": 3}, "temperature"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"include": "x"}, "include"),
        ({"metadata": {"a": 1}}, "metadata.a"),
        ({"stream": "yes"}, "stream"),
    ],
)
def test_a_fault_names_its_field(fields, param):
    with pytest.raises(MalformedRequest) as caught:
        decode_request(**fields)
    assert caught.value.param == param


def test_a_body_that_is_no_object_is_refused():
    with pytest.raises(MalformedRequest):
        CODEC.decode_request([])


# --- encoding --------------------------------------------------------------------------------


def test_the_least_that_goes_up():
    assert encode(make_request()) == {
        "model": "up",
        "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}],
        "store": False,
    }


def test_what_was_encoded_is_decoded_to_the_same():
    request = Request(
        model="up",
        stream=True,
        include_usage=True,
        instructions=(
            Instruction(parts=(Text(text="Be brief."),)),
            Instruction(parts=(Text(text="Now."),), role="developer", position=2),
        ),
        turns=(
            user("Go", Media(kind="image", mime="image/png", data=PNG, detail="high")),
            assistant(
                Reasoning(text="Hm.", is_summary=True, signature=Signature("gAAA", OWN), item_id="rs_1"),
                Reasoning(text="Full.", signature=Signature("gBBB", OWN)),
                Text(
                    text="On it.",
                    citations=({"url": "https://a", "title": "T", "start": 0, "end": 2, "text": "On"},),
                ),
                RefusalText(text="Not that."),
                ToolCall(id="c1", name="f", arguments='{"q":1}', item_id="fc_1"),
                ToolCall(id="c2", name="patch", arguments="*** x", kind="custom"),
            ),
            user(
                ToolResult(
                    call_id="c1",
                    name="f",
                    parts=(Text(text="1"), Media(kind="image", url="https://a", detail="auto")),
                ),
                ToolResult(call_id="c2", name="patch", parts=(Text(text="ok"),), kind="custom"),
            ),
            user(Media(kind="document", mime="application/pdf", data="JVBERg==", filename="a.pdf")),
        ),
        tools=(
            Tool(name="f", description="d", schema=SCHEMA, strict=True),
            Tool(name="patch", kind="custom"),
        ),
        tool_choice=Choice(mode="required"),
        parallel=False,
        reasoning=ReasoningConfig(mode="on", effort="high", show="summary", encrypted=True),
        output=OutputConfig(kind="json_schema", name="n", schema=SCHEMA, strict=True, verbosity="low"),
        sampling=Sampling(temperature=0.5, top_p=0.9),
        max_output_tokens=64,
        logprobs=True,
        top_logprobs=2,
        cache_key="k",
        user="u",
        metadata={"a": "b"},
        service_tier="flex",
        store=True,
    )
    encoded = encode_request(request)
    encode(request)
    assert encoded.dropped == ()
    assert CODEC.decode_request(encoded.body) == request


def test_small_limits_are_raised_and_large_ones_cut():
    assert encode(make_request(max_output_tokens=1))["max_output_tokens"] == 16
    assert encode(make_request(max_output_tokens=999), max_output_tokens=100)["max_output_tokens"] == 100


def test_knobs_without_a_place_are_named():
    sampling = Sampling(
        top_k=3, frequency_penalty=1, presence_penalty=1, seed=3, logit_bias={"1": 1}, stop=("x",)
    )
    encoded = encode_request(make_request(sampling=sampling, ext={Format.GEMINI: {"safetySettings": []}}))
    assert encoded.dropped == (
        "top_k", "frequency_penalty", "presence_penalty", "seed", "logit_bias", "stop", "safetySettings",
    )  # fmt: skip


def test_models_that_refuse_sampling_get_none():
    request = make_request(sampling=Sampling(temperature=1, top_p=1), logprobs=True, top_logprobs=2)
    encoded = encode_request(request, accepts_sampling=False)
    assert set(encoded.dropped) == {"temperature", "top_p", "top_logprobs", "logprobs"}
    assert not {"temperature", "top_p", "top_logprobs", "include"} & encoded.body.keys()


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        ({"output": OutputConfig(modalities=("text", "audio"))}, "modalities"),
        ({"turns": (user(Media(kind="audio", data="AAAA", mime="audio/wav")),)}, "messages[0]"),
        ({"turns": (user(Media(kind="video", url="https://a/b.mp4")),)}, "messages[0]"),
        ({"ext": {Format.GEMINI: {"cachedContent": "cachedContents/1"}}}, "cachedContent"),
        (
            {"tools": (Tool(name="bash", kind="bash"),), "tool_choice": Choice(mode="one", names=("bash",))},
            "tool_choice",
        ),
        ({"tools": (Tool(name="bash", kind="bash"),), "tool_choice": Choice(mode="required")}, "tool_choice"),
    ],
)
def test_what_must_not_be_lost_is_refused(fields, param):
    with pytest.raises(Untranslatable) as caught:
        encode_request(Request(**{"model": "m", "turns": (user("x"),), **fields}))
    assert caught.value.param == param


def test_a_long_user_id_becomes_its_digest():
    request = Request(model="m", turns=(user("x"),), user="u" * 200)
    assert len(encode(request)["user"]) == 64
