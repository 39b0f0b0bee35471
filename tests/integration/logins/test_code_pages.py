"""Logins that open the vendor's page: back by the local port, by this server, by paste; and misuse."""

from __future__ import annotations

import re
import socket
from html import unescape
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.integration.logins.person import Attempt, Person
from tests.integration.logins.test_json import until_done
from tests.integration.logins.vendor import Vendor
from tests.processes import Gateway

pytestmark = pytest.mark.timeout(60)


def begin(admin: Person) -> Attempt:
    attempt = admin.connect("claude", "code")
    assert attempt.state()["step"] == "page"
    return attempt


def choice(attempt_link: str, name: str = "yes") -> str:
    """Where the vendor's page sends the browser: ``yes`` or ``no``."""
    found = re.search(rf'id="{name}" href="([^"]+)"', httpx.get(attempt_link).text)
    assert found is not None
    return unescape(found[1])


def test_the_browser_comes_back_to_the_local_port(admin: Person, vendor: Vendor):
    attempt = begin(admin)
    back = choice(attempt.link())
    assert urlsplit(back).port == vendor.callback_port
    answer = httpx.get(back)
    assert answer.status_code == 200
    assert "Login received" in answer.text
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    state = attempt.end()
    assert state["status"] == "success"
    assert "@example.com" in attempt.page()


def test_the_port_is_closed_when_nobody_waits(admin: Person, vendor: Vendor):
    attempt = begin(admin)
    back = choice(attempt.link())
    assert httpx.get(back).status_code == 200
    attempt.end()
    with pytest.raises(httpx.ConnectError):
        httpx.get(back)


def test_a_replayed_or_foreign_state_changes_nothing(admin: Person):
    first, second = begin(admin), begin(admin)
    back = choice(first.link())
    for query in ("code=c", "code=c&state=foreign", "state=foreign", ""):
        assert httpx.get(f"{back.partition('?')[0]}?{query}").status_code == 400
    assert first.state()["status"] == "pending"
    assert httpx.get(back).status_code == 200
    assert first.end()["status"] == "success"
    assert httpx.get(back).status_code == 400  # the second login keeps the port open
    assert second.state()["status"] == "pending"
    assert httpx.get(choice(second.link())).status_code == 200
    assert second.end()["status"] == "success"


def test_the_port_answers_nothing_but_the_callback(admin: Person, vendor: Vendor):
    attempt = begin(admin)
    base = f"http://127.0.0.1:{vendor.callback_port}"
    assert httpx.get(f"{base}/else").status_code == 404
    assert httpx.post(f"{base}/callback").status_code == 405
    script = "<script>alert(1)</script>"
    answer = httpx.get(f"{base}/callback", params={"error": script, "state": "x"})
    assert answer.status_code == 400
    assert "<script>" not in answer.text
    with socket.create_connection(("127.0.0.1", vendor.callback_port), timeout=5) as broken:
        broken.sendall(b"\x00\xff\r\n\r\n")
        broken.recv(100)
    assert attempt.state()["status"] == "pending"
    admin.post(f"{attempt.path}/cancel")


def test_a_refusal_at_the_vendor_is_a_denial(admin: Person):
    attempt = begin(admin)
    answer = httpx.get(choice(attempt.link(), "no"))
    assert answer.status_code == 400
    assert "access_denied" in answer.text
    assert attempt.end()["status"] == "denied"


@pytest.mark.parametrize("form", ["whole", "no scheme", "query"])
def test_the_address_can_be_pasted(admin: Person, form: str):
    attempt = begin(admin)
    back = choice(attempt.link())
    text = {"whole": back, "no scheme": back.removeprefix("http://"), "query": urlsplit(back).query}[form]
    assert admin.post(f"{attempt.path}/paste", callback_url=text).status_code == 302
    assert attempt.end()["status"] == "success"


def test_a_code_that_the_vendor_does_not_know_fails_in_words(admin: Person):
    attempt = begin(admin)
    state = parse_qs(urlsplit(attempt.link()).query)["state"][0]
    admin.post(f"{attempt.path}/paste", callback_url=f"?code=stolen&state={state}")
    ended = attempt.end()
    assert (ended["status"], ended["error_code"]) == ("failed", "code_exchange_failed")
    assert "stolen" not in ended["error"]


