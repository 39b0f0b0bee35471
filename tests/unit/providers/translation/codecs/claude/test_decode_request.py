import pytest

from providers.translation.codec import Capabilities, MalformedRequest
from providers.translation.codecs.claude import carrier
from providers.translation.codecs.claude.codec import CODEC
from providers.translation.model import (
    CacheMark,
    Instruction,
    Media,
    Original,
    OutputConfig,
    Reasoning,
    ReasoningConfig,
    Request,
    Role,
    Sampling,
    Signature,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
    Unknown,
    WebSearch,
)
from providers.values import Format

from .wire import assistant, make_request, user

CLAUDE = Format.CLAUDE
HI = [{"role": "user", "content": "hi"}]


def decode(messages=None, **fields):
    return CODEC.decode_request({"model": "fast", "messages": messages or HI, **fields})


def parts(*blocks, role="user"):
    (turn,) = decode([{"role": role, "content": list(blocks)}]).turns
    return turn.parts


def test_the_smallest_request_is_read():
    assert decode() == Request(
        model="fast",
        turns=(Turn(role=Role.USER, parts=(Text(text="hi"),)),),
        include_usage=True,
    )


@pytest.mark.parametrize(
    "thread",
    [{"type": "create"}, {"type": "continue", "previous_message_id": "msg_1"}],
    ids=lambda t: t["type"],
)
def test_a_thread_is_refused_because_nobody_else_holds_it(thread):
    with pytest.raises(MalformedRequest) as caught:
        decode(thread=thread)
    error = caught.value
    assert (error.client_status, error.code, error.param) == (400, "thread_unsupported_request", "thread")


def test_a_null_thread_asks_for_nothing():
    assert decode(thread=None) == decode()


