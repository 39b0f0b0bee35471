"""Adapters of logins against the shapes that docs/protocols/ states: what is sent, how refusals are read."""

import json

import pytest

from providers.adapters.base import Call, Operation
from providers.adapters.registry import adapter_for
from providers.errors import UpstreamRefused
from providers.values import Format, Refusal, RefusalKind
from tests.unit.providers.adapters.makers import make_credential

NOW = 1_800_000_000.0
SEED = "0123456789abcdef0123456789abcdef"
REQUEST_ID = "01234567-89ab-cdef-0123-456789abcdef"


def call(adapter, body, *, model="m", operation=Operation.GENERATE, format_=None, sent=(), **fields):
    fields.setdefault("channel", adapter)
    return Call(
        credential=make_credential(adapter, **fields),
        model=model,
        body=json.dumps(body).encode(),
        stream=True,
        format=format_,
        operation=operation,
        client_headers=tuple(sent),
        seed=SEED,
    )


def made(adapter, body, **fields):
    request = adapter_for(adapter).request(call(adapter, body, **fields))
    return request, dict(request.headers), json.loads(request.body)


def refused(adapter, status, body, headers=None):
    return adapter_for(adapter).classify(status, headers or {}, json.dumps(body).encode(), NOW)


# --- codex at ChatGPT ------------------------------------------------------------------------------


def codex(body, **fields):
    fields.setdefault("account", {"account_id": "acc-1", "plan": "plus"})
    return made("codex", {"model": "gpt-5.5", "input": "Hi", **body}, **fields)


def test_codex_is_addressed_at_chatgpt():
    request, headers, body = codex({})
    assert request.url == "https://chatgpt.com/backend-api/codex/responses"
    assert headers["chatgpt-account-id"] == "acc-1"
    assert headers["accept"] == "text/event-stream"
    assert headers["originator"] == "cliproxy"
    assert headers["session-id"] == body["prompt_cache_key"]
    assert body == {
        "model": "gpt-5.5",
        "input": [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
        ],
        "instructions": "",
        "prompt_cache_key": body["prompt_cache_key"],
        "store": False,
        "stream": True,
        "include": ["reasoning.encrypted_content"],
    }


def test_codex_is_reached_at_a_base_url_of_ones_own():
    assert codex({}, base_url="http://127.0.0.1:9/x")[0].url == "http://127.0.0.1:9/x/responses"


def test_codex_by_key_stays_as_it_is():
    request, headers, body = codex({"temperature": 1}, channel="", base_url="http://host/v1", account={})
    assert request.url == "http://host/v1/responses"
    assert body == {"model": "gpt-5.5", "input": "Hi", "temperature": 1}
    assert "originator" not in headers


def test_codex_drops_what_the_backend_refuses():
    request, _, body = codex(
        {
            "max_output_tokens": 9,
            "temperature": 1,
            "top_p": None,
            "user": "u",
            "service_tier": "flex",
            "stream_options": {"include_obfuscation": False, "reasoning_summary_delivery": "x"},
            "instructions": "Be brief.",
            "tools": [{"type": "function", "name": "f"}],
        }
    )
    assert request.dropped == ("max_output_tokens", "temperature", "user", "service_tier")
    assert not {"max_output_tokens", "temperature", "top_p", "user", "service_tier"} & set(body)
    assert body["stream_options"] == {"reasoning_summary_delivery": "x"}
    assert (body["instructions"], body["parallel_tool_calls"]) == ("Be brief.", True)
    assert codex({"service_tier": "priority"})[2]["service_tier"] == "priority"
    assert "parallel_tool_calls" not in codex({"parallel_tool_calls": True, "tools": []})[2]
    assert (
        codex({"parallel_tool_calls": False, "tools": [{"type": "function"}]})[2]["parallel_tool_calls"]
        is False
    )


