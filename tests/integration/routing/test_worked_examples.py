"""The 34 worked examples of CLIProxyAPI's routing, each by its number, through the real exchange.

Where the project decided otherwise the test says so: "decision:" names it (docs/routing.md, "Decisions").
"""

from __future__ import annotations

import asyncio

import pytest

from providers.models import Origin
from providers.values import ErrorRule, RuleAction
from routing import table
from routing.core.query import RouteQuery
from routing.core.resolve import UnknownModel, resolve
from routing.core.table import ClientEntry, Strategy
from routing.models import ChannelAlias, ChannelExclusion, GatewaySettings
from routing.state.memory import MemoryState
from tests.integration.routing.makers import exclude, make_alias, make_credential, make_provider
from tests.rig import DONE, Rig, Says, chunk, error

ANYONE = ClientEntry(id=1, label="anyone")
UNAUTHORIZED = Says(401, b"unauthorized", {"content-type": "text/plain"})
MINUTE, HALF_HOUR, HALF_DAY = 60, 1800, 43_200


def spent(seconds: float) -> Says:
    return Says(429, error("slow down", "rate_limit_error"), {"retry-after": str(seconds)})


def rig_of(names: str, **settings) -> Rig:
    rig = Rig(**settings)
    for name in names:
        rig.offer(name)
    return rig


async def test_example_01_three_keys_are_used_in_turn():
    rig = rig_of("ABC")
    await rig.ask_often(4)
    assert rig.calls == "ABCA"


async def test_example_02_weights():
    rig = Rig(strategy=Strategy.WEIGHTED)
    for name, weight in (("A", 5), ("B", 1), ("C", 1)):
        rig.offer(name, weight=weight)
    await rig.ask_often(7)
    assert rig.calls == "AABACAA"


async def test_example_03_fill_first_returns_to_the_first():
    rig = rig_of("AB", strategy=Strategy.FILL_FIRST)
    rig.script("A", spent(10), 200)
    await rig.ask_often(3)
    rig.now += 10
    await rig.ask_often(2)
    assert rig.calls == "ABBBAA"


async def test_example_04_a_lower_priority_serves_while_the_higher_rests():
    rig = Rig()
    rig.offer("A", priority=10)
    rig.offer("B")
    rig.offer("C")
    await rig.ask_often(2)
    rig.script("A", spent(100), 200)
    await rig.ask_often(4)
    rig.now += 100
    await rig.ask()
    assert rig.calls == "AA" + "AB" + "CBC" + "A"


async def test_example_05_each_provider_owns_as_many_turns_as_it_has_credentials():
    rig = Rig()
    for name, provider in (("1", "p"), ("2", "p"), ("3", "q")):
        rig.offer(name, provider=provider)
    await rig.ask_often(6)
    assert rig.calls == "123123"


async def test_example_06_a_503_goes_on_to_the_next_and_rests():
    rig = rig_of("AB", transient_cooldown_s=60)
    rig.script("A", 503)
    assert (await rig.ask()).status == 200
    assert (rig.calls, rig.rests("A")) == ("AB", MINUTE)


async def test_example_07_a_rest_longer_than_the_interval_ends_the_request():
    rig = rig_of("A", transient_cooldown_s=60)
    rig.script("A", 503)
    reply = await rig.ask()
    assert (reply.status, rig.calls, rig.waits) == (503, "A", [])
    assert reply.error["message"] == "status 503"
    rig.now += 20
    # decision: all rest for a transient fault, so the one that wakes first is tried instead of a refusal
    assert (await rig.ask()).status == 503
    assert rig.calls == "AA"


async def test_example_08_a_short_rest_is_waited_for():
    rig = rig_of("A", transient_cooldown_s=5)
    rig.script("A", 503)
    rig.dice = 0.999
    assert (await rig.ask()).status == 503
    assert rig.calls == "AAAA"
    assert all(5 <= wait <= 6.25 for wait in rig.waits)
    assert len(rig.waits) == 3


