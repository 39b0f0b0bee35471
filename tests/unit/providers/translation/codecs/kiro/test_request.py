"""A neutral request as ``conversationState``: alternation, placement, tools and their limits."""

import json
import uuid

import pytest

from providers.translation.codec import Capabilities, Untranslatable
from providers.translation.codecs.claude.codec import CODEC as CLAUDE
from providers.translation.codecs.kiro.request import encode_request
from providers.translation.codecs.openai.codec import CODEC as OPENAI
from providers.translation.model import (
    Instruction,
    Media,
    Reasoning,
    ReasoningConfig,
    Request,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)

PNG = "iVBORw0KGgo="


def user(*parts):
    return said_by(Role.USER, parts)


def assistant(*parts):
    return said_by(Role.ASSISTANT, parts)


def said_by(role, parts):
    return Turn(role=role, parts=tuple(Text(text=part) if isinstance(part, str) else part for part in parts))


def encode(*turns, model="kiro-claude-sonnet-4-5", **fields):
    return encode_request(Request(model="m", turns=turns, **fields), model, Capabilities())


def state(*turns, **fields):
    return encode(*turns, **fields).body["conversationState"]


def current(*turns, **fields):
    return state(*turns, **fields)["currentMessage"]["userInputMessage"]


def system(text):
    return Instruction(parts=(Text(text=text),))


def test_one_question_is_the_current_message():
    made = state(user("Hi"))
    assert made["currentMessage"] == {
        "userInputMessage": {"content": "Hi", "modelId": "claude-sonnet-4.5", "origin": "AI_EDITOR"}
    }
    assert (made["history"], made["chatTriggerType"], made["agentTaskType"]) == ([], "MANUAL", "vibe")
    assert str(uuid.UUID(made["conversationId"])) == made["conversationId"]
    assert "agentContinuationId" not in made


def test_a_conversation_keeps_its_id_and_another_has_its_own():
    first = state(user("Hi"))["conversationId"]
    assert state(user("Hi"), assistant("Yes?"), user("Go"))["conversationId"] == first
    assert state(user("Ho"))["conversationId"] != first


def test_ids_of_an_earlier_answer_are_used():
    body = {
        "model": "m",
        "messages": [
            {"role": "user", "content": "Hi", "additional_kwargs": {"conversationId": "old"}},
            {
                "role": "user",
                "content": "Go",
                "additional_kwargs": {"conversationId": "c1", "continuationId": "n1"},
            },
        ],
    }
    encoded = encode_request(OPENAI.decode_request(body), "m", Capabilities())
    made = encoded.body["conversationState"]
    assert (made["agentContinuationId"], made["conversationId"]) == ("n1", "c1")
    assert encoded.dropped == ()


def test_messages_alternate_and_neighbours_of_one_author_are_one():
    made = state(assistant("I begin"), user("a"), user("b"), assistant("c"), assistant("d"), user("e"))
    roles = [next(iter(message)) for message in made["history"]]
    assert roles == [
        "userInputMessage", "assistantResponseMessage", "userInputMessage", "assistantResponseMessage",
    ]  # fmt: skip
    contents = [message[role]["content"] for message, role in zip(made["history"], roles, strict=True)]
    assert contents == [".", "I begin", "a\n\nb", "c\n\nd"]
    assert made["currentMessage"]["userInputMessage"]["content"] == "e"


def test_a_last_word_of_the_assistant_is_history():
    made = state(user("Hi"), assistant("And"))
    assert made["history"][-1] == {"assistantResponseMessage": {"content": "And"}}
    assert made["currentMessage"]["userInputMessage"]["content"] == "Continue"


def test_the_system_prompt_stands_before_all_else():
    alone = current(user("Hi"), instructions=(system("Be brief."), system("Be kind.")))
    assert alone["content"] == "<system_prompt>\nBe brief.\n\nBe kind.\n</system_prompt>\n\nHi"
    made = state(user("Hi"), assistant("Yes?"), user("Go"), instructions=(system("Be brief."),))
    first = made["history"][0]["userInputMessage"]["content"]
    assert first == "<system_prompt>\nBe brief.\n</system_prompt>\n\nHi"
    assert made["currentMessage"]["userInputMessage"]["content"] == "Go"


def test_an_instruction_in_between_stands_where_it_was():
    between = Instruction(parts=(Text(text="Now in French."),), position=2)
    made = current(user("Hi"), assistant("Yes?"), user("Go"), instructions=(between,))
    assert made["content"] == "<system_prompt>\nNow in French.\n</system_prompt>\n\nGo"


def test_results_answer_the_calls_before_them():
    call = ToolCall(id="t1", name="run", arguments='{"x":1}')
    result = ToolResult(call_id="t1", parts=(Text(text="out"),))
    made = state(user("Go"), assistant(call), user(result))
    assert made["history"][1]["assistantResponseMessage"] == {
        "content": ".",
        "toolUses": [{"toolUseId": "t1", "name": "run", "input": {"x": 1}}],
    }
    now = made["currentMessage"]["userInputMessage"]
    assert now["content"] == "Tool results provided."
    assert now["userInputMessageContext"]["toolResults"] == [
        {"toolUseId": "t1", "status": "success", "content": [{"text": "out"}]}
    ]


