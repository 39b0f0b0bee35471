"""Tools, choices and settings of a Gemini client."""

import pytest

from providers.translation.codecs.gemini.codec import CODEC
from providers.translation.model import OutputConfig, ReasoningConfig, Sampling, Tool, ToolChoice
from providers.values import Format


def decode(**fields):
    return CODEC.decode_request({"contents": "Hi", **fields})


def test_several_tool_objects_are_one_list():
    request = decode(
        tools=[
            {
                "functionDeclarations": [
                    {
                        "name": "a",
                        "description": "A",
                        "parameters": {"type": "OBJECT", "properties": {"x": {}}},
                    }
                ]
            },
            {
                "function_declarations": [
                    {"name": "b", "parametersJsonSchema": {"type": "OBJECT"}, "behavior": "BLOCKING"}
                ]
            },
            {"googleSearch": {}},
            {"code_execution": {}, "urlContext": {}},
            {"googleSearch": {"timeRangeFilter": {}}},
            {"googleSearchRetrieval": {}},
            {"google_maps": {"enableWidget": True}},
        ]
    )
    own = Format.GEMINI
    assert request.tools == (
        Tool(name="a", description="A", schema={"type": "object", "properties": {"x": {}}}),
        Tool(name="b", schema={"type": "OBJECT"}, ext={own: {"behavior": "BLOCKING"}}),
        Tool(name="web_search", kind="web_search"),
        Tool(name="code_execution", kind="code_execution"),
        Tool(name="url_context", kind="url_context"),
        Tool(name="web_search", kind="web_search", ext={own: {"googleSearch": {"timeRangeFilter": {}}}}),
        Tool(name="web_search", kind="web_search", ext={own: {"googleSearchRetrieval": {}}}),
        Tool(name="google_maps", kind="google_maps", ext={own: {"googleMaps": {"enableWidget": True}}}),
    )


@pytest.mark.parametrize(
    ("calling", "wanted"),
    [
        ({}, ToolChoice(mode="auto")),
        ({"mode": "auto"}, ToolChoice(mode="auto")),
        ({"mode": "VALIDATED"}, ToolChoice(mode="auto")),
        ({"mode": "VALIDATED", "allowedFunctionNames": ["a"]}, ToolChoice(mode="allowed", names=("a",))),
        ({"mode": "NONE"}, ToolChoice(mode="none")),
        ({"mode": "ANY"}, ToolChoice(mode="required")),
        ({"mode": "ANY", "allowed_function_names": ["a"]}, ToolChoice(mode="one", names=("a",))),
        (
            {"mode": "ANY", "allowedFunctionNames": ["a", "b"]},
            ToolChoice(mode="allowed", names=("a", "b"), required=True),
        ),
    ],
)
def test_each_mode_is_a_choice(calling, wanted):
    assert decode(tool_config={"function_calling_config": calling}).tool_choice == wanted


def test_what_else_a_tool_config_says_is_kept_raw():
    config = {
        "functionCallingConfig": {"mode": "ANY", "streamFunctionCallArguments": True},
        "retrievalConfig": {"a": 1},
    }
    assert decode(toolConfig=config).ext == {
        Format.GEMINI: {
            "toolConfig": {
                "functionCallingConfig": {"streamFunctionCallArguments": True},
                "retrievalConfig": {"a": 1},
            }
        }
    }
    assert decode(toolConfig={"retrievalConfig": {"a": 1}}).tool_choice is None


def test_every_setting_is_understood():
    request = decode(
        generationConfig={
            "temperature": 0.5,
            "topP": 0.9,
            "top_k": 3.0,
            "frequencyPenalty": 0.1,
            "presencePenalty": 0.2,
            "seed": 7,
            "stopSequences": ["a", ""],
            "maxOutputTokens": "100",
            "candidateCount": 2,
            "responseLogprobs": True,
            "logprobs": 4,
            "responseModalities": ["TEXT"],
            "thinkingConfig": {"thinkingLevel": "low"},
            "speechConfig": {"languageCode": "de"},
        },
        safetySettings=[{"category": "x"}],
        cachedContent="c/1",
        labels={"team": "a"},
        serviceTier="flex",
        store=False,
    )
    assert request.sampling == Sampling(
        temperature=0.5, top_p=0.9, top_k=3, frequency_penalty=0.1, presence_penalty=0.2, seed=7, stop=("a",)
    )
    assert (request.max_output_tokens, request.n, request.logprobs, request.top_logprobs) == (100, 2, True, 4)
    assert request.output == OutputConfig(modalities=("text",))
    assert request.reasoning == ReasoningConfig(mode="on", effort="low")
    assert (request.service_tier, request.store) == ("flex", False)
    assert request.ext == {
        Format.GEMINI: {
            "generationConfig": {"speechConfig": {"languageCode": "de"}},
            "safetySettings": [{"category": "x"}],
            "cachedContent": "c/1",
            "labels": {"team": "a"},
        }
    }


@pytest.mark.parametrize(
    ("config", "output"),
    [
        ({}, OutputConfig()),
        ({"responseMimeType": "text/plain"}, OutputConfig()),
        ({"responseMimeType": "application/json"}, OutputConfig(kind="json")),
        (
            {"responseMimeType": "application/json", "responseSchema": {"type": "STRING", "nullable": True}},
            OutputConfig(kind="json_schema", schema={"type": ["string", "null"]}),
        ),
        (
            {"response_json_schema": {"type": "OBJECT"}},
            OutputConfig(kind="json_schema", schema={"type": "OBJECT"}),
        ),
    ],
)
def test_the_wanted_form_of_the_answer(config, output):
    assert decode(generation_config=config).output == output


def test_a_form_that_only_google_has_is_kept_raw():
    assert decode(generationConfig={"responseMimeType": "text/x.enum"}).ext == {
        Format.GEMINI: {"generationConfig": {"responseMimeType": "text/x.enum"}}
    }


@pytest.mark.parametrize(
    ("tier", "wanted"), [("standard", "default"), ("SERVICE_TIER_PRIORITY", "priority"), ("gold", None)]
)
def test_service_tiers_get_the_neutral_name(tier, wanted):
    assert decode(serviceTier=tier).service_tier == wanted
