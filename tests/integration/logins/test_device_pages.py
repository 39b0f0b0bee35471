"""A device login on its pages, through everything that a vendor may say, with the gateway as a process."""

from __future__ import annotations

import json

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.integration.logins.person import Person
from tests.integration.logins.vendor import Vendor
from tests.processes import Gateway

pytestmark = pytest.mark.timeout(60)


def cookies(admin: Person) -> str:
    return "; ".join(f"{name}={value}" for name, value in admin.browser.cookies.items())


def socket(logins: Gateway, admin: Person | None, attempt_id: str, origin: str | None):
    headers = {"Cookie": cookies(admin)} if admin is not None else {}
    url = f"{logins.url.replace('http', 'ws')}/v0/oauth/ws/{attempt_id}"
    return connect(url, additional_headers=headers, origin=origin, open_timeout=10)  # type: ignore[arg-type]


def test_a_login_ends_on_the_credential_that_it_made(admin: Person, vendor: Vendor):
    attempt = admin.connect()
    page = attempt.page()
    assert attempt.user_code() in page
    assert f"{vendor.url}/device?user_code={attempt.user_code()}" == attempt.link()
    assert 'class="qr-image"' in page
    vendor.allow(attempt.user_code())
    state = attempt.end()
    assert state["status"] == "success"
    credential = admin.get(state["credential_url"])
    assert credential.status_code == 200
    assert "@example.com" in credential.text
    assert state["credential_url"] in attempt.page()
    assert "canary" not in attempt.page() + credential.text


def test_a_code_is_gone_from_the_page_of_an_ended_login(admin: Person, vendor: Vendor):
    attempt = admin.connect()
    code = attempt.user_code()
    vendor.deny(code)
    state = attempt.end()
    assert (state["status"], state["error_code"]) == ("denied", "login_denied")
    assert code not in attempt.page()
    assert "Start again" in attempt.page()


def test_time_runs_out(admin: Person, vendor: Vendor):
    vendor.life_s = 1
    attempt = admin.connect()
    assert attempt.end()["status"] == "expired"
    assert "Start again" in attempt.page()


def test_a_vendor_that_asks_for_patience_is_shown_to_do_so(admin: Person, vendor: Vendor, logins: Gateway):
    vendor.slow_downs = 1
    attempt = admin.connect()
    with socket(logins, admin, attempt.id, logins.url) as following:
        while "asked for patience" not in attempt.page():
            following.recv(timeout=10)
    admin.post(f"{attempt.path}/cancel")
    assert attempt.end()["error_code"] == "cancelled"


def test_a_vendor_in_trouble_fails_the_login_in_words(admin: Person, vendor: Vendor):
    vendor.start_status = 500
    attempt = admin.connect()
    state = attempt.end()
    assert state["status"] == "failed"
    assert "500" in state["error"]


def test_a_vendor_that_cannot_be_reached_is_told_as_such(admin: Person, vendor: Vendor):
    vendor.start_status = 0
    ended = admin.connect("github-copilot", "device").end()
    assert ended["status"] == "failed"
    assert ended["error"].startswith("The vendor could not be reached: ")


def test_a_network_that_is_lost_in_the_middle_is_survived(admin: Person, vendor: Vendor):
    attempt = admin.connect()
    vendor.drops = 4  # a kept connection is tried once more at once, so this is at least two polls
    vendor.allow(attempt.user_code())
    assert attempt.end()["status"] == "success"
    assert vendor.drops == 0


def test_a_second_tab_resumes_the_same_login(admin: Person, vendor: Vendor):
    attempt = admin.connect()
    code = attempt.user_code()
    second = admin.get("/v0/oauth/kiro")
    assert (second.status_code, second.headers["location"]) == (302, attempt.path)
    assert attempt.user_code() == code
    assert admin.get("/v0/oauth/kiro?new=1").status_code == 200
    assert admin.post(f"{attempt.path}/cancel").headers["location"] == attempt.path
    assert attempt.state()["error_code"] == "cancelled"
    vendor.allow(code)
    assert attempt.end()["status"] == "failed"
    assert admin.get("/v0/oauth/kiro").status_code == 200


def test_a_second_login_of_the_same_account_renews_its_credential(admin: Person):
    first, second = (
        admin.connect(method="refresh-token", **{"refresh-token.refresh_token": "aorAAAAAG-good-1"}).end()
        for _ in range(2)
    )
    assert first["status"] == second["status"] == "success"
    assert first["credential_url"] == second["credential_url"]


def test_twenty_at_once_do_not_mix(admin: Person, vendor: Vendor):
    running = [admin.connect() for _ in range(20)]
    codes = [attempt.user_code() for attempt in running]
    assert len(set(codes)) == 20
    for code in codes[::2]:
        vendor.allow(code)
    for code in codes[1::2]:
        vendor.deny(code)
    ends = [attempt.end() for attempt in running]
    assert [end["status"] for end in ends] == ["success", "denied"] * 10
    assert len({end["credential_url"] for end in ends[::2]}) == 10


def test_the_socket_tells_every_change(admin: Person, vendor: Vendor, logins: Gateway):
    attempt = admin.connect("github-copilot", "device")
    with socket(logins, admin, attempt.id, logins.url) as following:
        first = json.loads(following.recv(timeout=10))
        assert (first["status"], first["step"]) == ("pending", "code")
        vendor.allow(attempt.user_code())
        last = json.loads(following.recv(timeout=10))
    assert last["status"] == "success"
    assert last["version"] > first["version"]


@pytest.mark.parametrize("case", ["another origin", "null origin", "no session", "another attempt"])
def test_the_socket_is_for_the_one_who_began_on_a_page_of_ours(admin: Person, case: str, logins: Gateway):
    attempt = admin.connect("github-copilot", "device")
    origins: dict[str, str | None] = {"another origin": "https://evil.example", "null origin": "null"}
    person = None if case == "no session" else admin
    attempt_id = "00000000-0000-4000-8000-000000000000" if case == "another attempt" else attempt.id
    with pytest.raises(InvalidStatus) as refused:
        socket(logins, person, attempt_id, origins.get(case, logins.url))
    assert refused.value.response.status_code == 403
    admin.post(f"{attempt.path}/cancel")


def test_an_account_is_renewed_and_its_allowance_read_at_a_button(admin: Person, vendor: Vendor):
    attempt = admin.connect()
    vendor.allow(attempt.user_code())
    address = attempt.end()["credential_url"].removesuffix("change/")
    admin.post(f"{address}refresh-now/")
    admin.post(f"{address}read-quota-now/")
    page = admin.get(f"{address}change/").text
    assert "Renewed; its token lasts" in page
    assert "40 % used" in page
    assert "resets in 11 days" in page
    timeline = admin.get(f"{address}timeline/").text
    assert "Renewed until" in timeline
    assert "canary" not in page + timeline
