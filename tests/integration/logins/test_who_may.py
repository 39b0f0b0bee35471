"""Who gets in, what is asked of them first, and what every page sends along. No login is driven here."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from oauth import attempts
from oauth.attempts import Beginner, Delivery
from oauth.flows.base import Callback
from oauth.flows.registry import channel_for
from oauth.models import AttemptStatus, AttemptStep, LoginAttempt
from providers import secrets
from tests.integration.admin.cast import browser_of, make_person

pytestmark = pytest.mark.django_db
KIRO = channel_for("kiro")


@pytest.fixture(autouse=True)
def keyring(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(secrets, "KEYRING", secrets.Keyring(tmp_path / "encryption_keys", []))


def begin(user=None, channel=KIRO, via="page") -> tuple[LoginAttempt, str]:
    name = user.username if user is not None else "a script"
    return attempts.begin(
        channel, "builder-id", Beginner(name=name, via=via, user_id=getattr(user, "pk", None))
    )


def waits_for_page(attempt: LoginAttempt, state: str) -> None:
    shown = attempts.Shown(
        state=state, page_url="https://vendor.example/authorize", redirect_uri="http://x/cb"
    )
    assert attempts.show(attempt.pk, shown, AttemptStep.PAGE)


def test_nobody_gets_in_without_signing_in(client: Client):
    answer = client.get("/v0/oauth/kiro?method=idc")
    assert answer.status_code == 302
    assert answer["location"] == "/admin/login/?next=/v0/oauth/kiro%3Fmethod%3Didc"
    assert client.post("/v0/oauth/kiro", {"method": "builder-id"}).status_code == 401


@pytest.mark.parametrize("group", ["viewer", "key manager"])
def test_staff_without_the_permission_may_not_connect(group: str):
    browser = browser_of(make_person("vera", group))
    for answer in (browser.get("/v0/oauth/kiro"), browser.post("/v0/oauth/kiro", {"accept_terms": "1"})):
        assert answer.status_code == 403
        assert "gateway admin" in answer.content.decode()
    assert not LoginAttempt.objects.exists()


def test_a_gateway_admin_finds_every_channel_and_its_other_names():
    browser = browser_of(make_person("ada", "gateway admin"))
    index = browser.get("/v0/oauth/").content.decode()
    assert "/v0/oauth/kiro" in index
    assert "/v0/oauth/github-copilot" in index
    for path in ("/v0/oauth", "/v0/oauth/kiro/", "/v0/oauth/copilot", "/v0/oauth/github-copilot"):
        assert browser.get(path).status_code == 200
    assert browser.get("/v0/oauth/nobody").status_code == 404


def test_the_terms_are_accepted_before_anything_is_asked_of_the_vendor():
    browser = browser_of(make_person("ada", "gateway admin"))
    answer = browser.post("/v0/oauth/kiro", {"method": "idc", "idc.start_url": "https://a.example/start"})
    assert answer.status_code == 400
    page = answer.content.decode()
    assert "accept them first" in page
    assert 'value="https://a.example/start"' in page
    assert not LoginAttempt.objects.exists()


def test_a_typed_secret_is_never_sent_back():
    browser = browser_of(make_person("ada", "gateway admin"))
    typed = {"method": "refresh-token", "refresh-token.refresh_token": "canary-typed"}
    assert b"canary-typed" not in browser.post("/v0/oauth/kiro", typed).content


def test_what_a_link_brings_is_shown_as_text():
    browser = browser_of(make_person("ada", "gateway admin"))
    page = browser.get("/v0/oauth/kiro", {"method": "idc", "idc.start_url": '"><script>alert(1)</script>'})
    assert b"<script>alert" not in page.content


def test_a_form_of_another_page_begins_nothing():
    user = make_person("ada", "gateway admin")
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(user)
    answer = strict.post("/v0/oauth/kiro", {"method": "builder-id", "accept_terms": "1"})
    assert answer.status_code == 403
    assert not LoginAttempt.objects.exists()


def test_every_page_is_strict():
    user = make_person("ada", "gateway admin")
    browser = browser_of(user)
    attempt, _ = begin(user)
    base = f"/v0/oauth/kiro/{attempt.pk}"
    for path in ("/v0/oauth", "/v0/oauth/kiro?new=1", base, f"{base}/panel", f"{base}/state"):
        answer = browser.get(path)
        assert answer.status_code == 200
        assert "script-src 'self'" in answer["content-security-policy"]
        assert "frame-ancestors 'none'" in answer["content-security-policy"]
        assert answer["cache-control"] == "no-store"
        assert answer["referrer-policy"] == "same-origin"
        text = answer.content.decode()
        assert "<style" not in text
        assert 'style="' not in text
        assert "<script>" not in text
    callback = browser.get("/kiro/callback")
    assert callback["referrer-policy"] == "no-referrer"


def test_another_persons_attempt_does_not_exist():
    attempt, _ = begin(make_person("ada", "gateway admin"))
    browser = browser_of(make_person("bob", "gateway admin"))
    base = f"/v0/oauth/kiro/{attempt.pk}"
    for path in (base, f"{base}/panel", f"{base}/state"):
        assert browser.get(path).status_code == 404
    for action in ("paste", "cancel"):
        assert browser.post(f"{base}/{action}").status_code == 404
    attempt.refresh_from_db()
    assert attempt.is_pending


def test_an_attempt_is_not_found_under_another_channel():
    user = make_person("ada", "gateway admin")
    attempt, _ = begin(user)
    assert browser_of(user).get(f"/v0/oauth/github-copilot/{attempt.pk}").status_code == 404


def test_who_accepted_which_terms_and_when_is_kept():
    user = make_person("ada", "gateway admin")
    attempt, _ = begin(user)
    assert (attempt.terms_accepted_by, attempt.begun_by) == ("ada", user)
    assert timezone.now() - attempt.terms_accepted_at < timedelta(minutes=1)
    assert attempts.has_accepted(KIRO, user.pk)
    LoginAttempt.objects.update(terms_digest="of another text")
    assert not attempts.has_accepted(KIRO, user.pk)


def test_an_attempt_whose_process_is_gone_is_interrupted():
    user = make_person("ada", "gateway admin")
    attempt, _ = begin(user)
    LoginAttempt.objects.update(alive_at=timezone.now() - timedelta(minutes=1))
    page = browser_of(user).get(f"/v0/oauth/kiro/{attempt.pk}").content.decode()
    assert "Login interrupted" in page
    assert "Start again" in page
    assert browser_of(user).get("/v0/oauth/kiro").status_code == 200


def test_neither_state_nor_code_lies_open_in_the_database():
    attempt, state = begin()
    shown = attempts.Shown(state="canary-state", page_url="https://v.example/?state=canary-state")
    attempts.show(attempt.pk, shown, AttemptStep.PAGE)
    attempts.deliver(Callback(code="canary-code", state="canary-state"))
    row = str(LoginAttempt.objects.filter(pk=attempt.pk).values().get())
    assert "canary" not in row
    assert state not in row
    assert attempts.take_callback(attempt.pk)[1] == Callback(code="canary-code", state="canary-state")


def test_a_callback_is_taken_once_and_by_its_state_alone():
    attempt, state = begin()
    assert attempts.deliver(Callback(code="c", state=state)) is Delivery.NOT_PENDING  # no page is open yet
    waits_for_page(attempt, state)
    assert attempts.deliver(Callback(code="c", state="another")) is Delivery.UNKNOWN
    assert attempts.deliver(Callback(code="c", state="")) is Delivery.UNKNOWN
    assert attempts.deliver(Callback(code="c", state=state), "claude") is Delivery.OTHER_PROVIDER
    assert attempts.deliver(Callback(code="c", state=state), "kiro") is Delivery.TAKEN
    assert attempts.deliver(Callback(code="c2", state=state), "kiro") is Delivery.NOT_PENDING
    assert attempts.take_callback(attempt.pk) == (True, Callback(code="c", state=state))
    assert attempts.take_callback(attempt.pk) == (True, None)


def test_a_callback_that_comes_too_late_is_refused():
    attempt, state = begin()
    shown = attempts.Shown(state=state)
    attempts.show(attempt.pk, shown, AttemptStep.PAGE, timezone.now().timestamp() - 1)
    assert attempts.deliver(Callback(code="c", state=state)) is Delivery.NOT_PENDING


def test_nothing_is_written_into_an_ended_attempt():
    attempt, state = begin()
    assert attempts.cancel(attempt.pk)
    assert not attempts.cancel(attempt.pk)
    assert not attempts.show(attempt.pk, attempts.Shown(state=state), AttemptStep.CODE)
    assert not attempts.fail(attempt.pk, AttemptStatus.DENIED, "x", "y")
    attempt.refresh_from_db()
    assert (attempt.status, attempt.error_code, attempt.shown_token) == ("failed", "cancelled", "")


@pytest.mark.parametrize(
    "query", ["", "code=c", "code=c&state=unknown", "state=../../x&code=c", "error=<b>no</b>"]
)
def test_a_callback_that_belongs_to_nothing_answers_and_changes_nothing(client: Client, query: str):
    attempt, state = begin()
    waits_for_page(attempt, state)
    for path in ("/kiro/callback", "/v0/oauth/kiro/callback", "/v0/oauth/kiro/social/callback"):
        answer = client.get(f"{path}?{query}")
        assert answer.status_code == 200
        assert b"No login is waiting" in answer.content
        assert b"<b>no" not in answer.content
    attempt.refresh_from_db()
    assert attempt.callback_at is None


def test_a_callback_on_this_server_reaches_its_attempt(client: Client):
    attempt, state = begin()
    waits_for_page(attempt, state)
    answer = client.get(f"/v0/oauth/kiro/callback?code=c&state={state}")
    assert b"Login received" in answer.content
    assert state.encode() not in answer.content
    assert attempts.take_callback(attempt.pk)[1] == Callback(code="c", state=state)


def test_the_page_takes_a_pasted_address_of_its_own_login_only():
    user = make_person("ada", "gateway admin")
    browser = browser_of(user)
    attempt, state = begin(user)
    waits_for_page(attempt, state)
    paste = f"/v0/oauth/kiro/{attempt.pk}/paste"
    for text, words in (
        ("", "Paste the address"),
        ("http://localhost/cb", "missing code"),
        ("http://localhost/cb?code=c", "no state"),
        ("http://localhost/cb?code=c&state=other", "another login"),
    ):
        answer = browser.post(paste, {"callback_url": text})
        assert answer.status_code == 400
        assert words in answer.content.decode()
    answer = browser.post(paste, {"callback_url": f"localhost/cb?code=c&state={state}"})
    assert answer.status_code == 302
    answer = browser.post(paste, {"callback_url": f"localhost/cb?code=c&state={state}"})
    assert b"not pending" in answer.content


@pytest.mark.parametrize(
    ("redirect", "port", "host", "words"),
    [
        ("http://localhost:54545/callback", 54545, "127.0.0.1:8317", "if your browser ends on a page"),
        ("http://localhost:54545/callback", 54545, "[::1]", "if your browser ends on a page"),
        ("http://localhost:54545/callback", 54545, "gateway.example", "runs on another machine"),
        ("https://gateway.example/v0/oauth/kiro/callback", 0, "gateway.example", "sends your browser to"),
    ],
)
def test_where_the_browser_will_come_back_to_is_told(redirect: str, port: int, host: str, words: str):
    user = make_person("ada", "gateway admin")
    attempt, state = begin(user)
    shown = attempts.Shown(state=state, page_url="https://v.example/", redirect_uri=redirect, port=port)
    attempts.show(attempt.pk, shown, AttemptStep.PAGE)
    page = browser_of(user).get(f"/v0/oauth/kiro/{attempt.pk}", headers={"host": host})
    assert words in page.content.decode()
