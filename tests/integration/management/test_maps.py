"""The maps of channels in both places."""

from __future__ import annotations

import pytest

from routing.models import ChannelAlias, ChannelExclusion, GatewaySettings
from tests.integration.management.conftest import OK

pytestmark = pytest.mark.django_db

FILE = """debug: true
oauth-excluded-models:
  claude: # the account of the team
    - claude-3-* # old
  Team: [x]
oauth-model-mappings: # by its old name
  codex: [{name: gpt-5, alias: fast}]
"""
RULE = {"status": 400, "action": "stop", "match": ["too long"]}
ALIAS = {"name": "claude-opus-4-6", "alias": "opus", "fork": True}


@pytest.fixture(params=["database", "file"])
def place(request):
    if request.param == "database":
        request.getfixturevalue("database")
    else:
        request.getfixturevalue("file")("debug: true # kept")
    return request.param


def test_exclusions(ask, place):
    path = "oauth-excluded-models"
    assert ask("get", path) == (200, {path: {}})
    assert ask("put", path, {"claude": ["a-*", "b"], "Qwen": ["c"]}) == OK
    assert ask("get", path) == (200, {path: {"claude": ["a-*", "b"], "Qwen": ["c"]}})
    assert ask("patch", path, {"provider": "claude", "models": ["b"]}) == OK
    said = ChannelExclusion.objects.order_by("pattern").values_list("channel", "pattern")
    assert list(said) == [("claude", "b"), ("Qwen", "c")]
    assert ask("delete", f"{path}?provider=qwen") == (404, {"error": "provider not found"})
    assert ask("delete", f"{path}?provider=Qwen") == OK
    assert ask("delete", path, {"provider": "claude"}) == OK
    assert ask("delete", path) == (400, {"error": "missing provider"})
    assert not ChannelExclusion.objects.exists()


def test_aliases(ask, place):
    path = "oauth-model-alias"
    assert ask("put", path, {"items": {"claude": [ALIAS], "codex": []}}) == OK
    assert ask("get", path) == (200, {path: {"codex": [], "claude": [ALIAS]}})
    assert GatewaySettings.objects.get().channels_without_aliases == ["codex"]
    row = ChannelAlias.objects.get()
    changed = {"name": "claude-opus-4-6", "alias": "opus", "display-name": "Opus"}
    assert ask("patch", path, {"channel": "claude", "aliases": [changed]}) == OK
    after = ChannelAlias.objects.get()
    assert (after.pk, after.fork, after.display_name) == (row.pk, False, "Opus")
    assert ask("patch", path, {"provider": "codex", "aliases": []}) == OK
    assert GatewaySettings.objects.get().channels_without_aliases == []
    assert ask("delete", f"{path}?channel=claude") == OK
    assert ask("get", path) == (200, {path: {}})
    assert ask("put", path, raw="{") == (400, {"error": "invalid body"})
    assert ask("delete", path) == (400, {"error": "missing channel"})


def test_error_rules(ask, place):
    path = "oauth-request-scoped-errors"
    assert ask("put", path, {"claude": [RULE]}) == OK
    assert ask("get", path) == (200, {path: {"claude": [RULE]}})
    assert ask("patch", path, {"channel": "codex", "rules": [RULE]}) == OK
    assert set(GatewaySettings.objects.get().error_rules) == {"claude", "codex"}
    assert ask("patch", path, {"channel": "claude", "rules": []}) == OK
    assert ask("delete", f"{path}?provider=codex") == OK
    assert GatewaySettings.objects.get().error_rules == {}


def test_the_file_keeps_its_comments_and_gets_the_newer_name(ask, file):
    path = file(FILE)
    assert ask("patch", "oauth-excluded-models", {"provider": "claude", "models": ["claude-3-*", "x"]}) == OK
    assert ask("get", "oauth-model-alias")[1]["oauth-model-alias"]["codex"][0]["alias"] == "fast"
    assert ask("patch", "oauth-model-alias", {"channel": "claude", "aliases": [ALIAS]}) == OK
    text = path.read_text()
    assert "# the account of the team" in text
    assert "# old" in text
    assert "oauth-model-mappings" not in text
    assert set(ChannelAlias.objects.values_list("alias", flat=True)) == {"fast", "opus"}
    status, body = ask("patch", "oauth-excluded-models", {"provider": "a", "models": ["${HOME}"]})
    assert (status, body["error"]) == (400, "invalid body")


def test_rows_of_a_file_that_is_not_here_are_left_alone(ask, file, settings):
    file(FILE)
    settings.CONFIG_FILE = ""
    assert ask("put", "oauth-excluded-models", {})[0] == 409
    assert ask("put", "oauth-model-alias", {})[0] == 409
    assert ask("put", "oauth-request-scoped-errors", {"claude": [RULE]})[0] == 409
    assert ChannelExclusion.objects.count() == 2
