"""The gateway's own settings hold for logins that say nothing of their own."""

from __future__ import annotations

import pytest

from routing import discovery, table
from routing.models import GatewaySettings
from tests.integration.routing.makers import make_alias, make_credential, make_provider

pytestmark = pytest.mark.django_db

PROXY = "http://127.0.0.1:7/kiro"


def entry(model="fast"):
    (offer,) = table.build().models[model].offers
    return offer.credential


@pytest.fixture
def kiro():
    provider = make_provider("kiro", adapter="kiro", base_url="")
    make_alias(provider, "fast", "kiro-claude-sonnet-4-5")
    return provider


def test_a_channels_address_holds_for_its_logins(kiro):
    GatewaySettings.objects.update_or_create(
        pk=1, defaults={"channel_base_urls": {"kiro": PROXY}, "kiro_preferred_endpoint": "codewhisperer"}
    )
    make_credential(kiro, channel="kiro")
    assert entry().base_url == PROXY
    assert entry().options == {"kiro-preferred-endpoint": "codewhisperer"}
    ((_, asked),) = discovery.waiting()
    assert asked.base_url == PROXY


def test_an_address_of_the_credential_or_provider_goes_before(kiro):
    GatewaySettings.objects.update_or_create(pk=1, defaults={"channel_base_urls": {"kiro": PROXY}})
    credential = make_credential(kiro, channel="kiro", base_url="http://127.0.0.1:8")
    assert entry().base_url == "http://127.0.0.1:8"
    credential.base_url = ""
    credential.save()
    kiro.base_url = "http://127.0.0.1:9"
    kiro.save()
    assert entry().base_url == "http://127.0.0.1:9"


def test_a_key_knows_no_channel(kiro):
    GatewaySettings.objects.update_or_create(pk=1, defaults={"channel_base_urls": {"kiro": PROXY}})
    make_credential(kiro)
    assert entry().base_url == "https://q.us-east-1.amazonaws.com"
    assert entry().options == {}


def test_an_account_keeps_its_project_where_the_settings_say_so(kiro):
    GatewaySettings.objects.update_or_create(pk=1, defaults={"switch_project": False})
    make_credential(kiro, channel="kiro")
    assert entry().options == {"keeps-project": True}


@pytest.mark.parametrize(
    ("kind", "alias", "upstream"),
    [("zen", "gpt-5-mini", "glm-5"), ("zen", "glm-5", "glm-5"), ("nim", "step-3.5-flash", "z-ai/glm-5")],
)
def test_ids_of_an_environments_provider_stand_for_its_model_until_the_vendor_has_them(kind, alias, upstream):
    provider = make_provider(kind, adapter=kind, base_url="")
    make_credential(provider)
    assert table.build().models[alias].offers[0].members == (upstream,)
    provider.discovered_models = [{"id": alias}]
    provider.save()
    assert table.build().models[alias].offers[0].members == (alias,)
