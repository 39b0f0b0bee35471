import pytest
from google.genai import types

from providers.translation.codec import Capabilities, Untranslatable
from providers.translation.codecs.gemini.codec import CODEC
from providers.translation.model import CacheMark, Tool, ToolChoice
from providers.values import Format
from tests.unit.providers.translation.codecs.gemini.made import PLAIN, request

PLAIN_SCHEMA = {"type": "object", "properties": {"a": {"type": "string", "format": "uuid"}}}
SCHEMA = {**PLAIN_SCHEMA, "$schema": "x"}
LOOK = Tool(name="look", description="Looks.", schema=SCHEMA)
HEAR = Tool(name="hear")
SEARCH = Tool(name="web_search", kind="web_search")


def encode(*tools, choice=None, can=PLAIN):
    encoded = CODEC.encode_request(request(tools=tools, tool_choice=choice), "x", can)
    for tool in encoded.body.get("tools", ()):
        types.Tool.model_validate(tool)
    types.ToolConfig.model_validate(encoded.body.get("toolConfig", {}))
    return encoded


def test_all_functions_stand_in_one_object_with_their_schema():
    assert encode(LOOK, HEAR).body["tools"] == [
        {
            "functionDeclarations": [
                {"name": "look", "description": "Looks.", "parametersJsonSchema": PLAIN_SCHEMA},
                {"name": "hear"},
            ]
        }
    ]


def test_a_schema_is_cleaned_for_models_that_need_it():
    (tool,) = encode(LOOK, can=Capabilities(json_schema_native=False)).body["tools"]
    assert tool["functionDeclarations"][0]["parameters"] == {
        "type": "OBJECT",
        "properties": {"a": {"type": "STRING", "description": "Format: uuid."}},
    }
    assert SCHEMA["$schema"] == "x"


def test_a_cleaned_schema_without_properties_is_left_out():
    bare = Tool(name="now", schema={"type": "object", "properties": {}})
    (tool,) = encode(bare, can=Capabilities(json_schema_native=False)).body["tools"]
    assert tool == {"functionDeclarations": [{"name": "now"}]}


def test_a_free_form_tool_becomes_a_function_with_one_text():
    patch = Tool(name="patch", kind="custom", grammar={"syntax": "lark", "definition": "start: X"})
    (tool,) = encode(patch).body["tools"]
    assert tool["functionDeclarations"][0]["parametersJsonSchema"] == {
        "type": "object",
        "properties": {"input": {"type": "string", "description": "Must follow this grammar:\nstart: X"}},
        "required": ["input"],
    }


def test_tools_that_google_runs_have_their_own_objects():
    tools = (
        SEARCH,
        SEARCH,
        Tool(name="code", kind="code_execution"),
        Tool(name="fetch", kind="url_context"),
        Tool(name="file_search", kind="file_search", ext={Format.GEMINI: {"fileSearch": {"topK": 1}}}),
    )
    assert encode(*tools).body["tools"] == [
        {"googleSearch": {}},
        {"codeExecution": {}},
        {"urlContext": {}},
        {"fileSearch": {"topK": 1}},
    ]


def test_what_google_does_not_have_is_dropped_and_named():
    computer = Tool(name="computer", kind="computer")
    strict = Tool(name="s", strict=True, cache=CacheMark(), ext={Format.CLAUDE: {"defer_loading": True}})
    encoded = encode(computer, strict, Tool(name="s", description="again"))
    assert encoded.body["tools"] == [{"functionDeclarations": [{"name": "s"}]}]
    assert encoded.dropped == (
        "tools[0]",
        "cache_control",
        "tools.strict",
        "tools[1].defer_loading",
        "tools[2]",
    )


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        (ToolChoice(mode="auto"), {"mode": "AUTO"}),
        (ToolChoice(mode="none"), {"mode": "NONE"}),
        (ToolChoice(mode="required"), {"mode": "ANY"}),
        (ToolChoice(mode="one", names=("look",)), {"mode": "ANY", "allowedFunctionNames": ["look"]}),
        (
            ToolChoice(mode="allowed", names=("look", "hear"), required=True),
            {"mode": "ANY", "allowedFunctionNames": ["look", "hear"]},
        ),
    ],
)
def test_each_choice_has_a_mode(choice, wanted):
    encoded = encode(LOOK, HEAR, choice=choice)
    assert encoded.body["toolConfig"] == {"functionCallingConfig": wanted}
    assert len(encoded.body["tools"][0]["functionDeclarations"]) == 2


def test_a_set_that_may_be_called_leaves_the_other_tools_out():
    encoded = encode(LOOK, HEAR, choice=ToolChoice(mode="allowed", names=("hear",)))
    assert encoded.body["tools"] == [{"functionDeclarations": [{"name": "hear"}]}]
    assert encoded.body["toolConfig"] == {"functionCallingConfig": {"mode": "AUTO"}}


def test_a_choice_without_functions_is_dropped():
    encoded = encode(SEARCH, choice=ToolChoice(mode="required"))
    assert "toolConfig" not in encoded.body
    assert encoded.dropped == ("tool_choice",)
    assert encode(choice=ToolChoice(mode="auto")).dropped == ()


def test_a_tool_that_google_runs_cannot_be_forced():
    encoded = encode(SEARCH, LOOK, choice=ToolChoice(mode="one", names=("web_search",)))
    assert encoded.body["toolConfig"] == {"functionCallingConfig": {"mode": "AUTO"}}
    assert encoded.dropped == ("tool_choice",)


def test_forcing_a_tool_that_google_does_not_have_is_refused():
    with pytest.raises(Untranslatable) as caught:
        encode(LOOK, Tool(name="pc", kind="computer"), choice=ToolChoice(mode="one", names=("pc",)))
    assert caught.value.param == "tool_choice"


IMAGES = Tool(name="image_generation", kind="image_generation")
FORCED = ToolChoice(mode="one", names=("image_generation",))


@pytest.mark.parametrize("choice", [None, FORCED])
def test_a_tool_that_makes_images_is_a_modality_here(choice):
    encoded = encode(IMAGES, choice=choice)
    assert "tools" not in encoded.body
    assert encoded.body["generationConfig"]["responseModalities"] == ["TEXT", "IMAGE"]


def test_models_that_make_no_images_are_not_asked_for_any():
    can = Capabilities(image_output=False)
    encoded = encode(IMAGES, can=can)
    assert "generationConfig" not in encoded.body
    assert encoded.dropped == ("tools[0]",)
    with pytest.raises(Untranslatable):
        encode(IMAGES, choice=FORCED, can=can)


def test_a_call_of_tools_that_are_all_elsewhere_is_refused():
    bash = Tool(name="bash", kind="bash")
    with pytest.raises(Untranslatable):
        encode(bash, choice=ToolChoice(mode="required"))
