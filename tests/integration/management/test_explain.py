"""``POST /v0/management/route/explain`` and ``manage.py route`` tell the same story about the same rows."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from providers import secrets
from providers.models import CredentialCooldown
from routing import client_keys
from tests.integration.routing.makers import exclude, make_alias, make_credential, make_provider

pytestmark = pytest.mark.django_db
CANARY = "canary-secret-of-the-provider"


@pytest.fixture
def rows(tmp_path, monkeypatch):
    """``fast`` at two credentials, the second resting; ``slow`` excluded."""
    monkeypatch.setattr(secrets, "KEYRING", secrets.Keyring(tmp_path / "encryption_keys", []))
    provider = make_provider(options={"only-listed": True})
    first = make_credential(provider, f"{CANARY}-1", label="first")
    second = make_credential(provider, f"{CANARY}-2", label="second")
    make_alias(provider, "fast", "up-fast")
    make_alias(provider, "slow", "up-slow")
    exclude(provider, "sl*")
    now = timezone.now()
    CredentialCooldown.objects.create(
        credential=second,
        model="up-fast",
        cause="quota",
        status=429,
        message="Rate limit reached",
        since=now,
        until=now + timedelta(minutes=5),
    )
    return first, second


def explain(call, body, **options):
    return call("post", "route/explain", json.dumps(body), **options)


def run(*arguments: str, fails: bool = False) -> str:
    out = StringIO()
    if not fails:
        call_command("route", *arguments, stdout=out)
        return out.getvalue()
    with pytest.raises(SystemExit) as stopped:
        call_command("route", *arguments, stdout=out)
    assert stopped.value.code == 1
    return out.getvalue()


def test_it_tells_who_gets_it_and_who_rests(call, rows):
    answer = explain(call, {"model": "fast", "stream": True}).json()
    assert answer["verdict"] == "It goes to acme, credential first, as up-fast."
    (candidate,) = answer["candidates"]
    assert candidate["sent"]["url"] == "http://127.0.0.1:9/v1/chat/completions"
    (left,) = answer["rejected"]
    assert (left["credential"], left["reason"]) == ("second", "cooling")
    assert left["detail"] == "quota: Rate limit reached"
    assert 290 <= left["left_s"] <= 300
    assert "canary" not in json.dumps(answer)


def test_it_tells_which_pattern_excludes(call, rows):
    answer = explain(call, {"model": "slow"}).json()
    assert answer["error"]["status"] == 404
    assert {left["detail"] for left in answer["rejected"]} == {"by pattern sl*"}


def test_a_client_keys_models_count(call, rows):
    row, plain = client_keys.create(note="CI", allowed_models=["gpt-*"])
    for key in (plain, str(row.pk), "CI"):
        answer = explain(call, {"model": "fast", "key": key}).json()
        assert answer["error"]["code"] == "model_not_allowed"
        assert plain not in json.dumps(answer)


def test_a_sample_shows_what_is_dropped(call, rows):
    body = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 5, "top_k": 3}
    answer = explain(call, {"model": "fast", "format": "claude", "body": body}).json()
    sent = answer["candidates"][0]["sent"]
    assert not sent["passes"]
    assert sent["dropped"]
    assert sent["body"]["model"] == "up-fast"


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (None, "invalid body"),
        ([], "invalid body"),
        ({}, "invalid body"),
        ({"model": 3}, "invalid body"),
        ({"model": ""}, "invalid body"),
        ({"model": "fast", "format": "soap"}, "invalid body"),
        ({"model": "fast", "input_tokens": -1}, "invalid body"),
        ({"model": "fast", "colour": "red"}, "invalid body"),
    ],
)
def test_a_bad_question_is_refused_with_what_is_wrong(call, rows, body, error):
    answer = explain(call, body)
    assert answer.status_code == 400
    assert answer.json()["error"] == error
    assert answer.json()["message"]


def test_what_is_no_json_is_an_invalid_body(call, rows):
    answer = call("post", "route/explain", "{")
    assert (answer.status_code, answer.json()) == (400, {"error": "invalid body"})


def test_an_unknown_client_key_is_404(call, rows):
    answer = explain(call, {"model": "fast", "key": "nobody"})
    assert (answer.status_code, answer.json()) == (404, {"error": "client key not found"})


def test_the_command_reads_like_the_endpoint(rows):
    text = run("fast", "--stream", "--header", "X-Session: 1")
    assert text.startswith("It goes to acme, credential first, as up-fast.")
    assert "POST http://127.0.0.1:9/v1/chat/completions" in text
    assert "acme, second, as up-fast" in text
    assert "cooling, until" in text
    assert "canary" not in text
    assert json.loads(run("fast", "--json"))["route_model"] == "fast"


def test_the_command_fails_where_the_client_would(rows, tmp_path):
    assert "404 model_not_found" in run("slow", fails=True)
    with pytest.raises(CommandError, match="NAME:VALUE"):
        run("fast", "--header", "nothing")
    with pytest.raises(CommandError, match="no such client key"):
        run("fast", "--key", "nobody")
    with pytest.raises(CommandError, match="format must be one of"):
        run("fast", "--format", "soap")
    with pytest.raises(CommandError, match="cannot be read"):
        run("fast", "--body", str(tmp_path / "missing.json"))
    for text, complaint in (("[1]", "JSON object"), ("{", "is no JSON")):
        (tmp_path / "sample.json").write_text(text)
        with pytest.raises(CommandError, match=complaint):
            run("fast", "--body", str(tmp_path / "sample.json"))
