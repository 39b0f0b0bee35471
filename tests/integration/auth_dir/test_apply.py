"""An ``auth-dir`` written by CLIProxyAPI: imported without a question, followed, written back, exported."""

from __future__ import annotations

import io
import json
import os
import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from management_api.auth_dir.apply import adopt_configured, apply_folder, import_entry
from management_api.auth_dir.entries import channel_of, read_entry
from management_api.auth_dir.export import exported
from oauth import credential_files, quota
from oauth.flows.base import Quota
from oauth.flows.errors import OAuthError
from oauth.flows.registry import BY_KEY
from oauth.models import OAuthToken, seal_grant
from oauth.tokens import store_grant
from providers import secrets
from providers.entries import entry_of
from providers.models import Credential, Provider
from routing import revision, table
from routing.models import ChannelAlias, ChannelExclusion
from tests.integration.auth_dir.samples import CLI_FILES, samples

pytestmark = pytest.mark.django_db


def put(folder: Path, name: str, content: Any) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def qwen(**more: object) -> dict[str, object]:
    return {**samples()["qwen-alice.json"], **more}


def test_one_file_per_channel_is_imported_without_a_question(tmp_path: Path):
    files = samples()
    for name, content in files.items():
        put(tmp_path, name, content)
    outcome = apply_folder(tmp_path)
    assert outcome.skipped == {}
    assert sorted(outcome.added) == sorted(files)
    rows = OAuthToken.objects.select_related("credential")
    assert {row.channel for row in rows} == set(BY_KEY) - {"aistudio", "key-file"}
    for row in rows:
        grant = row.grant()
        assert grant.access_token or BY_KEY[row.channel].can_refresh(grant)
        assert "canary" not in json.dumps(row.account) + row.credential.label + row.identity
    claude = rows.get(channel="claude")
    assert claude.expires_at is not None
    assert claude.expires_at.timestamp() == pytest.approx(4_070_908_800.123456)
    assert rows.get(channel="codex").account["account_id"] == "acc"
    assert rows.get(channel="kiro").grant().private["client_secret"] == "canary-client"
    # a second look changes nothing
    again = apply_folder(tmp_path)
    assert (again.added, again.changed, again.removed) == ([], [], [])


@pytest.mark.parametrize("name", sorted(samples()))
def test_a_file_goes_out_in_the_shape_in_which_it_came(tmp_path: Path, name: str):
    content = samples()[name]
    put(tmp_path, name, content)
    apply_folder(tmp_path)
    _, back = exported(OAuthToken.objects.select_related("credential").get())
    missing = {
        key: (value, back.get(key))
        for key, value in content.items()
        if key not in ("expired", "last_refresh", "timestamp", "account_id", "expires_in")
        and back.get(key) != value
    }
    assert missing.keys() <= {"id_token"} or missing == {}
    again = read_entry(back)
    first = read_entry(content)
    assert (again.grant.access_token, again.grant.refresh_token) == (
        first.grant.access_token,
        first.grant.refresh_token,
    )
    assert again.grant.private == first.grant.private
    assert again.grant.expires_at == pytest.approx(first.grant.expires_at, abs=1)


@pytest.mark.parametrize("channel", sorted(CLI_FILES))
def test_other_programs_files_are_known_by_their_shape(tmp_path: Path, channel: str):
    name, content = CLI_FILES[channel]
    assert channel_of(content, name).key == channel
    file = credential_files.read(put(tmp_path, name, content))
    assert file is not None
    credential = import_entry(read_entry(content), file=file)
    row = OAuthToken.objects.get(credential=credential)
    grant = row.grant()
    fresh = msgspec.structs.replace(
        grant, access_token="new-access", refresh_token="new-refresh", expires_at=4_080_000_000.0
    )
    rewritten = BY_KEY[channel].rewritten(content, fresh)
    assert rewritten.keys() == content.keys()
    held = BY_KEY[channel].from_file(rewritten)
    if channel == "github-copilot":
        assert rewritten == content
    else:
        assert (held.access_token, held.refresh_token) == ("new-access", "new-refresh")
    if channel == "claude":
        assert rewritten["mcpOAuth"] == {"x": 1}