def test_a_taken_port_is_told_and_the_address_pasted(admin: Person, vendor: Vendor):
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", vendor.callback_port))
        other.listen()
        attempt = begin(admin)
        assert "taken by another program" in attempt.page()
        admin.post(f"{attempt.path}/paste", callback_url=choice(attempt.link()))
        assert attempt.end()["status"] == "success"


def test_the_browser_may_come_back_to_this_server(admin: Person, logins: Gateway):
    for path in ("/anthropic/callback", "/v0/oauth/claude/callback"):
        attempt = begin(admin)
        query = urlsplit(choice(attempt.link())).query
        wrong = httpx.get(f"{logins.url}/codex/callback?{query}")
        assert (wrong.status_code, "No login is waiting" in wrong.text) == (200, True)
        answer = admin.get(f"{path}?{query}")
        assert attempt.path in answer.text
        assert attempt.end()["status"] == "success"
        again = admin.get(f"{path}?{query}")
        assert (again.status_code, "No login is waiting" in again.text) == (200, True)


def test_a_script_brings_the_callback(manager: httpx.Client, logins: Gateway):
    def ask() -> dict[str, object]:
        answer: dict[str, object] = manager.get("/get-auth-status", params={"state": started["state"]}).json()
        return answer

    started = manager.get("/anthropic-auth-url").json()
    assert set(started) == {"status", "url", "auth_url", "state"}
    back = choice(started["url"])
    keyless = f"{logins.url}/v0/management/oauth-callback"
    other = httpx.post(keyless, json={"provider": "codex", "redirect_url": back})
    assert (other.status_code, other.json()["error"]) == (400, "provider does not match state")
    assert httpx.post(keyless, json={"provider": "anthropic", "redirect_url": back}).json() == {
        "status": "ok"
    }
    assert until_done(ask) == {"status": "ok"}
    again = httpx.post(keyless, json={"redirect_url": back})
    assert (again.status_code, again.json()["error"]) == (409, "oauth flow is already completed")
    for body in (b"[]", b"{", b'{"code": 1}'):
        refused = httpx.post(keyless, content=body)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid body")


def test_a_refusal_brought_by_a_script_is_told_with_its_text(manager: httpx.Client):
    started = manager.get("/claude-auth-url").json()
    query = {"state": started["state"], "error_description": "no thanks"}
    assert manager.get("/oauth-callback", params=query).json() == {"status": "ok"}
    ended = until_done(lambda: manager.get("/get-auth-status", params={"state": started["state"]}).json())
    assert ended["status"] == "error"
    again = manager.get("/oauth-callback", params=query)
    assert (again.status_code, again.json()["error"]) == (409, ended["error"])


def test_the_web_panel_is_sent_on_from_the_local_port(manager: httpx.Client, logins: Gateway):
    started = manager.get("/anthropic-auth-url", params={"is_webui": "true"}).json()
    back = choice(started["url"])
    sent = httpx.get(back)
    assert sent.status_code == 302
    assert sent.headers["location"] == f"{logins.url}/anthropic/callback?{urlsplit(back).query}"
    assert "Login received" in httpx.get(sent.headers["location"]).text
    ended = until_done(lambda: manager.get("/get-auth-status", params={"state": started["state"]}).json())
    assert ended == {"status": "ok"}


def test_a_panel_learns_that_the_port_is_taken(manager: httpx.Client, vendor: Vendor):
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", vendor.callback_port))
        other.listen()
        answer = manager.get("/anthropic-auth-url", params={"is_webui": "1"})
    assert (answer.status_code, answer.json()["error"]) == (500, "failed to start callback server")


def test_a_channel_without_its_setting_says_which(admin: Person, manager: httpx.Client):
    page = admin.get("/v0/oauth/gemini-cli")
    assert "CLIPROXY_OAUTH_GEMINI_CLI_CLIENT_SECRET" in page.text
    assert 'value="import" checked' in page.text  # what works without it
    answer = manager.get("/gemini-cli-auth-url")
    assert answer.status_code == 400
    assert "CLIPROXY_OAUTH_GEMINI_CLI_CLIENT_SECRET" in answer.json()["error"]
