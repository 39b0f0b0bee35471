"""Import, export, import gives the same rows; a plan says what an import means; secrets stay inside."""

from __future__ import annotations

import io
import stat
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from management_api.config import document, schema, startup
from management_api.config.apply import apply, import_rows
from management_api.config.export import Secrets, export
from management_api.config.plan import plan
from management_api.config.problems import errors
from providers import secrets
from providers.models import Credential, Origin, Provider
from routing import client_keys, revision
from routing.models import (
    ChannelAlias,
    ChannelExclusion,
    ClientKey,
    GatewaySettings,
    ModelAlias,
    ModelExclusion,
    UsageRecord,
)
from tests.unit.management_api.config.test_settings import EVERYTHING

pytestmark = pytest.mark.django_db

WHOLE = """
debug: true
request-retry: 7
proxy-url: "socks5://u:proxy-pw@proxy.example:1080"
routing: {strategy: fill-first, session-affinity: true, session-affinity-ttl: 90m}
quota-exceeded: {switch-project: false}
streaming: {keepalive-seconds: 5, bootstrap-retries: 2}
disable-image-generation: chat
remote-management: {secret-key: manage-me, allow-remote: true}
fallbacks: {small: {context-overflow: [large]}, other: [x]}
payload:
  default:
    - models: [{name: "gpt-*", protocol: openai, headers: {X-A: "b*"}, match: [{a: 1}], exist: [c]}]
      params: {"t": 0.5}
  override-raw: [{models: [m], params: {"r": '{"a": [1, "x"]}', "s": '"text"'}}]
  filter: [{models: [m], params: [gone]}]
oauth-model-alias: {gemini-cli: [{name: gemini-2.5-pro, alias: pro, fork: true}], kiro: []}
oauth-excluded-models: {claude: ["*-preview"]}
oauth-upstream: {codex: "https://codex.example"}
oauth-request-scoped-errors: {codex: [{status: 429, match: [slow], action: stop}]}
api-keys:
  - client-1
  - {api-key: client-2, name: ci, allowed-models: [gpt-*], limits: {rpm: 5, wait-on-limit: true},
     expires-at: 2030-01-01, keep-responses-days: 3}
claude-api-key:
  - api-key: sk-ant-secret-1
    prefix: team
    proxy-url: "http://u:other-pw@h:1"
    headers: {X-Team: "red $${dollar}"}
    models: [{name: claude-3-5-sonnet, alias: core, thinking: {min: 1, levels: [low]}, max-context-length: 9}]
    excluded-models: ["*-preview"]
    request-scoped-errors: [{status: 400, match-regexr: ["a+"], action: continue-and-cooldown}]
    rate-limit: {rpm: 3, max-wait-seconds: 7, wait-on-limit: true}
    priority: 0
    request-retry: 0
    disable-cooling: false
    rebuild-mid-system-message: true
  - {api-key: sk-ant-secret-2, disabled: true, weight: 4}
  - {api-key: sk-ant-secret-2, proxy-url: direct, models: [{name: claude-3-opus, alias: second}]}
openai-compatibility:
  - name: Local One
    prefix: l
    base-url: http://127.0.0.1:8000/v1
    models: [{name: b, alias: pool}, {name: a, alias: pool, image: true, input-modalities: [text]}]
    limits: {concurrency: 2}
  - {name: Off, base-url: "http://127.0.0.1:8001/v1", disabled: true, request-retry: 0, headers: {X-K: k}}
xai-api-key: [{api-key: xai-secret, base-url: "https://api.x.ai/v1", websockets: true}]
providers:
  mine:
    type: openai
    api_key: sk-openai-secret
    model_mappings: {fast: gpt-5-mini}
    models: [{name: gpt-5-mini}, {name: gpt-4, enabled: false, supports_functions: false, max_tokens: 8000}]
    features: {streaming: true, vision: false}
    limits: {requests_per_minute: 60, max_tokens_per_request: 1000}
    cooldown: {enabled: true, initial_seconds: 2, max_seconds: 8}
  copilot: {type: copilot, auth_type: oauth_device_flow}
kiro: [{token-file: "~/kiro.json", region: eu-west-1, preferred-endpoint: q}]
"""
PLAIN_SECRETS = (
    "proxy-pw",
    "other-pw",
    "manage-me",
    "sk-ant-secret-1",
    "sk-ant-secret-2",
    "xai-secret",
    "sk-openai-secret",
    "client-1",
)
MODELS = (
    GatewaySettings,
    Provider,
    Credential,
    ModelAlias,
    ModelExclusion,
    ClientKey,
    ChannelAlias,
    ChannelExclusion,
)
OPENED = {
    "secret_token": secrets.reveal,
    "proxy_token": secrets.reveal,
    "headers_token": secrets.reveal_headers,
}


def take(text, environ=None, *, prune=False):
    config, problems = schema.read(document.parse(text), environ or {}, startup.unseal)
    assert errors(problems) == []
    return import_rows(config, prune=prune)


