"""What holds for any configuration and any sequence of failures, asked of the real exchange.

Each example is a small gateway, a script for every credential and a row of requests with pauses between.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from providers.values import CoolingLadder, Features
from routing.core.affinity import session_keys
from routing.core.exclusions import first_match
from routing.core.resolve import split_suffix
from routing.core.rounds import admitted
from routing.core.table import Candidate, ClientEntry, Offer, OpenOffer, Strategy
from tests.rig import DONE, MESSAGES, Drops, Refuses, Rig, Says, chunk, error

HALF_HOUR, HALF_DAY = 1800.0, 43_200.0

FIELDS = {"messages": msgspec.Raw(msgspec.json.encode(MESSAGES))}

thorough = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def spent(seconds: int) -> Says:
    return Says(429, error("slow down"), {"retry-after": str(seconds)})


ANSWERS = st.sampled_from(
    [
        200,
        200,
        401,
        402,
        404,
        408,
        429,
        500,
        503,
        529,
        spent(3),
        spent(90),
        spent(9_000),
        Says(400, error("The requested model is not supported")),
        Says(400, error("bad", "invalid_request_error")),
        Says(200, breaks=True),
        Drops(),
        Refuses(),
    ]
)
CREDENTIALS = st.lists(
    st.fixed_dictionaries(
        {
            "priority": st.sampled_from([0, 0, 5]),
            "weight": st.sampled_from([0, 1, 1, 3]),
            "request_retry": st.sampled_from([None, 0, 2]),
            "disable_cooling": st.sampled_from([None, None, True]),
            "provider": st.sampled_from(["p", "q"]),
            "members": st.sampled_from([("up",), ("up",), ("up", "other")]),
            "ladder": st.sampled_from([None, CoolingLadder(initial_s=2, max_s=7)]),
            "streams": st.sampled_from([None, None, False]),
            "script": st.lists(ANSWERS, min_size=1, max_size=5),
        }
    ),
    min_size=1,
    max_size=5,
)
SETTINGS = st.fixed_dictionaries(
    {
        "strategy": st.sampled_from(Strategy),
        "request_retry": st.integers(0, 3),
        "max_retry_credentials": st.integers(0, 3),
        "max_retry_interval_s": st.sampled_from([0, 5, 30]),
        "transient_cooldown_s": st.sampled_from([-1, 0, 0, 20]),
        "session_affinity": st.booleans(),
        "bootstrap_retries": st.integers(0, 1),
    }
)
REQUESTS = st.lists(
    st.fixed_dictionaries(
        {
            "pause": st.sampled_from([0, 0, 1, 10, 100, 4000]),
            "stream": st.booleans(),
            "session": st.sampled_from(["", "s", "t"]),
        }
    ),
    min_size=1,
    max_size=6,
)


def gateway(configured: dict[str, Any], credentials: list[dict[str, Any]]) -> Rig:
    rig = Rig(**configured)
    for name, values in zip("ABCDE", credentials, strict=False):
        values = dict(values)
        script, members, streams = values.pop("script"), values.pop("members"), values.pop("streams")
        entry = rig.credential(name, **values)
        features = None if streams is None else Features(streaming=streams)
        candidates = tuple(Candidate(credential=entry, model=member, features=features) for member in members)
        rig.add("m", Offer(credential=entry, members=members, candidates=candidates))
        rig.script(name, *script)
    return rig


class Rounds:
    """The attempts of one exchange by round, from its record."""

    def __init__(self, attempts: list[dict[str, Any]]) -> None:
        self.rounds: list[list[tuple[int, str]]] = []
        number = None
        for note in attempts:
            if note.get("round", 0) != number:
                number = note.get("round", 0)
                self.rounds.append([])
            self.rounds[-1].append((note["credential"], note["model"]))


def run(rig: Rig, requests: list[dict[str, Any]], check: Any) -> None:
    async def go() -> None:
        for request in requests:
            rig.now += request["pause"]
            headers = {"x-session-id": request["session"]} if request["session"] else {}
            keys = session_keys(headers, FIELDS) if rig.settings.session_affinity else ()
            told = rig.explain(stream=request["stream"], session_keys=keys)
            called = len(rig.upstream.calls)
            reply = await rig.ask(stream=request["stream"], headers=headers)
            check(rig, request, told, reply, rig.upstream.calls[called:], rig.lines.written[-1])

    asyncio.run(go())


@thorough
@given(configured=SETTINGS, credentials=CREDENTIALS, requests=REQUESTS)
def test_what_always_holds(configured, credentials, requests):
    rig = gateway(configured, credentials)
    run(rig, requests, _check)


def _check(rig, request, told, reply, calls, line):
    _the_first_call_is_the_one_explained(rig, told, calls)
    _nobody_is_called_who_must_not(rig, request, calls)
    _nobody_is_called_twice_in_a_round(rig, line)
    _no_rest_outlives_its_cap(rig)
    _waits_are_bounded(rig)
    assert (reply.status == 200) == (line.outcome in ("ok", "cut"))


def _the_first_call_is_the_one_explained(rig, told, calls):
    if told.resolution is None:
        assert calls == []
        return
    first = admitted(told.resolution.candidates, 0, rig.settings)
    if first:
        assert calls[0] == (first[0].credential.secret, first[0].model)


def _nobody_is_called_who_must_not(rig, request, calls):
    for name, model in calls:
        offer = next(offer for offer in rig.offers["m"] if offer.credential.secret == name)
        assert model in offer.members
        if rig.settings.strategy is Strategy.WEIGHTED:
            assert offer.credential.weight > 0
        if request["stream"]:
            features = offer.candidates[0].features
            assert features is None or features.streaming is not False


def _nobody_is_called_twice_in_a_round(rig, line):
    if rig.settings.bootstrap_retries:
        return  # begins anew, and its rounds with it
    for attempts in Rounds(line.attempts).rounds:
        assert max(Counter(attempts).values()) == 1
        if rig.settings.max_retry_credentials:
            assert len({credential for credential, _ in attempts}) <= rig.settings.max_retry_credentials
    for number, attempts in enumerate(Rounds(line.attempts).rounds):
        for credential, _ in attempts:
            own = next(o.credential.request_retry for o in rig.offers["m"] if o.credential.id == credential)
            first = Rounds(line.attempts).rounds[0]
            assert number <= (rig.settings.request_retry if own is None else own) or attempts is first


def _no_rest_outlives_its_cap(rig):
    for offer in rig.offers["m"]:
        for rest in rig.state.running(offer.credential.id, rig.now):
            length = rest.until - rest.since
            if rest.is_transient:
                ladder = offer.credential.ladder
                cap = ladder.max_s if ladder else max(rig.settings.transient_cooldown_s, 60.0)
                assert length <= cap
            else:
                assert length <= (HALF_HOUR if rest.is_quota else HALF_DAY)


def _waits_are_bounded(rig):
    assert all(wait <= rig.settings.max_retry_interval_s for wait in rig.waits)


@thorough
@given(
    credentials=st.integers(2, 5),
    failing=st.lists(st.tuples(st.sampled_from("ABCDE"), ANSWERS), max_size=30),
    requests=st.integers(5, 30),
)
def test_round_robin_is_fair_among_those_who_are_always_free(credentials, failing, requests):
    """A and B never fail; whatever the others do, the two are called equally often, give or take one."""
    rig = Rig()
    for name in "ABCDE"[:credentials]:
        rig.offer(name)
    for name, answer in failing:
        if name not in "AB" and name in "ABCDE"[:credentials]:
            rig.upstream.scripts[name].append(answer)

    async def go() -> None:
        for _ in range(requests):
            await rig.ask()
            rig.now += 7

    asyncio.run(go())
    counts = Counter(rig.calls)
    assert abs(counts["A"] - counts["B"]) <= 1


@thorough
@given(
    patterns=st.lists(st.sampled_from(["m", "m*", "*n", "x/*", "*", "gpt-?"]), max_size=3),
    allowed=st.lists(st.sampled_from(["m", "n", "x/*", "gpt*"]), max_size=2),
    asked=st.sampled_from(["m", "n", "x/m", "gpt-4o", "m(high)", "auto"]),
)
def test_no_excluded_and_no_disallowed_model_is_ever_called(patterns, allowed, asked):
    rig = Rig()
    rig.client = ClientEntry(id=1, label="limited", allowed=tuple(allowed))
    entry = rig.credential("A")
    rig.extra = {
        "open_offers": (OpenOffer(credential=entry, excluded=tuple(patterns)),),
        "open_prefixes": {"x": (OpenOffer(credential=entry, excluded=tuple(patterns)),)},
    }
    rig.publish()

    async def go() -> int:
        return (await rig.ask(asked)).status

    status = asyncio.run(go())
    base = split_suffix(asked)[0]
    upstream = base.removeprefix("x/")
    is_allowed = not allowed or first_match(allowed, base) is not None
    by_prefix = base.startswith("x/") and first_match(patterns, upstream) is None
    is_offered = by_prefix or first_match(patterns, base) is None
    assert bool(rig.calls) == (is_allowed and is_offered)
    assert (status == 200) == bool(rig.calls)


@pytest.mark.parametrize("strategy", Strategy)
async def test_the_explanation_agrees_for_every_strategy(strategy):
    rig = Rig(strategy=strategy)
    for name, weight in (("A", 1), ("B", 2), ("C", 3)):
        rig.offer(name, weight=weight)
    rig.script("B", 503, Says(pieces=(chunk("x", "stop"), DONE)))
    for _ in range(8):
        told = rig.explain(stream=True).resolution
        called = len(rig.calls)
        await rig.ask(stream=True)
        assert told is not None
        assert rig.calls[called] == told.candidates[0].credential.secret
        rig.now += 2
