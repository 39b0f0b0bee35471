"""The probe against a fake upstream on loopback: what an admin is told for each way of being wrong."""

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from providers.upstream.client import UpstreamClient
from providers.upstream.probe import probe, probe_now
from providers.upstream.timeouts import Timeouts
from tests.unit.providers.adapters.makers import make_credential
from tests.unit.providers.translation.codecs.kiro.wire import HELLO

KEY = "test-key-0123456789"
LIST = {"data": [{"id": "model-a"}, {"id": "model-b"}]}
CHAT = {"id": "1", "choices": [{"message": {"role": "assistant", "content": "ok"}}]}
NOT_FOUND = (404, {"error": {"message": "no such path"}})


class FakeUpstream:
    """Answers ``answers["GET /path"]``, a status and a JSON body (or bytes); remembers what it was asked."""

    def __init__(self):
        self.answers: dict[str, tuple[int, object]] = {}
        self.asked: list[tuple[str, dict[str, str], bytes]] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                fake.asked.append((f"{self.command} {self.path}", dict(self.headers), body))
                status, reply = fake.answers.get(f"{self.command} {self.path}", NOT_FOUND)
                raw = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            do_GET = do_POST = _answer

            def log_message(self, format, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def upstream():
    fake = FakeUpstream()
    thread = threading.Thread(target=fake.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield fake
    fake.server.shutdown()
    thread.join()
    fake.server.server_close()


def entry_of(upstream, adapter="openai-compatibility", path="/v1", **fields):
    return make_credential(adapter, base_url=upstream.url + path, proxy_url="direct", **fields)


def test_a_working_key_is_told_with_its_models(upstream):
    upstream.answers["GET /v1/models"] = (200, LIST)
    result = probe_now(entry_of(upstream))
    assert result.ok
    assert result.status == 200
    assert [model.id for model in result.models] == ["model-a", "model-b"]
    assert result.message.startswith("Works: 2 models listed, answered in ")
    assert upstream.asked[0][1]["authorization"] == f"Bearer {KEY}"


def test_a_refused_key_is_told_and_never_shown(upstream):
    error = {"error": {"message": f"Incorrect API key provided: {KEY}.", "type": "invalid_request_error"}}
    upstream.answers["GET /v1/models"] = (401, error)
    result = probe_now(entry_of(upstream))
    assert not result.ok
    assert result.status == 401
    assert result.message == "The provider refused the key (401): Incorrect API key provided: [secret]."


@pytest.mark.parametrize("status", [404, 405])
def test_without_a_list_one_token_is_generated_with_the_named_model(upstream, status):
    upstream.answers["GET /v1/models"] = (status, {})
    upstream.answers["POST /v1/chat/completions"] = (200, CHAT)
    result = probe_now(entry_of(upstream), model="local-7b")
    assert result.ok
    assert result.models == ()
    sent = json.loads(upstream.asked[-1][2])
    assert (sent["model"], sent["max_tokens"]) == ("local-7b", 1)


def test_without_a_list_and_without_a_model_the_admin_is_asked_for_one(upstream):
    result = probe_now(entry_of(upstream))
    assert not result.ok
    assert "Name a model" in result.message


def test_a_model_that_the_server_lacks_is_told(upstream):
    upstream.answers["POST /v1/chat/completions"] = (404, {"error": {"message": 'model "x" not found'}})
    result = probe_now(entry_of(upstream), model="x")
    assert result.message == ('The provider does not know this model or address (404): model "x" not found')


def test_claude_lists_and_generates_in_its_own_format(upstream):
    entry = entry_of(upstream, "claude", path="")
    upstream.answers["GET /v1/models?limit=1000"] = (200, {"data": [{"id": "claude-a"}]})
    assert [model.id for model in probe_now(entry).models] == ["claude-a"]
    upstream.answers = {"POST /v1/messages": (200, {"content": [{"type": "text", "text": "ok"}]})}
    assert probe_now(entry, model="claude-3-5-sonnet").ok
    sent = json.loads(upstream.asked[-1][2])
    assert (sent["model"], sent["max_tokens"]) == ("claude-3-5-sonnet-20241022", 1)
    assert upstream.asked[-1][1]["x-api-key"] == KEY


def test_gemini_generates_in_its_own_format(upstream):
    upstream.answers["POST /v1beta/models/gemini-x:generateContent"] = (200, {"candidates": [{}]})
    assert probe_now(entry_of(upstream, "gemini", path=""), model="gemini-x").ok


def test_where_anybody_may_list_the_key_endpoint_decides(upstream):
    upstream.answers["GET /api/v1/models"] = (200, LIST)
    upstream.answers["GET /api/v1/key"] = (401, {"error": {"code": 401, "message": "User not found."}})
    entry = entry_of(upstream, "openrouter", path="/api/v1")
    result = probe_now(entry)
    assert not result.ok
    assert result.message == "The provider refused the key (401): User not found."
    assert len(result.models) == 2
    upstream.answers["GET /api/v1/key"] = (200, {"data": {"label": "x"}})
    assert probe_now(entry).ok


def test_where_anybody_may_list_and_no_key_endpoint_is_a_token_decides(upstream):
    upstream.answers["GET /v1/models"] = (200, LIST)
    upstream.answers["POST /v1/chat/completions"] = (403, {"error": {"message": "no credit"}})
    result = probe_now(entry_of(upstream, "zen"))
    assert not result.ok
    assert "plan, billing or permission (403): no credit" in result.message


def test_an_error_inside_a_200_is_no_success(upstream):
    upstream.answers["POST /v1/chat/completions"] = (
        200,
        {"base_resp": {"status_code": 1004, "status_msg": "login fail"}},
    )
    result = probe_now(entry_of(upstream, "minimax"), model="m")
    assert result.message == "The provider refused the key (401): login fail"


def test_a_page_instead_of_a_list_points_to_the_base_url(upstream):
    upstream.answers["GET /v1/models"] = (200, b"<html>Welcome to nginx</html>")
    result = probe_now(entry_of(upstream))
    assert not result.ok
    assert result.message == (
        f"What answers at {upstream.url} is not this kind of provider: "
        "The provider's model list is not JSON. Check the base URL."
    )


def test_a_redirect_points_to_the_base_url_too(upstream):
    upstream.answers["GET /v1/models"] = (301, b"")
    result = probe_now(entry_of(upstream))
    assert not result.ok
    assert result.message.endswith("it redirects elsewhere (301). Check the base URL.")


def test_nothing_listening_is_told_with_the_address():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        entry = make_credential("openai-compatibility", base_url=f"{url}/v1", proxy_url="direct")
        result = probe_now(entry)
    assert not result.ok
    assert result.status is None
    assert result.message == f"Nothing answers at {url} (refused the connection)."


def test_silence_is_told_after_the_limit():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        entry = make_credential("openai-compatibility", base_url=url, proxy_url="direct")
        result = probe_now(entry, timeout_s=0.2)
    assert not result.ok
    assert "0.2 s" in result.message


@pytest.mark.parametrize(
    ("adapter", "fields", "words"),
    [
        ("openai-compatibility", {"base_url": ""}, "needs a base URL"),
        ("openai-compatibility", {"base_url": "http://169.254.169.254/v1"}, "link-local"),
        ("openai", {"secret": ""}, "OpenAI needs a key, and this credential holds none."),
    ],
)
def test_wrong_settings_are_told_before_anything_is_sent(adapter, fields, words):
    result = probe_now(make_credential(adapter, **fields))
    assert not result.ok
    assert words in result.message


# httpx-aiohttp signs in at a proxy by means that aiohttp 3.14 calls deprecated.
@pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:The 'proxy_auth' parameter is deprecated:DeprecationWarning")
def test_custom_header_values_and_proxy_logins_are_not_shown(upstream):
    text = "you sent hunter-two and user:proxy-password"
    upstream.answers["GET /v1/models"] = (401, {"error": {"message": text}})
    entry = make_credential(
        "openai-compatibility",
        base_url="http://upstream.invalid/v1",
        headers=(("x-secret", "hunter-two"),),
        proxy_url=upstream.url.replace("http://", "http://user:proxy-password@"),
    )
    upstream.answers["GET http://upstream.invalid/v1/models"] = upstream.answers["GET /v1/models"]
    result = probe_now(entry)
    assert result.message.endswith("you sent [secret] and [secret]")


async def test_a_loop_that_has_a_client_already_uses_it(upstream):
    upstream.answers["GET /v1/models"] = (200, LIST)
    client = UpstreamClient(Timeouts())
    try:
        assert (await probe(client, entry_of(upstream))).ok
    finally:
        await client.close()


def test_the_demo_always_works():
    assert probe_now(make_credential("demo", secret="")).ok


async def test_a_look_that_nobody_asked_for_never_generates(upstream):
    client = UpstreamClient(Timeouts())
    try:
        for adapter in ("openai-compatibility", "openai", "claude", "gemini"):
            await probe(client, entry_of(upstream, adapter=adapter), may_generate=False)
    finally:
        await client.close()
    assert {asked[0].partition(" ")[0] for asked in upstream.asked} == {"GET"}


def test_a_login_that_lists_models_is_told_with_them(upstream):
    path = "GET /listAvailableModels?origin=AI_EDITOR"
    upstream.answers[path] = (200, {"models": [{"modelId": "claude-sonnet-4.5"}]})
    result = probe_now(entry_of(upstream, "kiro", path="", channel="kiro"))
    assert (result.ok, [model.id for model in result.models]) == (True, ["kiro-claude-sonnet-4-5"])


def test_a_login_without_a_list_proves_itself_by_a_stream(upstream):
    entry = entry_of(upstream, "codex", path="", channel="codex")
    upstream.answers["POST /responses"] = (200, b'event: response.created\ndata: {"type":"x"}\n\n')
    assert probe_now(entry, model="gpt-5.5").ok
    asked = json.loads(upstream.asked[0][2])
    assert (asked["stream"], asked["store"], asked["model"]) == (True, False, "gpt-5.5")
    upstream.answers["POST /responses"] = (200, {"error": {"message": "no", "code": "invalid_api_key"}})
    assert not probe_now(entry, model="gpt-5.5").ok


def test_a_kiro_that_lists_nothing_proves_itself_by_a_binary_stream(upstream):
    entry = entry_of(upstream, "kiro", path="", channel="kiro")
    upstream.answers["POST /generateAssistantResponse"] = (200, b"".join(HELLO))
    assert probe_now(entry).ok
    spent = {"message": "x", "reason": "MONTHLY_REQUEST_COUNT"}
    upstream.answers["POST /generateAssistantResponse"] = (402, spent)
    result = probe_now(entry)
    assert (result.ok, "allowance is spent" in result.message) == (False, True)