def rows(*, with_ids=False):
    """Every column of every row, secrets opened; ids and moments left aside unless ``with_ids``."""
    keys = dict(Provider.objects.values_list("pk", "key"))
    found = {}
    for model in MODELS:
        listed = []
        for row in model.objects.order_by("pk"):
            columns = {}
            for field in model._meta.concrete_fields:
                value = getattr(row, field.attname)
                if field.name in ("created_at", "updated_at", "discovered_at"):
                    continue
                if field.attname == "provider_id":
                    value = keys[value]
                if field.attname == "credential_id" and value is not None:
                    value = Credential.objects.get(pk=value).fingerprint
                if field.primary_key and not with_ids:
                    continue
                columns[field.name] = OPENED[field.name](value) if field.name in OPENED else value
            listed.append(columns)
        found[model.__name__] = sorted(listed, key=repr) if not with_ids else listed
    return found


def emptied():
    for model in (Provider, ClientKey, ChannelAlias, ChannelExclusion, GatewaySettings):
        model.objects.all().delete()


def test_an_import_belongs_to_the_database():
    take(WHOLE)
    for model in MODELS:
        assert model.objects.exists(), model
        assert not model.objects.filter(origin=Origin.FILE).exists(), model
        assert not model.objects.exclude(origin_key="").exists(), model


@pytest.mark.parametrize("mode", list(Secrets))
def test_import_export_import_gives_the_same_rows(mode):
    take(WHOLE)
    before, number = rows(with_ids=True), revision.current()
    exported = export(mode)
    assert not take(exported.text, exported.environment)
    assert rows(with_ids=True) == before
    assert revision.current() == number


@pytest.mark.parametrize("mode", [Secrets.ENV, Secrets.ENCRYPTED])
def test_an_export_with_secrets_makes_the_same_rows_in_an_empty_database(mode):
    take(WHOLE)
    before = rows()
    exported = export(mode)
    emptied()
    take(exported.text, exported.environment)
    assert rows() == before


def test_every_setting_survives_the_journey():
    take(EVERYTHING)  # a value other than the default for each
    before = rows()
    exported = export(Secrets.ENV)
    emptied()
    take(exported.text, exported.environment)
    assert rows() == before


def test_an_export_without_secrets_makes_nothing_that_could_not_be_called():
    take(WHOLE)
    exported = export(Secrets.NONE)
    emptied()
    changes = take(exported.text)
    assert any("has no key for it" in note for note in changes.notes)
    assert {row.kind for row in Credential.objects.all()} == {"none", "oauth"}
    assert ClientKey.objects.filter(digest=client_keys.digest("client-1")).exists()


@pytest.mark.parametrize("mode", list(Secrets))
def test_no_secret_stands_in_a_file_or_a_repr(mode):
    take(WHOLE)
    exported = export(mode)
    for secret in PLAIN_SECRETS:
        assert secret not in exported.text
        assert secret not in repr(exported)
    if mode is Secrets.ENV:
        assert set(exported.environment.values()) >= {"sk-ant-secret-1", "xai-secret", "red ${dollar}"}
    else:
        assert exported.environment == {}


def test_a_sealed_file_needs_the_keys_of_its_gateway(monkeypatch):
    take(WHOLE)
    text = export(Secrets.ENCRYPTED).text

    def refuse(token):
        raise secrets.SecretsError("no such key")

    monkeypatch.setattr(secrets, "reveal", refuse)
    problems = schema.read(document.parse(text), {}, startup.unseal)[1]
    assert "the sealed text cannot be opened" in str(errors(problems)[0])


def test_an_export_of_an_empty_gateway_is_a_file():
    assert schema.read(document.parse(export(Secrets.NONE).text), {})[1] == []


def test_models_of_a_named_provider_are_replaced_and_others_stay():
    take(WHOLE)
    take("openai-compatibility: [{name: Local One, base-url: 'http://127.0.0.1:8000/v1', models: [c]}]\n")
    local = Provider.objects.get(key="local-one")
    assert list(local.aliases.values_list("alias", flat=True)) == ["c"]
    assert Provider.objects.get(key="claude").credentials.count() == 3
    assert ClientKey.objects.count() == 2


def test_prune_deletes_what_the_file_does_not_have_but_no_login():
    take(WHOLE)
    kiro = Provider.objects.get(key="kiro")
    Credential.objects.create(provider=kiro, kind="oauth", channel="kiro", fingerprint="login")
    changes = take("api-keys: [client-1]\n", prune=True)
    assert changes.notes == ["kiro is not in the file; it stays, for its logins"]
    assert [row.key for row in Provider.objects.all()] == ["kiro"]
    assert Credential.objects.filter(fingerprint="login").exists()
    assert ClientKey.objects.count() == 1


