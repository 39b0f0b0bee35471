from __future__ import annotations

from providers.translation.model import Request, Role, Text, ToolCall, ToolResult, Turn
from providers.translation.results import one_per_call

CALL = Turn(role=Role.ASSISTANT, parts=(ToolCall(id="a", name="f"),))


def result(text, call_id="a"):
    return ToolResult(call_id=call_id, parts=(Text(text=text),))


def text_of(result):
    return result.parts[0].text


def told(*turns):
    request, names = one_per_call(Request(model="m", turns=turns))
    parts = [part for turn in request.turns for part in turn.parts if isinstance(part, ToolResult)]
    return [text_of(part) for part in parts], names


def user(*parts):
    return Turn(role=Role.USER, parts=parts)


def test_of_several_results_for_a_call_the_last_counts_and_the_others_are_named():
    assert told(CALL, user(result("1"), result("2")), user(result("3"))) == (
        ["3"],
        ["messages[1].tool_result", "messages[1].tool_result"],
    )


def test_an_id_that_is_used_again_belongs_to_another_call():
    assert told(CALL, user(result("1")), CALL, user(result("2"))) == (["1", "2"], [])


def test_results_without_a_call_are_all_kept():
    assert told(user(result("1", "lost"), result("2", "lost"))) == (["1", "2"], [])


def test_a_request_without_doubles_is_the_same_request():
    request = Request(model="m", turns=(CALL, user(result("1"))))
    assert one_per_call(request) == (request, [])
