"""A configuration becomes rows: ids stay, the admin's rows are never touched, nothing is saved twice."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext

from management_api.config import document, schema
from management_api.config.apply import Changes, apply
from management_api.config.problems import errors
from providers import secrets
from providers.models import Credential, Origin, Provider
from routing import client_keys, revision
from routing.models import ClientKey, GatewaySettings, ModelAlias, ModelExclusion

pytestmark = pytest.mark.django_db

TEAM = """
api-keys: [client-1, client-2]
request-retry: 2
proxy-url: socks5://u:p@proxy.example:1080
claude-api-key:
  - api-key: sk-ant-1
    prefix: team
    proxy-url: direct
    headers: {X-Team: red}
    models:
      - {name: claude-3-5-sonnet, alias: core}
    excluded-models: ["*-preview"]
  - api-key: sk-ant-2
openai-compatibility:
  - name: OpenRouter
    prefix: or
    base-url: https://openrouter.ai/api/v1
    headers: {X-Title: App}
    models-endpoint: /models
    api-key-entries:
      - {api-key: sk-or-1, proxy-url: "http://proxy.example:3128"}
      - api-key: sk-or-2
    models:
      - {name: b, alias: pool}
      - {name: a, alias: pool}
    excluded-models: [gpt-4-*]
"""


def apply_text(text) -> Changes:
    config, problems = schema.read(document.parse(text), {})
    assert errors(problems) == []
    return apply(config)


def ids(model):
    return set(model.objects.values_list("pk", flat=True))


def test_a_file_becomes_the_rows_that_it_describes():
    apply_text(TEAM)
    claude, openrouter = Provider.objects.order_by("key")
    assert (claude.key, claude.adapter, claude.origin, claude.origin_key) == (
        "claude",
        "claude",
        Origin.FILE,
        "claude-api-key",
    )
    assert (openrouter.key, openrouter.name, openrouter.prefix) == ("openrouter", "OpenRouter", "or")
    assert openrouter.options == {"models-endpoint": "/models", "only-listed": True}
    assert secrets.reveal_headers(openrouter.headers_token) == {"X-Title": "App"}

    first, second = claude.credentials.order_by("id")
    assert secrets.reveal(first.secret_token) == "sk-ant-1"
    assert secrets.reveal(first.proxy_token) == "direct"
    assert secrets.reveal_headers(first.headers_token) == {"X-Team": "red"}
    assert (first.prefix, first.fingerprint, first.kind) == (
        "team",
        secrets.fingerprint("sk-ant-1"),
        "api_key",
    )
    assert (first.origin_key, second.origin_key) == ("claude-api-key[0]", "claude-api-key[1]")
    assert [secrets.reveal(row.proxy_token) for row in openrouter.credentials.order_by("id")] == [
        "http://proxy.example:3128",
        "",
    ]


def test_models_and_exclusions_hold_for_the_key_or_for_the_provider():
    apply_text(TEAM)
    claude_key = Credential.objects.get(prefix="team")
    assert list(claude_key.aliases.values_list("alias", "upstream_model")) == [("core", "claude-3-5-sonnet")]
    assert list(claude_key.exclusions.values_list("pattern", flat=True)) == ["*-preview"]
    openrouter = Provider.objects.get(key="openrouter")
    pool = ModelAlias.objects.filter(provider=openrouter, credential=None).order_by("position")
    assert [(alias.alias, alias.upstream_model) for alias in pool] == [("pool", "b"), ("pool", "a")]
    assert list(openrouter.exclusions.values_list("pattern", flat=True)) == ["gpt-4-*"]


def test_client_keys_are_stored_as_digests():
    apply_text(TEAM)
    assert set(ClientKey.objects.values_list("digest", "origin", "origin_key")) == {
        (client_keys.digest("client-1"), Origin.FILE, "api-keys[0]"),
        (client_keys.digest("client-2"), Origin.FILE, "api-keys[1]"),
    }


def test_a_provider_without_keys_gets_one_credential_of_kind_none():
    apply_text("openai-compatibility:\n  - {name: local, base-url: 'http://127.0.0.1:8000/v1'}\n")
    credential = Credential.objects.get()
    assert (credential.kind, credential.secret_token, credential.fingerprint) == ("none", "", "")


def test_applying_the_same_file_again_changes_nothing_and_keeps_the_revision():
    first = apply_text(TEAM)
    assert first.created > 0
    number = revision.current()
    with CaptureQueriesContext(connection) as queries:
        again = apply_text(TEAM)
    assert not again
    assert again == Changes()
    assert revision.current() == number
    assert not [query["sql"] for query in queries if query["sql"].startswith(("UPDATE", "INSERT", "DELETE"))]


def test_a_change_raises_the_revision():
    apply_text(TEAM)
    number = revision.current()
    assert apply_text(TEAM.replace("X-Title: App", "X-Title: Other")).updated == 1
    assert revision.current() > number


def test_ids_survive_every_edit_that_leaves_key_address_and_prefix_alone():
    apply_text(TEAM)
    credentials, aliases, providers = ids(Credential), ids(ModelAlias), ids(Provider)
    edited = (
        TEAM.replace("X-Team: red", "X-Team: blue")
        .replace("alias: pool}\n      - {name: a", "alias: pool, force-mapping: true}\n      - {name: a")
        .replace("prefix: or", "prefix: aggregator")
        .replace("  - api-key: sk-ant-2\n", "  - {api-key: sk-ant-2, weight: 5, disabled: true}\n")
    )
    changes = apply_text(edited)
    assert (changes.created, changes.deleted) == (0, 0)
    assert changes.updated == 4
    assert (ids(Credential), ids(ModelAlias), ids(Provider)) == (credentials, aliases, providers)
    second = Credential.objects.get(origin_key="claude-api-key[1]")
    assert (second.weight, second.enabled) == (5, False)


def test_ids_survive_a_new_order():
    apply_text("claude-api-key:\n  - api-key: a\n  - api-key: b\n")
    before = dict(Credential.objects.values_list("fingerprint", "pk"))
    changes = apply_text("claude-api-key:\n  - api-key: b\n  - api-key: a\n")
    assert (changes.created, changes.updated, changes.deleted) == (0, 2, 0)
    assert dict(Credential.objects.values_list("fingerprint", "pk")) == before


def test_an_edit_leaves_health_and_discovery_alone():
    apply_text(TEAM)
    Credential.objects.update(health="working", health_message="fine")
    Provider.objects.update(discovered_models=[{"id": "x"}])
    apply_text(TEAM.replace("X-Team: red", "X-Team: blue").replace("prefix: or", "prefix: other"))
    assert set(Credential.objects.values_list("health", "health_message")) == {("working", "fine")}
    assert all(provider.discovered_models == [{"id": "x"}] for provider in Provider.objects.all())


def test_what_vanishes_from_the_file_is_deleted():
    apply_text(TEAM)
    apply_text("api-keys: [client-2]\nclaude-api-key:\n  - api-key: sk-ant-2\n")
    assert [row.key for row in Provider.objects.all()] == ["claude"]
    assert [row.origin_key for row in Credential.objects.all()] == ["claude-api-key[0]"]
    assert not ModelAlias.objects.exists()
    assert not ModelExclusion.objects.exists()
    assert [row.digest for row in ClientKey.objects.all()] == [client_keys.digest("client-2")]


def test_a_changed_key_is_another_credential():
    apply_text("claude-api-key:\n  - api-key: a\n")
    before = ids(Credential)
    changes = apply_text("claude-api-key:\n  - api-key: b\n")
    assert (changes.created, changes.deleted) == (1, 1)
    assert not ids(Credential) & before


def test_a_block_may_take_over_the_key_of_a_compatible_provider():
    apply_text("openai-compatibility:\n  - {name: groq, base-url: 'http://x.example/v1'}\n")
    before = ids(Provider)
    apply_text("groq:\n  - api-key: a\n")
    assert ids(Provider) == before
    assert Provider.objects.get().adapter == "groq"


# --- settings --------------------------------------------------------------------------------


def test_settings_belong_to_the_file_while_it_sets_one_and_then_return_to_the_defaults():
    apply_text(TEAM)
    row = GatewaySettings.objects.get()
    assert (row.request_retry, row.max_retry_interval_s, row.origin) == (2, 30, Origin.FILE)
    assert secrets.reveal(row.proxy_token) == "socks5://u:p@proxy.example:1080"
    apply_text("api-keys: [a]\n")
    row = GatewaySettings.objects.get()
    assert (row.request_retry, row.proxy_token, row.origin) == (3, "", Origin.DATABASE)


def test_settings_of_the_database_stay_when_the_file_sets_none():
    GatewaySettings.objects.create(request_retry=7)
    assert apply_text("api-keys: [a]\n").updated == 0
    assert GatewaySettings.objects.get().request_retry == 7


def test_no_settings_row_is_made_without_need():
    apply_text("api-keys: [a]\n")
    assert not GatewaySettings.objects.exists()


# --- ownership -------------------------------------------------------------------------------


def make_provider(**values):
    return Provider.objects.create(**{"key": "claude", "adapter": "claude", **values})


def make_credential(provider, key, **values):
    return Credential.objects.create(
        provider=provider, secret_token=secrets.seal(key), fingerprint=secrets.fingerprint(key), **values
    )


def test_keys_of_the_file_go_beside_those_of_an_admins_provider():
    provider = make_provider(name="Ours", prefix="p", priority=9)
    own = make_credential(provider, "admin-key")
    alias = ModelAlias.objects.create(provider=provider, alias="x", upstream_model="y")
    apply_text("claude-api-key:\n  - {api-key: a, models: [{name: m}]}\n")
    provider.refresh_from_db()
    assert (provider.name, provider.prefix, provider.origin) == ("Ours", "p", Origin.DATABASE)
    assert provider.credentials.count() == 2
    apply_text("api-keys: [a]\n")
    assert list(provider.credentials.all()) == [own]
    assert list(provider.aliases.all()) == [alias]


def test_beside_an_admins_provider_a_key_carries_what_the_file_says_of_its_provider():
    provider = make_provider(key="openrouter", adapter="openai-compatibility", base_url="https://own.example")
    apply_text(TEAM)
    row = provider.credentials.get(origin_key="openai-compatibility[0].api-key-entries[1]")
    assert (row.base_url, row.prefix, row.priority) == ("https://openrouter.ai/api/v1", "or", 0)
    assert secrets.reveal_headers(row.headers_token) == {"X-Title": "App"}
    assert [alias.alias for alias in row.aliases.all()] == ["pool", "pool"]
    assert not ModelAlias.objects.filter(provider=provider, credential=None).exists()
    assert not apply_text(TEAM)


def test_a_provider_of_another_kind_keeps_its_key_and_the_file_takes_the_next():
    make_provider(key="openrouter", adapter="openrouter")
    changes = apply_text(TEAM)
    assert Provider.objects.get(key="openrouter-2").adapter == "openai-compatibility"
    assert changes.notes == ["openai-compatibility[0] is stored as `openrouter-2`: `openrouter` is taken"]
    assert not apply_text(TEAM)


def test_a_key_that_the_admin_has_entered_already_is_left_to_the_admin():
    provider = make_provider()
    own = make_credential(provider, "a", label="Ours", weight=4)
    ClientKey.objects.create(digest=client_keys.digest("c"), fingerprint="x", note="Ours")
    changes = apply_text("api-keys: [c]\nclaude-api-key:\n  - {api-key: a, models: [{name: m}]}\n")
    assert not changes
    assert changes.notes == [
        "api-keys[0] is left out: the database has this client key already",
        "claude-api-key[0] is left out: the database has this credential already",
    ]
    own.refresh_from_db()
    assert (own.label, own.weight, own.origin) == ("Ours", 4, Origin.DATABASE)


def test_an_alias_that_the_admin_added_to_a_provider_of_the_file_stays():
    apply_text(TEAM)
    provider = Provider.objects.get(key="openrouter")
    own = ModelAlias.objects.create(provider=provider, alias="mine", upstream_model="z")
    assert not apply_text(TEAM)
    assert own in provider.aliases.all()


def test_a_provider_that_leaves_the_file_stays_for_what_the_admin_added_to_it():
    apply_text(TEAM)
    provider = Provider.objects.get(key="openrouter")
    own = make_credential(provider, "admin-key")
    changes = apply_text("api-keys: [a]\n")
    provider.refresh_from_db()
    assert (provider.origin, provider.origin_key) == (Origin.DATABASE, "")
    assert list(provider.credentials.all()) == [own]
    assert not provider.aliases.exists()
    assert changes.notes == ["openai-compatibility[0] is gone; `openrouter` stays, for the rows added to it"]


# --- trouble ---------------------------------------------------------------------------------


def test_a_secret_whose_encryption_key_is_lost_is_sealed_anew():
    apply_text(TEAM)
    Credential.objects.filter(prefix="team").update(secret_token="00000000:lost")
    assert apply_text(TEAM).updated == 1
    assert secrets.reveal(Credential.objects.get(prefix="team").secret_token) == "sk-ant-1"


def test_a_row_that_another_process_added_meanwhile_leads_to_one_more_try():
    # The race, made certain: somebody saves the same client key just before we do.
    raced: list[str] = []

    def be_faster(execute, sql, params, many, context):
        if not raced and sql.startswith('INSERT INTO "routing_clientkey"'):
            raced.append(sql)
            raise IntegrityError("UNIQUE constraint failed: routing_clientkey.digest")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(be_faster):
        apply_text("api-keys: [a]\nkilo:\n  - api-key: b\n")
    assert raced
    assert (ClientKey.objects.count(), Credential.objects.count()) == (1, 1)


def test_a_failure_half_way_leaves_everything_as_it_was():
    apply_text("claude-api-key:\n  - api-key: a\n")

    def refuse(execute, sql, params, many, context):
        if sql.startswith('INSERT INTO "routing_modelalias"'):
            raise IntegrityError("no")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(refuse), pytest.raises(IntegrityError):
        apply_text(TEAM)
    assert [row.key for row in Provider.objects.all()] == ["claude"]
    assert secrets.reveal(Credential.objects.get().secret_token) == "a"
    assert not ClientKey.objects.exists()
