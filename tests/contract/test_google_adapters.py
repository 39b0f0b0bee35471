"""gemini-cli, antigravity, vertex, qwen and iflow against exchanges in the shape of their sources."""

import base64
import hashlib
import hmac
import json

import pytest

from providers.adapters.base import Call, Operation
from providers.adapters.registry import adapter_for
from providers.errors import ClientError, UpstreamProtocolError, UpstreamRefused
from providers.values import RefusalKind
from tests.unit.providers.adapters.makers import make_credential

NOW = 1_800_000_000.0
SEED = "0123456789abcdef0123456789abcdef"
TOKEN = "ya29.test-access-token"
GENERATION: dict[str, object] = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}


def call_of(key, body, *, model="m", stream=False, operation=Operation.GENERATE, account=None, **fields):
    fields.setdefault("channel", key)
    fields.setdefault("secret", TOKEN)
    return Call(
        credential=make_credential(key, account=account or {"project_id": "my-project"}, **fields),
        model=model,
        body=json.dumps(body).encode(),
        stream=stream,
        operation=operation,
        now=NOW,
        seed=SEED,
    )


def sent(key, body=GENERATION, **fields):
    request = adapter_for(key).request(call_of(key, body, **fields))
    return request, dict(request.headers), json.loads(request.body)


def refused(key, status, body, headers=None):
    return adapter_for(key).classify(status, headers or {}, json.dumps(body).encode(), NOW)


# --- gemini-cli ------------------------------------------------------------------------------------


def test_gemini_cli_wraps_a_generation_with_its_project():
    request, headers, body = sent("gemini-cli", model="gemini-2.5-pro")
    assert request.url == "https://cloudcode-pa.googleapis.com/v1internal:generateContent"
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert headers["user-agent"].startswith("cliproxy/")
    assert body == {"project": "my-project", "model": "gemini-2.5-pro", "request": GENERATION}


def test_gemini_cli_streams_counts_and_leaves_an_unknown_project_out():
    assert sent("gemini-cli", stream=True)[0].url.endswith(":streamGenerateContent?alt=sse")
    body = {**GENERATION, "safetySettings": []}
    request, _, counted = sent("gemini-cli", body, operation=Operation.COUNT)
    assert request.url.endswith(":countTokens")
    assert counted == {"request": GENERATION}
    assert "project" not in sent("gemini-cli", account={"email": "a@example.com"})[2]


def test_gemini_cli_goes_on_with_the_next_project_of_the_account():
    adapter = adapter_for("gemini-cli")
    call = call_of("gemini-cli", GENERATION, account={"project_id": "one, two"})
    assert json.loads(adapter.request(call).body)["project"] == "one"
    second = adapter.elsewhere(call, 1, 429, b"")
    assert second is not None
    assert json.loads(second.body)["project"] == "two"
    assert adapter.elsewhere(call, 2, 429, b"") is None
    assert adapter.elsewhere(call, 1, 400, b"") is None
    assert adapter.elsewhere(call, 1, None, b"") is None


# --- antigravity -----------------------------------------------------------------------------------


def test_antigravity_says_who_asks_for_what():
    request, _, body = sent("antigravity", {**GENERATION, "safetySettings": [1]}, model="gemini-3-flash")
    assert request.url == "https://daily-cloudcode-pa.googleapis.com/v1internal:generateContent"
    assert body["project"] == "my-project"
    assert body["userAgent"] == "antigravity"
    assert body["requestType"] == "agent"
    assert body["requestId"] == "agent-01234567-89ab-cdef-0123-456789abcdef"
    assert body["request"].keys() == {"contents", "sessionId"}


def test_antigravity_marks_pictures_and_searches():
    picture = sent("antigravity", model="gemini-3.1-flash-image")[2]
    assert picture["requestType"] == "image_gen"
    assert picture["requestId"] == f"image_gen/{int(NOW * 1000)}/01234567-89ab-cdef-0123-456789abcdef/12"
    search = sent("antigravity", {**GENERATION, "tools": [{"googleSearch": {}}]})[2]
    assert search["requestType"] == "web_search"
    assert "requestId" not in search


