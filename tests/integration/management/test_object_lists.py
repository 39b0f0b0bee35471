"""Lists of keys in both places, from the request to the routing table."""

from __future__ import annotations

import json

import pytest

from management_api.config.startup import load_and_apply
from management_api.resources.object_list_kinds import OBJECT_LISTS
from providers import secrets
from providers.models import Credential, Provider
from routing import table
from routing.models import ModelAlias
from tests.integration.management.conftest import KEY, OK
from tests.integration.routing.makers import exclude, make_alias, make_credential, make_provider

pytestmark = pytest.mark.django_db

ADD = """{
    "openai-compatibility": [
      {
        "name": "openrouter",
        "base-url": "https://openrouter.ai/api/v1",
        "api-key-entries": [
          {"api-key": "sk-or-v1-..."}
        ],
        "models": [
          {"name": "anthropic/claude-3.5-sonnet", "alias": "openrouter-claude"}
        ]
      }
    ]
  }"""
UPDATE = """{
    "name": "openrouter",
    "models": [
      {"name": "anthropic/claude-3.5-sonnet", "alias": "claude-sonnet"},
      {"name": "openai/gpt-4-turbo", "alias": "gpt4-turbo"}
    ]
  }"""
DELETE = """{
    "name": "openrouter"
  }"""
FILE = """# providers of the team
openai-compatibility:
  - name: acme # the cheap one
    base-url: http://127.0.0.1:9/v1
    api-key-entries:
      - k1 # of joe
      - api-key: ${SPARE}
    models: [{name: up, alias: fast}]
claude-api-key: # both
  # the main account
  - api-key: sk-ant-one-00000000000001
    priority: 2 # first
  - api-key: sk-ant-two-00000000000002 # spare
    headers: {X-Team: s3cret-team-00000000001}
debug: true # at the end
"""


@pytest.fixture(params=["database", "file"])
def place(request, monkeypatch):
    """A server without a file, and one with: nothing in it yet."""
    if request.param == "database":
        request.getfixturevalue("database")
    else:
        request.getfixturevalue("file")("debug: true # kept")
    return request.param


def test_the_seeds_requests_work_as_they_are_written(ask, place):
    path = "openai-compatibility"
    assert ask("put", path, raw=ADD) == OK
    listed = ask("get", path)[1]["openai-compatibility"]
    assert listed[0]["name"] == "openrouter"
    assert listed[0]["disabled"] is False
    assert listed[0]["api-key-entries"][0]["api-key"] != "sk-or-v1-..."
    assert len(listed[0]["api-key-entries"][0]["auth-index"]) == 16
    offers = table.build().models["openrouter-claude"].offers
    assert offers[0].credential.secret == "sk-or-v1-..."
    assert ask("patch", path, raw=UPDATE) == OK
    assert "gpt4-turbo" in table.build().models
    assert "openrouter-claude" not in table.build().models
    assert ask("delete", path, raw=DELETE) == OK
    assert ask("get", path) == (200, {"openai-compatibility": []})
    assert "gpt4-turbo" not in table.build().models