def test_settings_in_the_file_are_settings_of_the_credential(tmp_path: Path):
    rules = [
        {"status": 400, "match": ["too long"], "action": "stop"},
        {"status": 400, "action": "stop"},
        {"status": 401, "match-regexr": ["("], "action": "stop"},
    ]
    put(
        tmp_path,
        "qwen-a.json",
        qwen(
            **{
                "prefix": "team",
                "proxy-url": "socks5://user:pass@proxy.example:1080",
                "priority": "7",
                "weight": 3,
                "disabled": True,
                "headers": {"X-Team": "a"},
                "excluded-models": "qwen-old*, Vision",
                "model_aliases": [
                    {"name": "qwen3-coder-plus", "alias": "coder", "fork": True},
                    {"name": "x"},
                ],
                "request_retry": 0,
                "disable_cooling": "true",
                "request_scoped_errors": rules,
                "label": "Ours",
            }
        ),
    )
    outcome = apply_folder(tmp_path)
    credential = Credential.objects.get()
    assert (credential.prefix, credential.priority, credential.weight) == ("team", 7, 3)
    assert (credential.enabled, credential.label) == (False, "Ours")
    assert (credential.request_retry, credential.disable_cooling) == (0, True)
    assert secrets.reveal(credential.proxy_token) == "socks5://user:pass@proxy.example:1080"
    assert secrets.reveal_headers(credential.headers_token) == {"X-Team": "a"}
    assert len(credential.error_rules) == 1
    (alias,) = ChannelAlias.objects.all()
    assert (alias.channel, alias.credential, alias.alias, alias.fork) == ("qwen", credential, "coder", True)
    assert set(ChannelExclusion.objects.values_list("pattern", flat=True)) == {"qwen-old*", "vision"}
    assert "model_aliases" in outcome.skipped["qwen-a.json"]
    _, back = exported(OAuthToken.objects.select_related("credential").get())
    assert back["prefix"] == "team"
    assert back["disabled"] is True
    assert back["model_aliases"] == [{"name": "qwen3-coder-plus", "alias": "coder", "fork": True}]
    # what the file no longer says is no longer so; what it never said is the admin's
    Credential.objects.update(request_retry=5)
    put(tmp_path, "qwen-a.json", qwen(request_retry=2))
    assert apply_folder(tmp_path).changed == ["qwen-a.json"]
    credential.refresh_from_db()
    assert (credential.prefix, credential.weight, credential.enabled) == ("", 1, True)
    assert credential.request_retry == 2
    assert not ChannelAlias.objects.exists()
    assert not ChannelExclusion.objects.exists()
    Credential.objects.update(prefix="admin")
    put(tmp_path, "qwen-a.json", qwen(access_token="newer"))
    apply_folder(tmp_path)
    credential.refresh_from_db()
    assert credential.prefix == "admin"


def test_a_changed_file_brings_its_tokens_and_keeps_the_credential(tmp_path: Path):
    put(tmp_path, "a.json", qwen())
    apply_folder(tmp_path)
    first = Credential.objects.get()
    put(tmp_path, "a.json", qwen(access_token="newer"))
    apply_folder(tmp_path)
    row = OAuthToken.objects.get()
    assert (row.credential_id, row.grant().access_token, row.version) == (first.pk, "newer", 2)


def test_a_file_that_is_gone_takes_its_credential_along(tmp_path: Path):
    path = put(tmp_path, "deep/er/a.json", qwen())
    assert apply_folder(tmp_path).added == ["deep/er/a.json"]
    path.unlink()
    assert apply_folder(tmp_path).removed == ["a.json"]
    assert not Credential.objects.exists()


def test_a_folder_that_is_gone_takes_nothing_along(tmp_path: Path):
    put(tmp_path / "auth", "a.json", qwen())
    apply_folder(tmp_path / "auth")
    (tmp_path / "auth" / "a.json").unlink()
    (tmp_path / "auth").rmdir()
    apply_folder(tmp_path / "auth")
    assert Credential.objects.count() == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "\x00\xff",
        '{"type": "qwen"}',
        '{"access_token": "x"}',
        '{"type": "gitlab"}',
        "{}" * 9,
    ],
)
def test_a_half_written_or_foreign_file_spoils_nothing(tmp_path: Path, text: str):
    put(tmp_path, "a.json", qwen())
    apply_folder(tmp_path)
    put(tmp_path, "a.json", text)
    put(tmp_path, "b.json", text)
    outcome = apply_folder(tmp_path)
    assert (outcome.added, outcome.changed, outcome.removed) == ([], [], [])
    assert OAuthToken.objects.get().grant().access_token == "canary-access"
    assert "canary" not in repr(outcome)