def test_system_is_a_string_or_blocks_with_marks():
    assert decode(system="be brief").instructions == (Instruction(parts=(Text(text="be brief"),)),)
    blocks = [
        {"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {"type": "text", "text": "b"},
    ]
    (found,) = decode(system=blocks).instructions
    assert found.parts == (Text(text="a", cache=CacheMark("1h")), Text(text="b"))
    assert decode(system="").instructions == ()


def test_system_messages_keep_their_place_between_turns():
    request = decode(
        [
            *HI,
            {"role": "system", "content": "mid"},
            {"role": "assistant", "content": "yes"},
            {"role": "user", "content": "a"},
            {"role": "user", "content": [{"type": "text", "text": "b"}]},
        ],
        system="head",
    )
    assert [(found.position, found.parts[0].text) for found in request.instructions] == [
        (None, "head"),
        (1, "mid"),
    ]
    assert request.turns == (user("hi"), assistant("yes"), user("a", "b"))


SOURCES = {
    "base64 image": (
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
        Media(kind="image", mime="image/png", data="AAAA"),
    ),
    "image url": (
        {"type": "image", "source": {"type": "url", "url": "https://a.example/i"}},
        Media(kind="image", url="https://a.example/i"),
    ),
    "image file": (
        {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
        Media(kind="image", file_id="file_1"),
    ),
    "pdf": (
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"},
            "title": "T",
            "context": "C",
            "citations": {"enabled": True},
            "cache_control": {"type": "ephemeral"},
        },
        Media(
            kind="document",
            mime="application/pdf",
            data="JVBE",
            title="T",
            cache=CacheMark(),
            ext={CLAUDE: {"context": "C", "citations": {"enabled": True}}},
        ),
    ),
    "document url": (
        {"type": "document", "source": {"type": "url", "url": "https://a.example/d"}},
        Media(kind="document", url="https://a.example/d"),
    ),
    "text document": (
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}},
        Media(kind="document", mime="text/plain", text="x"),
    ),
    "document of blocks": (
        {
            "type": "document",
            "source": {"type": "content", "content": [{"type": "text", "text": "a"}]},
            "title": "T",
        },
        Media(
            kind="document",
            mime="text/plain",
            text="a",
            title="T",
            original=Original(
                CLAUDE, {"source": {"type": "content", "content": [{"type": "text", "text": "a"}]}}
            ),
        ),
    ),
    "thinking": (
        {"type": "thinking", "thinking": "hm", "signature": "EqQB"},
        Reasoning(text="hm", signature=Signature("EqQB", CLAUDE)),
    ),
    "unsigned thinking": (
        {"type": "thinking", "thinking": "hm", "signature": carrier.wrap(None)},
        Reasoning(text="hm"),
    ),
    "foreign thinking": (
        {
            "type": "thinking",
            "thinking": "hm",
            "signature": carrier.wrap(Signature("Zm9v", Format.GEMINI)),
        },
        Reasoning(text="hm", signature=Signature("Zm9v", Format.GEMINI)),
    ),
    "redacted thinking": (
        {"type": "redacted_thinking", "data": "EmwK"},
        Reasoning(redacted=Signature("EmwK", CLAUDE)),
    ),
    "tool use": (
        {
            "type": "tool_use",
            "id": "toolu_1",
            "name": "f",
            "input": {"b": 123456789012345678901234567890, "a": "/<é>"},
            "caller": {"type": "direct"},
            "cache_control": {"type": "ephemeral"},
        },
        ToolCall(
            id="toolu_1",
            name="f",
            arguments='{"b":123456789012345678901234567890,"a":"/<é>"}',
            cache=CacheMark(),
            ext={CLAUDE: {"caller": {"type": "direct"}}},
        ),
    ),
    "server tool": (
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
        Unknown(raw={"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}, format=CLAUDE),
    ),
}


@pytest.mark.parametrize(("block", "part"), SOURCES.values(), ids=SOURCES.keys())
def test_every_block_has_its_part_and_goes_back_as_it_came(block, part):
    is_user = block["type"] in ("image", "document")
    role = "user" if is_user else "assistant"
    assert parts(block, role=role) == (part,)
    turns = (user(part),) if is_user else (user("q"), assistant(part), user("next"))
    sent = CODEC.encode_request(make_request(*turns), "m", Capabilities()).body["messages"]
    is_replayed = carrier.is_tagged(block.get("signature", ""))
    assert (sent if is_user else sent[1:-1]) == ([] if is_replayed else [{"role": role, "content": [block]}])


def test_a_search_result_reads_as_text_and_goes_back_whole():
    block = {
        "type": "search_result",
        "source": "https://a.example",
        "title": "T",
        "content": [{"type": "text", "text": "body"}],
        "citations": {"enabled": True},
    }
    (part,) = parts(block)
    assert part.text == "T\nhttps://a.example\nbody"
    assert CODEC.encode_request(make_request(user(part)), "m", Capabilities()).body["messages"] == [
        {"role": "user", "content": [block]}
    ]


def test_a_document_of_text_and_images_is_flattened_in_order():
    image = {"type": "image", "source": {"type": "url", "url": "https://a.example/i"}}
    content = [{"type": "text", "text": "a"}, image, {"type": "text", "text": "b"}]
    found = parts({"type": "document", "source": {"type": "content", "content": content}})
    assert found == (Text(text="a"), Media(kind="image", url="https://a.example/i"), Text(text="b"))


def test_results_stand_first_and_know_their_tools_name():
    request = decode(
        [
            *HI,
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "c1", "name": "f"}],
            },
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "see"},
                    {"type": "tool_result", "tool_use_id": "c1", "content": "one", "is_error": True},
                    {
                        "type": "tool_result",
                        "tool_use_id": "c2",
                        "content": [
                            {"type": "text", "text": "two"},
                            {"type": "image", "source": {"type": "url", "url": "https://a.example/i"}},
                        ],
                    },
                    {"type": "tool_result", "tool_use_id": "c3"},
                ],
            },
        ]
    )
    assert request.turns[1].parts == (ToolCall(id="c1", name="f", arguments="{}"),)
    assert request.turns[2].parts == (
        ToolResult(call_id="c1", name="f", parts=(Text(text="one"),), is_error=True),
        ToolResult(call_id="c2", parts=(Text(text="two"), Media(kind="image", url="https://a.example/i"))),
        ToolResult(call_id="c3"),
        Text(text="see"),
    )