@pytest.mark.parametrize(
    "name",
    [
        "gemini-api-key",
        "interactions-api-key",
        "claude-api-key",
        "codex-api-key",
        "xai-api-key",
        "vertex-api-key",
    ],
)
def test_every_list_of_keys_goes_round(ask, place, name):
    entry = {
        "api-key": "sk-key-0000000000000000001",
        "base-url": "http://127.0.0.1:9/v1",
        "prefix": "team",
        "headers": {"X-Team": "s3cret-team-00000000001"},
        "proxy-url": "http://joe:hunter2@proxy.test:3128",
        "models": [{"name": "up", "alias": "fast"}],
        "excluded-models": ["old-*"],
        "weight": 3,
        "priority": 2,
        "request-retry": 0,
        "disable-cooling": False,
    }
    assert ask("put", name, [entry]) == OK
    shown = ask("get", name)[1][name]
    text = json.dumps(shown)
    assert not any(secret in text for secret in ("sk-key", "s3cret", "hunter2"))
    assert {key: shown[0][key] for key in entry if key not in ("api-key", "headers", "proxy-url")} == {
        key: value for key, value in entry.items() if key not in ("api-key", "headers", "proxy-url")
    }
    row = Credential.objects.get()
    assert ask("put", name, shown) == OK
    assert ask("get", name)[1][name] == shown
    same = Credential.objects.get()
    assert (same.pk, secrets.reveal(same.secret_token)) == (row.pk, entry["api-key"])
    assert secrets.reveal(same.proxy_token) == entry["proxy-url"]
    assert secrets.reveal_headers(same.headers_token) == entry["headers"]
    assert ask("patch", name, {"match": shown[0]["api-key"], "value": {"prefix": "other"}}) == OK
    assert Credential.objects.get().prefix == "other"
    assert secrets.reveal(Credential.objects.get().secret_token) == entry["api-key"]
    assert ask("delete", f"{name}?api-key={entry['api-key']}") == OK
    assert ask("get", name) == (200, {name: []})
    assert not Credential.objects.exists()


def test_errors_come_in_the_apis_shape_and_change_nothing(ask, place):
    ask("put", "claude-api-key", [{"api-key": "k1"}])
    before = ask("get", "claude-api-key")
    assert ask("patch", "claude-api-key", {"match": "k2", "value": {}}) == (404, {"error": "item not found"})
    assert ask("delete", "claude-api-key") == (400, {"error": "missing api-key or index"})
    assert ask("put", "claude-api-key", raw="[{") == (400, {"error": "invalid body"})
    status, body = ask("put", "claude-api-key", [{"api-key": "k3"}, {"api-key": "k4", "base-url": "ftp://x"}])
    assert (status, body["error"]) == (400, "invalid body")
    assert "base-url" in body["message"]
    status, body = ask("put", "claude-api-key", [{"api-key": "k3"}, {"api-key": "12345678…abcd"}])
    assert (status, body["error"]) == (400, "invalid body")
    assert ask("get", "claude-api-key") == before


# --- the file


@pytest.fixture
def team(file, monkeypatch):
    monkeypatch.setenv("SPARE", "k-spare")
    return file(FILE)


def test_an_entry_is_changed_in_the_file_and_nothing_else(ask, team):
    assert (
        ask("patch", "claude-api-key", {"match": "sk-ant-two-00000000000002", "value": {"prefix": "b"}}) == OK
    )
    text = team.read_text()
    for kept in (
        "# providers of the team",
        "# the cheap one",
        "# of joe",
        "# both",
        "# the main account",
        "# first",
    ):
        assert kept in text
    assert "# spare" in text
    assert "api-key: ${SPARE}" in text
    assert text.index("debug: true # at the end") > text.index("prefix: b")
    assert Credential.objects.get(prefix="b").origin == "file"


def test_a_list_that_is_sent_back_as_it_was_shown_leaves_the_file_as_it_is(ask, team):
    before = team.read_bytes()
    for name in ("claude-api-key", "openai-compatibility"):
        shown = ask("get", name)[1][name]
        assert ask("put", name, shown) == OK
    assert team.read_bytes() == before


def test_keys_from_the_environment_are_named_and_found(ask, team):
    shown = ask("get", "openai-compatibility")[1]["openai-compatibility"][0]
    assert shown["api-key-entries"][1]["api-key"] == "${SPARE}"
    assert (
        ask("patch", "openai-compatibility", {"name": "acme", "value": {"prefix": "${SPARE}"}}) == OK or True
    )
    status, body = ask("patch", "openai-compatibility", {"name": "acme", "value": {"prefix": "${HOME}"}})
    assert (status, body["error"]) == (400, "invalid body")