def test_codex_rewrites_items():
    long = "x" * 80
    _, _, body = codex(
        {
            "input": [
                {
                    "role": "system",
                    "content": [{"type": "input_text", "text": "a", "prompt_cache_breakpoint": 1}],
                },
                {"type": "reasoning", "id": f"rs_{long}"},
                {"type": "function_call", "id": f"fc_{long}", "call_id": "c"},
                {"type": "message", "id": "msg_1", "role": "user", "content": "b"},
            ]
        }
    )
    first, second, third = body["input"]
    assert first == {"role": "developer", "content": [{"type": "input_text", "text": "a"}]}
    assert second["id"].startswith("fc_")
    assert len(second["id"]) <= 64
    assert third["id"] == "msg_1"


def test_codex_keeps_one_key_for_one_conversation():
    turn = {"role": "user", "content": "Hi"}
    first = codex({"input": [turn]})[2]["prompt_cache_key"]
    assert codex({"input": [turn, {"role": "user", "content": "Go"}]})[2]["prompt_cache_key"] == first
    assert codex({"input": "Ho"})[2]["prompt_cache_key"] != first
    assert codex({"prompt_cache_key": "mine"})[1]["session-id"] == "mine"


@pytest.mark.parametrize("name", ["previous_response_id", "conversation"])
def test_codex_refuses_what_it_does_not_keep(name):
    with pytest.raises(UpstreamRefused) as caught:
        codex({name: "resp_1"})
    assert (caught.value.refusal.status, caught.value.code) == (400, "previous_response_not_found")


def test_codex_sends_on_its_own_clients_headers():
    sent = (
        ("version", "0.9"),
        ("x-codex-turn-metadata", "t"),
        ("authorization", "Bearer client"),
        ("x-y", "1"),
    )
    headers = codex({}, sent=sent)[1]
    assert (headers["version"], headers["x-codex-turn-metadata"]) == ("0.9", "t")
    assert headers["authorization"] == "Bearer test-key-0123456789"
    assert "x-y" not in headers


def test_codex_compacts_in_one_piece():
    adapter = adapter_for("codex")
    entry = make_credential("codex", channel="codex")
    assert adapter.only_streams(entry, Operation.GENERATE, "m")
    assert not adapter.only_streams(entry, Operation.COMPACT, "m")
    assert not adapter.only_streams(make_credential("codex"), Operation.GENERATE, "m")
    request, _, body = codex({"stream": True, "store": True}, operation=Operation.COMPACT)
    assert request.url.endswith("/responses/compact")
    assert not {"stream", "store", "include"} & set(body)


@pytest.mark.parametrize(
    ("plan", "model", "window"),
    [
        ("free", "gpt-5.4", None),
        ("team", "gpt-5.4", 1_050_000),
        ("go", "gpt-5.3-codex-spark", None),
        ("Plus", "gpt-5.3-codex-spark", 128_000),
        ("pro", "gpt-5.6-sol", 921_000),
        ("enterprise", "gpt-5.6-sol", 921_000),
        ("", "gpt-5.5", 272_000),
    ],
)
def test_codexs_models_follow_the_plan(plan, model, window):
    entry = make_credential("codex", channel="codex", account={"plan": plan})
    known = {one.id: one.context_length for one in adapter_for("codex").known_models(entry)}
    assert known.get(model) == window
    assert not adapter_for("codex").is_open(entry)
    assert adapter_for("codex").is_open(make_credential("codex"))


def test_codexs_usage_limit_rests_the_account_until_it_ends():
    error = {"type": "usage_limit_reached", "message": "Over", "plan_type": "plus", "resets_at": NOW + 7200}
    found = refused("codex", 403, {"error": error})
    assert (found.kind, found.status, found.code) == (RefusalKind.QUOTA, 429, "usage_limit_reached")
    assert (found.retry_after_s, found.names_quota_window, found.credential_wide) == (7200.0, True, True)
    past = {"error": {"type": "usage_limit_reached", "resets_at": 5, "resets_in_seconds": 90}}
    assert refused("codex", 429, past).retry_after_s == 90.0
    bare = refused("codex", 429, {"error": {"type": "usage_limit_reached"}})
    assert (bare.retry_after_s, bare.names_quota_window) == (None, False)