def test_state_that_was_carried_beside_a_part_returns_to_it():
    signed = Signature("Zm9v", Format.GEMINI)
    before = {"type": "thinking", "thinking": "", "signature": carrier.wrap(signed, carrier.Place.NEXT)}
    after = {"type": "thinking", "thinking": "", "signature": carrier.wrap(signed, carrier.Place.LAST)}
    call = {"type": "tool_use", "id": "c", "name": "f", "input": {}}
    found = parts({"type": "text", "text": "a"}, after, before, call, after, role="assistant")
    assert found == (
        Text(text="a", signature=signed),
        ToolCall(id="c", name="f", arguments="{}", signature=signed),
        Text(text="", signature=signed),
    )


def test_tools_of_both_kinds_are_read():
    schema = {"type": "object", "properties": {}}
    search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
    request = decode(
        tools=[
            {
                "name": "f",
                "description": "d",
                "input_schema": schema,
                "strict": True,
                "input_examples": [{}],
                "cache_control": {"type": "ephemeral"},
            },
            {"type": "custom", "name": "g", "input_schema": schema},
            search,
            {"type": "code_execution_20250825", "name": "code_execution"},
            {"type": "bash_20250124", "name": "bash"},
            {"type": "mcp_toolset", "mcp_server_name": "m"},
        ]
    )
    assert request.tools[0] == Tool(
        name="f",
        description="d",
        schema=schema,
        strict=True,
        cache=CacheMark(),
        ext={CLAUDE: {"input_examples": [{}]}},
    )
    assert request.tools[1] == Tool(name="g", schema=schema)
    assert request.tools[2] == Tool(
        name="web_search", kind="web_search", search=WebSearch(max_uses=3), ext={CLAUDE: search}
    )
    assert [tool.kind for tool in request.tools[3:]] == ["code_execution", "bash", "mcp"]
    sent = CODEC.encode_request(request, "m", Capabilities()).body["tools"]
    assert sent[2:] == [
        search,
        {"type": "code_execution_20250825", "name": "code_execution"},
        {"type": "bash_20250124", "name": "bash"},
        {"type": "mcp_toolset", "mcp_server_name": "m"},
    ]


CHOICES = {
    "auto": ({"type": "auto"}, ToolChoice(mode="auto"), None),
    "none": ({"type": "none"}, ToolChoice(mode="none"), None),
    "any": ({"type": "any", "disable_parallel_tool_use": True}, ToolChoice(mode="required"), False),
    "tool": (
        {"type": "tool", "name": "f", "disable_parallel_tool_use": False},
        ToolChoice(mode="one", names=("f",)),
        True,
    ),
    "absent": (None, None, None),
}


@pytest.mark.parametrize(("raw", "choice", "parallel"), CHOICES.values(), ids=CHOICES.keys())
def test_tool_choice_is_read(raw, choice, parallel):
    request = decode(tool_choice=raw)
    assert (request.tool_choice, request.parallel) == (choice, parallel)


THINKING = {
    "manual": (
        {"thinking": {"type": "enabled", "budget_tokens": 2000, "display": "omitted"}},
        ReasoningConfig(mode="on", budget=2000, show="none"),
    ),
    "adaptive": (
        {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "max"}},
        ReasoningConfig(mode="auto", effort="max", show="summary"),
    ),
    "between tools": ({"thinking": {"type": "between_tools"}}, ReasoningConfig(mode="auto")),
    "disabled": ({"thinking": {"type": "disabled"}}, ReasoningConfig(mode="off")),
    "effort alone": ({"output_config": {"effort": "low"}}, ReasoningConfig(effort="low")),
}


@pytest.mark.parametrize(("fields", "config"), THINKING.values(), ids=THINKING.keys())
def test_thinking_and_effort_are_read(fields, config):
    assert decode(**fields).reasoning == config


@pytest.mark.parametrize("key", ["output_config", "output_format"])
def test_the_output_format_is_read_in_both_spellings(key):
    wanted = {"type": "json_schema", "schema": {"type": "object"}}
    request = decode(**{key: {"format": wanted} if key == "output_config" else wanted})
    assert request.output == OutputConfig(kind="json_schema", schema={"type": "object"})