def test_entries_come_and_go_between_those_that_stay(ask, team):
    shown = ask("get", "claude-api-key")[1]["claude-api-key"]
    assert ask("put", "claude-api-key", [{"api-key": "k-new"}, shown[1]]) == OK
    text = team.read_text()
    assert "sk-ant-one" not in text
    assert text.index("k-new") < text.index("sk-ant-two")
    assert "# spare" in text
    assert ask("delete", "claude-api-key?index=1") == OK
    assert ask("delete", "claude-api-key?api-key=k-new") == OK
    assert ask("get", "claude-api-key") == (200, {"claude-api-key": []})
    assert "openai-compatibility:" in team.read_text()


def test_entries_that_share_an_anchor_are_written_out(ask, file):
    path = file("claude-api-key:\n  - &one {api-key: k1, prefix: a}\n  - *one\n")
    assert ask("patch", "claude-api-key", {"index": 1, "value": {"prefix": "b"}}) == OK
    assert [entry["prefix"] for entry in ask("get", "claude-api-key")[1]["claude-api-key"]] == ["a", "b"]
    assert "*one" not in path.read_text()


# --- the database


def test_what_a_block_cannot_say_stays(ask, database):
    provider = make_provider("claude", adapter="claude", base_url="https://eu.test", priority=7)
    row = make_credential(
        provider, "sk-ant-one-00000000000001", label="main", options={"own": 1, "only-listed": False}
    )
    make_alias(provider, "everywhere")
    make_alias(provider, "own", "up", credential=row)
    exclude(provider, "old-*")
    body = {
        "match": "sk-ant-one-00000000000001",
        "value": {"api-key": "sk-ant-new", "excluded-models": ["x"]},
    }
    assert ask("patch", "claude-api-key", body) == OK
    after = Credential.objects.get()
    assert (after.pk, after.label, after.options) == (row.pk, "main", row.options)
    assert after.options == {"own": 1, "only-listed": False}
    assert secrets.reveal(after.secret_token) == "sk-ant-new"
    assert after.cooldowns_cleared_at is not None
    provider.refresh_from_db()
    assert (provider.base_url, provider.priority) == ("https://eu.test", 7)
    assert set(ModelAlias.objects.values_list("alias", flat=True)) == {"everywhere", "own"}
    assert sorted(provider.exclusions.values_list("pattern", flat=True)) == ["old-*", "x"]


def test_a_provider_that_is_renamed_keeps_its_key(ask, database):
    provider = make_provider("acme", name="Acme")
    first, second = make_credential(provider), make_credential(provider)
    body = {"name": "Acme", "value": {"name": "Acme 2", "disabled": True}}
    assert ask("patch", "openai-compatibility", body) == OK
    provider.refresh_from_db()
    assert (provider.key, provider.name, provider.enabled) == ("acme", "Acme 2", False)
    keys = [{"api-key": secrets.reveal(second.secret_token), "weight": 5}, {"api-key": "k-new"}]
    assert ask("patch", "openai-compatibility", {"index": 0, "value": {"api-key-entries": keys}}) == OK
    held = {row.pk: row.weight for row in provider.credentials.all()}
    assert held[second.pk] == 5
    assert first.pk not in held
    assert len(held) == 2


def test_a_new_provider_takes_nobodys_place(ask, database):
    make_credential(make_provider("claude", adapter="claude", base_url=""))
    assert ask("put", "openai-compatibility", [{"name": "Claude", "base-url": "http://127.0.0.1:9"}]) == OK
    assert {row.key: row.adapter for row in Provider.objects.all()} == {
        "claude": "claude",
        "claude-2": "openai-compatibility",
    }
    assert ask("put", "openai-compatibility", []) == OK
    assert [row.key for row in Provider.objects.all()] == ["claude"]


