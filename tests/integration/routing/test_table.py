"""Rows become the table that routing reads: who serves which id, and why another does not."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from providers import secrets
from providers.models import Origin
from providers.values import Features, RuleAction
from routing import client_keys, table
from routing.core.resolve import UnknownModel, find_route
from routing.models import ChannelAlias, ChannelExclusion, GatewaySettings, ModelAlias
from tests.integration.routing.makers import exclude, make_alias, make_credential, make_provider

pytestmark = pytest.mark.django_db


def served(model_id):
    """Credential id -> upstream models of an id in the table of the rows as they are."""
    return {offer.credential.id: offer.members for offer in table.build().models[model_id].offers}


def reasons(model_id):
    return [(why.credential_id, why.reason) for why in table.build().hidden.get(model_id, ())]


def test_an_empty_database_is_an_empty_table():
    built = table.build()
    assert (built.models, built.clients, built.hidden) == ({}, {}, {})
    assert built.settings.request_retry == 3


def test_an_alias_is_served_by_every_credential_of_its_provider():
    acme = make_provider()
    first, second = make_credential(acme), make_credential(acme)
    make_alias(acme, "fast", "gpt-tiny")
    assert served("fast") == {first.pk: ("gpt-tiny",), second.pk: ("gpt-tiny",)}
    assert "gpt-tiny" not in table.build().models


def test_an_alias_of_one_credential_is_served_by_it_alone():
    acme = make_provider()
    first, second = make_credential(acme), make_credential(acme)
    make_alias(acme, "own", "gpt-own", credential=first)
    make_alias(acme, "all", "gpt-all")
    assert served("own") == {first.pk: ("gpt-own",)}
    assert set(served("all")) == {first.pk, second.pk}


def test_several_upstream_models_of_one_alias_are_a_pool_in_their_order():
    acme = make_provider()
    credential = make_credential(acme)
    make_alias(acme, "pool", "b", "a", "c")
    assert served("pool") == {credential.pk: ("b", "a", "c")}


def test_a_pool_is_one_whatever_the_case_of_its_name():
    acme = make_provider()
    credential = make_credential(acme)
    make_alias(acme, "Pool", "b")
    make_alias(acme, "pool", "a")
    assert served("Pool") == {credential.pk: ("b", "a")}
    assert "pool" not in table.build().models


def test_keys_of_one_provider_that_spell_a_model_differently_serve_it_together():
    acme, other = make_provider(), make_provider("other")
    first, second, third = make_credential(acme), make_credential(acme), make_credential(other)
    make_alias(acme, "Opus", "o-1", credential=first)
    make_alias(acme, "opus", "o-2", credential=second)
    make_alias(other, "opus", "o-3", credential=third)
    assert served("Opus") == {first.pk: ("o-1",), second.pk: ("o-2",)}
    assert served("opus") == {first.pk: ("o-1",), second.pk: ("o-2",), third.pk: ("o-3",)}


def test_a_prefix_is_equal_to_the_letter():
    acme = make_provider()
    first, second = make_credential(acme, prefix="Team"), make_credential(acme, prefix="team")
    make_alias(acme, "fast", "gpt-tiny")
    assert set(served("Team/fast")) == {first.pk}
    assert set(served("team/fast")) == {second.pk}


def test_a_model_that_is_off_is_not_offered_and_says_so():
    acme = make_provider(prefix="team")
    credential = make_credential(acme)
    make_alias(acme, "pool", "on", "off")
    ModelAlias.objects.filter(upstream_model="off").update(enabled=False)
    make_alias(acme, "gone", "x")
    ModelAlias.objects.filter(alias="gone").update(enabled=False)
    assert served("team/pool") == {credential.pk: ("on",)}
    built = table.build()
    assert "team/gone" not in built.models
    assert (credential.pk, "disabled") in reasons("team/gone")
    with pytest.raises(UnknownModel):  # an open prefix passes it through as little
        find_route(built, "team/gone")
    assert find_route(built, "team/other").offers


def test_exclusions_are_tested_before_the_prefix():
    acme = make_provider(prefix="team")
    credential = make_credential(acme)
    make_alias(acme, "gpt-preview")
    make_alias(acme, "gpt")
    exclude(acme, "GPT-*")
    exclude(acme, "team/*")
    assert set(table.build().models) == {"team/gpt"}
    assert (credential.pk, "excluded") in reasons("team/gpt-preview")


def test_an_exclusion_of_one_credential_leaves_the_others():
    acme = make_provider()
    first, second = make_credential(acme), make_credential(acme)
    make_alias(acme, "gpt")
    exclude(acme, "*", first)
    assert set(served("gpt")) == {second.pk}
    assert reasons("gpt") == [(first.pk, "excluded")]


def test_an_openai_compatible_prefix_replaces_the_id_and_another_stands_beside_it():
    compatible, claude = make_provider("acme", prefix="a"), make_provider("claude", "claude", prefix="c")
    first, second = make_credential(compatible), make_credential(claude)
    make_alias(compatible, "one")
    make_alias(claude, "two", origin=Origin.FILE)
    built = table.build()
    assert set(built.models) == {"a/one", "two", "c/two"}
    assert reasons("one") == [(first.pk, "prefix")]
    assert "a/one" in built.hidden["one"][0].detail
    assert served("c/two") == {second.pk: ("two",)}


def test_force_model_prefix_leaves_only_prefixed_ids():
    GatewaySettings.objects.create(force_model_prefix=True)
    claude = make_provider("claude", "claude", prefix="c")
    make_credential(claude)
    make_alias(claude, "two", origin=Origin.FILE)
    assert set(table.build().models) == {"c/two"}


def test_a_credential_s_own_prefix_wins():
    acme = make_provider(prefix="team")
    first, second = make_credential(acme, prefix="own"), make_credential(acme)
    make_alias(acme, "gpt")
    assert served("own/gpt") == {first.pk: ("gpt",)}
    assert served("team/gpt") == {second.pk: ("gpt",)}


@pytest.mark.parametrize("what", ["credential", "provider"])
def test_what_is_disabled_is_hidden_with_its_reason(what):
    acme = make_provider(enabled=what != "provider")
    credential = make_credential(acme, enabled=what != "credential")
    make_alias(acme, "gpt")
    built = table.build()
    assert built.models == {}
    assert reasons("gpt") == [(credential.pk, "disabled")]
    assert built.hidden["gpt"][0].detail == f"the {what} is disabled"
    assert built.open_offers == ()


def test_a_models_block_in_the_file_closes_the_list_and_an_admin_s_alias_does_not():
    claude = make_provider("claude", "claude")
    make_credential(claude)
    make_alias(claude, "mine", "claude-sonnet-4-5")
    assert len(table.build().models) > 1
    make_alias(claude, "filed", "claude-sonnet-4-5", origin=Origin.FILE)
    assert set(table.build().models) == {"mine", "filed"}


def test_a_prefix_without_a_list_passes_any_id_under_it():
    acme = make_provider(prefix="team")
    credential = make_credential(acme)
    exclude(acme, "secret-*")
    built = table.build()
    (offer,) = built.open_prefixes["team"]
    assert (offer.credential.id, offer.excluded) == (credential.pk, ("secret-*",))
    assert built.open_offers == ()
    make_alias(acme, "only", origin=Origin.FILE)
    assert table.build().open_prefixes == {}


def test_an_open_ended_provider_without_prefix_takes_what_nobody_registered():
    credential = make_credential(make_provider())
    (offer,) = table.build().open_offers
    assert offer.credential.id == credential.pk


def test_discovered_models_are_served_beside_aliases():
    acme = make_provider(discovered_models=[{"id": "found", "context_length": 9}, {"id": "FAST"}])
    credential = make_credential(acme)
    make_alias(acme, "fast", "found")
    built = table.build()
    assert set(built.models) == {"fast", "found"}
    assert built.models["found"].context_length == 9
    assert served("found") == {credential.pk: ("found",)}


def test_a_damaged_model_list_is_ignored_and_logged(caplog):
    acme = make_provider(discovered_models=[{"no": "id"}])
    make_credential(acme)
    make_alias(acme, "fast")
    assert set(table.build().models) == {"fast"}
    assert "the stored model list of acme is damaged" in caplog.text


def test_a_credential_whose_key_is_lost_is_left_out_and_the_others_serve(keyring, caplog):
    acme = make_provider()
    lost = make_credential(acme)
    keyring._path.unlink()
    keyring._ciphers, keyring._newest = {}, ""
    kept = make_credential(acme)
    make_alias(acme, "gpt")
    assert set(served("gpt")) == {kept.pk}
    assert f"credential {lost.pk} of acme cannot be used: The encryption key" in caplog.text


def test_a_kind_that_this_version_does_not_know_is_left_out(caplog):
    make_credential(make_provider("old", "gone-by"))
    kept = make_credential(make_provider())
    assert [offer.credential.id for offer in table.build().open_offers] == [kept.pk]
    assert "of old cannot be used" in caplog.text


def test_a_lost_key_of_the_gateway_s_proxy_leaves_the_table_standing(caplog):
    GatewaySettings.objects.create(proxy_token="00000000:gAAAAunknown")
    make_credential(make_provider())
    assert len(table.build().open_offers) == 1
    assert "the gateway's proxy address cannot be opened" in caplog.text


def test_the_nearest_proxy_wins():
    GatewaySettings.objects.create(proxy_token=secrets.seal("http://gateway:1"))
    acme = make_provider(proxy_token=secrets.seal("http://provider:1"))
    other = make_provider("other")
    ways = {
        make_credential(acme, proxy_token=secrets.seal("direct")).pk: "direct",
        make_credential(acme).pk: "http://provider:1",
        make_credential(other).pk: "http://gateway:1",
    }
    assert {offer.credential.id: offer.credential.proxy_url for offer in table.build().open_offers} == ways


def test_providers_with_more_credentials_come_first():
    few, many = make_provider("a-few"), make_provider("b-many")
    one = make_credential(few)
    two, three = make_credential(many), make_credential(many)
    for provider in (few, many):
        make_alias(provider, "gpt")
    assert list(served("gpt")) == [two.pk, three.pk, one.pk]


def test_client_keys_are_found_by_digest_with_what_limits_them():
    moment = datetime(2027, 1, 1, tzinfo=UTC)
    row, plain = client_keys.create(note="alice", expires_at=moment, allowed_models=["GPT-*"])
    entry = table.build().clients[client_keys.digest(plain)]
    assert (entry.id, entry.label, entry.expires_at) == (row.pk, "alice", moment.timestamp())
    assert entry.allowed == ("gpt-*",)
    assert plain not in repr(table.build())


def test_cleared_cooldowns_are_told():
    moment = datetime(2027, 1, 1, tzinfo=UTC)
    credential = make_credential(make_provider(), cooldowns_cleared_at=moment)
    assert table.build().cleared_at == {credential.pk: moment.timestamp()}


def test_the_number_of_queries_does_not_grow_with_the_rows():
    def build_counted():
        with CaptureQueriesContext(
            connection,
        ) as queries:
            table.build()
        return len(queries)

    few = build_counted()
    for number in range(5):
        provider = make_provider(f"p{number}")
        for _ in range(3):
            make_credential(provider)
        make_alias(provider, "gpt", "a", "b")
        exclude(provider, f"x{number}")
        client_keys.create()
    assert build_counted() == few <= 14


# --- logins -------------------------------------------------------------------------------------


def make_login(provider, channel="claude", **changes):
    return make_credential(provider, channel=channel, **changes)


def test_a_login_goes_the_way_of_its_channel_and_a_key_beside_it_does_not():
    claude = make_provider("claude", "claude", base_url="")
    login, key = make_login(claude), make_credential(claude)
    ChannelExclusion.objects.create(channel="claude", pattern="claude-opus-*")
    ChannelAlias.objects.create(channel="claude", upstream_model="claude-sonnet-4-5", alias="smart")
    ChannelAlias.objects.create(channel="codex", upstream_model="claude-sonnet-4-5", alias="other")
    assert served("smart") == {login.pk: ("claude-sonnet-4-5",)}
    assert set(served("claude-sonnet-4-5")) == {key.pk}
    built = table.build()
    assert "other" not in built.models
    opus = next(name for name in built.models if name.startswith("claude-opus-"))
    assert set(served(opus)) == {key.pk}
    assert (login.pk, "excluded") in reasons(opus)


def test_a_login_s_own_rules_come_first_and_its_exclusions_are_added():
    claude = make_provider("claude", "claude", base_url="")
    login, other = make_login(claude), make_login(claude)
    for owner, model in ((login, "claude-opus-4-5"), (None, "claude-sonnet-4-5")):
        ChannelAlias.objects.create(channel="claude", upstream_model=model, alias="best", credential=owner)
    ChannelExclusion.objects.create(channel="claude", pattern="claude-3-*")
    ChannelExclusion.objects.create(channel="claude", pattern="*haiku*", credential=login)
    assert served("best") == {login.pk: ("claude-opus-4-5",), other.pk: ("claude-sonnet-4-5",)}
    assert set(served("claude-haiku-4-5")) == {other.pk}
    assert not any(name.startswith("claude-3-") for name in table.build().models)


@pytest.mark.parametrize(
    ("channel", "alias"), [("kiro", "claude-sonnet-4-5"), ("github-copilot", "claude-sonnet-4-5")]
)
def test_built_in_aliases_of_a_channel_go_when_its_list_is_emptied(channel, alias):
    login = make_login(make_provider(channel, channel, base_url=""), channel)
    assert set(served(alias)) == {login.pk}
    GatewaySettings.objects.create(channels_without_aliases=[channel])
    assert alias not in table.build().models


def test_a_channel_has_error_rules_and_an_address_of_its_own():
    GatewaySettings.objects.create(
        error_rules={"claude": [{"status": 400, "action": "continue", "texts": ["quota"]}]},
        channel_base_urls={"claude": "https://relay.example/"},
    )
    claude = make_provider("claude", "claude", base_url="")
    login, key = make_login(claude), make_credential(claude)
    entries = table.build().credentials
    assert [rule.action for rule in entries[login.pk].error_rules] == [RuleAction.CONTINUE]
    assert entries[login.pk].base_url == "https://relay.example"
    assert entries[key.pk].error_rules == ()
    assert entries[key.pk].base_url == "https://api.anthropic.com"


# --- what candidates carry ------------------------------------------------------------------------


def test_a_configured_suffix_is_no_part_of_the_upstream_model():
    acme = make_provider()
    make_credential(acme)
    make_alias(acme, "m", "up(low)", "Large (free)")
    low, free = table.build().models["m"].offers[0].candidates
    assert (low.model, low.suffix) == ("up", "low")
    assert (free.model, free.suffix) == ("Large (free)", "")


def test_what_a_model_can_do_is_completed_from_its_provider():
    acme = make_provider(features={"streaming": True}, model_features={"up": {"functions": False}})
    make_credential(acme)
    make_alias(acme, "m", "up")
    built = table.build()
    features = built.models["m"].offers[0].candidates[0].features
    assert features == Features(streaming=True, functions=False)
    assert built.has_features


def test_a_model_that_makes_images_only_is_marked_and_never_meant_by_auto():
    acme = make_provider(model_features={"painter": {"images": True}})
    make_credential(acme)
    make_alias(acme, "painter")
    make_alias(acme, "writer")
    built = table.build()
    assert built.models["painter"].images_only
    assert built.newest == ("writer",)


def test_prices_are_looked_up_only_where_they_decide():
    acme = make_provider()
    make_credential(acme)
    make_alias(acme, "m", "gpt-4o")
    assert table.build().models["m"].offers[0].candidates[0].price is None
    GatewaySettings.objects.create(strategy="lowest-cost")
    price = table.build().models["m"].offers[0].candidates[0].price
    assert price is not None
    assert price > 0


def test_auto_means_the_newest():
    acme = make_provider(
        discovered_models=[{"id": "b", "created": 9}, {"id": "a", "created": 9}, {"id": "c"}]
    )
    make_credential(acme)
    assert table.build().newest == ("c", "a", "b")


def test_a_prefix_that_is_the_id_leaves_the_id():
    GatewaySettings.objects.create(force_model_prefix=True)
    acme = make_provider("claude", "claude", prefix="gpt")
    make_credential(acme)
    make_alias(acme, "gpt", origin=Origin.FILE)
    assert set(table.build().models) == {"gpt", "gpt/gpt"}


def test_a_page_of_ai_studio_serves_under_its_channel_s_rules():
    ChannelExclusion.objects.create(channel="aistudio", pattern="*lite*")
    ChannelAlias.objects.create(channel="aistudio", upstream_model="gemini-2.5-pro", alias="pro")
    served_by_pages = {model.id: model.upstream for model in table.build().relayed}
    assert served_by_pages["pro"] == "gemini-2.5-pro"
    assert "gemini-2.5-pro" not in served_by_pages
    assert not any("lite" in upstream for upstream in served_by_pages.values())