def test_rows_of_a_file_go_over_to_the_database():
    config = schema.read(document.parse("claude-api-key: [{api-key: k}]\n"), {})[0]
    apply(config)
    held = Credential.objects.get()
    take("claude-api-key: [{api-key: k, priority: 3}]\n")
    row = Credential.objects.get()
    assert (row.pk, row.origin, row.priority) == (held.pk, Origin.DATABASE, 3)


# --- the plan ---------------------------------------------------------------------------------


@pytest.fixture
def used():
    """A gateway with two models; ci asked for one 3 times this week (with a suffix or not)."""
    take(
        "api-keys: [{api-key: client-2, name: ci}]\n"
        "openai-compatibility: [{name: a, base-url: 'http://x/v1', models: [one, two]}]\n"
    )
    key = ClientKey.objects.get()
    now = timezone.now()
    for number, (model, age) in enumerate([("one", 1), ("one(high)", 2), ("one", 6), ("two", 8)]):
        UsageRecord.objects.create(
            exchange_id=str(number),
            started_at=now - timedelta(days=age),
            client_key=key,
            client_format="openai",
            route_model=model,
            status=200,
            outcome="ok",
            input_tokens=10,
            output_tokens=5,
            duration_ms=1,
        )
    return now


def planned(text, now, **options):
    return plan(schema.read(document.parse(text), {})[0], now, **options)


def test_a_plan_names_what_appears_vanishes_and_is_lost(used):
    before, number = rows(with_ids=True), revision.current()
    found = planned(
        "openai-compatibility: [{name: a, base-url: 'http://x/v1', models: [two, three]}]\n", used
    )
    assert found.appear == ("three",)
    assert [(model, traffic.requests, traffic.tokens) for model, traffic in found.vanish] == [("one", 3, 45)]
    (loss,) = found.losses
    assert (loss.client, loss.model, loss.traffic.requests, loss.reason) == ("ci", "one", 3, "model gone")
    assert rows(with_ids=True) == before
    assert revision.current() == number


@pytest.mark.parametrize(
    ("text", "reason", "prune"),
    [
        ("api-keys: [{api-key: client-2, name: ci, allowed-models: [two]}]\n", "not allowed", False),
        ("api-keys: [{api-key: client-2, name: ci, disabled: true}]\n", "key disabled", False),
        (
            "openai-compatibility: [{name: a, base-url: 'http://x/v1', models: [one, two]}]\n",
            "key gone",
            True,
        ),
    ],
)
def test_a_plan_says_why_a_key_loses_a_model(used, text, reason, prune):
    assert [loss.reason for loss in planned(text, used, prune=prune).losses] == [reason]


def test_a_model_behind_another_provider_is_not_lost(used):
    found = planned(
        "openai-compatibility:\n  - {name: a, base-url: 'http://x/v1', models: [two]}\n"
        "  - {name: b, base-url: 'http://y/v1', models: [{name: other, alias: one}]}\n",
        used,
    )
    assert found.losses == ()
    assert found.vanish == ()


# --- the commands -----------------------------------------------------------------------------


def run(command, *arguments):
    out, err = io.StringIO(), io.StringIO()
    call_command(command, *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_import_plans_unless_told_to_apply(used, tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text("openai-compatibility: [{name: a, base-url: 'http://x/v1', models: [two]}]\n")
    out, _ = run("import_config", str(file))
    assert "Models that vanish" in out
    assert "  one  3 requests, 45 tokens" in out
    assert "  ci: one (model gone)  3 requests, 45 tokens" in out
    assert "Nothing has been changed; --apply does it." in out
    assert ModelAlias.objects.filter(alias="one").exists()
    out, _ = run("import_config", str(file), "--apply")
    assert out == "Changed: 0 rows new, 1 changed, 1 deleted.\n"
    assert not ModelAlias.objects.filter(alias="one").exists()
    assert run("import_config", str(file), "--apply")[0].startswith("Nothing to change")


def test_import_says_every_error_of_the_file(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(
        "port: x\nclaude-api-key: [{api-key: ${NOT_SET_HERE}}]\n".replace("${", '"${').replace("}}", '}"}')
    )
    with pytest.raises(CommandError, match="line 1, port") as caught:
        run("import_config", str(file))
    assert "NOT_SET_HERE is not set" in str(caught.value)
    with pytest.raises(CommandError, match="does not exist"):
        run("import_config", str(tmp_path / "none.yaml"))


def test_export_writes_files_for_their_owner(tmp_path):
    take(WHOLE)
    file, names = tmp_path / "out.yaml", tmp_path / ".env"
    _, err = run("export_config", "--output", str(file), "--secrets", "env", "--env-file", str(names))
    assert "Written to" in err
    assert [stat.S_IMODE(path.stat().st_mode) for path in (file, names)] == [0o600, 0o600]
    assert "CLAUDE_API_KEY='sk-ant-secret-1'" in names.read_text()
    assert run("export_config")[0].startswith("# Written by export_config, without secrets")
    with pytest.raises(CommandError, match="--env-file goes with --secrets env"):
        run("export_config", "--env-file", str(names))
