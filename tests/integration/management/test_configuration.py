"""The configuration as a whole: as JSON, and as the file's text out and in."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError
from django.test import Client

from management_api.resources.client_key_list import replaced
from management_api.resources.client_key_store import change
from routing import table
from routing.models import ClientKey, GatewaySettings
from tests.integration.management.conftest import KEY
from tests.integration.routing.makers import make_alias, make_credential, make_provider

pytestmark = pytest.mark.django_db

FILE = """host: 127.0.0.1
port: 8317
auth-dir: /tmp/nowhere
request-retry: 5 # often
proxy-url: "http://joe:hunter2@proxy.test:3128"
api-keys: # clients
  - sk-alice-0000000000000001
claude-api-key:
  - api-key: sk-ant-one-00000000000001
    headers: {X-Team: s3cret-team-00000000001}
codex:
  live-media-relay: {enabled: false, ice-servers: [{urls: ["stun:x"], username: joe, credential: hunter3}]}
"""
SECRETS = ("hunter2", "hunter3", "sk-alice-0", "sk-ant-one", "s3cret", "joe")


@pytest.fixture
def text(call):
    """``text("get")`` and ``text("put", content)`` of config.yaml."""

    def send(method: str, content: str | bytes | None = None):
        return call(method, "config.yaml", content)

    return send


def test_the_json_of_a_file(ask, file):
    file(FILE)
    status, found = ask("get", "config")
    assert status == 200
    assert found["request-retry"] == 5
    assert found["quota-exceeded"]["switch-project"] is True
    assert found["routing"]["strategy"] == "round-robin"
    assert found["claude-api-key"][0]["api-key"].endswith("…0001")
    assert found["api-keys"] == ["sk-ali…0001"]
    assert not {"host", "port", "auth-dir", "remote-management"} & set(found)
    said = json.dumps(found, ensure_ascii=False)
    assert [secret for secret in SECRETS if secret in said] == []


def test_the_json_of_a_database(ask, database):
    make_credential(make_provider("claude", adapter="claude", base_url=""), "sk-ant-one-00000000000001")
    make_alias(make_provider("acme"), "fast", "up")
    make_credential(make_provider("groq", adapter="groq", base_url=""), "gsk-one-00000000000001")
    change(lambda known: replaced(known, ["k-one-000000000000000001"]))
    GatewaySettings.objects.update(request_retry=7)
    status, found = ask("get", "config")
    assert status == 200
    assert found["request-retry"] == 7
    assert found["api-keys"] == ["k-one-…0001"]
    assert [entry["name"] for entry in found["openai-compatibility"]] == ["acme"]
    assert set(found["providers"]) == {"groq"}
    said = json.dumps(found)
    assert not any(secret in said for secret in ("sk-ant-one", "gsk-one-0", "k-one-0"))
    assert not {"host", "port", "auth-dir", "remote-management"} & set(found)


def test_the_text_goes_out_masked_and_comes_back_the_same(text, file):
    path = file(FILE)
    answer = text("get")
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/yaml; charset=utf-8"
    assert answer["Cache-Control"] == "no-store"
    assert answer["X-Content-Type-Options"] == "nosniff"
    shown = answer.content.decode()
    assert "# often" in shown
    assert [secret for secret in SECRETS if secret in shown and secret != "joe"] == []
    before = path.read_bytes()
    stored = text("put", shown)
    assert (stored.status_code, stored.json()) == (200, {"ok": True, "changed": ["config"]})
    assert path.read_bytes() == before


def test_an_edit_is_in_force_and_keeps_the_secrets(text, file):
    path = file(FILE)
    shown = text("get").content.decode()
    edited = shown.replace("request-retry: 5", "request-retry: 1") + (
        "openai-compatibility:\n"
        "  - {name: acme, base-url: 'http://127.0.0.1:9', models: [{name: up, alias: fast}]}\n"
    )
    assert text("put", edited).status_code == 200
    assert GatewaySettings.objects.get().request_retry == 1
    assert "fast" in table.build().models
    assert "sk-ant-one-00000000000001" in path.read_text()
    assert text("get").status_code == 200  # the management key's hash came back as well


@pytest.mark.parametrize(
    ("content", "status", "error"),
    [
        ("port: [", 400, "invalid_yaml"),
        ("", 400, "invalid_yaml"),
        ("- a\n- b\n", 400, "invalid_yaml"),
        (b"\xff\xfe\x00", 400, "invalid_yaml"),
        ("port: many", 422, "invalid_config"),
        ("claude-api-key: [{api-key: k, base-url: 'ftp://x'}]", 422, "invalid_config"),
        ("claude-api-key: [{api-key: 00000000…abcd}]", 422, "invalid_config"),
        ("proxy-url: ${NOT_SET_ANYWHERE_1}", 422, "invalid_config"),
    ],
)
def test_a_text_that_is_refused_changes_nothing(text, file, content, status, error):
    path = file(FILE)
    before = path.read_bytes(), ClientKey.objects.count()
    answer = text("put", content)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.json()["message"]
    assert (path.read_bytes(), ClientKey.objects.count()) == before


def test_a_file_that_is_broken_can_be_replaced(text, file):
    path = file(FILE)
    path.write_text("port: [", encoding="utf-8")
    broken = text("get")
    assert (broken.status_code, broken.json()["error"]) == (500, "read_failed")
    assert text("put", f"debug: true\nremote-management: {{secret-key: {KEY}}}\n").status_code == 200
    assert 'secret-key: "$2b$' in path.read_text()  # a key in plain text is replaced as always


def test_a_file_that_cannot_be_applied_yet_is_told(text, file, monkeypatch):
    path = file(FILE)

    def fail(*_: object) -> None:
        raise DatabaseError

    monkeypatch.setattr("management_api.config.startup.apply", fail)
    shown = text("get").content.decode().replace("request-retry: 5", "request-retry: 1")
    answer = text("put", shown)
    assert (answer.status_code, answer.json()["error"]) == (500, "reload_failed")
    assert "request-retry: 1" in path.read_text()


def test_without_a_file_there_is_no_text(text, database):
    for answer in (text("get"), text("put", "port: 1")):
        assert answer.status_code == 404
        assert answer.json() == {"error": "not_found", "message": "config file not found"}


def test_only_a_superuser_may_see_and_replace_everything(file):
    file(FILE)
    staff = User.objects.create_user("staff", is_staff=True)
    admin = User.objects.create_superuser("admin")
    for user, status in ((staff, 403), (admin, 200)):
        client = Client()
        client.force_login(user)
        assert client.get("/v0/management/config").status_code == status
        assert client.get("/v0/management/config.yaml").status_code == status
