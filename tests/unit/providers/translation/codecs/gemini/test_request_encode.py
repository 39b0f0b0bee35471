"""The body that a Gemini upstream gets: everything but the conversation and the tools."""

import msgspec
import pytest
from google.genai import types

from providers.translation.codec import Capabilities
from providers.translation.codecs.gemini.codec import CODEC
from providers.translation.model import (
    Instruction,
    OutputConfig,
    ReasoningConfig,
    Sampling,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
)
from providers.values import Format
from tests.unit.providers.translation.codecs.gemini.made import PLAIN, call, model, request, result, user

SCHEMA = {"type": "object", "properties": {"a": {"type": ["string", "null"]}}, "additionalProperties": False}


def body(asked, can=PLAIN):
    return CODEC.encode_request(asked, "gemini-x", can).body


def config(asked, can=PLAIN):
    made = body(asked, can).get("generationConfig", {})
    types.GenerationConfig.model_validate(made)
    return made


def test_neither_model_nor_stream_is_in_the_body():
    assert body(request(stream=True)) == {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}


def test_all_instructions_go_to_the_head_in_order():
    asked = request(
        user("a"),
        user("b"),
        instructions=(
            Instruction(parts=(Text(text="one"), Text(text=""))),
            Instruction(parts=(Text(text="two"),), role="developer", position=1),
        ),
    )
    assert body(asked)["systemInstruction"] == {"parts": [{"text": "one"}, {"text": "two"}]}


def test_instructions_alone_still_need_a_user():
    asked = msgspec.structs.replace(request(), turns=(), instructions=(Instruction(parts=(Text(text="x"),)),))
    assert body(asked)["contents"] == [{"role": "user", "parts": [{"text": " "}]}]


def test_sampling_and_limits_use_googles_names():
    asked = request(
        sampling=Sampling(
            temperature=0.5,
            top_p=0.9,
            top_k=3,
            frequency_penalty=0.1,
            presence_penalty=0.2,
            seed=7,
            stop=("a", "", "b"),
        ),
        max_output_tokens=100,
        n=2,
        logprobs=True,
        top_logprobs=4,
    )
    assert config(asked) == {
        "temperature": 0.5,
        "topP": 0.9,
        "topK": 3,
        "frequencyPenalty": 0.1,
        "presencePenalty": 0.2,
        "seed": 7,
        "stopSequences": ["a", "b"],
        "maxOutputTokens": 100,
        "candidateCount": 2,
        "responseLogprobs": True,
        "logprobs": 4,
    }


def test_limits_of_the_model_are_kept():
    asked = request(
        sampling=Sampling(temperature=0.5, top_p=0.5, top_k=1, stop=tuple("abcdefg")), max_output_tokens=10**6
    )
    encoded = CODEC.encode_request(asked, "x", Capabilities(accepts_sampling=False, max_output_tokens=65_536))
    assert encoded.body["generationConfig"] == {"stopSequences": list("abcde"), "maxOutputTokens": 65_536}
    assert encoded.dropped == ("temperature", "top_p", "top_k", "stop[5:]")


@pytest.mark.parametrize(
    ("output", "can", "wanted"),
    [
        (OutputConfig(), PLAIN, {}),
        (OutputConfig(kind="json"), PLAIN, {"responseMimeType": "application/json"}),
        (
            OutputConfig(kind="json_schema", name="x", schema=SCHEMA),
            PLAIN,
            {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA},
        ),
        (
            OutputConfig(kind="json_schema", schema=SCHEMA),
            Capabilities(json_schema_native=False),
            {
                "responseMimeType": "application/json",
                "responseSchema": {
                    "type": "OBJECT",
                    "properties": {"a": {"type": "STRING", "nullable": True}},
                },
            },
        ),
        (OutputConfig(modalities=("text", "image")), PLAIN, {"responseModalities": ["TEXT", "IMAGE"]}),
        (OutputConfig(kind="json"), Capabilities(structured_output=False), {}),
    ],
)
def test_the_answers_form(output, can, wanted):
    assert config(request(output=output), can) == wanted


def test_what_has_no_place_is_dropped_and_named():
    asked = request(
        sampling=Sampling(logit_bias={"1": 2.0}),
        cache_key="k",
        user="u",
        metadata={"a": "b"},
        store=True,
        service_tier="scale",
        parallel=False,
        output=OutputConfig(verbosity="low"),
        ext={Format.OPENAI: {"prediction": {}}, Format.GEMINI: {"labels": {"team": "a"}}},
    )
    encoded = CODEC.encode_request(asked, "x", PLAIN)
    assert set(encoded.dropped) == {
        "logit_bias", "prompt_cache_key", "user", "metadata", "store", "service_tier", "parallel_tool_calls",
        "verbosity", "prediction",
    }  # fmt: skip
    assert encoded.body == {
        "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
        "labels": {"team": "a"},
    }


@pytest.mark.parametrize(("tier", "wanted"), [("flex", "flex"), ("default", "standard"), ("auto", None)])
def test_service_tiers_have_googles_names(tier, wanted):
    assert body(request(service_tier=tier)).get("serviceTier") == wanted


def test_googles_own_fields_are_merged_below_the_typed_ones():
    own = {"generationConfig": {"seed": 1, "speechConfig": {"languageCode": "de"}}, "cachedContent": "c/1"}
    made = body(request(sampling=Sampling(seed=2), ext={Format.GEMINI: own}))
    assert made["generationConfig"] == {"seed": 2, "speechConfig": {"languageCode": "de"}}
    assert made["cachedContent"] == "c/1"


def test_names_that_google_refuses_are_mangled_everywhere():
    names = ("1st tool", "mcp__a.b:c-d", "x" * 130)
    asked = request(
        user("go"),
        model(*(ToolCall(id=f"c{i}", name=name) for i, name in enumerate(names))),
        user(*(result(f"c{i}", name=name) for i, name in enumerate(names))),
        tools=tuple(Tool(name=name) for name in names),
        tool_choice=ToolChoice(mode="one", names=("1st tool",)),
    )
    encoded = CODEC.encode_request(asked, "x", PLAIN)
    made = encoded.body
    declared = [one["name"] for one in made["tools"][0]["functionDeclarations"]]
    assert declared[:2] == ["_1st_tool", "mcp__a.b:c-d"]
    assert len(declared[2]) <= 128
    assert [part["functionCall"]["name"] for part in made["contents"][1]["parts"]] == declared
    assert [part["functionResponse"]["name"] for part in made["contents"][2]["parts"]] == declared
    assert made["toolConfig"]["functionCallingConfig"]["allowedFunctionNames"] == declared[:1]
    assert [encoded.names.restore(name) for name in declared] == list(names)


def test_encoding_changes_nothing_and_gives_the_same_again():
    asked = request(
        user("go"),
        model(call()),
        user(result()),
        tools=(Tool(name="look", schema=SCHEMA),),
        reasoning=ReasoningConfig(mode="on", effort="high"),
        ext={Format.GEMINI: {"generationConfig": {"x": {"y": 1}}}},
    )
    first = msgspec.json.encode(body(asked))
    before = msgspec.json.encode(asked)
    assert msgspec.json.encode(body(asked)) == first
    assert msgspec.json.encode(asked) == before