@pytest.mark.parametrize(
    ("status", "error", "kind", "code"),
    [
        (500, {"message": "Selected model is at capacity."}, RefusalKind.QUOTA, "rate_limit_exceeded"),
        (
            400,
            {"message": "x", "code": "invalid_encrypted_content"},
            RefusalKind.REQUEST,
            "thinking_signature_invalid",
        ),
        (401, {"message": "expired"}, RefusalKind.UNAUTHORIZED, "invalid_api_key"),
        (
            400,
            {"message": "x", "code": "context_length_exceeded"},
            RefusalKind.CONTEXT_LENGTH,
            "context_length_exceeded",
        ),
    ],
)
def test_codexs_refusals_are_read(status, error, kind, code):
    found = refused("codex", status, {"error": error})
    assert (found.kind, found.code) == (kind, code)


# --- github-copilot --------------------------------------------------------------------------------


def copilot(body, **fields):
    return made("github-copilot", {"model": "gpt-5", **body}, **fields)


def test_copilot_is_addressed_where_the_token_says():
    request, headers, _ = copilot(
        {"messages": []}, account={"api_base": "https://api.business.githubcopilot.com"}
    )
    assert request.url == "https://api.business.githubcopilot.com/chat/completions"
    assert headers["authorization"] == "Bearer test-key-0123456789"
    assert headers["editor-version"] == "vscode/1.107.0"
    assert headers["copilot-integration-id"] == "vscode-chat"
    assert headers["openai-intent"] == "conversation-panel"
    assert headers["x-request-id"] == REQUEST_ID
    assert headers["user-agent"].startswith("cliproxy/")
    assert copilot({})[0].url == "https://api.githubcopilot.com/chat/completions"
    own = copilot({}, base_url="http://127.0.0.1:9", account={"api_base": "https://api.x.githubcopilot.com"})
    assert own[0].url == "http://127.0.0.1:9/chat/completions"


def test_copilots_editor_headers_can_be_set():
    headers = copilot({}, options={"editor-version": "mine/1"}, account={"copilot_integration_id": "my-app"})[
        1
    ]
    assert (headers["editor-version"], headers["copilot-integration-id"]) == ("mine/1", "my-app")


@pytest.mark.parametrize(
    ("format_", "path"),
    [
        (Format.OPENAI, "/chat/completions"),
        (Format.RESPONSES, "/responses"),
        (Format.CLAUDE, "/v1/messages"),
    ],
)
def test_copilots_endpoint_is_that_of_the_format(format_, path):
    request, headers, _ = copilot({}, format_=format_)
    assert request.url == f"https://api.githubcopilot.com{path}"
    assert ("anthropic-version" in headers) is (format_ is Format.CLAUDE)


@pytest.mark.parametrize(
    ("model", "listed", "formats"),
    [
        ("gpt-5", (), (Format.OPENAI, Format.RESPONSES)),
        ("gpt-5-codex", (), (Format.RESPONSES,)),
        ("gpt-6", (Format.RESPONSES,), (Format.RESPONSES,)),
        ("claude-sonnet-4.5", (Format.OPENAI, Format.CLAUDE), (Format.OPENAI, Format.CLAUDE)),
    ],
)
def test_copilots_formats_follow_the_model(model, listed, formats):
    entry = make_credential("github-copilot", model_formats={model: listed} if listed else {})
    assert adapter_for("github-copilot").formats(entry, model) == formats


def test_copilots_wrong_endpoint_is_tried_at_the_other():
    adapter = adapter_for("github-copilot")
    error = {
        "error": {"code": "unsupported_api_for_model", "message": "not accessible via /chat/completions"}
    }
    found = refused("github-copilot", 400, error)
    assert found.kind is RefusalKind.MODEL_UNSUPPORTED
    asked = call("github-copilot", {}, format_=Format.OPENAI)
    assert adapter.other_format(asked, found) is Format.RESPONSES
    assert adapter.other_format(call("github-copilot", {}, format_=Format.RESPONSES), found) is Format.OPENAI
    assert adapter.other_format(asked, Refusal(kind=RefusalKind.REQUEST, status=400)) is None