def test_scalars_find_their_place_and_unknown_keys_stay():
    request = decode(
        max_tokens=1024.0,
        temperature=0,
        top_p=0.5,
        top_k=3,
        stop_sequences=["a", "b"],
        metadata={"user_id": "u", "team": "x"},
        service_tier="standard_only",
        stream=True,
        container="c1",
        betas=["b"],
        speed=None,
    )
    assert (request.max_output_tokens, request.stream, request.service_tier) == (1024, True, "default")
    assert request.sampling == Sampling(temperature=0, top_p=0.5, top_k=3, stop=("a", "b"))
    assert (request.user, request.metadata) == ("u", {"team": "x"})
    assert request.ext == {CLAUDE: {"container": "c1", "betas": ["b"]}}


def message(content, role="user"):
    return {"messages": [{"role": role, "content": content}]}


MALFORMED = {
    "model": ({"model": None}, "model"),
    "no messages": ({"messages": None}, "messages"),
    "empty messages": ({"messages": []}, "messages"),
    "a message that is no object": ({"messages": ["hi"]}, "messages[0]"),
    "role": (message("x", role="tool"), "messages[0].role"),
    "no content": (message(None), "messages[0].content"),
    "content": (message(3), "messages[0].content"),
    "block": (message([3]), "messages[0].content[0]"),
    "block type": (message([{"type": 3}]), "messages[0].content[0].type"),
    "text": (message([{"type": "text"}]), "messages[0].content[0].text"),
    "source": (message([{"type": "image"}]), "messages[0].content[0].source"),
    "source type": (
        message([{"type": "image", "source": {"type": "ftp"}}]),
        "messages[0].content[0].source.type",
    ),
    "source data": (
        message([{"type": "image", "source": {"type": "base64"}}]),
        "messages[0].content[0].source.data",
    ),
    "tool use id": (message([{"type": "tool_use", "name": "f"}]), "messages[0].content[0].id"),
    "tool use input": (
        message([{"type": "tool_use", "id": "a", "name": "f", "input": "x"}]),
        "messages[0].content[0].input",
    ),
    "result id": (message([{"type": "tool_result"}]), "messages[0].content[0].tool_use_id"),
    "nested": (
        message([{"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text"}]}]),
        "messages[0].content[0].content[0].text",
    ),
    "mark": (
        message([{"type": "text", "text": "a", "cache_control": "x"}]),
        "messages[0].content[0].cache_control",
    ),
    "system": ({"system": 3}, "system"),
    "system block": (
        {"system": [{"type": "image", "source": {"type": "url", "url": "u"}}]},
        "system",
    ),
    "tools": ({"tools": {}}, "tools"),
    "tool name": ({"tools": [{"input_schema": {}}]}, "tools[0].name"),
    "tool schema": ({"tools": [{"name": "f", "input_schema": []}]}, "tools[0].input_schema"),
    "choice": ({"tool_choice": {"type": "some"}}, "tool_choice.type"),
    "choice name": ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
    "thinking": ({"thinking": {"type": "hard"}}, "thinking.type"),
    "budget": ({"thinking": {"type": "enabled", "budget_tokens": "x"}}, "thinking.budget_tokens"),
    "format": ({"output_config": {"format": {"type": "xml"}}}, "output_config.format.type"),
    "max_tokens": ({"max_tokens": "many"}, "max_tokens"),
    "temperature": ({"temperature": True}, "temperature"),
    "stream": ({"stream": "yes"}, "stream"),
    "stops": ({"stop_sequences": ["a", 3]}, "stop_sequences[1]"),
    "user": ({"metadata": {"user_id": 3}}, "metadata.user_id"),
}


