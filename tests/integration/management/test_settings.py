"""The gateway's settings one by one: into the database, or into the file with its comments kept."""

from __future__ import annotations

import pytest

from management_api.resources.scalars import SCALARS
from routing import revision
from routing.models import GatewaySettings
from tests.integration.management.conftest import OK

pytestmark = pytest.mark.django_db

FILE = """# the team's gateway
debug: false # quiet
proxy-url: "http://joe:hunter2@proxy.test:3128"
quota-exceeded:
  switch-project: true # across projects
request-retry: 3
"""
NEW = {bool: True, int: 7, str: "http://other.test:1"}


@pytest.mark.parametrize("scalar", SCALARS, ids=lambda scalar: scalar.path)
def test_every_setting_is_stored_in_the_database(ask, database, scalar):
    value = "fill-first" if scalar.key == "strategy" else NEW[scalar.kind]
    for method, wanted in (("put", value), ("patch", False if scalar.kind is bool else value)):
        assert ask(method, scalar.path, {"value": wanted}) == OK
        assert ask("get", scalar.path) == (200, {scalar.key: wanted})


def test_every_setting_is_stored_in_the_file(ask, file):
    path = file(FILE)
    for scalar in SCALARS:
        value = "fill-first" if scalar.key == "strategy" else NEW[scalar.kind]
        assert ask("put", scalar.path, {"value": value}) == OK, scalar.path
        assert ask("get", scalar.path) == (200, {scalar.key: value})
    text = path.read_text()
    assert "# quiet" in text
    assert "# across projects" in text
    assert text.startswith("# the team's gateway\n")
    assert "strategy: fill-first" in text


@pytest.mark.parametrize(
    "body",
    [None, {}, {"value": None}, {"value": "true"}, {"value": 1}, {"value": [True]}, [True], {"debug": True}],
)
def test_a_body_of_another_shape_changes_nothing(ask, file, body):
    path = file(FILE)
    before = path.read_bytes(), revision.current()
    assert ask("put", "debug", body) == (400, {"error": "invalid body"})
    assert ask("put", "debug", raw='{"value": tr') == (400, {"error": "invalid body"})
    assert (path.read_bytes(), revision.current()) == before


@pytest.mark.parametrize("value", [True, 1.5, "3", 2**40])
def test_what_is_no_number_is_refused(ask, database, value):
    status, body = ask("put", "request-retry", {"value": value})
    assert (status, body["error"]) == (400, "invalid body")


@pytest.mark.parametrize(
    ("path", "sent", "stored"),
    [
        ("logs-max-total-size-mb", -5, 0),
        ("error-logs-max-files", -1, 10),
        ("max-retry-credentials", -3, 0),
        ("routing/strategy", " WRR ", "weighted-round-robin"),
        ("routing/strategy", "RoundRobin", "round-robin"),
        ("routing/strategy", "", "round-robin"),
        ("routing/strategy", "ff", "fill-first"),
        ("proxy-url", "DIRECT", "direct"),
    ],
)
def test_some_values_are_stored_as_others(ask, database, path, sent, stored):
    assert ask("put", path, {"value": sent}) == OK
    assert list(ask("get", path)[1].values()) == [stored]


def test_an_unknown_strategy_is_refused(ask, database):
    assert ask("put", "routing/strategy", {"value": "random"}) == (400, {"error": "invalid strategy"})


def test_a_proxys_password_is_shown_to_nobody_and_kept(ask, file):
    path = file(FILE)
    shown = ask("get", "proxy-url")[1]["proxy-url"]
    assert "hunter2" not in shown
    assert shown.endswith("@proxy.test:3128")
    assert ask("put", "proxy-url", {"value": shown}) == OK
    assert 'proxy-url: "http://joe:hunter2@proxy.test:3128"' in path.read_text()
    assert ask("put", "proxy-url", {"value": "http://1a2b3c4d…@proxy.test:1"})[0] == 400
    assert ask("put", "proxy-url", {"value": "ftp://proxy.test"})[0] == 400
    assert ask("put", "proxy-url", {"value": "http://${HOME}:1"})[0] == 400
    assert ask("delete", "proxy-url") == OK
    assert ask("get", "proxy-url") == (200, {"proxy-url": ""})
    assert "proxy-url" not in path.read_text()


def test_only_the_proxy_can_be_deleted(ask, database):
    assert ask("delete", "debug")[0] == 405


def test_settings_of_the_database_are_not_lost_to_one_key_of_the_file(ask, keyring, tmp_path, settings):
    GatewaySettings.objects.update(request_retry=9)
    settings.CONFIG_FILE = str(tmp_path / "config.yaml")
    (tmp_path / "config.yaml").write_text("api-keys: [k1]\n")
    assert ask("put", "debug", {"value": True}) == OK
    row = GatewaySettings.objects.get()
    assert (row.debug, row.request_retry, row.origin) == (True, 9, "database")
    assert (tmp_path / "config.yaml").read_text() == "api-keys: [k1]\n"


def test_settings_of_a_file_that_is_not_here_are_left_alone(ask, file, settings):
    file(FILE)
    settings.CONFIG_FILE = ""
    assert ask("put", "debug", {"value": True})[0] == 409
    assert ask("get", "debug") == (200, {"debug": False})


def test_a_file_that_was_broken_before_is_told_apart(ask, file):
    path = file(FILE)
    path.write_text("debug: [", encoding="utf-8")
    status, body = ask("put", "debug", {"value": True})
    assert status == 500
    assert body["error"].startswith("failed to save config: ")