def test_antigravity_keeps_claudes_thinking_below_its_limit():
    config: dict[str, object] = {"maxOutputTokens": 90_000, "thinkingConfig": {"thinkingBudget": 70_000}}
    body = {**GENERATION, "generationConfig": config, "tools": [{"functionDeclarations": [{"name": "f"}]}]}
    inside = sent("antigravity", body, model="claude-sonnet-4-6")[2]["request"]
    assert inside["generationConfig"] == {
        "maxOutputTokens": 64_000,
        "thinkingConfig": {"thinkingBudget": 63_999},
    }
    assert inside["toolConfig"] == {"functionCallingConfig": {"mode": "VALIDATED"}}
    small = {**GENERATION, "generationConfig": {**config, "maxOutputTokens": 500}}
    assert sent("antigravity", small, model="claude-sonnet-4-6")[2]["request"]["generationConfig"] == {
        "maxOutputTokens": 500
    }


def test_antigravity_gives_other_models_no_limit():
    body = {**GENERATION, "generationConfig": {"maxOutputTokens": 5, "topK": 1}}
    assert sent("antigravity", body)[2]["request"]["generationConfig"] == {"topK": 1}


def test_antigravity_without_a_project_is_a_clear_error():
    with pytest.raises(UpstreamRefused, match="connect it again"):
        sent("antigravity", account={"email": "a@example.com"})


@pytest.mark.parametrize(
    ("status", "body", "goes_on"),
    [
        (None, b"", True),
        (429, b"", True),
        (503, b'{"error":{"message":"No capacity available"}}', True),
        (503, b"", False),
        (400, b"", False),
    ],
)
def test_antigravity_has_a_second_host(status, body, goes_on):
    adapter = adapter_for("antigravity")
    call = call_of("antigravity", GENERATION)
    second = adapter.elsewhere(call, 1, status, body)
    assert (second is not None) is goes_on
    if second is not None:
        assert second.url.startswith("https://cloudcode-pa.googleapis.com/")
    assert adapter.elsewhere(call, 2, status, body) is None
    own = call_of("antigravity", GENERATION, base_url="http://127.0.0.1:9")
    assert adapter.elsewhere(own, 1, status, body) is None


def test_antigravity_tells_a_spent_window_from_a_rate():
    def spent(reason, delay):
        details = [{"reason": reason, "metadata": {"quotaResetDelay": delay}}]
        error = {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "no", "details": details}
        return refused("antigravity", 429, {"error": error})

    assert (
        spent("QUOTA_EXHAUSTED", "2h").names_quota_window,
        spent("QUOTA_EXHAUSTED", "2h").retry_after_s,
    ) == (
        True,
        7200.0,
    )
    assert spent("RATE_LIMIT_EXCEEDED", "10s").names_quota_window is False
    assert spent("RATE_LIMIT_EXCEEDED", "400s").names_quota_window is True


def test_antigravity_lists_what_the_account_may_use():
    adapter = adapter_for("antigravity")
    body = b'{"models":{"gemini-3-flash":{"displayName":"Flash"},"new-model":{}}}'
    known, new = adapter.read_models(body)
    assert (known.id, known.display_name, known.context_length) == ("gemini-3-flash", "Flash", 1_048_576)
    assert new.id == "new-model"
    with pytest.raises(UpstreamProtocolError):
        adapter.read_models(b'{"models":[]}')


# --- vertex ----------------------------------------------------------------------------------------


def test_vertex_addresses_a_service_account_by_project_and_location():
    account = {"project_id": "p-1", "location": "europe-west4"}
    request, headers, body = sent("vertex", model="gemini-2.5-pro", stream=True, account=account)
    assert request.url == (
        "https://europe-west4-aiplatform.googleapis.com/v1/projects/p-1/locations/europe-west4"
        "/publishers/google/models/gemini-2.5-pro:streamGenerateContent?alt=sse"
    )
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert "x-goog-api-key" not in headers
    assert body == GENERATION
    everywhere = sent("vertex", account={"project_id": "p-1", "location": "global"})[0].url
    assert everywhere.startswith("https://aiplatform.googleapis.com/v1/projects/p-1/locations/global/")
    own = sent("vertex", account={"project_id": "p-1"}, base_url="http://127.0.0.1:9")[0].url
    assert own.startswith("http://127.0.0.1:9/v1/projects/p-1/locations/us-central1/")


def test_vertex_counts_the_bare_conversation():
    body = {**GENERATION, "tools": [], "generationConfig": {}, "systemInstruction": {"parts": []}}
    request, _, counted = sent("vertex", body, operation=Operation.COUNT)
    assert request.url.endswith(":countTokens")
    assert counted.keys() == {"contents", "systemInstruction"}


def test_vertex_refuses_an_impossible_location():
    with pytest.raises(ClientError):
        sent("vertex", account={"project_id": "p", "location": "evil.example/x"})


