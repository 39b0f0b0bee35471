"""Logins as credential files over the management API, with an ``auth-dir`` of their own."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from management_api.auth_dir.apply import apply_folder
from oauth.attempts import Beginner, begin
from oauth.flows.base import Grant
from oauth.flows.registry import channel_for
from oauth.models import OAuthToken, TokenStatus
from oauth.tokens import store_grant
from providers import secrets
from providers.models import Credential, CredentialCooldown, Origin
from routing.models import GatewaySettings
from tests.integration.management.conftest import KEY

pytestmark = pytest.mark.django_db
CLAUDE = {
    "type": "claude",
    "access_token": "canary-access",
    "refresh_token": "canary-refresh",
    "email": "mira@example.com",
    "expired": "2099-01-01T00:00:00Z",
}
HEADERS = {"Authorization": f"Bearer {KEY}"}
Call = Callable[..., Any]


@pytest.fixture(autouse=True)
def keyring(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(secrets, "KEYRING", secrets.Keyring(tmp_path / "encryption_keys", []))


@pytest.fixture
def auth_dir(call, tmp_path: Path) -> Path:
    folder = tmp_path / "auth"
    GatewaySettings.objects.update_or_create(pk=1, defaults={"auth_dir": str(folder)})
    return folder


@pytest.fixture
def file(call: Call, auth_dir: Path) -> Path:
    assert call("post", "auth-files?name=claude-mira.json", json.dumps(CLAUDE)).json() == {"status": "ok"}
    return auth_dir / "claude-mira.json"


def listed(call: Call, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = call("get", f"auth-files{query}").json()["files"]
    return found


def upload(*parts: tuple[str, object]) -> Any:
    files = [SimpleUploadedFile(name, json.dumps(content).encode()) for name, content in parts]
    return Client().post("/v0/management/auth-files", {"file": files}, headers=HEADERS)


def patch(call: Call, route: str, **body: object) -> Any:
    return call("patch", f"auth-files/{route}", json.dumps(body))


def copilot(name: str = "octo") -> Credential:
    """A login made here: it has no file."""
    grant = Grant(
        channel="github-copilot",
        access_token="canary-copilot",
        label=name,
        account={"username": name},
        private={"github_token": "canary-github"},
    )
    return store_grant(grant)


def test_a_file_is_stored_and_at_once_in_use(call: Call, file: Path):
    assert file.stat().st_mode & 0o777 == 0o600
    (entry,) = listed(call)
    assert entry["name"] == entry["id"] == "claude-mira.json"
    assert (entry["type"], entry["status"], entry["source"]) == ("claude", "active", "file")
    assert (entry["email"], entry["path"], entry["size"]) == (
        "mira@example.com",
        str(file),
        file.stat().st_size,
    )
    assert len(entry["recent_requests"]) == 20
    assert len(entry["auth_index"]) == 16
    assert "canary" not in json.dumps(entry)
    assert Credential.objects.get().label == "mira@example.com"


def test_the_watcher_finds_nothing_new_after_an_upload_or_an_edit(call: Call, file: Path, auth_dir: Path):
    patch(call, "status", name=file.name, disabled=True)
    patch(call, "fields", name=file.name, prefix="team", note="ours")
    outcome = apply_folder(auth_dir)
    assert (outcome.added, outcome.changed, outcome.removed) == ([], [], [])
    assert OAuthToken.objects.get().version == 1


def test_filters_find_by_name_and_handle(call: Call, file: Path):
    copilot()
    everything = listed(call)
    assert [entry["name"] for entry in everything] == ["claude-mira.json", "github-copilot-octo.json"]
    assert [entry["name"] for entry in listed(call, f"?auth_index={everything[1]['auth_index']}")] == [
        "github-copilot-octo.json"
    ]
    assert listed(call, "?name=nobody.json") == []


def test_how_it_stands_is_told(call: Call):
    credential = copilot()
    token = OAuthToken.objects.filter(credential=credential)
    assert listed(call)[0]["source"] == "memory"
    until = timezone.now() + timedelta(minutes=5)
    CredentialCooldown.objects.create(credential=credential, cause="quota", since=timezone.now(), until=until)
    assert listed(call)[0]["unavailable"] is True
    assert listed(call)[0]["next_retry_after"] == until.isoformat()
    token.update(lease_until=until)
    assert listed(call)[0]["status"] == "refreshing"
    token.update(status=TokenStatus.LOGIN_NEEDED, last_error="revoked")
    entry = listed(call)[0]
    assert (entry["status"], entry["status_message"]) == ("error", "revoked")


def test_two_logins_of_one_name_are_told_apart(call: Call, auth_dir: Path, file: Path):
    nested = auth_dir / "team"
    nested.mkdir()
    other = {**CLAUDE, "email": "bob@example.com", "refresh_token": "other"}
    (nested / "claude-mira.json").write_text(json.dumps(other))
    apply_folder(auth_dir)
    names = [entry["name"] for entry in listed(call)]
    assert len(set(names)) == 2
    for name in names:
        assert call("get", f"auth-files/download?name={name}").status_code == 200


def test_a_download_is_the_file_itself(call: Call, file: Path):
    answer = call("get", "auth-files/download?name=claude-mira.json")
    assert answer.content == file.read_bytes()
    assert 'attachment; filename="claude-mira.json"' in answer["content-disposition"]
    assert answer["cache-control"] == "no-store"
    copilot()
    made = json.loads(call("get", "auth-files/download?name=github-copilot-octo.json").content)
    assert (made["type"], made["access_token"]) == ("github-copilot", "canary-github")


@pytest.mark.parametrize(
    ("name", "status", "error"),
    [
        ("", 400, "invalid name"),
        ("../x.json", 400, "invalid name"),
        ("a/b.json", 400, "invalid name"),
        (".hidden.json", 400, "invalid name"),
        ("x.txt", 400, "name must end with .json"),
        ("nobody.json", 404, "file not found"),
    ],
)
def test_a_name_leads_nowhere_else(call: Call, auth_dir: Path, name: str, status: int, error: str):
    answer = call("get", f"auth-files/download?name={name}")
    assert (answer.status_code, answer.json()) == (status, {"error": error})
    if status == 400:
        stored = call("post", f"auth-files?name={name}", json.dumps(CLAUDE))
        assert (stored.status_code, stored.json()) == (400, {"error": error})
    assert not auth_dir.exists()


@pytest.mark.parametrize(
    ("body", "status"),
    [("{", 500), ("[]", 400), ("{}", 400), ('{"type": "nobody"}', 400), ('{"type": "claude"}', 400)],
)
def test_what_is_no_credential_is_not_stored(call: Call, auth_dir: Path, body: str, status: int):
    answer = call("post", "auth-files?name=x.json", body)
    assert answer.status_code == status
    assert answer.json()["error"]
    assert not (auth_dir / "x.json").exists()


def test_several_are_uploaded_at_once(call: Call, auth_dir: Path):
    second = {**CLAUDE, "email": "bob@example.com"}
    assert upload(("a.json", CLAUDE)).json() == {"status": "ok"}
    assert upload(("a.json", CLAUDE), ("b.json", second)).json() == {
        "status": "ok",
        "uploaded": 2,
        "files": ["a.json", "b.json"],
    }
    mixed = upload(("a.json", CLAUDE), ("c.txt", CLAUDE))
    assert mixed.status_code == 207
    assert mixed.json()["failed"] == [{"name": "c.txt", "error": "file must be .json"}]
    assert upload(("c.txt", CLAUDE)).json() == {"error": "file must be .json"}
    assert upload().json() == {"error": "no files uploaded"}
    assert Credential.objects.count() == 2


def test_a_file_stored_again_renews_its_login(call: Call, file: Path):
    first = Credential.objects.get()
    again = {**CLAUDE, "access_token": "newer", "refresh_token": "newer"}
    call("post", "auth-files?name=claude-mira.json", json.dumps(again))
    assert Credential.objects.get().pk == first.pk
    assert OAuthToken.objects.get().grant().access_token == "newer"


def test_switched_off_in_row_and_file(call: Call, file: Path):
    assert patch(call, "status", name=file.name, disabled=True).json() == {"status": "ok", "disabled": True}
    assert Credential.objects.get().enabled is False
    assert json.loads(file.read_text())["disabled"] is True
    assert listed(call)[0]["status"] == "disabled"
    copilot()
    patch(call, "status", name="github-copilot-octo.json", disabled=True)
    assert Credential.objects.get(label="octo").enabled is False


def test_fields_are_set_merged_and_removed(call: Call, file: Path):
    patch(call, "fields", name=file.name, **{"proxy-url": "socks5://127.0.0.1:9", "weight": 3, "priority": 7})
    patch(call, "fields", name=file.name, headers={"X-Team": "a", "X-Other": "b"}, **{"meta.colour": "blue"})
    patch(call, "fields", name=file.name, headers={"X-Other": ""}, weight=None, request_retry=-1)
    content = json.loads(file.read_text())
    assert content["headers"] == {"X-Team": "a"}
    assert content["meta"] == {"colour": "blue"}
    assert content["proxy_url"] == "socks5://127.0.0.1:9"
    assert not {"weight", "request_retry", "proxy-url"} & content.keys()
    row = Credential.objects.get()
    assert (row.priority, row.weight) == (7, 1)
    assert secrets.reveal(row.proxy_token) == "socks5://127.0.0.1:9"
    assert secrets.reveal_headers(row.headers_token) == {"X-Team": "a"}


def test_fields_of_a_login_without_a_file(call: Call):
    credential = copilot()
    patch(call, "fields", name="github-copilot-octo.json", prefix="team", note="of Mira")
    credential.refresh_from_db()
    assert credential.prefix == "team"
    assert listed(call)[0]["note"] == "of Mira"
    assert OAuthToken.objects.get().grant().private == {"github_token": "canary-github"}


def test_no_edit_gets_between_a_refresh_and_its_tokens(call: Call):
    copilot()
    OAuthToken.objects.update(lease_owner="x", lease_until=timezone.now() + timedelta(seconds=20))
    answer = patch(call, "fields", name="github-copilot-octo.json", note="new")
    assert answer.status_code == 409
    assert patch(call, "fields", name="github-copilot-octo.json", priority=1).status_code == 200


@pytest.mark.parametrize(
    ("route", "body", "status", "error"),
    [
        ("status", {"disabled": True}, 400, "name is required"),
        ("status", {"name": "claude-mira.json"}, 400, "disabled is required"),
        ("status", {"name": "claude-mira.json", "disabled": "yes"}, 400, "disabled is required"),
        ("status", {"name": "nobody.json", "disabled": True}, 404, "auth file not found"),
        ("fields", {"name": "claude-mira.json"}, 400, "no fields to update"),
        ("fields", {"prefix": "x"}, 400, "name is required"),
        ("fields", {"name": "claude-mira.json", "weight": "3"}, 400, "weight must be an integer"),
        ("fields", {"name": "claude-mira.json", "headers": []}, 400, "headers must be an object of texts"),
    ],
)
def test_an_edit_is_refused_in_words(
    call: Call, file: Path, route: str, body: dict[str, Any], status: int, error: str
):
    before = file.read_bytes()
    answer = patch(call, route, **body)
    assert (answer.status_code, answer.json()) == (status, {"error": error})
    assert file.read_bytes() == before


def test_deleted_with_its_file(call: Call, file: Path):
    copilot()
    copilot("other")
    assert call("delete", "auth-files?name=claude-mira.json").json() == {"status": "ok"}
    assert not file.exists()
    names = ["github-copilot-octo.json", "nobody.json"]
    mixed = call("delete", "auth-files", json.dumps({"names": names}))
    assert mixed.status_code == 207
    assert mixed.json()["files"] == ["github-copilot-octo.json"]
    assert call("delete", "auth-files?name=nobody.json").json() == {"error": "auth file not found"}
    assert call("delete", "auth-files?all=true").json() == {"status": "ok", "deleted": 1}
    assert not Credential.objects.exists()


def test_what_config_yaml_describes_is_left_alone(call: Call):
    credential = copilot()
    Credential.objects.filter(pk=credential.pk).update(origin=Origin.FILE)
    for answer in (
        call("delete", "auth-files?name=github-copilot-octo.json"),
        patch(call, "status", name="github-copilot-octo.json", disabled=True),
    ):
        assert answer.status_code == 409
    assert call("delete", "auth-files?all=1").json()["deleted"] == 0


def test_the_models_of_a_login(call: Call, file: Path):
    provider = Credential.objects.get().provider
    provider.discovered_models = [{"id": "claude-sonnet", "owned_by": "anthropic"}]
    provider.save()
    answer = call("get", "auth-files/models?name=claude-mira.json").json()
    assert answer == {"models": [{"id": "claude-sonnet", "type": "model", "owned_by": "anthropic"}]}
    assert call("get", "auth-files/models").json() == {"error": "name is required"}


def test_sessions_are_logins_and_those_under_way(call: Call, file: Path):
    attempt, state = begin(channel_for("kiro"), "builder-id", Beginner(name="Mira", via="page"))
    logged_in, pending = call("get", "sessions").json()["sessions"]
    assert (logged_in["provider"], logged_in["status"], logged_in["email"]) == (
        "claude",
        "active",
        CLAUDE["email"],
    )
    assert logged_in["expires_at"].startswith("2099-01-01")
    assert (pending["status"], pending["state"], pending["id"]) == ("pending", state, str(attempt.pk))


def test_a_service_account_is_imported(call: Call, auth_dir: Path):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account = {
        "type": "service_account",
        "project_id": "acme-1",
        "client_email": "svc@acme-1.iam.example",
        "private_key": key.decode(),
    }

    def send(content: object, **fields: str) -> Any:
        part = SimpleUploadedFile("key.json", json.dumps(content).encode())
        return Client().post("/v0/management/vertex/import", {"file": part, **fields}, headers=HEADERS)

    answer = send(account, location="europe-west4").json()
    assert answer == {
        "status": "ok",
        "auth-file": str(auth_dir / "vertex-acme-1.json"),
        "project_id": "acme-1",
        "email": "svc@acme-1.iam.example",
        "location": "europe-west4",
    }
    assert OAuthToken.objects.get().account["location"] == "europe-west4"
    assert send({**account, "project_id": ""}).json() == {"error": "project_id missing"}
    assert send({**account, "private_key": "x"}).json()["error"] == "invalid service account"
    assert send([]).json()["error"] == "invalid json"
    assert call("post", "vertex/import").json() == {"error": "file required"}


def test_credential_files_are_not_for_everybody(auth_dir: Path, django_user_model):
    staff = Client()
    staff.force_login(django_user_model.objects.create_user("bob", is_staff=True))
    for path in ("auth-files", "auth-files/download?name=x.json", "sessions"):
        assert Client().get(f"/v0/management/{path}").status_code == 401
        assert staff.get(f"/v0/management/{path}").status_code == 403