def test_what_is_no_credential_file_is_not_looked_at(tmp_path: Path):
    put(tmp_path, "deepseek-api-key.json", {"api_key": "sk-x"})
    put(tmp_path, ".oauth-codex-abc.oauth", {"code": "x"})
    put(tmp_path, ".hidden.json", qwen())
    put(tmp_path, "notes.txt", "hello")
    (tmp_path / "loop").symlink_to(tmp_path)
    outcome = apply_folder(tmp_path)
    assert (outcome.added, outcome.skipped) == ([], {})


def test_another_account_in_the_same_file_is_another_login(tmp_path: Path):
    put(tmp_path, "a.json", qwen())
    apply_folder(tmp_path)
    put(tmp_path, "a.json", samples()["kimi-1700000000000.json"])
    apply_folder(tmp_path)
    assert OAuthToken.objects.get().channel == "kimi"


def test_refreshed_tokens_are_written_back_and_nothing_else_changes(tmp_path: Path):
    path = put(tmp_path, "a.json", qwen(somebody_elses={"x": [1]}, prefix="p"))
    apply_folder(tmp_path)
    row = OAuthToken.objects.get()
    spent = row.grant()
    fresh = msgspec.structs.replace(
        spent, access_token="a-2", refresh_token="r-2", expires_at=4_000_000_000.0
    )
    OAuthToken.objects.update(grant_token=seal_grant(fresh), version=2)
    credential_files.write_back(row.credential_id, spent, BY_KEY["qwen"])
    content = json.loads(path.read_text())
    assert (content["access_token"], content["refresh_token"]) == ("a-2", "r-2")
    assert content["expired"] == "2096-10-02T07:06:40Z"
    assert (content["somebody_elses"], content["prefix"]) == ({"x": [1]}, "p")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert apply_folder(tmp_path).changed == []  # our own writing is no news
    assert [name.name for name in tmp_path.iterdir()] == ["a.json"]


def test_a_login_made_in_the_file_meanwhile_is_not_overwritten(tmp_path: Path):
    path = put(tmp_path, "a.json", qwen())
    apply_folder(tmp_path)
    row = OAuthToken.objects.get()
    put(tmp_path, "a.json", qwen(refresh_token="by-hand"))
    credential_files.write_back(row.credential_id, row.grant(), BY_KEY["qwen"])
    assert json.loads(path.read_text())["refresh_token"] == "by-hand"
    apply_folder(tmp_path)
    assert OAuthToken.objects.get().grant().refresh_token == "by-hand"


def test_a_file_that_two_processes_saw_at_once_is_stored_once(tmp_path: Path):
    """The slower one comes when the faster has refreshed already: the spent tokens must not come back."""
    path = put(tmp_path, "a.json", qwen())
    file = credential_files.read(path)
    assert file is not None
    entry = read_entry(file.content)
    first = import_entry(entry, file=file)
    fresh = msgspec.structs.replace(entry.grant, access_token="a-2", refresh_token="r-2")
    OAuthToken.objects.update(grant_token=seal_grant(fresh), version=2, lease_owner="somebody")
    assert import_entry(entry, file=file).pk == first.pk
    row = OAuthToken.objects.get()
    assert (row.grant().refresh_token, row.version, row.lease_owner) == ("r-2", 2, "somebody")


def test_a_setting_that_changes_does_not_disturb_a_refresh_under_way(tmp_path: Path):
    put(tmp_path, "a.json", qwen())
    apply_folder(tmp_path)
    OAuthToken.objects.update(lease_owner="somebody")
    before = revision.current()
    put(tmp_path, "a.json", qwen(prefix="team"))
    assert apply_folder(tmp_path).changed == ["a.json"]
    row = OAuthToken.objects.select_related("credential").get()
    assert (row.version, row.lease_owner, row.credential.prefix) == (1, "somebody", "team")
    assert revision.current() > before
    put(tmp_path, "a.json", qwen())
    apply_folder(tmp_path)
    assert Credential.objects.get().prefix == ""