def test_vertex_asks_imagen_for_a_prediction():
    request, headers, body = sent("vertex", model="imagen-4.0-generate-001", stream=True)
    assert request.url.endswith("/models/imagen-4.0-generate-001:predict")
    assert headers["accept"] == "application/json"
    assert body == {"instances": [{"prompt": "Hi"}], "parameters": {"sampleCount": 1}}


# --- qwen ------------------------------------------------------------------------------------------

CHAT = {"model": "qwen3-coder-plus", "messages": [{"role": "user", "content": "Hi"}]}


@pytest.mark.parametrize(
    ("named", "base"),
    [
        ("", "https://portal.qwen.ai/v1"),
        ("dashscope.example", "https://dashscope.example/v1"),
        ("https://dashscope.example/v1/", "https://dashscope.example/v1"),
    ],
)
def test_qwen_calls_the_host_that_the_login_named(named, base):
    request, headers, _ = sent("qwen", CHAT, account={"resource_url": named})
    assert request.url == f"{base}/chat/completions"
    assert headers["x-dashscope-authtype"] == "qwen-oauth"
    own = sent("qwen", CHAT, account={"resource_url": named}, base_url="http://127.0.0.1:9/v1")[0].url
    assert own == "http://127.0.0.1:9/v1/chat/completions"


def test_qwen_streams_never_go_without_a_tool():
    tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
    assert [t["function"]["name"] for t in sent("qwen", CHAT, stream=True)[2]["tools"]] == ["do_not_call_me"]
    assert sent("qwen", {**CHAT, "tools": [tool]}, stream=True)[2]["tools"] == [tool]
    assert "tools" not in sent("qwen", CHAT)[2]


def test_qwens_spent_allowance_rests_a_day():
    found = refused(
        "qwen", 429, {"error": {"code": "insufficient_quota", "message": "Free allocated quota exceeded."}}
    )
    assert (found.kind, found.retry_after_s, found.credential_wide) == (RefusalKind.QUOTA, 86_400.0, True)


# --- iflow -----------------------------------------------------------------------------------------


def test_iflow_signs_agent_session_and_moment():
    _, headers, _ = sent("iflow", CHAT, secret="iflow-key")
    text = f"{headers['user-agent']}:{headers['session-id']}:{headers['x-iflow-timestamp']}"
    digest = hmac.new(b"iflow-key", text.encode(), hashlib.sha256).hexdigest()
    assert headers["x-iflow-signature"] == digest
    assert headers["x-iflow-timestamp"] == str(int(NOW * 1000))
    assert headers["authorization"] == "Bearer iflow-key"


@pytest.mark.parametrize(
    ("model", "effort", "expected"),
    [
        ("glm-4.6", "high", {"chat_template_kwargs": {"enable_thinking": True, "clear_thinking": False}}),
        ("glm-4.6", "none", {"chat_template_kwargs": {"enable_thinking": False}}),
        ("deepseek-v3.2", "low", {"chat_template_kwargs": {"enable_thinking": True}}),
        ("minimax-m2", "low", {"reasoning_split": True}),
        ("kimi-k2-thinking", "low", {"reasoning_effort": "low"}),
        ("kimi-k2", "low", {}),
    ],
)
def test_iflow_switches_thinking_as_each_family_wants(model, effort, expected):
    body = sent("iflow", {**CHAT, "reasoning_effort": effort}, model=model)[2]
    assert {name: value for name, value in body.items() if name not in CHAT} == expected


def test_iflow_takes_answers_and_errors_out_of_their_wrapping():
    adapter = adapter_for("iflow")
    assert adapter.unwrapped(b'{"success":true,"data":{"choices":[]}}') == b'{"choices":[]}'
    assert adapter.unwrapped(b'{"choices":[],"data":1}') == b'{"choices":[],"data":1}'
    error = adapter.unwrapped(b'{"status":"439","msg":"Your key has expired"}')
    assert adapter.classify(502, {}, error, NOW).kind is RefusalKind.UNAUTHORIZED
    busy = adapter.unwrapped(b'{"status":"429","msg":"slow down"}')
    assert adapter.classify(502, {}, busy, NOW).kind is RefusalKind.QUOTA


def test_keys_appear_in_headers_only():
    for key in ("gemini-cli", "antigravity", "vertex", "qwen", "iflow"):
        request = adapter_for(key).request(call_of(key, CHAT if key in ("qwen", "iflow") else GENERATION))
        assert TOKEN not in request.url
        assert TOKEN.encode() not in request.body
        assert base64.b64encode(TOKEN.encode()) not in request.body