USER, ANSWER = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}


@pytest.mark.parametrize(
    ("format_", "body", "initiator"),
    [
        (Format.OPENAI, {"messages": [USER]}, "user"),
        (Format.OPENAI, {"messages": [USER, ANSWER]}, "agent"),
        (Format.OPENAI, {"messages": [USER, ANSWER, {"role": "tool", "content": "x"}]}, "agent"),
        (Format.RESPONSES, {"input": "Hi"}, "user"),
        (Format.RESPONSES, {"input": [USER]}, "user"),
        (Format.RESPONSES, {"input": [USER, {"type": "function_call_output", "output": "x"}]}, "agent"),
        (Format.RESPONSES, {"input": [USER, {"type": "function_call"}]}, "agent"),
        (Format.CLAUDE, {"messages": [{"role": "user", "content": [{"type": "tool_result"}]}]}, "agent"),
        (Format.OPENAI, {"messages": "nonsense"}, "user"),
    ],
)
def test_copilot_is_told_who_asks(format_, body, initiator):
    assert copilot(body, format_=format_)[1]["x-initiator"] == initiator


@pytest.mark.parametrize(
    ("format_", "body"),
    [
        (Format.OPENAI, {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}),
        (Format.RESPONSES, {"input": [{"role": "user", "content": [{"type": "input_image"}]}]}),
        (Format.CLAUDE, {"messages": [{"role": "user", "content": [{"type": "image"}]}]}),
    ],
)
def test_copilot_is_told_of_images(format_, body):
    assert copilot(body, format_=format_)[1]["copilot-vision-request"] == "true"
    assert "copilot-vision-request" not in copilot({"messages": [USER]})[1]


def test_copilots_chat_bodies_are_what_it_takes():
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    request, _, body = copilot(
        {
            "model": "GPT-5",
            "messages": [USER, {"role": "assistant", "content": parts}],
            "tools": [{"type": "function", "function": {"name": "f"}}, {"type": "custom"}],
            "tool_choice": {"type": "function", "function": {"name": "f"}},
        }
    )
    assert (body["model"], body["tool_choice"], len(body["tools"])) == ("gpt-5", "auto", 1)
    assert body["messages"][1]["content"] == "ab"
    assert request.dropped == ("tools[1]", "tool_choice")
    _, _, body = copilot({"tools": [{"type": "custom"}], "tool_choice": "required"})
    assert not {"tools", "tool_choice"} & set(body)


def test_copilots_responses_bodies_are_what_it_takes():
    tools = [{"type": "function", "name": "f"}, {"type": "web_search_preview"}]
    request, _, body = copilot({"service_tier": "flex", "tools": tools}, format_=Format.RESPONSES)
    assert body["tools"] == tools[:1]
    assert request.dropped == ("service_tier", "tools[1]")


def test_copilots_models_are_read_with_their_endpoints():
    listed = {
        "data": [
            {
                "id": "gpt-6",
                "name": "GPT-6",
                "capabilities": {
                    "type": "chat",
                    "limits": {"max_context_window_tokens": 9, "max_output_tokens": 3},
                },
                "supported_endpoints": ["/responses", "ws:/responses"],
            },
            {"id": "claude-x", "supported_endpoints": ["/v1/messages", "/chat/completions"]},
            {"id": "emb", "capabilities": {"type": "embeddings"}},
            {"id": "off", "policy": {"state": "disabled"}},
        ]
    }
    found = adapter_for("github-copilot").read_models(json.dumps(listed).encode())
    assert [(model.id, model.formats) for model in found] == [
        ("gpt-6", (Format.RESPONSES,)),
        ("claude-x", (Format.OPENAI, Format.CLAUDE)),
    ]
    assert (found[0].context_length, found[0].max_output_tokens) == (9, 3)