def test_aliases_and_exclusions_of_a_file_hold_for_its_login_alone(tmp_path: Path):
    aliases = [{"name": "qwen3-coder-plus", "alias": "coder"}, {"name": "qwen3-coder-plus", "alias": "best"}]
    put(tmp_path, "a.json", qwen(model_aliases=aliases, excluded_models=["*vision*"]))
    put(tmp_path, "b.json", qwen(email="bob", refresh_token="other"))
    apply_folder(tmp_path)
    built = table.build()

    def served(model: str) -> int:
        return len(built.models[model].offers) if model in built.models else 0

    assert (served("coder"), served("best"), served("qwen3-coder-plus")) == (1, 1, 1)
    assert (served("vision-model"), served("qwen3-coder-flash")) == (1, 2)


def test_an_account_of_another_credential_is_refused():
    grant = read_entry(qwen()).grant
    other = read_entry(qwen(email="bob", refresh_token="x")).grant
    store_grant(grant)
    second = store_grant(other)
    with pytest.raises(OAuthError, match="connected already"):
        store_grant(grant, credential=second)


@pytest.mark.parametrize(
    ("more", "channel"),
    [
        ({"access_token": "ghu_x", "refresh_token": "ghr_x"}, "github-copilot"),
        ({"access_token": "a", "refresh_token": "aorAAAAAGx"}, "kiro"),
        ({"access_token": "a", "refresh_token": "r", "provider": "qwen"}, "qwen"),
    ],
)
def test_a_device_login_as_cliproxyapi_plusplus_describes_it(tmp_path: Path, more, channel):
    content = {"type": "oauth_device_flow", "expires_at": "2099-01-01T00:00:00Z", **more}
    put(tmp_path, "a.json", {**content, "quota": {"limit": 10000, "used": 100, "remaining": 9900}})
    assert apply_folder(tmp_path).skipped == {}
    assert OAuthToken.objects.get().channel == channel


def test_an_export_tells_the_allowance(tmp_path: Path):
    put(tmp_path, "a.json", qwen())
    apply_folder(tmp_path)
    token = OAuthToken.objects.select_related("credential").get()
    reading = Quota(name="day", limit=100, used=40, remaining=60, used_percent=40, resets_at=1_800_000_000)
    quota.store(token.credential_id, (reading,), timezone.now())
    _, back = exported(token)
    assert back["quota"] == {"limit": 100, "used": 40, "remaining": 60, "reset": "2027-01-15T08:00:00Z"}


# --- config.yaml's logins ----------------------------------------------------------------------


def configured(adapter: str, channel: str, **values: Any) -> Credential:
    provider = Provider.objects.create(key=f"{adapter}-x", adapter=adapter)
    return Credential.objects.create(
        provider=provider, kind="oauth", channel=channel, fingerprint="f", label="mine", **values
    )


def test_a_token_file_of_the_configuration_is_followed(tmp_path: Path):
    path = put(tmp_path, "kiro-auth-token.json", CLI_FILES["kiro"][1])
    credential = configured("kiro", "kiro", options={"token-file": str(path), "region": "us-east-1"})
    assert adopt_configured().added == [str(path)]
    row = OAuthToken.objects.get(credential=credential)
    assert row.grant().refresh_token == "aorAAAAAGcanary"
    assert adopt_configured().changed == []
    put(tmp_path, "kiro-auth-token.json", {**CLI_FILES["kiro"][1], "accessToken": "newer"})
    assert adopt_configured().changed == [str(path)]
    row.refresh_from_db()
    assert row.grant().access_token == "newer"
    credential.refresh_from_db()
    assert credential.label == "mine"


