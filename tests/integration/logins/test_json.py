"""The same logins for scripts: the management API's routes, and Kiro's own addresses."""

from __future__ import annotations

import threading
import time
from typing import Any

import httpx
import pytest

from tests.integration.logins.person import Person
from tests.integration.logins.vendor import Vendor
from tests.processes import Gateway

pytestmark = pytest.mark.timeout(60)
KEY = {"Authorization": "Bearer management-key-0001"}


def until_done(ask: Any, within_s: float = 15.0) -> dict[str, Any]:
    """The first answer of ``ask`` that says something else than to wait."""
    deadline = time.monotonic() + within_s
    while (answer := ask())["status"] in ("wait", "device_code", "pending") and time.monotonic() < deadline:
        threading.Event().wait(0.05)
    found: dict[str, Any] = answer
    return found


def status(manager: httpx.Client, state: str) -> dict[str, Any]:
    answer: dict[str, Any] = manager.get("/get-auth-status", params={"state": state}).json()
    return answer


def test_a_device_login_by_script(manager: httpx.Client, vendor: Vendor):
    started = manager.get("/github-copilot-auth-url").json()
    assert started["status"] == "ok"
    assert started["flow"] == "device"
    assert started["url"] == started["auth_url"] == f"{vendor.url}/device?user_code={started['user_code']}"
    assert 0 < started["expires_in"] <= 600
    assert status(manager, started["state"]) == {"status": "wait"}
    vendor.allow(started["user_code"])
    assert until_done(lambda: status(manager, started["state"])) == {"status": "ok"}


def test_kiros_status_tells_code_and_address(manager: httpx.Client, vendor: Vendor):
    started = manager.get("/kiro-auth-url", params={"method": "aws"}).json()
    assert started["method"] == "device_code"
    waiting = status(manager, started["state"])
    assert waiting == {
        "status": "device_code",
        "verification_url": started["url"],
        "user_code": started["user_code"],
    }
    vendor.deny(started["user_code"])
    ended = until_done(lambda: status(manager, started["state"]))
    assert ended["status"] == "error"
    assert ended["error"].startswith("Authentication failed")


@pytest.mark.parametrize(
    ("path", "code", "error"),
    [
        ("/nobody-auth-url", 404, None),
        ("/kiro-auth-url?method=google", 400, "Kiro (AWS) has no login by 'google'"),
        ("/kiro-auth-url?method=idc&startUrl=http://localhost/start", 400, ""),
        ("/get-auth-status?state=a/b", 400, "invalid state"),
        ("/oauth-callback?code=c", 400, "state is required"),
        ("/oauth-callback?code=c&state=..", 400, "invalid state"),
        ("/oauth-callback?state=s", 400, "code or error is required"),
        ("/oauth-callback?state=s&code=c&provider=nobody", 400, "unsupported provider"),
        ("/oauth-callback?state=s&code=c", 404, "unknown or expired state"),
    ],
)
def test_what_is_refused(manager: httpx.Client, path: str, code: int, error: str | None):
    answer = manager.get(path)
    assert answer.status_code == code
    if error is not None:
        assert answer.json()["error"].startswith(error)


def test_a_posted_callback_is_refused_in_the_same_shape(manager: httpx.Client):
    """What it lacks may stand in the query."""
    path = "/oauth-callback?state=s&code=c"
    for body, code, error in (
        (b"{", 400, "invalid body"),
        (b"[1]", 400, "invalid body"),
        (b'{"code": 5}', 400, "invalid body"),
        (b"", 404, "unknown or expired state"),
        (b'{"state": "a/b"}', 400, "invalid state"),
    ):
        answer = manager.post(path, content=body)
        assert (answer.status_code, answer.json()) == (code, {"status": "error", "error": error})


def test_a_vendor_in_trouble_is_a_500(manager: httpx.Client, vendor: Vendor):
    vendor.start_status = 500
    answer = manager.get("/kiro-auth-url")
    assert (answer.status_code, answer.json()["error"]) == (500, "failed to generate authorization url")


def test_an_unknown_state_is_told_as_such(manager: httpx.Client):
    assert manager.get("/get-auth-status").json() == {"status": "ok"}
    assert status(manager, "nobody") == {"status": "error", "error": "unknown or expired state"}


def test_a_login_can_be_given_up(manager: httpx.Client):
    state = manager.get("/kiro-auth-url").json()["state"]
    assert manager.delete("/oauth-session", params={"state": state}).json() == {
        "status": "ok",
        "cancelled": True,
    }
    assert status(manager, state)["error"] == "Authorization cancelled"
    assert manager.delete("/oauth-session", params={"state": state}).json()["cancelled"] is False
    assert manager.delete("/oauth-session").json() == {"error": "missing state"}


