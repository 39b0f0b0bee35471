import pytest

from providers.translation.codec import Capabilities, Untranslatable
from providers.translation.codecs.claude.codec import CODEC
from providers.translation.model import (
    OutputConfig,
    Reasoning,
    ReasoningConfig,
    Sampling,
    Signature,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from providers.values import Format

from .wire import assistant, make_request, user

DEFAULT = Capabilities()
BUDGET = Capabilities(thinking="budget", max_output_tokens=64_000, thinking_min=1024, thinking_max=128_000)
LEVEL = Capabilities(
    thinking="level", adaptive_thinking=True, thinking_levels=("low", "medium", "high", "max")
)
TOOL = Tool(name="f", schema={"type": "object", "properties": {}})


def encode(*turns, capabilities=DEFAULT, **fields):
    return CODEC.encode_request(make_request(*turns, **fields), "claude-x", capabilities)


def body(*turns, **fields):
    return encode(*turns, **fields).body


# --- limits, sampling, small parameters ---


@pytest.mark.parametrize(
    ("asked", "capabilities", "limit"),
    [
        (100, Capabilities(max_output_tokens=64_000), 100),
        (None, Capabilities(max_output_tokens=64_000), 64_000),
        (None, Capabilities(default_max_tokens=5000), 5000),
    ],
)
def test_max_tokens_is_always_sent(asked, capabilities, limit):
    assert body(max_output_tokens=asked, capabilities=capabilities)["max_tokens"] == limit


def test_the_smallest_request_has_nothing_else():
    assert body() == {
        "model": "claude-x",
        "max_tokens": 32_000,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
    }


SAMPLING = Sampling(temperature=1.7, top_p=0.9, top_k=40, stop=("END", " \n", ""))


def test_sampling_is_clamped_and_blank_stops_are_dropped():
    encoded = encode(sampling=SAMPLING)
    sent = {key: encoded.body.get(key) for key in ("temperature", "top_p", "top_k", "stop_sequences")}
    assert sent == {"temperature": 1, "top_p": 0.9, "top_k": 40, "stop_sequences": ["END"]}
    assert encoded.dropped == ("stop[1]", "stop[2]")


@pytest.mark.parametrize(
    ("capabilities", "kept", "dropped"),
    [
        (Capabilities(accepts_temperature_with_top_p=False), {"temperature", "top_k"}, ("top_p",)),
        (Capabilities(accepts_sampling=False), set(), ("temperature", "top_k", "top_p")),
    ],
)
def test_sampling_that_the_model_refuses_is_dropped_and_reported(capabilities, kept, dropped):
    encoded = encode(sampling=Sampling(temperature=0.5, top_p=0.9, top_k=4), capabilities=capabilities)
    assert {"temperature", "top_p", "top_k"} & encoded.body.keys() == kept
    assert encoded.dropped == dropped


def test_what_has_no_place_is_reported_by_name():
    encoded = encode(
        sampling=Sampling(frequency_penalty=1, presence_penalty=0, seed=0, logit_bias={"1": 1}),
        logprobs=True,
        top_logprobs=2,
        cache_key="k",
        metadata={"a": "b"},
        store=True,
        service_tier="flex",
        output=OutputConfig(verbosity="low", modalities=("text", "image")),
        ext={Format.OPENAI: {"prediction": {}}},
    )
    assert set(encoded.dropped) == {
        "frequency_penalty",
        "presence_penalty",
        "seed",
        "logit_bias",
        "logprobs",
        "top_logprobs",
        "prompt_cache_key",
        "metadata",
        "store",
        "service_tier",
        "verbosity",
        "modalities",
        "prediction",
    }
    assert encoded.body.keys() == {"model", "max_tokens", "messages"}


@pytest.mark.parametrize(("tier", "own"), [("auto", "auto"), ("default", "standard_only")])
def test_user_tier_and_stream_are_mapped(tier, own):
    sent = body(user="u1", service_tier=tier, stream=True, n=1, store=False, logprobs=False)
    assert (sent["metadata"], sent["service_tier"], sent["stream"]) == ({"user_id": "u1"}, own, True)


REFUSED = {
    "n": {"n": 2},
    "modalities": {"output": OutputConfig(modalities=("text", "audio"))},
    "cachedContent": {"ext": {Format.GEMINI: {"cachedContent": "cachedContents/1"}}},
    "previous_response_id": {"ext": {Format.RESPONSES: {"previous_response_id": "resp_1"}}},
}


@pytest.mark.parametrize(("param", "fields"), REFUSED.items())
def test_what_would_silently_mean_something_else_is_refused(param, fields):
    with pytest.raises(Untranslatable) as caught:
        encode(**fields)
    assert caught.value.param == param


def test_own_extension_fields_are_written():
    extra = {"container": "c1", "inference_geo": "eu"}
    sent = body(ext={Format.CLAUDE: extra})
    assert extra.items() <= sent.items()


# --- tools ---


def test_tools_keep_their_schema_and_get_legal_distinct_names():
    schema = {"type": "object", "properties": {"title": {"type": "string"}}, "additionalProperties": False}
    long = "x" * 80
    tools = (
        Tool(name="a.b", description="d", schema=schema, strict=True),
        Tool(name="a_b"),
        Tool(name=long, strict=False),
        Tool(name="a_b", description="again"),
    )
    call = ToolCall(id="c", name="a.b")
    choice = ToolChoice(mode="one", names=("a.b",))
    encoded = encode(
        user("q"), assistant(call), user(ToolResult(call_id="c")), tools=tools, tool_choice=choice
    )
    first, second, third = encoded.body["tools"]
    assert first["input_schema"] is schema
    assert (first["description"], first["strict"]) == ("d", True)
    assert second == {"name": "a_b", "input_schema": {"type": "object", "properties": {}}}
    assert len(third["name"]) == 64
    assert len({first["name"], second["name"], third["name"]}) == 3
    assert encoded.body["messages"][1]["content"][0]["name"] == first["name"]
    assert encoded.body["tool_choice"] == {"type": "tool", "name": first["name"]}
    assert encoded.names.restore(first["name"]) == "a.b"
    assert encoded.names.restore(third["name"]) == long
    assert encoded.dropped == ("tools[3]",)


@pytest.mark.parametrize(
    "schema",
    [
        {
            "type": "object",
            "properties": {"a": {"type": "string", "minLength": 2}},
            "additionalProperties": False,
        },
        {"type": "object", "properties": {"a": {"type": "string"}}},
    ],
    ids=["a bound", "an open object"],
)
def test_strictness_is_left_out_where_the_schema_would_be_refused_for_it(schema):
    encoded = encode(tools=(Tool(name="f", schema=schema, strict=True),))
    assert encoded.body["tools"] == [{"name": "f", "input_schema": schema}]
    assert encoded.dropped == ("tools[0].strict",)


def test_a_custom_tool_becomes_a_function_of_one_text():
    tool = Tool(name="sql", kind="custom", description="Run", grammar={"type": "grammar", "syntax": "lark"})
    call = ToolCall(id="c", name="sql", kind="custom", arguments="SELECT 1")
    sent = body(user("q"), assistant(call), user(ToolResult(call_id="c")), tools=(tool,))
    (found,) = sent["tools"]
    assert found["input_schema"] == {
        "type": "object",
        "properties": {"input": {"type": "string"}},
        "required": ["input"],
    }
    assert found["description"].startswith("Run\n\n")
    assert '"syntax":"lark"' in found["description"]
    assert sent["messages"][1]["content"][0]["input"] == {"input": "SELECT 1"}


def test_what_only_some_models_enforce_is_dropped_elsewhere():
    tools = (Tool(name="f", strict=True), Tool(name="sql", kind="custom", grammar={"syntax": "regex"}))
    encoded = encode(tools=tools, capabilities=Capabilities(structured_output=False))
    assert "strict" not in encoded.body["tools"][0]
    assert encoded.body["tools"][1]["description"].startswith("The input must match")
    assert encoded.dropped == ("tools[0].strict",)


CHOICES = {
    "auto": (ToolChoice(mode="auto"), {"type": "auto"}),
    "none": (ToolChoice(mode="none"), {"type": "none"}),
    "required": (ToolChoice(mode="required"), {"type": "any"}),
    "one": (ToolChoice(mode="one", names=("f",)), {"type": "tool", "name": "f"}),
    "allowed": (ToolChoice(mode="allowed", names=("f",)), None),
    "allowed and required": (ToolChoice(mode="allowed", names=("f",), required=True), {"type": "any"}),
    "unset": (None, None),
}


@pytest.mark.parametrize(("choice", "expected"), CHOICES.values(), ids=CHOICES.keys())
@pytest.mark.parametrize("parallel", [None, True, False])
def test_every_tool_choice_has_its_form(choice, expected, parallel):
    sent = body(tools=(TOOL, Tool(name="g")), tool_choice=choice, parallel=parallel)
    if parallel is False and expected != {"type": "none"}:
        expected = (expected or {"type": "auto"}) | {"disable_parallel_tool_use": True}
    assert sent.get("tool_choice") == expected
    names = [tool["name"] for tool in sent["tools"]]
    assert names == (["f"] if choice and choice.mode == "allowed" else ["f", "g"])


def test_without_tools_there_is_no_choice():
    assert not {"tools", "tool_choice"} & body(tool_choice=ToolChoice(mode="auto"), parallel=False).keys()


def test_server_tools_are_mapped_kept_or_dropped():
    raw = {"type": "web_search_20260209", "name": "web_search", "max_uses": 2}
    tools = (
        Tool(name="web_search", kind="web_search", ext={Format.CLAUDE: raw}),
        Tool(name="code_interpreter", kind="code_execution", ext={Format.RESPONSES: {"container": "c"}}),
        Tool(name="image_generation", kind="image_generation"),
    )
    encoded = encode(tools=tools, tool_choice=ToolChoice(mode="one", names=("code_interpreter",)))
    assert encoded.body["tools"] == [raw, {"type": "code_execution_20250825", "name": "code_execution"}]
    assert encoded.body["tool_choice"] == {"type": "tool", "name": "code_execution"}
    assert encoded.dropped == ("tools[1].container", "tools[2].image_generation")


@pytest.mark.parametrize(
    "choice", [ToolChoice(mode="one", names=("image_generation",)), ToolChoice(mode="required")]
)
def test_a_forced_tool_that_does_not_exist_here_is_refused(choice):
    with pytest.raises(Untranslatable):
        encode(tools=(Tool(name="image_generation", kind="image_generation"),), tool_choice=choice)


# --- reasoning ---


def reasoning(config, capabilities, *turns, **fields):
    sent = encode(*turns, reasoning=config, capabilities=capabilities, **fields)
    keys = ("thinking", "output_config", "max_tokens")
    return {key: sent.body[key] for key in keys if key in sent.body}, sent.dropped


def budget(tokens, **extra):
    return {"type": "enabled", "budget_tokens": tokens, **extra}


ON = ReasoningConfig(mode="on")
MATRIX = {
    "budget copied": (ReasoningConfig(mode="on", budget=2000), BUDGET, {"thinking": budget(2000)}),
    "budget raised to the minimum": (ReasoningConfig(budget=100), BUDGET, {"thinking": budget(1024)}),
    "minimal": (ReasoningConfig(mode="on", effort="minimal"), BUDGET, {"thinking": budget(1024)}),
    "low": (ReasoningConfig(mode="on", effort="low"), BUDGET, {"thinking": budget(1024)}),
    "medium": (ReasoningConfig(mode="on", effort="medium"), BUDGET, {"thinking": budget(8192)}),
    "high": (ReasoningConfig(mode="on", effort="high"), BUDGET, {"thinking": budget(24_576)}),
    "xhigh": (ReasoningConfig(mode="on", effort="xhigh"), BUDGET, {"thinking": budget(32_768)}),
    "max leaves room": (
        ReasoningConfig(mode="on", effort="max"),
        BUDGET,
        {"thinking": budget(64_000 - 4096)},
    ),
    "on alone": (ON, BUDGET, {"thinking": budget(8192)}),
    "auto on a budget model": (ReasoningConfig(mode="auto"), BUDGET, {"thinking": budget(8192)}),
    "shown": (
        ReasoningConfig(mode="on", budget=2000, show="summary"),
        BUDGET,
        {"thinking": budget(2000, display="summarized")},
    ),
    "off": (ReasoningConfig(mode="off"), BUDGET, {"thinking": {"type": "disabled"}}),
    "off where unknown": (ReasoningConfig(mode="off"), DEFAULT, {}),
    "adaptive": (ReasoningConfig(mode="auto"), LEVEL, {"thinking": {"type": "adaptive"}}),
    "effort": (
        ReasoningConfig(mode="on", effort="high"),
        LEVEL,
        {
            "thinking": {"type": "adaptive", "display": "summarized"},
            "output_config": {"effort": "high"},
        },
    ),
    "effort that is not listed": (
        ReasoningConfig(mode="on", effort="xhigh", show="none"),
        LEVEL,
        {"thinking": {"type": "adaptive", "display": "omitted"}, "output_config": {"effort": "high"}},
    ),
    "budget on a level model": (
        ReasoningConfig(mode="on", budget=500, show="none"),
        LEVEL,
        {"thinking": {"type": "adaptive", "display": "omitted"}, "output_config": {"effort": "low"}},
    ),
    "effort where unknown": (
        ReasoningConfig(mode="on", effort="minimal", show="none"),
        DEFAULT,
        {"thinking": {"type": "adaptive", "display": "omitted"}, "output_config": {"effort": "low"}},
    ),
    "budget where unknown": (ReasoningConfig(mode="on", budget=2000), DEFAULT, {"thinking": budget(2000)}),
    "effort alone": (ReasoningConfig(effort="low"), LEVEL, {"output_config": {"effort": "low"}}),
    "unset": (ReasoningConfig(), BUDGET, {}),
}


@pytest.mark.parametrize(("config", "capabilities", "expected"), MATRIX.values(), ids=MATRIX.keys())
def test_reasoning_takes_the_form_that_the_model_knows(config, capabilities, expected):
    found, dropped = reasoning(config, capabilities)
    found.pop("max_tokens")
    assert found == expected
    assert dropped == ()


@pytest.mark.parametrize(
    ("asked", "wanted", "ceiling", "limit", "granted"),
    [
        (1000, 2000, None, 3000, 2000),
        (1000, 2000, 64_000, 3000, 2000),
        (3000, 8000, 10_000, 10_000, 7000),
        (9500, 9500, 10_000, 9500, None),
    ],
)
def test_a_budget_always_stays_below_max_tokens(asked, wanted, ceiling, limit, granted):
    capabilities = Capabilities(thinking="budget", max_output_tokens=ceiling)
    config = ReasoningConfig(mode="on", budget=wanted)
    found, dropped = reasoning(config, capabilities, max_output_tokens=asked)
    assert found["max_tokens"] == limit
    assert found.get("thinking") == (budget(granted) if granted else None)
    assert dropped == (() if granted else ("reasoning",))


def test_what_excludes_thinking_wins_and_is_reported():
    config = ReasoningConfig(mode="on", budget=2000)
    call, result = ToolCall(id="c", name="f"), ToolResult(call_id="c")
    signed = Reasoning(text="t", signature=Signature("EqQB", Format.CLAUDE))
    loop = (user("q"), assistant(call), user(result))
    cases: list[tuple[tuple, dict, bool]] = [
        ((), {"tools": (TOOL,), "tool_choice": ToolChoice(mode="required")}, False),
        ((), {"tools": (TOOL,), "tool_choice": ToolChoice(mode="auto")}, True),
        ((user("q"), assistant("pre")), {}, False),
        (loop, {"tools": (TOOL,)}, False),
        ((user("q"), assistant(signed, call), user(result)), {"tools": (TOOL,)}, True),
    ]
    for turns, fields, is_on in cases:
        found, dropped = reasoning(config, BUDGET, *turns, **fields)
        assert ("thinking" in found) is is_on
        assert ("reasoning" in dropped) is not is_on
    found, _ = reasoning(ReasoningConfig(mode="on", effort="low"), LEVEL, *loop)
    assert found["thinking"]["type"] == "adaptive"


def test_a_model_without_thinking_drops_it_and_effort_alone_needs_levels():
    none = Capabilities(thinking="none")
    assert reasoning(ON, none)[1] == ("reasoning",)
    assert reasoning(ReasoningConfig(mode="off"), none)[1] == ()
    assert reasoning(ReasoningConfig(effort="high"), BUDGET)[1] == ("reasoning",)


def test_thinking_excludes_sampling():
    encoded = encode(
        reasoning=ReasoningConfig(mode="on", budget=2000), sampling=SAMPLING, capabilities=BUDGET
    )
    assert not {"temperature", "top_p", "top_k"} & encoded.body.keys()
    assert encoded.body["stop_sequences"] == ["END"]
    assert {"temperature", "top_p", "top_k"} <= set(encoded.dropped)


# --- structured output ---

SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer", "minimum": 1}, "sub": {"type": "object", "properties": {}}},
    "required": ["n"],
}


