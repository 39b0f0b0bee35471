"""``PUT /v1/providers/{name}/enabled``: at once in routing, and back into the file that owns the provider."""

from __future__ import annotations

import hashlib
import json

import pytest
from django.test import Client

from management_api.config.startup import load_and_apply
from providers import secrets
from providers.models import Provider
from routing import revision, table
from tests.integration.management.conftest import KEY
from tests.integration.routing.makers import make_credential, make_provider

pytestmark = pytest.mark.django_db

FILE = """# providers of the team
openai-compatibility:
  - name: acme # the cheap one
    base-url: http://127.0.0.1:9/v1
    api-key-entries: [{api-key: k1}]
    models: [{name: up, alias: fast}]
claude-api-key: # both
  - api-key: sk-ant-one
  - api-key: sk-ant-two # spare
providers:
  zeta: {type: custom, endpoint: "http://127.0.0.1:9", api_key: z, models: [{name: z-1}]}
"""


@pytest.fixture(autouse=True)
def keyring(tmp_path, monkeypatch):
    monkeypatch.setattr(secrets, "KEYRING", secrets.Keyring(tmp_path / "encryption_keys", []))


@pytest.fixture
def put(grant):
    grant()

    def send(name: str, body, key: str = KEY):
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return Client().put(
            f"/v1/providers/{name}/enabled",
            data=json.dumps(body),
            content_type="application/json",
            headers=headers,
        )

    return send


@pytest.fixture
def file(tmp_path, settings):
    path = tmp_path / "config.yaml"
    path.write_text(FILE, encoding="utf-8")
    load_and_apply(path, {})
    settings.CONFIG_FILE = str(path)
    return path


def test_a_row_of_the_database_is_switched_at_once(put):
    make_credential(make_provider())
    before = revision.current()
    answer = put("ACME", {"enabled": False})
    assert (answer.status_code, answer.json()) == (200, {"name": "acme", "enabled": False})
    assert not Provider.objects.get().enabled
    assert revision.current() > before
    assert not table.build().providers["acme"].enabled
    assert put("acme", {"enabled": True}).json() == {"name": "acme", "enabled": True}
    assert Provider.objects.get().enabled


def test_it_needs_the_management_key(put):
    make_provider()
    assert put("acme", {"enabled": False}, key="").status_code == 401
    assert put("acme", {"enabled": False}, key="wrong").json() == {"error": "invalid management key"}
    assert Provider.objects.get().enabled


@pytest.mark.parametrize("body", [None, {}, {"enabled": "no"}, {"enabled": None}, [True]])
def test_a_bad_body_is_refused(put, body):
    make_provider()
    answer = put("acme", body)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid body")


def test_an_unknown_provider_is_404(put):
    answer = put("nobody", {"enabled": True})
    assert (answer.status_code, answer.json()) == (404, {"error": "provider not found: nobody"})


def test_a_list_entry_of_the_file_goes_off_and_on_with_its_comments(put, file):
    assert put("acme", {"enabled": False}).status_code == 200
    text = file.read_text()
    assert "disabled: true" in text
    assert "# the cheap one" in text
    assert "# spare" in text
    assert not Provider.objects.get(key="acme").enabled
    assert "fast" not in table.build().models
    assert put("acme", {"enabled": True}).status_code == 200
    assert "disabled" not in file.read_text()
    assert "fast" in table.build().models


def test_a_vendors_block_is_switched_key_by_key(put, file):
    assert put("claude", {"enabled": False}).status_code == 200
    assert file.read_text().count("disabled: true") == 2
    assert table.build().providers["claude"].enabled is False
    assert not any(name.startswith("claude") for name in table.build().models)
    assert put("claude", {"enabled": True}).status_code == 200
    assert table.build().providers["claude"].enabled is True


def test_an_entry_of_the_map_is_switched(put, file):
    assert put("zeta", {"enabled": False}).status_code == 200
    assert "enabled: false" in file.read_text()
    assert not Provider.objects.get(key="zeta").enabled
    put("zeta", {"enabled": True})
    assert Provider.objects.get(key="zeta").enabled


def test_without_the_file_its_rows_cannot_be_switched(put, file, settings):
    settings.CONFIG_FILE = ""
    answer = put("acme", {"enabled": False})
    assert answer.status_code == 409
    assert "belongs to config.yaml" in answer.json()["error"]
    assert Provider.objects.get(key="acme").enabled


def test_what_the_file_does_not_say_it_cannot_switch(put, file):
    Provider.objects.filter(key="acme").update(origin_key="NIM_API_KEY")
    answer = put("acme", {"enabled": False})
    assert answer.status_code == 409
    assert file.read_text() == FILE


def test_a_file_that_cannot_be_saved_is_told(put, file):
    file.write_text("openai-compatibility: [", encoding="utf-8")
    answer = put("acme", {"enabled": False})
    assert answer.status_code == 500
    assert answer.json()["error"].startswith("failed to save config")


def test_one_key_of_the_file_is_switched_by_excluding_every_model(put, file):
    def patch(**body):
        headers = {"Authorization": f"Bearer {KEY}"}
        return Client().patch(
            "/v0/management/auth-files/status",
            data=json.dumps(body),
            content_type="application/json",
            headers=headers,
        )

    index = hashlib.sha256(b"claude-api-key:https://api.anthropic.com+sk-ant-two").hexdigest()[:16]
    answer = patch(name="claude", auth_index=index, disabled=True)
    assert answer.json() == {
        "status": "ok",
        "disabled": True,
        "via": "config:excluded-models",
        "excluded_pattern": "*",
    }
    text = file.read_text()
    assert "# spare" in text
    assert text.count("excluded-models") == 1
    offers = table.build().models["claude-opus-4-6"].offers
    assert [offer.credential.secret for offer in offers] == ["sk-ant-one"]
    assert patch(name="claude-api-key[1]", disabled=False).json()["disabled"] is False
    assert "excluded-models" not in file.read_text()
    assert patch(name="claude", auth_index="0" * 16, disabled=True).status_code == 404
