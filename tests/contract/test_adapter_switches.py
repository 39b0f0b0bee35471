"""Switches of the configuration that change what an adapter sends."""

import json

import pytest

from providers.adapters.base import Call, Operation
from providers.adapters.registry import adapter_for
from providers.values import Format
from tests.unit.providers.adapters.makers import make_credential


def sent(key, body, *, format_=None, operation=Operation.GENERATE, **options):
    credential = make_credential(key, base_url="http://127.0.0.1:9/v1", options=options)
    call = Call(
        credential=credential,
        model="m",
        body=json.dumps(body).encode(),
        stream=False,
        format=format_,
        operation=operation,
    )
    return adapter_for(key).request(call)


@pytest.mark.parametrize(("option", "dropped"), [(True, ()), (False, ("prompt_cache_key",))])
def test_the_cache_key_goes_out_only_to_servers_that_take_it(option, dropped):
    body = {"model": "m", "prompt_cache_key": "k", "messages": []}
    request = sent("openai-compatibility", body, **{"support-prompt-cache-key": option})
    assert request.dropped == dropped
    assert ("prompt_cache_key" in json.loads(request.body)) is option


def test_a_body_without_it_stays_as_it_is():
    body = {"model": "m", "messages": [{"role": "user", "content": 'say "prompt_cache_key"'}]}
    assert sent("openai-compatibility", body).body == json.dumps(body).encode()
    assert sent("openai-compatibility", body).dropped == ()


SYSTEM_INSIDE = {
    "model": "m",
    "system": "first",
    "messages": [
        {"role": "user", "content": "a"},
        {"role": "system", "content": [{"type": "text", "text": "second"}]},
        {"role": "assistant", "content": "b"},
    ],
}


def test_system_messages_move_to_the_head_where_the_server_wants_them_there():
    moved = json.loads(sent("claude", SYSTEM_INSIDE, **{"rebuild-mid-system-message": True}).body)
    assert moved["system"] == [{"type": "text", "text": "first"}, {"type": "text", "text": "second"}]
    assert [message["role"] for message in moved["messages"]] == ["user", "assistant"]
    assert json.loads(sent("claude", SYSTEM_INSIDE).body) == SYSTEM_INSIDE
    plain = {"model": "m", "system": "s", "messages": [{"role": "user", "content": "a"}]}
    assert sent("claude", plain, **{"rebuild-mid-system-message": True}).body == json.dumps(plain).encode()


def test_xai_is_addressed_in_both_formats_when_the_file_lists_it():
    credential = make_credential("xai", options={"speaks-responses": True})
    assert adapter_for("xai").formats(credential) == (Format.OPENAI, Format.RESPONSES)
    request = sent("xai", {"model": "m", "input": "a"}, format_=Format.RESPONSES)
    assert request.url == "http://127.0.0.1:9/v1/responses"


def test_xais_search_joins_the_tools_of_a_responses_request():
    choice = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "web_search"}]}
    body = {"model": "m", "input": "a", "tools": [{"type": "web_search"}], "tool_choice": choice}
    on = {"inject-x-search": True}
    found = json.loads(sent("xai", body, format_=Format.RESPONSES, **on).body)
    assert found["tools"] == [{"type": "web_search"}, {"type": "x_search"}]
    assert found["tool_choice"]["tools"] == [{"type": "web_search"}, {"type": "x_search"}]
    twice = json.loads(sent("xai", found, format_=Format.RESPONSES, **on).body)
    assert twice == found
    for options, format_ in ((on, Format.OPENAI), ({}, Format.RESPONSES)):
        assert sent("xai", body, format_=format_, **options).body == json.dumps(body).encode()
    compact = sent("xai", body, format_=Format.RESPONSES, operation=Operation.COMPACT, **on)
    assert compact.body == json.dumps(body).encode()