async def test_example_09_without_a_rest_nobody_waits():
    rig = rig_of("A", transient_cooldown_s=-1)
    rig.script("A", 503)
    await rig.ask()
    assert (rig.calls, rig.waits) == ("AAAA", [])


async def test_example_10_quota_without_a_delay_climbs():
    rig = rig_of("A")
    rig.script("A", 429)
    reply = await rig.ask()
    assert (reply.status, rig.calls, rig.waits) == (429, "AAAA", [1, 2, 4])
    assert reply.error["message"] == "status 429"
    assert rig.rests("A") == 8


async def test_example_10_the_waits_are_stretched_by_up_to_a_quarter():
    rig = rig_of("A")
    rig.script("A", 429)
    rig.dice = 0.999999
    await rig.ask()
    assert [round(wait, 2) for wait in rig.waits] == [1.25, 2.5, 5]


async def test_example_11_a_delay_beyond_the_interval_is_told():
    rig = Rig()
    rig.offer("A", adapter="claude", provider="claude", base_url="")
    reset = str(int(rig.now + 45))
    headers = {"anthropic-ratelimit-unified-5h-status": "rejected"}
    headers["anthropic-ratelimit-unified-5h-reset"] = reset
    rig.script("A", Says(429, error("out", "rate_limit_error"), headers))
    assert (await rig.ask()).status == 429
    rig.now += 5
    reply = await rig.ask()
    assert (reply.status, reply.error["code"], rig.calls) == (429, "model_cooldown", "A")
    assert reply.error["reset_seconds"] == 40
    assert reply.headers["retry-after"] == "40"


async def test_example_12_a_new_request_waits_for_a_spent_quota():
    rig = rig_of("A")
    rig.script("A", spent(12), 200)
    rig.settings = type(rig.settings)(request_retry=0)
    rig.publish()
    await rig.ask()
    rig.settings = type(rig.settings)()
    rig.publish()
    rig.dice = 0.5
    assert (await rig.ask()).status == 200
    assert (rig.calls, rig.waits) == ("AA", [13])


async def test_example_13_an_interval_that_is_too_short_refuses_at_once():
    rig = rig_of("A", max_retry_interval_s=5)
    rig.script("A", spent(12))
    await rig.ask()
    reply = await rig.ask()
    assert (reply.status, rig.calls, rig.waits) == (429, "A", [])
    assert reply.error == {
        "message": "All credentials for model m are cooling down via provider acme",
        "type": "rate_limit_error",
        "param": None,
        "code": "model_cooldown",
        "model": "m",
        "reset_time": "12s",
        "reset_seconds": 12,
        "provider": "acme",
    }


async def test_example_14_quota_beside_a_refused_key_is_a_503_at_once():
    rig = rig_of("AB", request_retry=0)
    rig.script("A", spent(20))
    rig.script("B", UNAUTHORIZED)
    await rig.ask()
    rig.settings = type(rig.settings)()
    rig.publish()
    reply = await rig.ask()
    assert (reply.status, rig.calls, rig.waits) == (503, "AB", [])
    assert reply.error["message"] == "auth_unavailable: no auth available (providers=acme, model=m)"
    assert (reply.error["type"], reply.error["code"]) == ("server_error", "internal_server_error")


async def test_example_15_a_refused_key_goes_on_to_the_next_and_rests_for_that_model():
    rig = rig_of("AB")
    rig.offer("A", "other", model="n")
    rig.script("A", UNAUTHORIZED)
    assert (await rig.ask()).status == 200
    assert (rig.calls, rig.rests("A"), rig.rests("A", "other")) == ("AB", HALF_HOUR, None)


async def test_example_15_a_model_whose_only_credential_is_refused_leaves_the_list():
    rig = rig_of("A")
    rig.offer("A", "other", model="n")
    rig.script("A", UNAUTHORIZED)
    await rig.ask()
    assert [model["id"] for model in (await rig.listed())["data"]] == ["n"]