def test_a_json_schema_becomes_a_closed_output_format():
    sent = body(output=OutputConfig(kind="json_schema", name="x", schema=SCHEMA))
    found = sent["output_config"]["format"]
    assert found["type"] == "json_schema"
    assert found["schema"]["additionalProperties"] is False
    assert found["schema"]["properties"]["sub"]["additionalProperties"] is False
    assert found["schema"]["properties"]["n"] == {"type": "integer", "description": "{minimum: 1}"}
    assert "additionalProperties" not in SCHEMA


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (OutputConfig(kind="json"), "one JSON object"),
        (OutputConfig(kind="json_schema"), "one JSON object"),
        (OutputConfig(kind="json_schema", schema=SCHEMA), '"required":["n"]'),
    ],
)
def test_what_cannot_be_enforced_is_said_in_words(output, words):
    sent = body(output=output, tools=(TOOL,), capabilities=Capabilities(structured_output=False))
    assert words in sent["system"][-1]["text"]
    assert "output_config" not in sent


def test_encoding_twice_gives_the_same_body_and_changes_nothing():
    request = make_request(user(Text(text="a")), tools=(TOOL,), ext={Format.CLAUDE: {"container": "c"}})
    first = CODEC.encode_request(request, "m", DEFAULT)
    assert CODEC.encode_request(request, "m", DEFAULT).body == first.body
