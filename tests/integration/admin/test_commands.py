"""``manage.py client_key`` and ``rotate_secrets``, and the system checks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from cliproxy_site import checks
from providers import secrets
from providers.models import Credential, Provider
from providers.sealed_columns import key_ids_in_use, sealed_columns
from routing import client_keys
from routing.management.commands.client_key import expiry
from routing.models import ClientKey, GatewaySettings
from tests.integration.admin.cast import make_credential, make_person, make_provider

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command(*arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_client_key_create_prints_the_key_alone():
    make_person("mira")
    out, err = run(
        "client_key",
        "create",
        "--note",
        "CI",
        "--owner",
        "mira",
        "--models",
        "gpt-4o, claude-*",
        "--expires",
        "30d",
    )
    row = ClientKey.objects.get()
    assert row.digest == client_keys.digest(out.strip())
    assert "shown only now" in err
    assert row.owner is not None
    assert row.expires_at is not None
    assert (row.note, row.owner.username, row.allowed_models) == ("CI", "mira", ["gpt-4o", "claude-*"])
    assert row.expires_at > timezone.now() + timedelta(days=29)


def test_client_key_list_tells_everything_but_the_key():
    _, plain = client_keys.create(note="CI", allowed_models=["gpt-4o"])
    client_keys.create(note="old", expires_at=timezone.now() - timedelta(days=1))
    client_keys.create(note="filed", origin="file")
    out, _ = run("client_key", "list")
    assert plain not in out
    for shown in ("active", "CI models gpt-4o", "expired", "filed (config.yaml)"):
        assert shown in out


def test_client_key_list_says_how_to_make_the_first():
    assert "client_key create" in run("client_key", "list")[0]


def test_client_key_is_disabled_and_enabled():
    row, _ = client_keys.create(note="CI")
    for action, enabled in (("disable", False), ("enable", True)):
        run("client_key", action, str(row.pk))
        row.refresh_from_db()
        assert row.enabled is enabled


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("disable", "99"), "no client key 99"),
        (("create", "--owner", "nobody"), "no user 'nobody'"),
        (("create", "--expires", "soon"), "is no date"),
        (("create", "--expires", "2027-02-31"), "is no date"),
    ],
)
def test_client_key_refuses_in_words(arguments, said):
    with pytest.raises(CommandError, match=said):
        run("client_key", *arguments)


def test_client_key_leaves_the_files_keys_alone():
    row, _ = client_keys.create(note="filed", origin="file")
    with pytest.raises(CommandError, match=r"config\.yaml"):
        run("client_key", "disable", str(row.pk))


def test_an_expiry_is_a_span_a_date_or_a_moment():
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert expiry("", now) is None
    assert expiry("12h", now) == now + timedelta(hours=12)
    assert expiry("2027-01-31", now) == datetime(2027, 1, 31, 23, 59, 59, tzinfo=UTC)
    assert expiry("2027-01-31T12:00", now) == datetime(2027, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize("command", ["client_key", "rotate_secrets"])
def test_help_shows_examples(command, capsys):
    with pytest.raises(SystemExit):
        call_command(command, "--help")
    assert f"manage.py {command}" in capsys.readouterr().out.split("examples:")[1]


def plant() -> None:
    provider = make_provider(
        headers_token=secrets.seal_headers({"X-Team": "h"}), proxy_token=secrets.seal("http://u:p@h:1")
    )
    make_credential(provider)
    GatewaySettings.objects.create(pk=1, proxy_token=secrets.seal("http://u:p@g:1"))


def test_every_sealed_column_is_found_by_its_name():
    names = {str(column) for column in sealed_columns()}
    assert names >= {
        "Provider.headers_token",
        "Provider.proxy_token",
        "Credential.secret_token",
        "Credential.headers_token",
        "Credential.proxy_token",
        "GatewaySettings.proxy_token",
    }


def test_rotating_seals_everything_under_a_new_key_and_names_the_old(keyring):
    plant()
    old = keyring.newest
    out, _ = run("rotate_secrets")
    assert keyring.newest != old
    assert set(key_ids_in_use()) == {keyring.newest}
    assert "Sealed 4 secrets" in out
    assert f"Old key {old} is no longer needed" in out
    assert "key 2 of 2 in encryption_keys" in out
    assert secrets.reveal(Credential.objects.get().secret_token) == "acme-secret-0001"
    assert secrets.reveal_headers(Provider.objects.get().headers_token) == {"X-Team": "h"}


def test_an_interrupted_rotation_is_finished_without_another_key(keyring):
    plant()
    newest = keyring.rotate()
    run("rotate_secrets", "--no-new-key")
    assert len(keyring.ids) == 2
    assert set(key_ids_in_use()) == {newest}


def test_rotating_tells_what_cannot_be_opened_and_does_the_rest(keyring, tmp_path):
    plant()
    Credential.objects.update(secret_token="00000000:gAAAAlost")
    Provider.objects.update(proxy_token="plain text")
    with pytest.raises(CommandError) as failure:
        run("rotate_secrets")
    assert "00000000 is missing" in str(failure.value)
    assert "not a sealed secret" in str(failure.value)
    assert "plain text" not in str(failure.value)
    assert Provider.objects.get().headers_token.startswith(keyring.newest)


def test_an_edit_during_the_rotation_wins(keyring, monkeypatch):
    credential = make_credential(make_provider())
    original = secrets.reveal

    def reveal_while_somebody_edits(token: str) -> str:
        plain = original(token)
        if plain == "acme-secret-0001":
            Credential.objects.filter(pk=credential.pk).update(secret_token=secrets.seal("edited"))
        return plain

    keyring.rotate()
    monkeypatch.setattr(secrets, "reveal", reveal_while_somebody_edits)
    run("rotate_secrets", "--no-new-key")
    monkeypatch.undo()
    monkeypatch.setattr(secrets, "KEYRING", keyring)
    assert secrets.reveal(Credential.objects.get().secret_token) == "edited"


def test_a_lost_encryption_key_is_an_error_with_an_id(keyring, tmp_path):
    plant()
    assert checks.check_encryption_keys() == []
    lost = keyring.newest
    (tmp_path / "encryption_keys").unlink()
    found = checks.check_encryption_keys()
    assert [message.id for message in found] == ["providers.E001"]
    assert lost in found[0].msg
    assert "Credential.secret_token" in found[0].msg


def test_a_key_file_that_is_none_is_an_error_with_an_id(tmp_path):
    (tmp_path / "encryption_keys").write_text("nonsense")
    assert [message.id for message in checks.check_encryption_keys()] == ["providers.E002"]


def test_a_kind_that_is_gone_is_a_warning_with_an_id():
    make_provider(adapter="gone")
    assert [message.id for message in checks.check_provider_kinds()] == ["providers.W001"]


def test_a_deployment_without_tls_is_one_warning(settings):
    assert [message.id for message in checks.check_tls()] == ["cliproxy_site.W001"]
    settings.SESSION_COOKIE_SECURE, settings.SECURE_HSTS_SECONDS = True, 3600
    assert checks.check_tls() == []


@pytest.mark.django_db
def test_a_client_key_may_keep_responses(capsys):
    call_command("client_key", "create", "--note", "agents", "--keep-responses", "30")
    assert ClientKey.objects.get().keeps_responses_days == 30
    for days in ("-1", "4000"):
        with pytest.raises(CommandError, match="0 to 3650"):
            call_command("client_key", "create", f"--keep-responses={days}")