@pytest.mark.parametrize(("fields", "param"), MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_field_is_named(fields, param):
    with pytest.raises(MalformedRequest) as caught:
        CODEC.decode_request({"model": "fast", "messages": HI} | fields)
    assert caught.value.param == param
    assert caught.value.client_status == 400


def test_a_body_that_is_no_object_is_malformed():
    with pytest.raises(MalformedRequest):
        CODEC.decode_request([])


def test_lenient_spellings_are_understood():
    assert parts("a", {"text": "b"}) == (Text(text="a"), Text(text="b"))
    assert decode(tool_choice="auto").tool_choice == ToolChoice(mode="auto")
    image = {"type": "image", "source": {"type": "base64", "data": "iVBORw0KGgo="}}
    assert parts(image) == (Media(kind="image", mime="image/png", data="iVBORw0KGgo="),)
    nothing = {"type": "thinking", "thinking": "", "signature": carrier.wrap(None, carrier.Place.LAST)}
    assert decode([*HI, {"role": "assistant", "content": [nothing]}]).turns == (user("hi"),)
    assert decode([*HI, {"role": "system", "content": ""}]).instructions == ()


ROUND_TRIPS = {
    "a tool loop": (
        make_request(
            user("go", Media(kind="image", mime="image/png", data="AAAA")),
            assistant(
                Reasoning(text="t", signature=Signature("EqQB", CLAUDE)),
                "calling",
                ToolCall(id="toolu_1", name="f", arguments='{"x":1}'),
                ToolCall(id="toolu_2", name="g", arguments="{}"),
            ),
            user(
                ToolResult(call_id="toolu_1", name="f", parts=(Text(text="a"), Text(text="b"))),
                ToolResult(call_id="toolu_2", name="g", is_error=True),
                "and?",
            ),
            tools=(
                Tool(name="f", description="d", schema={"type": "object"}),
                Tool(name="g", schema={"type": "object", "properties": {}}),
            ),
            tool_choice=ToolChoice(mode="auto"),
            parallel=False,
            include_usage=True,
            max_output_tokens=5000,
            reasoning=ReasoningConfig(mode="on", budget=2000, show="summary"),
        ),
        Capabilities(thinking="budget"),
    ),
    "a plain chat": (
        make_request(
            user(Text(text="a", cache=CacheMark())),
            assistant("b"),
            user(Media(kind="document", mime="text/plain", text="n", title="T"), "c"),
            instructions=(
                Instruction(parts=(Text(text="one"), Text(text="two", cache=CacheMark("1h")))),
                Instruction(parts=(Text(text="mid"),), position=1),
            ),
            include_usage=True,
            stream=True,
            max_output_tokens=10,
            sampling=Sampling(temperature=0.5, top_p=0.9, top_k=3, stop=("x",)),
            user="u",
            service_tier="auto",
            ext={CLAUDE: {"container": "c1"}},
        ),
        Capabilities(mid_system=True),
    ),
    "adaptive thinking and a schema": (
        make_request(
            user("a"),
            include_usage=True,
            max_output_tokens=10,
            reasoning=ReasoningConfig(mode="auto", effort="max", show="none"),
            output=OutputConfig(
                kind="json_schema",
                schema={"type": "object", "properties": {}, "additionalProperties": False},
            ),
        ),
        Capabilities(adaptive_thinking=True),
    ),
}


@pytest.mark.parametrize(("request_", "capabilities"), ROUND_TRIPS.values(), ids=ROUND_TRIPS.keys())
def test_decoding_what_was_encoded_gives_the_same_request(request_, capabilities):
    encoded = CODEC.encode_request(request_, "fast", capabilities)
    assert encoded.dropped == ()
    assert CODEC.decode_request(encoded.body) == request_


def test_an_effort_that_anthropic_does_not_publish_is_a_fault():
    with pytest.raises(MalformedRequest) as caught:
        decode(output_config={"effort": "huge"})
    assert caught.value.param == "output_config.effort"


def test_data_that_is_no_base64_is_a_fault():
    block = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "!!!"}}
    with pytest.raises(MalformedRequest) as caught:
        decode([{"role": "user", "content": [block]}])
    assert caught.value.param == "messages[0].content[0].source.data"


def test_messages_of_the_assistant_stay_apart():
    request = decode([*HI, {"role": "assistant", "content": "a"}, {"role": "assistant", "content": "b"}])
    assert request.turns[1:] == (assistant("a"), assistant("b"))
