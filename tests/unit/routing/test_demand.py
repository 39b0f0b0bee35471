import msgspec
import pytest

from providers.translation.registry import PASSTHROUGHS
from providers.values import Format
from routing.core.table import RouteSettings, RoutingTable
from routing.demand import estimated_tokens, query_for

PLAIN = RoutingTable(revision=1, clients={}, models={}, has_features=False)
CAREFUL = RoutingTable(revision=1, clients={}, models={}, settings=RouteSettings(session_affinity=True))
SESSION = {"x-session-id": "s"}


def asked(table, headers=SESSION, **fields):
    body = msgspec.json.encode({"model": "m", "messages": [], **fields})
    return query_for(table, PASSTHROUGHS[Format.OPENAI].parse(body), headers)


def test_nothing_is_looked_for_that_nobody_needs():
    query = asked(PLAIN, tools=[{"type": "function"}])
    assert (query.session_keys, query.needs_functions) == ((), False)


def test_the_keys_of_the_conversation_are_read_where_conversations_are_kept_together():
    assert asked(CAREFUL).session_keys == ("header:s",)


@pytest.mark.parametrize(("tools", "needs"), [([{"type": "function"}], True), ([], False), (None, False)])
def test_tools_need_functions(tools, needs):
    assert asked(CAREFUL, tools=tools).needs_functions is needs


@pytest.mark.parametrize(
    ("content", "needs"),
    [
        ([{"type": "image_url", "image_url": {"url": "https://x"}}], True),
        ([{"type": "input_image", "image_url": "x"}], True),
        ([{"type": "image", "source": {"type": "base64", "media_type": "image/png"}}], True),
        ([{"inlineData": {"mimeType": "image/png", "data": "x"}}], True),
        ([{"inlineData": {"mimeType": "audio/wav", "data": "x"}}], False),
        ([{"type": "text", "text": 'Send {"type": "image"}'}], False),
        ("plain", False),
    ],
)
def test_pictures_need_vision(content, needs):
    assert asked(CAREFUL, messages=[{"role": "user", "content": content}]).needs_vision is needs


def test_what_is_encoded_in_a_body_is_no_text():
    assert estimated_tokens(b"word " * 400) == 500
    assert estimated_tokens(b'{"data":"' + b"A" * 90_000 + b'"}') < 10


def test_a_websocket_is_a_session_and_a_wish():
    body = PASSTHROUGHS[Format.RESPONSES].parse(b'{"model":"m","input":"Hi"}')
    query = query_for(CAREFUL, body, {}, execution="7")
    assert query.session_keys == ("execution:7",)
    assert query.wants_websocket