async def test_example_16_a_401_always_rotates():
    """decision: also a 401 of type invalid_request_error, which vendors send beside a wrong key."""
    rig = rig_of("AB")
    rig.script("A", Says(401, error("wrong key", "invalid_request_error")))
    assert (await rig.ask()).status == 200
    assert (rig.calls, rig.rests("A")) == ("AB", HALF_HOUR)


async def test_example_17_a_400_stops():
    rig = rig_of("AB")
    rig.script("A", Says(400, error("bad", "invalid_request_error")))
    reply = await rig.ask()
    assert (reply.status, rig.calls, rig.rests("A")) == (400, "A", None)
    assert reply.body == error("bad", "invalid_request_error")


async def test_example_18_an_unsupported_model_is_no_fault_of_the_request():
    rig = rig_of("AB")
    rig.script("A", Says(400, error("The requested model is not supported")))
    assert (await rig.ask()).status == 200
    assert (rig.calls, rig.rests("A")) == ("AB", HALF_DAY)


async def test_example_19_a_404_rests_that_model_alone():
    rig = rig_of("AB")
    rig.script("A", 404)
    assert (await rig.ask()).status == 200
    assert (rig.calls, rig.rests("A"), rig.rests("A", "other")) == ("AB", HALF_DAY, None)


async def test_example_20_max_retry_credentials_bounds_a_round():
    rig = rig_of("AB", max_retry_credentials=1, request_retry=0)
    rig.script("A", 503)
    assert (await rig.ask()).status == 503
    assert rig.calls == "A"


async def test_example_21_the_next_round_asks_the_next():
    rig = rig_of("AB", max_retry_credentials=1, request_retry=1)
    rig.script("A", 503)
    assert (await rig.ask()).status == 200
    assert (rig.calls, rig.waits) == ("AB", [])


async def test_example_22_each_credential_has_its_own_retries():
    rig = Rig()
    rig.offer("A", request_retry=0)
    rig.offer("B", request_retry=2)
    rig.script("A", 429)
    rig.script("B", 429)
    await rig.ask()
    assert (rig.calls, rig.waits) == ("ABBB", [1, 2])


async def test_example_23_a_rule_goes_on_where_a_400_would_stop():
    rule = ErrorRule(status=400, action=RuleAction.CONTINUE_AND_COOLDOWN, texts=("quota",))
    rig = Rig()
    rig.offer("A", error_rules=(rule,))
    rig.offer("B")
    rig.script("A", Says(400, error("quota hit", "invalid_request_error")))
    assert (await rig.ask()).status == 200
    assert (rig.calls, rig.rests("A")) == ("AB", MINUTE)


async def test_example_24_the_twelfth_429_in_a_row_rests_half_an_hour():
    rig = rig_of("A", request_retry=0)
    rig.script("A", 429)
    for _ in range(12):
        await rig.ask()
        rest = rig.rests("A")
        assert rest is not None
        rig.now += rest
    assert rest == HALF_HOUR


async def test_example_25_failures_in_the_same_second_are_one_step():
    rig = rig_of("A", request_retry=0)
    rig.script("A", 429)
    await asyncio.gather(*(rig.ask() for _ in range(3)))
    assert (rig.calls, rig.rests("A")) == ("AAA", 1)


@pytest.mark.django_db
def test_example_26_a_prefix_stands_beside_the_id():
    claude = make_provider("claude", "claude", prefix="team")
    make_credential(claude)
    make_alias(claude, "m", origin=Origin.FILE)
    built = table.build()
    assert set(built.models) == {"m", "team/m"}
    for asked in ("m", "team/m"):
        found = resolve(built, MemoryState(), ANYONE, RouteQuery(model=asked), 0.0)
        assert [candidate.model for candidate in found.candidates] == ["m"]