def test_nobody_begins_a_login_without_a_key_or_a_session(logins: Gateway):
    for path in ("/v0/management/kiro-auth-url", "/v0/oauth/kiro/status?state=s"):
        assert httpx.get(logins.url + path).status_code == 401
    assert httpx.post(f"{logins.url}/v0/oauth/kiro/import", json={"refreshToken": "x"}).status_code == 401
    assert httpx.get(f"{logins.url}/v0/oauth/kiro/start").status_code == 302


def test_kiros_own_addresses_by_key(logins: Gateway, vendor: Vendor):
    with httpx.Client(base_url=f"{logins.url}/v0/oauth/kiro", headers=KEY, timeout=20) as script:
        started = script.get("/start", params={"method": "builder-id"}).json()
        assert started["verification_url_complete"].endswith(started["user_code"])
        query = {"state": started["state"]}
        assert script.get("/status", params=query).json()["status"] == "pending"
        vendor.allow(started["user_code"])
        ended = until_done(lambda: script.get("/status", params=query).json())
        assert ended["status"] == "success"
        assert ended["completed_at"]
        assert ended["expires_at"]
        assert script.get("/status").json() == {"error": "missing state parameter"}
        assert script.get("/status", params={"state": "x"}).status_code == 404
        assert script.get("/start", params={"method": "google"}).status_code == 400
        unsafe = {"method": "idc", "startUrl": "https://127.0.0.1/start"}
        assert script.get("/start", params=unsafe).status_code == 400
        vendor.start_status = 500
        refused = script.get("/start")
        assert refused.status_code == 500
        assert refused.json()["error"]


def test_kiros_refresh_token_by_key(logins: Gateway):
    address = f"{logins.url}/v0/oauth/kiro/import"
    good = httpx.post(address, headers=KEY, json={"refreshToken": "aorAAAAAG-good-2"}, timeout=20)
    assert good.json()["success"] is True
    assert good.json()["fileName"].endswith(".json")
    bodies: list[Any] = [{"refreshToken": "something else"}, {}, [], {"refreshToken": 1}]
    for body in bodies:
        refused = httpx.post(address, headers=KEY, json=body, timeout=20)
        assert (refused.status_code, refused.json()["success"]) == (400, False)
        assert refused.json()["error"]


def test_kiros_start_link_for_a_person(admin: Person, vendor: Vendor):
    link = "/v0/oauth/kiro/start?method=idc&startUrl=https://d-1.awsapps.com/start&region=eu-west-1"
    foreign = admin.browser.get(link, headers={"Sec-Fetch-Site": "cross-site"})
    assert foreign.headers["location"].startswith("/v0/oauth/kiro?new=1&method=idc")
    form = admin.get(foreign.headers["location"]).text
    assert 'value="https://d-1.awsapps.com/start"' in form
    attempt = admin.connect()  # accepts the terms
    admin.post(f"{attempt.path}/cancel")
    started = admin.get("/v0/oauth/kiro/start?method=builder-id")
    assert 'id="user-code"' in admin.get(started.headers["location"]).text
    admin.post(f"{started.headers['location']}/cancel")
    assert admin.get("/v0/oauth/kiro/start?method=github").status_code == 400
    vendor.start_status = 500
    refused = admin.get("/v0/oauth/kiro/start")
    assert refused.status_code == 500
    assert refused.json()["error"]


def test_every_kiro_login_is_renewed_by_key(logins: Gateway, vendor: Vendor, admin: Person):
    attempt = admin.connect()
    vendor.allow(attempt.user_code())
    attempt.end()
    answer = httpx.post(f"{logins.url}/v0/oauth/kiro/refresh", headers=KEY, timeout=20).json()
    assert answer["success"] is True
    assert answer["refreshedCount"] >= 1
    assert "canary" not in str(answer)


def test_a_persons_session_begins_a_login_too_but_no_foreign_link_does(admin: Person):
    foreign = admin.browser.get("/v0/management/kiro-auth-url", headers={"Sec-Fetch-Site": "cross-site"})
    assert foreign.status_code == 403
    started = admin.get("/v0/management/kiro-auth-url").json()
    assert started["user_code"]
    query = {"state": started["state"]}
    assert admin.browser.get("/v0/management/get-auth-status", params=query).json()["status"] == "device_code"
    plain = admin.browser.request("DELETE", "/v0/management/oauth-session", params=query)
    assert plain.status_code == 403  # a write by session needs Django's CSRF token
    token = {"X-CSRFToken": admin.browser.cookies["csrftoken"]}
    ended = admin.browser.request("DELETE", "/v0/management/oauth-session", params=query, headers=token)
    assert ended.json() == {"status": "ok", "cancelled": True}