def test_kiros_client_registration_lies_beside_its_token_file(tmp_path: Path):
    digest = "0123456789abcdef" * 2
    content = {**CLI_FILES["kiro"][1], "authMethod": "IdC", "clientIdHash": digest, "region": "us-east-1"}
    put(tmp_path, f"{digest}.json", {"clientId": "cid", "clientSecret": "canary", "expiresAt": "2099-01-01"})
    path = put(tmp_path, "kiro-auth-token.json", content)
    credential = configured("kiro", "kiro", options={"token-file": str(path)})
    adopt_configured()
    grant = OAuthToken.objects.get(credential=credential).grant()
    assert grant.private["client_secret"] == "canary"
    assert BY_KEY["kiro"].can_refresh(grant)


def test_a_registration_is_never_looked_for_elsewhere(tmp_path: Path):
    put(tmp_path, "secret.json", {"clientId": "cid", "clientSecret": "canary"})
    content = {**CLI_FILES["kiro"][1], "clientIdHash": "../secret"}
    file = credential_files.read(put(tmp_path / "in", "kiro-auth-token.json", content))
    assert file is not None
    assert "clientSecret" not in credential_files.with_registration(file)


@pytest.mark.parametrize(
    "text", ["sk-plain-key\n", '{"api_key": "sk-plain-key"}', '{"access_token": "sk-plain-key"}']
)
def test_a_token_file_may_hold_a_key(tmp_path: Path, text: str):
    path = put(tmp_path, "deepseek.txt", text)
    credential = configured("deepseek", "deepseek", options={"token-file": str(path)})
    adopt_configured()
    found = Credential.objects.select_related("provider", "oauth_token").get(pk=credential.pk)
    entry = entry_of(found)
    assert (entry.secret, entry.channel) == ("sk-plain-key", "deepseek")
    assert "sk-plain-key" not in repr(entry)


def test_tokens_given_in_the_configuration_are_read_once_and_again_when_they_change():
    tokens = json.dumps({"type": "kiro", "access_token": "a", "refresh_token": "aorAAAAAG1"})
    credential = configured(
        "kiro", "kiro", secret_token=secrets.seal(tokens), options={"profile-arn": "arn:x"}
    )
    entry = entry_of(Credential.objects.select_related("provider", "oauth_token").get())
    assert entry.secret == ""  # never the JSON
    assert adopt_configured().added
    assert adopt_configured().added == []
    row = OAuthToken.objects.get(credential=credential)
    assert (row.grant().access_token, row.account["profile_arn"]) == ("a", "arn:x")
    Credential.objects.update(secret_token=secrets.seal(tokens.replace('"a"', '"b"')))
    assert adopt_configured().changed
    row.refresh_from_db()
    assert row.grant().access_token == "b"


def test_a_token_file_that_is_not_there_is_said_and_waited_for(tmp_path: Path):
    configured("kiro", "kiro", options={"token-file": str(tmp_path / "none.json")})
    (why,) = adopt_configured().skipped.values()
    assert "no such file" in why


# --- commands ----------------------------------------------------------------------------------


def test_the_commands_bring_logins_in_and_out(tmp_path: Path):
    for name, content in samples().items():
        put(tmp_path / "in", name, content)
    put(tmp_path / "in", "broken.json", "{")
    out, err = io.StringIO(), io.StringIO()
    with pytest.raises(CommandError, match="1 of 17"):
        call_command("import_tokens", str(tmp_path / "in"), stdout=out, stderr=err)
    assert "canary" not in out.getvalue() + err.getvalue()
    assert OAuthToken.objects.count() == 16
    assert not OAuthToken.objects.exclude(file_path="").exists()
    call_command("export_tokens", str(tmp_path / "out"), stdout=out)
    assert "canary" not in out.getvalue()
    assert stat.S_IMODE(os.stat(tmp_path / "out").st_mode) == 0o700
    Provider.objects.all().delete()
    outcome = apply_folder(tmp_path / "out")
    assert (len(outcome.added), outcome.skipped) == (16, {})
    with pytest.raises(CommandError, match="--force"):
        call_command("export_tokens", str(tmp_path / "out"), stdout=out)
    with pytest.raises(CommandError, match="no channel"):
        call_command("import_tokens", str(tmp_path / "out"), channel="nonsense")
    with pytest.raises(CommandError, match="no such login"):
        call_command("export_tokens", str(tmp_path / "out"), channel="cursor", credential=0)