def test_the_same_key_may_stand_twice_with_other_words(ask, database):
    entries = [{"api-key": "k1", "prefix": prefix} for prefix in ("a", "b")]
    assert ask("put", "claude-api-key", entries) == OK
    assert ask("patch", "claude-api-key", {"index": 1, "value": {"prefix": "a", "weight": 4}}) == OK
    assert sorted(Credential.objects.values_list("prefix", "variant")) == [("a", 0), ("a", 1)]
    several = "multiple items match api-key; base-url is required"
    assert ask("delete", "claude-api-key?api-key=k1") == (400, {"error": several})
    assert ask("delete", "claude-api-key", {"api-key": "k1", "base-url": ""}) == OK
    assert not Credential.objects.exists()


def test_a_key_with_an_environments_name_in_it_is_only_a_text_here(ask, database):
    assert ask("put", "claude-api-key", [{"api-key": "${HOME}"}]) == OK
    assert secrets.reveal(Credential.objects.get().secret_token) == "${HOME}"


def test_rows_of_a_file_that_is_not_here_are_left_alone(ask, team, settings):
    settings.CONFIG_FILE = ""
    status, body = ask("patch", "claude-api-key", {"index": 0, "value": {"prefix": "x"}})
    assert status == 409
    assert "belongs to config.yaml" in body["error"]
    assert ask("put", "openai-compatibility", [])[0] == 409
    assert ask("delete", "claude-api-key?index=0")[0] == 409
    assert Credential.objects.filter(prefix="").count() == 4


GROWN = """auth: {providers: [{name: default, api-keys: [old-client]}]}
x-common: &common
  headers: ~
  excluded-models: []
claude-api-key:
  - <<: *common
    api-key: 0123456789
    priority: null # of no use
  - {api-key: k2, models: [m, {name: n, alias: ""}]}
openai-compatibility:
  - name: one-api
    base-url: "http://127.0.0.1:9/v1/"
    disabled: false
    api-keys: [k3, 'k4'] # as it was written once
"""


def test_a_file_that_grew_over_years_is_not_touched_without_need(ask, file):
    path = file(GROWN)
    before = path.read_bytes()
    for kind in OBJECT_LISTS:
        assert ask("put", kind.name, ask("get", kind.name)[1][kind.name]) == OK
    assert ask("put", "api-keys", ask("get", "api-keys")[1]["api-keys"]) == OK
    assert path.read_bytes() == before
    assert ask("patch", "claude-api-key", {"match": "0123456789", "value": {"prefix": "p"}}) == OK
    assert Credential.objects.get(prefix="p").fingerprint == secrets.fingerprint("0123456789")
    assert ask("patch", "openai-compatibility", {"name": "one-api", "value": {"prefix": "q"}}) == OK
    assert {secrets.reveal(row.secret_token) for row in Credential.objects.filter(provider__prefix="q")} == {
        "k3",
        "k4",
    }


IN_BRACKETS = "claude-api-key: [{api-key: k1}, {api-key: k2}]"


@pytest.mark.parametrize("text", [IN_BRACKETS, f"{{{IN_BRACKETS}, debug: false}}"])
def test_lists_in_brackets_are_edited_too(ask, keyring, text, tmp_path, settings):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    load_and_apply(path)
    settings.CONFIG_FILE = str(path)
    settings.MANAGEMENT_PASSWORD = KEY
    assert ask("patch", "claude-api-key", {"index": 1, "value": {"prefix": "b"}}) == OK
    assert ask("put", "debug", {"value": True}) == OK
    assert ask("delete", "claude-api-key?index=0") == OK
    assert [row.prefix for row in Credential.objects.all()] == ["b"]
    assert "k1" not in path.read_text()


def test_a_long_list_is_read_with_few_queries(ask, database, django_assert_max_num_queries):
    provider = make_provider("claude", adapter="claude", base_url="")
    for number in range(40):
        make_credential(provider, f"sk-ant-{number:020}")
    with django_assert_max_num_queries(12):
        assert len(ask("get", "claude-api-key")[1]["claude-api-key"]) == 40
    with django_assert_max_num_queries(25):
        assert ask("patch", "claude-api-key", {"index": 7, "value": {"weight": 3}}) == OK