def test_a_failed_an_empty_and_a_structured_result():
    calls = [ToolCall(id=f"t{n}", name="run") for n in range(3)]
    results = (
        ToolResult(call_id="t0", parts=(Text(text="no"),), is_error=True),
        ToolResult(call_id="t1"),
        ToolResult(call_id="t2", value={"a": 1}),
    )
    made = current(user("Go"), assistant(*calls), user(*results))
    said = [(r["status"], r["content"]) for r in made["userInputMessageContext"]["toolResults"]]
    assert said == [
        ("error", [{"text": "no"}]),
        ("success", [{"text": "(no output)"}]),
        ("success", [{"text": '{"a":1}'}]),
    ]


def test_a_result_without_its_call_is_told_in_words_and_a_second_one_is_named_and_left_out():
    call = ToolCall(id="t1", name="run")
    one, two = (ToolResult(call_id="t1", parts=(Text(text=text),)) for text in ("one", "two"))
    orphan = ToolResult(call_id="gone", parts=(Text(text="late"),))
    made = current(user("Go"), assistant(call), user(one, two, orphan))
    assert encode(user("Go"), assistant(call), user(one, two)).dropped == ("messages[2].tool_result",)
    results = made["userInputMessageContext"]["toolResults"]
    assert [result["content"][0]["text"] for result in results] == ["one"]
    assert made["content"] == "Result of an earlier call to gone:\n\nlate"


def test_pictures_are_inline_and_of_four_kinds():
    made = current(user("Look", Media(kind="image", mime="image/jpg", data="/9j/4AAQ")))
    assert made["images"] == [{"format": "jpeg", "source": {"bytes": "/9j/4AAQ"}}]
    assert current(user(Media(kind="image", data=PNG)))["images"][0]["format"] == "png"
    call = ToolCall(id="t1", name="run")
    shot = ToolResult(call_id="t1", parts=(Media(kind="image", mime="image/webp", data="UklGRg=="),))
    assert current(user("Go"), assistant(call), user(shot))["images"][0]["format"] == "webp"


@pytest.mark.parametrize(
    "part",
    [
        Media(kind="image", url="https://example.com/a.png"),
        Media(kind="image", mime="image/tiff", data="AAAA"),
        Media(kind="document", mime="application/pdf", data="AAAA"),
        Media(kind="audio", mime="audio/wav", data="AAAA"),
    ],
)
def test_what_it_cannot_see_is_refused(part):
    with pytest.raises(Untranslatable, match=r"messages\[0\]"):
        encode(user(part))


def test_a_text_document_is_text():
    document = Media(kind="document", mime="text/plain", data="SGVsbG8=", filename="a.txt")
    assert current(user(document))["content"] == "a.txt:\nHello"


def test_a_tool_is_specified():
    schema = {
        "$schema": "x",
        "type": "object",
        "properties": {"additionalProperties": {"type": "string"}, "a": {"type": "object", "required": []}},
        "required": [],
        "additionalProperties": False,
    }
    tool = Tool(name="run", schema=schema)
    made = encode(user("Go"), tools=(tool, tool))
    context = made.body["conversationState"]["currentMessage"]["userInputMessage"]["userInputMessageContext"]
    assert context["tools"] == [
        {
            "toolSpecification": {
                "name": "run",
                "description": "The tool run.",
                "inputSchema": {
                    "json": {
                        "type": "object",
                        "properties": {"additionalProperties": {"type": "string"}, "a": {"type": "object"}},
                    }
                },
            }
        }
    ]
    assert made.dropped == ("tools[1]",)


def test_long_names_and_descriptions_fit():
    name = "mcp__" + "x" * 80
    call = ToolCall(id="t1", name=name)
    made = encode(user("Go"), assistant(call), user("on"), tools=(Tool(name=name, description="ü" * 9_000),))
    state_ = made.body["conversationState"]
    tool = state_["currentMessage"]["userInputMessage"]["userInputMessageContext"]["tools"][0]
    spec = tool["toolSpecification"]
    assert len(spec["name"]) == 64
    assert made.names.restore(spec["name"]) == name
    assert state_["history"][1]["assistantResponseMessage"]["toolUses"][0]["name"] == spec["name"]
    assert len(spec["description"].encode()) <= 10_240


