"""Chat Completions requests: parameters and tools read, bodies written, and both agree."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.adapters.registry import adapter_for
from providers.translation.codec import Capabilities, MalformedRequest, Untranslatable
from providers.translation.codecs.openai.codec import CODEC
from providers.translation.model import (
    CacheMark,
    OutputConfig,
    ReasoningConfig,
    Request,
    Role,
    Sampling,
    Text,
    Tool,
    ToolChoice,
    Turn,
)
from providers.translation.registry import CODECS
from providers.values import Format
from tests.unit.providers.translation.codecs.openai.cast import decode, encode

FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
HELLO = (Turn(role=Role.USER, parts=(Text(text="Hi"),)),)


def custom_of(grammar):
    return {"type": "custom", "custom": {"name": "sh", "format": grammar}}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"stream": True, "stream_options": {"include_usage": True}},
            {"stream": True, "include_usage": True},
        ),
        ({"max_tokens": 5, "max_completion_tokens": 7}, {"max_output_tokens": 7}),
        ({"max_tokens": 5}, {"max_output_tokens": 5}),
        ({"max_tokens": 5.0, "max_completion_tokens": None}, {"max_output_tokens": 5}),
        (
            {"temperature": 0.5, "top_p": 1, "top_k": 3, "seed": 9, "stop": "END"},
            {"sampling": Sampling(temperature=0.5, top_p=1, top_k=3, seed=9, stop=("END",))},
        ),
        ({"stop": ["a", "", "b"]}, {"sampling": Sampling(stop=("a", "b"))}),
        ({"stop": None}, {"sampling": Sampling()}),
        ({"stop": ""}, {"sampling": Sampling()}),
        (
            {"frequency_penalty": 1, "presence_penalty": -1, "logit_bias": {"50256": -100}},
            {"sampling": Sampling(frequency_penalty=1, presence_penalty=-1, logit_bias={"50256": -100})},
        ),
        ({"n": 2, "logprobs": True, "top_logprobs": 3}, {"n": 2, "logprobs": True, "top_logprobs": 3}),
        ({"reasoning_effort": "none"}, {"reasoning": ReasoningConfig(mode="off")}),
        ({"reasoning_effort": "xhigh"}, {"reasoning": ReasoningConfig(mode="on", effort="xhigh")}),
        ({"response_format": {"type": "text"}}, {"output": OutputConfig()}),
        ({"response_format": {"type": "json_object"}}, {"output": OutputConfig(kind="json")}),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "n", "schema": {}, "strict": True},
                }
            },
            {"output": OutputConfig(kind="json_schema", name="n", schema={}, strict=True)},
        ),
        (
            {"verbosity": "low", "modalities": ["text"]},
            {"output": OutputConfig(verbosity="low", modalities=("text",))},
        ),
        ({"user": "u"}, {"user": "u"}),
        ({"metadata": {"a": "b"}, "store": False}, {"metadata": {"a": "b"}, "store": False}),
        ({"prompt_cache_key": "k", "service_tier": "flex"}, {"cache_key": "k", "service_tier": "flex"}),
        ({"parallel_tool_calls": False}, {"parallel": False}),
        ({"prediction": {"type": "content"}}, {"ext": {Format.OPENAI: {"prediction": {"type": "content"}}}}),
    ],
)
def test_every_parameter_has_its_place(fields, expected):
    request = decode(**fields)
    assert {name: getattr(request, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("tool", "expected"),
    [
        (FUNCTION, Tool(name="f", schema={"type": "object"})),
        ({"type": "function", "name": "flat", "strict": True}, Tool(name="flat", strict=True)),
        (
            {"type": "custom", "custom": {"name": "sh", "description": "d", "format": {"type": "text"}}},
            Tool(name="sh", kind="custom", description="d"),
        ),
        ({"type": "web_search"}, Tool(name="web_search", kind="web_search")),
    ],
)
def test_tools_are_read(tool, expected):
    assert decode(tools=[tool]).tools == (expected,)


def test_web_search_options_are_a_server_tool_and_go_back_as_options():
    request = decode(web_search_options={"search_context_size": "low"})
    assert request.tools[0].kind == "web_search"
    assert encode(request)["web_search_options"] == {"search_context_size": "low"}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", ToolChoice(mode="auto")),
        ("none", ToolChoice(mode="none")),
        ("required", ToolChoice(mode="required")),
        ({"type": "function", "function": {"name": "f"}}, ToolChoice(mode="one", names=("f",))),
        ({"type": "function", "name": "f"}, ToolChoice(mode="one", names=("f",))),
        ({"type": "custom", "custom": {"name": "sh"}}, ToolChoice(mode="one", names=("sh",))),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [FUNCTION]}},
            ToolChoice(mode="allowed", names=("f",), required=True),
        ),
    ],
)
def test_every_tool_choice_goes_there_and_back(choice, expected):
    tools = [FUNCTION, {"type": "custom", "custom": {"name": "sh"}}]
    request = decode(tools=tools, tool_choice=choice)
    assert request.tool_choice == expected
    assert decode(tools=tools, tool_choice=encode(request)["tool_choice"]).tool_choice == expected


def test_legacy_functions_become_tools_and_allow_one_call():
    request = decode(functions=[{"name": "f"}], function_call={"name": "f"})
    assert request.tools[0].name == "f"
    assert request.tool_choice == ToolChoice(mode="one", names=("f",))
    assert request.parallel is False
    body = encode(request)
    assert body["tools"] == [{"type": "function", "function": {"name": "f"}}]
    assert "functions" not in body


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": None}, "model"),
        ({"model": " "}, "model"),
        ({"model": 7}, "model"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": []}, "stream_options"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": "many"}, "max_completion_tokens"),
        ({"temperature": 3}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"stop": 1}, "stop"),
        ({"stop": [1]}, "stop[0]"),
        ({"n": 0}, "n"),
        ({"logit_bias": {"1": "x"}}, "logit_bias.1"),
        ({"metadata": {"a": 1}}, "metadata.a"),
        ({"reasoning_effort": "extreme"}, "reasoning_effort"),
        ({"response_format": {}}, "response_format.type"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"modalities": ["text", 1]}, "modalities[1]"),
        ({"tools": {}}, "tools"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
        ({"tools": [{"type": "function", "function": {"name": "f", "parameters": []}}]},
         "tools[0].function.parameters"),
        ({"tools": [{"type": "teleport"}]}, "tools[0].type"),
        ({"tool_choice": "maybe"}, "tool_choice"),
        ({"tool_choice": 1}, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.function.name"),
        ({"tool_choice": {"type": "x"}}, "tool_choice.type"),
        ({"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "x", "tools": []}}},
         "tool_choice.allowed_tools.mode"),
    ],
)  # fmt: skip
def test_a_bad_parameter_is_named(fields, param):
    with pytest.raises(MalformedRequest) as caught:
        decode(**fields)
    assert caught.value.param == param


@pytest.mark.parametrize("body", [None, [], "x", 7])
def test_a_body_that_is_no_object_is_refused(body):
    with pytest.raises(MalformedRequest):
        CODEC.decode_request(body)


# --- encoding


def test_usage_is_asked_for_whenever_streaming():
    assert encode(decode(stream=True))["stream_options"] == {"include_usage": True}
    assert "stream_options" not in encode(decode(stream=True), stream_usage=False)
    assert "stream_options" not in encode(decode())


def test_the_limit_goes_into_the_field_that_the_upstream_knows():
    request = decode(max_tokens=9000)
    assert encode(request)["max_completion_tokens"] == 9000
    body = encode(request, legacy_max_tokens=True, max_output_tokens=4096)
    assert body["max_tokens"] == 4096
    assert "max_completion_tokens" not in body


def test_developer_becomes_system_where_it_is_unknown():
    request = decode(messages=[{"role": "developer", "content": "d"}, {"role": "user", "content": "u"}])
    assert encode(request)["messages"][0]["role"] == "developer"
    assert encode(request, developer_role=False)["messages"][0]["role"] == "system"


def test_sampling_is_dropped_and_reported_where_it_is_refused():
    request = decode(temperature=1, top_p=0.9, seed=1, stop="x", top_k=4)
    encoded = CODEC.encode_request(request, "up", Capabilities(accepts_sampling=False))
    assert set(encoded.body) == {"model", "messages", "seed", "stop"}
    assert set(encoded.dropped) == {"temperature", "top_p", "top_k"}
    body = encode(request, accepts_temperature_with_top_p=False)
    assert "top_p" not in body
    assert body["temperature"] == 1


def test_without_tools_there_is_no_choice():
    body = encode(decode(tool_choice="auto", parallel_tool_calls=True))
    assert not {"tools", "tool_choice", "parallel_tool_calls"} & set(body)


def test_more_than_four_stops_are_cut_and_reported():
    encoded = CODEC.encode_request(decode(stop=list("abcdef")), "up", Capabilities())
    assert encoded.body["stop"] == list("abcd")
    assert encoded.dropped == ("stop[4:]",)


def test_foreign_fields_never_reach_the_upstream():
    request = msgspec.structs.replace(
        decode(), ext={Format.CLAUDE: {"container": "c"}, Format.OPENAI: {"prediction": 1}}
    )
    encoded = CODEC.encode_request(request, "up", Capabilities())
    assert "container" not in encoded.body
    assert encoded.body["prediction"] == 1
    assert encoded.dropped == ("container",)


def test_a_server_tool_is_dropped_unless_it_is_forced():
    tool = Tool(name="code", kind="code_execution")
    request = Request(model="m", turns=HELLO, tools=(tool,))
    encoded = CODEC.encode_request(request, "up", Capabilities())
    assert encoded.dropped == ("tools[0]",)
    forced = msgspec.structs.replace(request, tool_choice=ToolChoice(mode="one", names=("code",)))
    with pytest.raises(Untranslatable):
        encode(forced)


def test_names_that_do_not_fit_are_mangled_everywhere_and_restored():
    request = Request(
        model="m",
        turns=HELLO,
        tools=(Tool(name="ns.tool"), Tool(name="x" * 80)),
        tool_choice=ToolChoice(mode="one", names=("ns.tool",)),
    )
    encoded = CODEC.encode_request(request, "up", Capabilities())
    short = encoded.body["tools"][0]["function"]["name"]
    assert short == "ns_tool"
    assert encoded.body["tool_choice"]["function"]["name"] == short
    assert encoded.names.restore(short) == "ns.tool"
    assert len(encoded.body["tools"][1]["function"]["name"]) <= 64


@pytest.mark.parametrize(
    ("reasoning", "levels", "effort"),
    [
        (ReasoningConfig(mode="off"), (), "none"),
        (ReasoningConfig(mode="off"), ("minimal", "low", "high"), "minimal"),
        (ReasoningConfig(mode="on", effort="max"), ("low", "medium", "high"), "high"),
        (ReasoningConfig(mode="on", effort="minimal"), ("low", "high"), "low"),
        (ReasoningConfig(mode="on", budget=0), (), "none"),
        (ReasoningConfig(mode="on", budget=512), (), "minimal"),
        (ReasoningConfig(mode="on", budget=1024), (), "low"),
        (ReasoningConfig(mode="on", budget=8192), (), "medium"),
        (ReasoningConfig(mode="on", budget=20000), (), "high"),
        (ReasoningConfig(mode="on", budget=32000), (), "high"),
        (ReasoningConfig(mode="on", budget=32000), ("low", "high", "xhigh"), "xhigh"),
        (ReasoningConfig(mode="auto", budget=-1), (), None),
        (ReasoningConfig(mode="on"), (), None),
    ],
)
def test_reasoning_becomes_an_effort_that_the_model_has(reasoning, levels, effort):
    request = Request(model="m", turns=HELLO, reasoning=reasoning)
    assert encode(request, thinking_levels=levels).get("reasoning_effort") == effort


def test_a_model_without_reasoning_gets_no_effort():
    request = Request(model="m", turns=HELLO, reasoning=ReasoningConfig(mode="on", effort="low"))
    encoded = CODEC.encode_request(request, "up", Capabilities(thinking="none"))
    assert "reasoning_effort" not in encoded.body
    assert encoded.dropped == ("reasoning_effort",)


def test_a_schema_gets_a_name_and_falls_back_to_plain_json():
    request = Request(
        model="m", turns=HELLO, output=OutputConfig(kind="json_schema", schema={"type": "object"})
    )
    assert encode(request)["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "response", "schema": {"type": "object"}},
    }
    assert encode(request, structured_output=False)["response_format"] == {"type": "json_object"}


def test_an_over_long_user_id_is_shortened_the_same_way_each_time():
    request = Request(model="m", turns=HELLO, user="u" * 100)
    assert len(encode(request)["user"]) == 64
    assert encode(request) == encode(request)


def test_both_spellings_of_the_end_user_survive():
    body = encode(decode(safety_identifier="s", user="u"))
    assert (body["safety_identifier"], body["user"]) == ("s", "u")


# --- both ways

FULL = {
    "model": "up",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi", "name": "ann"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look"},
                {"type": "image_url", "image_url": {"url": "https://x.example/a", "detail": "high"}},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
                {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
                {
                    "type": "file",
                    "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"},
                },
                {"type": "file", "file": {"file_id": "file-1"}},
                {"type": "text", "text": "and answer"},
            ],
        },
        {
            "role": "assistant",
            "content": "Calling",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1e2}'}},
                {"id": "c2", "type": "custom", "custom": {"name": "sh", "input": "ls"}},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "one"},
        {"role": "tool", "tool_call_id": "c2", "content": ""},
        {"role": "developer", "content": "Now in French."},
        {"role": "user", "content": "Go on"},
        {"role": "assistant", "content": None, "refusal": "No."},
        {"role": "user", "content": "Why?"},
    ],
    "tools": [
        {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}, "strict": True}},
        {"type": "custom", "custom": {"name": "sh", "description": "shell"}},
    ],
    "tool_choice": "required",
    "parallel_tool_calls": False,
    "max_completion_tokens": 100,
    "temperature": 0.25,
    "stop": ["END"],
    "n": 2,
    "reasoning_effort": "low",
    "response_format": {"type": "json_object"},
    "verbosity": "low",
    "user": "ann",
    "metadata": {"a": "b"},
    "store": True,
    "service_tier": "flex",
    "prompt_cache_key": "k",
    "prediction": {"type": "content", "content": "x"},
}


GRAMMAR = {"syntax": "lark", "definition": "start: x"}


@pytest.mark.parametrize(
    ("grammar", "written"),
    [
        ({"type": "grammar", **GRAMMAR}, {"type": "grammar", "grammar": GRAMMAR}),
        ({"type": "grammar", "grammar": GRAMMAR}, {"type": "grammar", "grammar": GRAMMAR}),
        ({"type": "text"}, {"type": "text"}),
    ],
)
def test_the_grammar_of_a_custom_tool_is_written_nested(grammar, written):
    request = Request(model="m", turns=(), tools=(Tool(name="sh", kind="custom", grammar=grammar),))
    assert encode(request)["tools"][0]["custom"] == {"name": "sh", "format": written}


def test_a_full_request_written_again_is_the_same_body():
    encoded = CODEC.encode_request(CODEC.decode_request(FULL), "up", Capabilities())
    assert encoded.body == FULL
    assert encoded.dropped == ()


text = st.text(min_size=1, max_size=20).filter(lambda value: value.strip() != "")


@given(
    texts=st.lists(text, min_size=1, max_size=4),
    temperature=st.none() | st.floats(0, 2),
    limit=st.none() | st.integers(1, 10**6),
    stop=st.lists(text, max_size=4),
    choice=st.sampled_from([None, ToolChoice(mode="auto"), ToolChoice(mode="one", names=("f",))]),
    effort=st.sampled_from([None, "low", "high"]),
)
def test_decoding_what_was_encoded_gives_the_same_request(texts, temperature, limit, stop, choice, effort):
    request = Request(
        model="up",
        turns=tuple(
            Turn(role=Role.USER if i % 2 == 0 else Role.ASSISTANT, parts=(Text(text=value),))
            for i, value in enumerate(texts)
        ),
        tools=(Tool(name="f", description="d", schema={"type": "object"}),),
        tool_choice=choice,
        max_output_tokens=limit,
        sampling=Sampling(temperature=temperature, stop=tuple(stop)),
        reasoning=ReasoningConfig(mode="on", effort=effort) if effort else ReasoningConfig(),
    )
    assert CODEC.decode_request(encode(request)) == request


def test_duplicate_tools_and_marks_on_tools_are_dropped_and_named():
    twice = (Tool(name="f", cache=CacheMark()), Tool(name="f"))
    encoded = CODEC.encode_request(Request(model="m", turns=HELLO, tools=twice), "up", Capabilities())
    assert len(encoded.body["tools"]) == 1
    assert encoded.dropped == ("tools[0].cache_control", "tools[1]")


def test_a_choice_among_no_known_tools_forbids_calls():
    request = Request(
        model="m",
        turns=HELLO,
        tools=(Tool(name="f"),),
        tool_choice=ToolChoice(mode="allowed", names=("gone",)),
    )
    assert encode(request)["tool_choice"] == "none"


@pytest.mark.parametrize(
    ("asked", "sent", "dropped"),
    [
        (("text",), ["text"], ()),
        (("text", "audio"), ["text", "audio"], ()),
        (("text", "image"), None, ("modalities.image",)),
    ],
)
def test_modalities_that_the_format_lacks_are_dropped_and_named(asked, sent, dropped):
    request = Request(model="m", turns=HELLO, output=OutputConfig(modalities=asked))
    encoded = CODEC.encode_request(request, "up", Capabilities())
    assert (encoded.body.get("modalities"), encoded.dropped) == (sent, dropped)


def test_other_stream_options_survive():
    request = decode(stream=True, stream_options={"include_obfuscation": False})
    assert encode(request)["stream_options"] == {"include_obfuscation": False, "include_usage": True}


def test_a_nested_grammar_is_read_flat_so_that_every_target_finds_it():
    custom = {"name": "sh", "format": {"type": "grammar", "grammar": GRAMMAR}}
    body = {
        "model": "m",
        "messages": [{"role": "user", "content": "x"}],
        "tools": [{"type": "custom", "custom": custom}],
    }
    (tool,) = CODEC.decode_request(body).tools
    assert tool.grammar == {"type": "grammar", **GRAMMAR}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"verbosity": "loud"}, "verbosity"),
        ({"safety_identifier": "s", "user": 7}, "user"),
        ({"tools": [custom_of({"type": "grammar"})]}, "tools[0].custom.format.syntax"),
        ({"tools": [custom_of({"type": "regex"})]}, "tools[0].custom.format.type"),
        ({"tools": [custom_of({"type": "grammar", "syntax": "peg"})]}, "tools[0].custom.format.syntax"),
        ({"tools": [custom_of({"type": "grammar", "syntax": "lark"})]}, "tools[0].custom.format.definition"),
    ],
)
def test_values_that_openai_does_not_publish_are_faults(fields, param):
    with pytest.raises(MalformedRequest) as caught:
        decode(**fields)
    assert caught.value.param == param


def test_a_tier_that_openai_does_not_have_is_named():
    request = Request(model="m", turns=(), service_tier="gold")
    encoded = CODEC.encode_request(request, "up", Capabilities())
    assert "service_tier" not in encoded.body
    assert encoded.dropped == ("service_tier",)


def test_a_call_of_tools_that_are_all_elsewhere_is_refused():
    tools = (Tool(name="bash", kind="bash"),)
    for choice in (ToolChoice(mode="required"), ToolChoice(mode="allowed", names=("bash",), required=True)):
        with pytest.raises(Untranslatable) as caught:
            encode(Request(model="m", turns=(), tools=tools, tool_choice=choice))
        assert caught.value.param == "tool_choice"


def test_a_search_cannot_be_forced():
    search = (Tool(name="web_search", kind="web_search"),)
    choice = ToolChoice(mode="one", names=("web_search",))
    request = Request(model="m", turns=(), tools=search, tool_choice=choice)
    encoded = CODEC.encode_request(request, "up", Capabilities())
    assert encoded.body["web_search_options"] == {}
    assert encoded.dropped == ("tool_choice",)


def test_the_old_form_of_functions_is_no_field_that_could_be_lost():
    request = decode(functions=[{"name": "f"}])
    for target in (Format.CLAUDE, Format.GEMINI, Format.RESPONSES):
        dropped = CODECS[target].encode_request(request, "up", Capabilities()).dropped
        assert not any("legacy" in name for name in dropped)


@pytest.mark.parametrize("model", ["o3", "gpt-5-mini", "gpt-5.2"])
def test_reasoning_models_are_not_sent_stop_strings_which_they_refuse(model):
    request = Request(model="m", turns=(), sampling=Sampling(stop=("END",)))
    encoded = CODEC.encode_request(request, model, adapter_for("openai").capabilities(model))
    assert "stop" not in encoded.body
    assert encoded.dropped == ("stop",)