def test_copilots_spent_month_rests_the_model():
    found = refused("github-copilot", 429, {"error": {"code": "quota_exceeded", "message": "x"}})
    assert (found.kind, found.retry_after_s, found.credential_wide) == (RefusalKind.QUOTA, 1800.0, False)


# --- the others ------------------------------------------------------------------------------------


def test_a_claude_login_is_a_bearer_whatever_it_looks_like():
    _, headers, _ = made("claude", {}, secret="opaque-token")
    assert headers["authorization"] == "Bearer opaque-token"
    assert headers["anthropic-beta"] == "oauth-2025-04-20"
    assert "x-api-key" not in headers


def test_kimi_has_two_formats():
    account = {"device_id": "dev-1"}
    request, headers, body = made("kimi", {"messages": [USER]}, model="kimi-k2.5", account=account)
    assert request.url == "https://api.kimi.com/coding/v1/chat/completions"
    assert body["model"] == "k2.5"
    assert (headers["x-msh-device-id"], headers["x-msh-platform"]) == ("dev-1", "cliproxy")
    request, headers, body = made("kimi", {"messages": []}, model="kimi-k2.7-code[1m]", format_=Format.CLAUDE)
    assert request.url == "https://api.kimi.com/coding/v1/messages"
    assert (body["model"], headers["anthropic-version"]) == ("kimi-for-coding", "2023-06-01")
    request = made("kimi", {}, format_=Format.CLAUDE, operation=Operation.COUNT)[0]
    assert request.url.endswith("/v1/messages/count_tokens")
    assert (
        made("kimi", {}, base_url="http://127.0.0.1:9/v1")[0].url == "http://127.0.0.1:9/v1/chat/completions"
    )


@pytest.mark.parametrize(
    ("model", "effort", "thinking"),
    [
        ("kimi-k2.5", "high", {"type": "enabled", "effort": "high"}),
        ("kimi-k2.5", "none", {"type": "disabled"}),
        ("kimi-k3", "none", {"type": "enabled", "effort": "low"}),
        ("kimi-k2", "high", None),
    ],
)
def test_kimi_thinks_by_an_object(model, effort, thinking):
    body = made("kimi", {"reasoning_effort": effort}, model=model)[2]
    assert body.get("thinking") == thinking
    assert "reasoning_effort" not in body


def test_kimis_history_has_thoughts_and_ids():
    calls = [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    messages = [
        USER,
        {"role": "assistant", "content": ""},
        {"role": "assistant", "content": "Ok", "tool_calls": calls},
        {"role": "tool", "content": "x"},
        {"role": "assistant", "content": None, "tool_calls": calls, "reasoning_content": "hm"},
        {"role": "tool", "content": "y", "call_id": "c9"},
        {"role": "assistant", "content": None, "tool_calls": calls},
    ]
    kept = made("kimi", {"messages": messages})[2]["messages"]
    assert [message.get("reasoning_content") for message in kept] == [None, "Ok", None, "hm", None, "hm"]
    assert [message.get("tool_call_id") for message in kept if message["role"] == "tool"] == ["c1", "c9"]
    assert len(kept) == 6


def test_xais_login_speaks_responses_at_the_chat_host():
    adapter = adapter_for("xai")
    entry = make_credential("xai", channel="xai")
    assert adapter.formats(entry, "m") == (Format.RESPONSES,)
    assert adapter.formats(make_credential("xai"), "m") == (Format.OPENAI,)
    body = {"input": "Hi", "prompt_cache_key": "conv", "stop": ["x"], "safety_identifier": "s"}
    request, headers, sent = made("xai", body, model="grok-4.5", format_=Format.RESPONSES)
    assert request.url == "https://cli-chat-proxy.grok.com/v1/responses"
    assert (headers["x-xai-token-auth"], headers["x-grok-conv-id"]) == ("xai-grok-cli", "conv")
    assert request.dropped == ("safety_identifier", "stop")
    assert sent == {"input": "Hi", "prompt_cache_key": "conv", "instructions": ""}


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({"operation": Operation.COMPACT}, "https://api.x.ai/v1/responses/compact"),
        ({"account": {"using_api": "true"}}, "https://api.x.ai/v1/responses"),
        ({"base_url": "http://127.0.0.1:9/v1"}, "http://127.0.0.1:9/v1/responses"),
        (
            {"base_url": "http://127.0.0.1:9/v1", "operation": Operation.COMPACT},
            "http://127.0.0.1:9/v1/responses/compact",
        ),
        ({"format_": Format.OPENAI}, "https://api.x.ai/v1/chat/completions"),
    ],
)
def test_xais_addresses(fields, url):
    assert made("xai", {"input": "Hi"}, **{"format_": Format.RESPONSES, **fields})[0].url == url