def test_many_definitions_shrink_together():
    schema = {
        "type": "object",
        "properties": {
            "description": {"type": "string", "description": "d" * 400, "enum": ["a", "b"]},
            "b": {"type": "array", "items": {"type": "integer", "description": "e" * 400}},
        },
        "required": ["description"],
    }
    tools = tuple(Tool(name=f"t{n}", description="long " * 200, schema=schema) for n in range(40))
    made = current(user("Go"), tools=tools)["userInputMessageContext"]["tools"]
    assert len(made) == 40
    assert len(json.dumps(made)) < 24_000
    kept = made[0]["toolSpecification"]["inputSchema"]["json"]
    assert kept["properties"]["description"] == {"type": "string", "enum": ["a", "b"]}
    assert kept["required"] == ["description"]


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        (ToolChoice(mode="required"), "at least one of the tools"),
        (ToolChoice(mode="one", names=("run",)), "calling the tool run"),
        (ToolChoice(mode="none"), "without calling any tool"),
        (ToolChoice(mode="auto"), "Go"),
    ],
)
def test_a_choice_of_tools_is_said_in_words(choice, words):
    assert words in current(user("Go"), tools=(Tool(name="run"),), tool_choice=choice)["content"]


def test_only_allowed_tools_are_sent_and_a_missing_one_is_refused():
    tools = (Tool(name="a"), Tool(name="b"), Tool(name="web_search", kind="web_search"))
    made = encode(user("Go"), tools=tools, tool_choice=ToolChoice(mode="allowed", names=("a",)))
    context = made.body["conversationState"]["currentMessage"]["userInputMessage"]["userInputMessageContext"]
    assert [tool["toolSpecification"]["name"] for tool in context["tools"]] == ["a"]
    elsewhere = (Tool(name="code_execution", kind="code_execution"),)
    with pytest.raises(Untranslatable, match="does not have"):
        encode(user("Go"), tools=elsewhere, tool_choice=ToolChoice(mode="required"))
    assert encode(user("Go"), tools=tools).dropped == ("tools[2].web_search",)


def test_a_web_search_alone_is_the_services_own():
    choice = ToolChoice(mode="one", names=("web_search",))
    made = current(user("Go"), tools=(Tool(name="web_search", kind="web_search"),), tool_choice=choice)
    (tool,) = made["userInputMessageContext"]["tools"]
    assert tool["toolSpecification"]["name"] == "remote_web_search"
    assert "calling the tool remote_web_search" in made["content"]


@pytest.mark.parametrize(
    ("reasoning", "length"),
    [
        (ReasoningConfig(mode="on"), 16_000),
        (ReasoningConfig(mode="auto"), 16_000),
        (ReasoningConfig(mode="on", budget=4_000), 4_000),
        (ReasoningConfig(mode="on", budget=100_000), 32_000),
        (ReasoningConfig(mode="on", effort="high"), 24_576),
    ],
)
def test_thinking_is_switched_on_by_tags(reasoning, length):
    made = state(user("Hi"), assistant("Yes?"), user("Go"), reasoning=reasoning)
    assert made["currentMessage"]["userInputMessage"]["content"] == (
        f"<thinking_mode>enabled</thinking_mode><max_thinking_length>{length}</max_thinking_length>\n\nGo"
    )


def test_thinking_is_off_unless_asked_for_and_never_tagged_twice():
    assert current(user("Go"))["content"] == "Go"
    assert current(user("Go"), reasoning=ReasoningConfig(mode="off"))["content"] == "Go"
    assert "<thinking_mode>" in current(user("Go"), model="kiro-claude-sonnet-4-5-thinking")["content"]
    tagged = "<thinking_mode>interleaved</thinking_mode> Go"
    assert current(user(tagged), reasoning=ReasoningConfig(mode="on"))["content"] == tagged


def test_an_ending_of_the_model_changes_the_request():
    agentic = current(user("Go"), model="kiro-claude-sonnet-4-5-agentic")
    assert "pieces of at most 300 lines" in agentic["content"]
    plain = encode(user("Go"), tools=(Tool(name="run"),), model="kiro-claude-sonnet-4-5-chat")
    message = plain.body["conversationState"]["currentMessage"]["userInputMessage"]
    assert "userInputMessageContext" not in message
    assert plain.dropped == ("tools",)


def test_numbers_go_into_the_inference_config():
    request = CLAUDE.decode_request(
        {
            "model": "m",
            "max_tokens": 99,
            "temperature": 0.5,
            "top_p": 0.9,
            "top_k": 4,
            "stop_sequences": ["X"],
            "messages": [{"role": "user", "content": "Hi"}],
        }
    )
    made = encode_request(request, "m", Capabilities(max_output_tokens=50))
    assert made.body["inferenceConfig"] == {"maxTokens": 50, "temperature": 0.5, "topP": 0.9}
    assert made.dropped == ("top_k", "stop")
    assert "inferenceConfig" not in encode(user("Hi")).body


def test_earlier_thoughts_are_left_out_and_said_to_be():
    assert encode(user("Hi"), assistant(Reasoning(text="hm"), "Yes?"), user("Go")).dropped == (
        "messages[1].reasoning",
    )


def test_more_than_one_answer_is_refused():
    with pytest.raises(Untranslatable, match="n must be 1"):
        encode(user("Hi"), n=2)