@pytest.mark.django_db
def test_example_27_a_forced_prefix_replaces_the_id():
    GatewaySettings.objects.create(force_model_prefix=True)
    claude = make_provider("claude", "claude", prefix="team")
    make_credential(claude)
    make_alias(claude, "m", origin=Origin.FILE)
    built = table.build()
    assert set(built.models) == {"team/m"}
    with pytest.raises(UnknownModel) as caught:
        resolve(built, MemoryState(), ANYONE, RouteQuery(model="m"), 0.0)
    # decision: 404, as the client's vendor answers
    assert (caught.value.client_status, caught.value.code) == (404, "model_not_found")


@pytest.mark.django_db
def test_example_28_the_name_behind_an_alias_is_no_id():
    router = make_provider("openrouter", "openrouter")
    make_credential(router)
    make_alias(router, "or-claude", "anthropic/claude-3.5-sonnet", origin=Origin.FILE)
    with pytest.raises(UnknownModel):
        resolve(table.build(), MemoryState(), ANYONE, RouteQuery(model="anthropic/claude-3.5-sonnet"), 0.0)


@pytest.mark.django_db
def test_example_29_a_key_s_pattern_sees_the_alias():
    claude = make_provider("claude", "claude")
    make_credential(claude)
    make_alias(claude, "fast", "claude-x", origin=Origin.FILE)
    exclude(claude, "claude-*")
    assert set(table.build().models) == {"fast"}


@pytest.mark.django_db
def test_example_30_a_channel_s_pattern_sees_the_model_behind_the_alias():
    make_credential(make_provider("claude", "claude", base_url=""), channel="claude")
    ChannelExclusion.objects.create(channel="claude", pattern="claude-opus-*")
    ChannelAlias.objects.create(channel="claude", upstream_model="claude-opus-4-5", alias="big")
    built = table.build()
    assert not {"big", "claude-opus-4-5"} & set(built.models)
    assert [why.reason for why in built.hidden["big"]] == ["excluded"]


async def test_example_31_a_stream_that_fails_before_data_goes_on_to_the_next():
    rig = rig_of("AB")
    rig.script("A", Says(200, breaks=True))
    reply = await rig.ask(stream=True)
    assert (reply.status, rig.calls) == (200, "AB")
    assert b"error" not in reply.body
    assert reply.body.endswith(DONE)


async def test_example_32_a_stream_that_fails_behind_data_ends_with_the_error():
    rig = rig_of("AB")
    rig.script("A", Says(200, pieces=(chunk("a"), chunk("b"), chunk("c")), breaks=True))
    reply = await rig.ask(stream=True)
    assert (reply.status, rig.calls) == (200, "A")
    events = [line for line in reply.body.split(b"\n\n") if line.startswith(b"data: ")]
    assert len(events) == 4
    assert b'"error"' in events[3]
    assert b"[DONE]" not in reply.body


async def test_example_33_a_conversation_stays_with_a_lower_priority():
    rig = Rig(session_affinity=True)
    rig.offer("A", priority=10)
    rig.offer("B")
    rig.script("A", spent(60), 200)
    session = {"x-session-id": "s"}
    await rig.ask(headers=session)
    rig.now += 60
    await rig.ask(headers=session)
    await rig.ask(headers={"x-session-id": "new"})
    assert rig.calls == "AB" + "B" + "A"


async def test_example_34_a_suffix_sets_the_reasoning():
    rig = rig_of("A")
    assert (await rig.ask("m(high)")).status == 200
    sent = rig.upstream.bodies[-1]
    assert (sent["model"], sent["reasoning_effort"]) == ("up", "high")


@pytest.mark.django_db
def test_example_34_a_configured_suffix_wins():
    acme = make_provider()
    make_credential(acme)
    make_alias(acme, "m", "up(low)")
    built = table.build()
    (candidate,) = resolve(built, MemoryState(), ANYONE, RouteQuery(model="m(high)"), 0.0).candidates
    assert (candidate.model, candidate.suffix) == ("up", "low")