def test_xai_takes_the_tools_that_it_knows():
    tools = [
        {"type": "function", "name": "f"},
        {"type": "tool_search"},
        {"type": "custom", "name": "apply_patch"},
        {"type": "image_generation"},
        {"type": "web_search", "external_web_access": True},
    ]
    body = {"input": "Hi", "tools": tools, "reasoning": {"effort": "high", "summary": "auto"}}
    request, _, sent = made("xai", body, model="grok-build-0.1", format_=Format.RESPONSES)
    assert sent["tools"] == [tools[0], {"type": "web_search"}]
    assert sent["reasoning"] == {"summary": "auto"}
    assert request.dropped == ("reasoning.effort", "tools[1]", "tools[2]", "tools[3]")
    kept = made("xai", {"tools": tools[3:4]}, model="grok-4.6", format_=Format.RESPONSES)[2]
    assert kept["tools"] == tools[3:4]
    with pytest.raises(UpstreamRefused, match="does not keep"):
        made("xai", {"previous_response_id": "r"}, format_=Format.RESPONSES)


def test_xai_is_told_of_earlier_calls_in_its_own_kinds():
    items = [
        {"type": "custom_tool_call", "call_id": "c1", "name": "apply_patch", "input": "*** Begin"},
        {"type": "custom_tool_call_output", "call_id": "c1", "output": "done"},
        {"type": "reasoning", "id": "rs_1", "summary": [], "content": None, "encrypted_content": None},
        {"type": "message", "role": "user", "content": "Go on"},
    ]
    tools = [{"type": "namespace", "name": "n", "tools": []}, {"type": "custom", "name": "apply_patch"}]
    body = {"input": items, "tools": tools, "tool_choice": "auto"}
    request, _, sent = made("xai", body, model="grok-4.5", format_=Format.RESPONSES)
    call, result, thought, message = sent["input"]
    assert call == {
        "type": "function_call",
        "call_id": "c1",
        "name": "apply_patch",
        "arguments": '{"input":"*** Begin"}',
    }
    assert result["type"] == "function_call_output"
    assert thought == {"type": "reasoning", "id": "rs_1", "summary": []}
    assert message == items[3]
    assert request.dropped == ("tools[0]", "tools[1]")
    assert not {"tools", "tool_choice"} & set(sent)


def test_xai_gets_the_tools_of_a_group_one_by_one_and_the_client_its_groups():
    member = {"type": "function", "name": "search", "description": "d", "parameters": {"type": "object"}}
    tools = [{"type": "namespace", "name": "docs", "tools": [member, {**member, "name": "mcp__x__y"}]}]
    call = {"type": "function_call", "call_id": "c", "namespace": "docs", "name": "search", "arguments": "{}"}
    choice = {"type": "function", "namespace": "docs", "name": "search"}
    body = {"input": [call], "tools": tools, "tool_choice": choice}
    request, _, sent = made("xai", body, model="grok-4.5", format_=Format.RESPONSES)
    assert [tool["name"] for tool in sent["tools"]] == ["docs__search", "mcp__x__y"]
    assert sent["input"][0] == {
        "type": "function_call",
        "call_id": "c",
        "name": "docs__search",
        "arguments": "{}",
    }
    assert sent["tool_choice"] == {"type": "function", "name": "docs__search"}
    assert request.dropped == ()
    repair = adapter_for("xai").unwrapper(make_credential("xai", channel="xai"), request.grouped)
    assert repair is not None
    told = {**sent["input"][0], "id": "fc_1"}
    own = {"type": "function_call", "id": "fc_2", "name": "other", "arguments": ""}
    events = [
        {"type": "response.output_item.added", "output_index": 0, "item": told},
        {"type": "response.output_item.done", "output_index": 0, "item": told},
        {"type": "response.completed", "response": {"output": [told, own]}},
    ]
    out = repair.feed(b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events))
    added, done, completed = (json.loads(line[6:]) for line in out.splitlines() if line.startswith(b"data: "))
    assert added["item"] == done["item"] == {**call, "id": "fc_1"}
    assert completed["response"]["output"] == [{**call, "id": "fc_1"}, own]


