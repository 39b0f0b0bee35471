"""JSON columns in the admin: edited as YAML, refused with a reason, shown as they were saved."""

from __future__ import annotations

import bcrypt
import pytest
from django.forms import ValidationError
from django.urls import reverse

from providers.models import Credential, Provider
from providers.structured_field import StructuredField, as_yaml
from providers.values import ErrorRule, Limits
from routing.core.payload import PayloadRules
from routing.models import ChannelAlias, ChannelExclusion, GatewaySettings, ModelAlias
from tests.integration.admin.cast import form_of, make_credential, make_provider

pytestmark = pytest.mark.django_db

SETTINGS = reverse("admin:routing_gatewaysettings_change", args=[1])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", {}),
        ("# nothing", {}),
        ("rpm: 5\nwaits: true\nmax_wait_s: 3", {"rpm": 5, "waits": True, "max_wait_s": 3.0}),
        ('{"rpm": 5}', {"rpm": 5}),
    ],
)
def test_a_text_becomes_the_value(text, value):
    assert StructuredField(Limits, {}).clean(text) == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rpm: many", "Expected `int`, got `str` - at `$.rpm`."),
        ("- a", "Expected `object`, got `array`."),
        ("rpm: 1\na: b: c", "Line 2 is not YAML."),
        ("!!python/object:os.system {}", "not YAML"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_reason(text, words):
    with pytest.raises(ValidationError, match=words.replace("$", r"\$").replace(".rpm`.", ".rpm`")):
        StructuredField(Limits, {}).clean(text)


def test_a_value_is_shown_as_it_can_be_edited():
    rules = [{"status": 400, "action": "stop", "texts": ["a: b", "ü"]}]
    field = StructuredField(list[ErrorRule], [])
    assert field.clean(as_yaml(rules)) == rules
    assert not field.has_changed(rules, as_yaml(rules))
    assert field.has_changed(rules, "")
    assert field.has_changed(rules, "status: x")
    assert as_yaml({}) == ""


def test_every_setting_can_be_set(root):
    page = root.get(SETTINGS)
    form = form_of(page)
    hidden = {"id", "management_key_hash", "proxy_token", "origin", "origin_key", "created_at", "updated_at"}
    columns = {field.name for field in GatewaySettings._meta.concrete_fields} - hidden
    assert columns <= set(page.context["adminform"].form.fields)
    form |= {
        "strategy": "lowest-latency",
        "image_generation": "chat",
        "payload": "override:\n- models: [{name: 'gpt-*'}]\n  params: [[temperature, 0.2]]",
        "fallbacks": "small:\n  exhaustion: [large]",
        "error_rules": "codex:\n- {status: 429, action: stop, texts: [slow]}",
        "management_key": "hunter2",
        "allow_remote_management": "on",
    }
    assert root.post(SETTINGS, form).status_code == 302
    row = GatewaySettings.objects.get()
    assert (row.strategy, row.image_generation) == ("lowest-latency", "chat")
    assert row.payload["override"][0]["params"] == [["temperature", 0.2]]
    assert row.fallbacks == {"small": {"exhaustion": ["large"]}}
    assert bcrypt.checkpw(b"hunter2", row.management_key_hash.encode())
    again = root.get(SETTINGS)
    assert "hunter2" not in again.content.decode()
    assert row.management_key_hash not in again.content.decode()
    kept = form_of(again)
    assert root.post(SETTINGS, kept).status_code == 302
    after = GatewaySettings.objects.get()
    assert (after.payload, after.management_key_hash) == (row.payload, row.management_key_hash)
    assert root.post(SETTINGS, {**kept, "remove_management_key": "on"}).status_code == 302
    assert GatewaySettings.objects.get().management_key_hash == ""


def test_a_setting_that_does_not_fit_is_said(root):
    form = form_of(root.get(SETTINGS))
    form |= {"payload": "override: [1]", "gpt_image_2_base_model": "dall-e", "management_key": "ü" * 40}
    errors = root.post(SETTINGS, form).context["adminform"].form.errors
    assert set(errors) == {"payload", "gpt_image_2_base_model", "management_key"}


def test_a_provider_s_rules_can_be_set(root):
    provider = Provider.objects.create(key="a", adapter="openai-compatibility", base_url="http://x/v1")
    address = reverse("admin:providers_provider_change", args=[provider.pk])
    form = form_of(root.get(address))
    form |= {
        "limits": "rpm: 9",
        "features": "vision: false",
        "ladder": "initial_s: 2",
        "model_features": "m:\n  thinking: {levels: [low]}",
        "error_rules": "- {status: 400, action: continue, patterns: [a]}",
    }
    assert root.post(address, form).status_code == 302
    provider.refresh_from_db()
    assert (provider.limits, provider.features, provider.ladder) == (
        {"rpm": 9},
        {"vision": False},
        {"initial_s": 2.0},
    )
    assert provider.model_features == {"m": {"thinking": {"levels": ["low"]}}}


def test_a_credential_s_rules_can_be_set(root):
    provider = Provider.objects.create(key="a", adapter="openai-compatibility", base_url="http://x/v1")
    row = Credential.objects.create(provider=provider, kind="none")
    address = reverse("admin:providers_credential_change", args=[row.pk])
    assert root.post(address, form_of(root.get(address)) | {"limits": "concurrency: 1"}).status_code == 302
    row.refresh_from_db()
    assert row.limits == {"concurrency": 1}


def test_rules_of_logins_are_made_in_the_admin(root):
    add = reverse("admin:routing_channelalias_add")
    form = form_of(root.get(add)) | {"channel": "codex", "upstream_model": "a", "alias": "b", "fork": "on"}
    assert root.post(add, form).status_code == 302
    assert ChannelAlias.objects.get().fork
    add = reverse("admin:routing_channelexclusion_add")
    assert root.post(add, form_of(root.get(add)) | {"channel": "codex", "pattern": "x-*"}).status_code == 302
    for name, row in (
        ("channelalias", ChannelAlias.objects.get()),
        ("channelexclusion", ChannelExclusion.objects.get()),
    ):
        assert root.get(reverse(f"admin:routing_{name}_change", args=[row.pk])).status_code == 200
        assert root.get(reverse(f"admin:routing_{name}_changelist")).status_code == 200


def test_a_file_s_settings_are_shown_and_not_changed(root):
    GatewaySettings.objects.create(
        origin="file",
        payload={"filter": [{"models": [{"name": "m"}], "params": ["x"]}]},
        strategy="fill-first",
    )
    page = root.get(SETTINGS)
    assert page.status_code == 200
    assert "fill-first" in page.content.decode()
    assert root.post(SETTINGS, {"strategy": "round-robin"}).status_code == 403


def test_the_shape_of_payload_rules_is_the_engine_s():
    field = StructuredField(PayloadRules, {})
    text = "default:\n- models: [{name: m, match: [[a, 1]]}]\n  params: [[b, {c: d}]]"
    assert field.clean(text) == {
        "default": [{"models": [{"name": "m", "match": [["a", 1]]}], "params": [["b", {"c": "d"}]]}]
    }


def test_what_lists_show_of_an_alias_and_whether_it_is_offered_can_be_set(root):
    provider = make_provider("acme")
    alias = ModelAlias.objects.create(
        provider=provider, alias="fast", upstream_model="m", options={"context_length": 9}
    )
    page = reverse("admin:routing_modelalias_change", args=[alias.pk])
    form = form_of(root.get(page))
    assert form["options"].strip() == "context_length: 9"
    form |= {"options": "context_length: 200000\ninput_modalities: [text, image]", "enabled": ""}
    assert root.post(page, form).status_code == 302
    alias.refresh_from_db()
    assert alias.options == {"context_length": 200000, "input_modalities": ["text", "image"]}
    assert not alias.enabled
    refused = root.post(page, form | {"options": "context: 5"})
    assert "unknown field `context`" in refused.content.decode().replace("&#x27;", "'")


def test_the_providers_page_keeps_what_it_does_not_show_of_an_alias(root):
    provider = make_provider("acme")
    make_credential(provider)
    ModelAlias.objects.create(
        provider=provider, alias="fast", upstream_model="m", options={"context_length": 9}
    )
    page = reverse("admin:providers_provider_change", args=[provider.pk])
    form = form_of(root.get(page)) | {"aliases-0-alias": "faster", "aliases-0-enabled": ""}
    assert root.post(page, form).status_code == 302
    alias = ModelAlias.objects.get()
    assert (alias.alias, alias.enabled, alias.options) == ("faster", False, {"context_length": 9})


def test_the_switches_of_a_credential_can_be_set(root):
    credential = make_credential(make_provider("acme"))
    page = reverse("admin:providers_credential_change", args=[credential.pk])
    form = form_of(root.get(page)) | {"options": "alpha-search: true"}
    assert root.post(page, form).status_code == 302
    credential.refresh_from_db()
    assert credential.options == {"alpha-search": True}
