"""What a first run makes, function by function, against the database."""

from __future__ import annotations

import os

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from cliproxy_site import first_run
from cliproxy_site.data_dir import SetupProblem
from providers import secrets
from providers.adapters.registry import ADAPTERS
from providers.models import Credential, Provider
from routing import client_keys
from routing.models import ClientKey
from tests.integration.routing.makers import make_alias, make_credential, make_provider

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def keyring(tmp_path, monkeypatch, settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # the real one is slow
    ring = secrets.Keyring(tmp_path / "encryption_keys", [])
    monkeypatch.setattr(secrets, "KEYRING", ring)
    return ring


def test_without_any_key_the_demo_answers():
    made = first_run.welcome({})
    assert get_user_model().objects.get(username="admin").check_password(made.admin_password)
    assert ClientKey.objects.get().digest == client_keys.digest(made.client_key)
    assert [provider.adapter for provider in Provider.objects.all()] == ["demo"]
    assert first_run.example_model() == "demo"


def test_a_second_welcome_makes_and_says_nothing():
    first_run.welcome({})
    again = first_run.welcome({"OPENAI_API_KEY": "sk-later"})
    assert not again
    assert Provider.objects.count() == ClientKey.objects.count() == 1


def test_a_password_given_by_the_environment_is_used():
    made = first_run.welcome({"CLIPROXY_ADMIN_PASSWORD": "chosen-by-me"})
    assert made.admin_password == "chosen-by-me"


@pytest.mark.parametrize(
    "adapter", [kind for kind in ADAPTERS if kind.environment], ids=lambda kind: kind.key
)
def test_the_usual_names_of_a_key_make_its_provider(adapter):
    made = first_run.welcome({adapter.environment[0]: " canary-of-the-environment "})
    credential = Credential.objects.select_related("provider").get()
    assert credential.provider.adapter == adapter.key
    assert secrets.reveal(credential.secret_token) == "canary-of-the-environment"
    assert made.providers == [f"{adapter.key} ({adapter.environment[0]})"]
    assert "canary" not in first_run.banner(made, "127.0.0.1", 1)


def test_a_blank_key_in_the_environment_is_none():
    first_run.welcome({"OPENAI_API_KEY": "  "})
    assert Provider.objects.get().adapter == "demo"


def test_a_provider_of_the_file_is_not_made_again():
    make_provider("openai", "openai")
    first_run.welcome({"OPENAI_API_KEY": "sk-x"})
    assert Provider.objects.count() == 1


def test_a_client_key_of_the_file_is_enough():
    client_keys.create(key="sk-from-the-file")
    made = first_run.welcome({})
    assert made.client_key == ""
    text = first_run.banner(made, "127.0.0.1", 1)
    assert made.admin_password in text
    assert "curl" not in text


def test_the_example_is_a_model_that_is_offered_under_its_prefix():
    acme = make_provider(prefix="team")
    make_credential(acme)
    make_alias(acme, "fast", "gpt")
    assert first_run.example_model() == "team/fast"


@pytest.mark.parametrize(
    ("host", "shown"),
    [("0.0.0.0", "127.0.0.1"), ("", "127.0.0.1"), ("::1", "[::1]"), ("10.0.0.5", "10.0.0.5")],
)
def test_the_banner_shows_an_address_that_can_be_called(host, shown):
    made = first_run.welcome({})
    assert f"http://{shown}:8317/v1/chat/completions" in first_run.banner(made, host, 8317)


def test_a_lost_key_is_named_and_nothing_is_made(keyring, tmp_path):
    make_credential(make_provider())
    first_run.check_encryption_keys()
    (tmp_path / "encryption_keys").unlink()
    keyring.load()
    with pytest.raises(SetupProblem, match=r"The encryption key \w+ is missing"):
        first_run.check_encryption_keys()
    assert not (tmp_path / "encryption_keys").exists()


def test_a_database_of_a_newer_version_is_left_alone():
    MigrationRecorder(connection).record_applied("routing", "9999_later")
    with pytest.raises(SetupProblem, match=r"made by a newer version of the gateway \(routing 9999_later\)"):
        first_run.migrate()


def test_an_admin_whose_rights_were_taken_away_is_not_made_again():
    first_run.welcome({})
    get_user_model().objects.update(is_superuser=False)
    assert not first_run.welcome({})


def test_a_spool_that_is_no_folder_is_said_so(tmp_path, settings):
    settings.SPOOL_DIR = tmp_path / "spool"
    settings.SPOOL_DIR.write_text("")
    with pytest.raises(SetupProblem, match="spool is a file, not a folder"):
        first_run.migrate()


def test_a_database_file_that_cannot_be_written_is_said_so(tmp_path, settings, monkeypatch):
    # Root may write anywhere, so the system's answer is what is replaced here.
    settings.SPOOL_DIR = tmp_path
    path = tmp_path / "gateway.sqlite3"
    path.write_text("")
    monkeypatch.setitem(settings.DATABASES["default"], "NAME", str(path))
    monkeypatch.setattr(connection, "vendor", "sqlite")
    may = os.access
    monkeypatch.setattr("os.access", lambda asked, mode: asked != path and may(asked, mode))
    with pytest.raises(SetupProblem, match=r"gateway\.sqlite3 is not writable"):
        first_run.migrate()
