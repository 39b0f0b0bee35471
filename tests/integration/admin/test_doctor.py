"""``manage.py doctor`` on an installation that is well, and on ones that are not."""

from __future__ import annotations

import json
import socket
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from cliproxy_site.doctor import services
from cliproxy_site.doctor.findings import Level
from providers.models import Credential, CredentialHealth, Provider
from routing import client_keys
from routing.models import ClientKey
from tests.integration.admin.cast import make_credential, make_provider, upstream
from tests.integration.routing.makers import make_alias

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def folder(tmp_path, settings):
    tmp_path.chmod(0o700)
    settings.DATA_DIR = tmp_path
    settings.CONFIG_FILE = ""
    settings.REDIS_URL = ""


@pytest.fixture
def well():
    client_keys.create(note="CI")
    provider = make_provider()
    make_credential(provider)
    make_alias(provider, "fast", "up")
    return provider


def run(*arguments: str) -> tuple[int, str]:
    out = StringIO()
    try:
        call_command("doctor", *arguments, stdout=out)
    except SystemExit as stop:
        return int(stop.code or 0), out.getvalue()
    return 0, out.getvalue()


def problems(findings) -> list[str]:
    return [one.text for one in findings if one.level is Level.PROBLEM]


def test_all_is_well(well):
    status, text = run()
    assert status == 0, text
    assert text.rstrip().endswith("All is well.")
    assert "1 models can be asked for" in text


def test_an_empty_installation_has_its_problems_named_with_remedies():
    status, text = run("--json")
    assert status == 1
    found = [one for one in json.loads(text) if one["level"] == "problem"]
    assert {one["area"] for one in found} == {"clients", "providers", "routing"}
    assert all(one["remedy"] for one in found)


def test_a_missing_migration_is_told_and_the_rest_left_alone(well):
    last = MigrationRecorder.Migration.objects.filter(app="routing").latest("pk")
    last.delete()
    status, text = run()
    assert status == 1
    assert "migrations are not applied" in text
    assert "clients" not in text


def test_keys_that_cannot_be_used_do_not_count(well):
    ClientKey.objects.update(expires_at=timezone.now() - timedelta(days=1))
    assert problems(services.clients()) == ["No client key can be used: every request gets 401."]


def test_a_broken_credential_and_an_empty_provider_are_told(well):
    Credential.objects.update(health=CredentialHealth.BROKEN, health_message="The provider refused the key")
    make_provider("empty")
    found = list(services.providers())
    assert ["refused the key" in text for text in problems(found)] == [True]
    assert any("empty has no credential" in one.text for one in found)


def test_nobody_to_ask_is_a_problem(well):
    Provider.objects.update(enabled=False)
    assert problems(services.providers()) == ["No provider is switched on: there is no model to ask for."]
    assert problems(services.routing()) == ["No model can be asked for."]


def test_an_open_management_api_is_noted(settings):
    settings.MANAGEMENT_PASSWORD = "x"
    assert [one.level for one in services.management()] == [Level.NOTE]
    settings.MANAGEMENT_PASSWORD = ""
    assert [one.level for one in services.management()] == [Level.OK]


def test_a_redis_that_does_not_answer_is_told(settings):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        settings.REDIS_URL = f"redis://127.0.0.1:{taken.getsockname()[1]}/0"
        (text,) = problems(services.shared_state())
    assert text.startswith("It does not answer")


def test_providers_are_called_when_asked_for(well):
    with upstream("acme-secret-0001") as url:
        Provider.objects.update(base_url=url)
        status, text = run("--providers")
        assert status == 0, text
        assert "acme, " in text
        Provider.objects.update(base_url="http://127.0.0.1:9/v1")
        status, text = run("--providers")
        assert status == 1
        assert "problem  upstream" in text
