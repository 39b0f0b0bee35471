"""What of an answer a client does not see is named, and nothing else is."""

import pytest

from providers.translation.losses import losses_of
from providers.translation.model import Activity, Candidate, Media, Response, Text, Unknown
from providers.values import Format

OPENAI, RESPONSES, CLAUDE, GEMINI = Format.OPENAI, Format.RESPONSES, Format.CLAUDE, Format.GEMINI
SEARCH = Unknown(raw={"type": "web_search_call"}, format=RESPONSES, activity=Activity(kind="web_search"))
MCP = Unknown(raw={"type": "mcp_call"}, format=RESPONSES)
TOOL = Unknown(raw={"toolCall": {}}, format=GEMINI)


@pytest.mark.parametrize(
    ("to", "names"),
    [
        (OPENAI, ("answer.web_search_call", "answer.mcp_call", "answer.toolCall")),
        (RESPONSES, ("answer.toolCall",)),
        (CLAUDE, ("answer.mcp_call", "answer.toolCall")),
        (GEMINI, ("answer.mcp_call",)),
    ],
)
def test_each_part_that_has_no_form_is_named_once(to, names):
    parts = (Text(text="a"), Media(kind="audio", data="AAAA"), SEARCH, MCP, MCP, TOOL)
    assert losses_of(Response(id="x", model="m", candidates=(Candidate(parts=parts),)), to) == names


@pytest.mark.parametrize("to", [OPENAI, RESPONSES, CLAUDE, GEMINI])
def test_alternatives_that_are_not_shown_are_named(to):
    answer = Response(id="x", model="m", candidates=(Candidate(), Candidate(index=1, parts=(MCP,))))
    expected = {OPENAI: ("answer.mcp_call",), GEMINI: ("answer.mcp_call",)}
    assert losses_of(answer, to) == expected.get(to, ("answer.candidates[1:]",))