def test_xais_search_leaves_no_trace():
    repair = adapter_for("xai").unwrapper(make_credential("xai", channel="xai"))
    assert repair is not None
    trace = {"type": "custom_tool_call", "id": "i1", "name": "x_keyword_search", "call_id": "xs_call_1"}
    text = {"type": "message", "id": "i2"}
    events = [
        {"type": "response.output_item.added", "item": trace},
        {"type": "response.custom_tool_call_input.delta", "item_id": "i1", "delta": "{"},
        {"type": "response.output_item.done", "item": trace},
        {"type": "response.output_item.done", "item": text},
        {"type": "response.completed", "response": {"output": [trace, text]}},
    ]
    out = repair.feed(b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events))
    assert b"x_keyword_search" not in out
    assert out.count(b"data: ") == 2
    assert adapter_for("xai").unwrapper(make_credential("xai")) is None


def test_kilos_login_names_its_organisation():
    request, headers, _ = made("kilo", {}, account={"organization_id": "org-1"})
    assert request.url == "https://api.kilo.ai/api/openrouter/chat/completions"
    assert headers["x-kilocode-organizationid"] == "org-1"
    listing = adapter_for("kilo").models_request(make_credential("kilo", channel="kilo"))
    assert listing is not None
    assert listing.url == "https://api.kilo.ai/api/openrouter/models"
    free = make_credential("kilo", base_url="https://api.kilo.ai/api/openrouter", secret="anonymous")
    listing = adapter_for("kilo").models_request(free)
    assert listing is not None
    assert (listing.url, dict(listing.headers)["authorization"]) == (
        "https://api.kilo.ai/api/openrouter/models",
        "Bearer anonymous",
    )


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({}, "https://api.minimax.io/v1/chat/completions"),
        ({"account": {"resource_url": "api.minimaxi.com"}}, "https://api.minimaxi.com/v1/chat/completions"),
        ({"channel": ""}, "https://api.minimax.chat/v1/chat/completions"),
        ({"base_url": "https://api.minimax.io/anthropic"}, "https://api.minimax.io/anthropic/v1/messages"),
    ],
)
def test_minimaxs_addresses(fields, url):
    assert made("minimax", {}, **fields)[0].url == url


def test_minimax_at_anthropics_address_speaks_its_format():
    entry = make_credential("minimax", base_url="https://api.minimax.io/anthropic")
    assert adapter_for("minimax").formats(entry, "m") == (Format.CLAUDE,)


def test_roos_login_is_a_bearer():
    request, headers, _ = made("roo", {})
    assert request.url == "https://api.roocode.com/v1/chat/completions"
    assert headers["authorization"].startswith("Bearer ")


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({}, "http://127.0.0.1:3000/v1"),
        ({"options": {"cursor-api-url": "http://bridge:4000/"}}, "http://bridge:4000/v1"),
        ({"base_url": "http://bridge:5000"}, "http://bridge:5000/v1"),
    ],
)
def test_cursors_bridge(fields, url):
    assert made("cursor", {}, **fields)[0].url == f"{url}/chat/completions"
