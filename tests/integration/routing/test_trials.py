"""Before the first byte, beyond the worked examples: fallbacks, deadlines, rules, holds, probes."""

from __future__ import annotations

import asyncio
import time

import pytest

from providers.upstream import read_answer
from providers.values import CoolingLadder, ErrorRule, Features, RuleAction
from routing.core.table import Candidate, ClientEntry, Fallbacks, Offer, Strategy
from routing.proxy import trials
from tests.rig import DONE, Drops, Hangs, Refuses, Rig, Says, chunk, error

TOO_LONG = Says(400, error("too long", "invalid_request_error", "context_length_exceeded"))
FILTERED = Says(400, error("no", "invalid_request_error", "content_filter"))
EMPTY = Says(200, pieces=(b": nothing\n\n",))
LONG = Fallbacks(context_length=("long", "longer"), content_filter=("open",), exhaustion=("spare",))


def rig_of(names="A", **settings) -> Rig:
    rig = Rig(**settings)
    for name in names:
        rig.offer(name)
    return rig


def with_fallbacks(chains=LONG, **settings) -> Rig:
    """``m`` is A's, and each fallback is B's under its own name."""
    rig = rig_of("A", fallbacks={"m": chains}, **settings)
    for model in ("long", "longer", "open", "spare"):
        rig.offer("B", model, model=model)
    return rig


# --- fallbacks ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failure", "model", "cause"),
    [
        (TOO_LONG, "long", "context_length"),
        (FILTERED, "open", "content_filter"),
        (401, "spare", "exhaustion"),
    ],
)
async def test_each_cause_leads_to_its_own_fallback_and_is_named(failure, model, cause):
    rig = with_fallbacks()
    rig.script("A", failure)
    reply = await rig.ask()
    assert (reply.status, rig.models) == (200, ["up", model])
    assert reply.headers["x-cliproxy-fallback"] == f"{model}; {cause}"
    first, second = rig.lines.written[-1].attempts
    assert "fallback" not in first
    assert (second["fallback"], second["because"]) == (model, cause)


async def test_fallbacks_are_asked_one_after_the_other_and_the_asked_model_s_error_is_told():
    rig = with_fallbacks()
    rig.script("A", TOO_LONG)
    rig.script("B", TOO_LONG)
    reply = await rig.ask()
    assert (reply.status, rig.models) == (400, ["up", "long", "longer"])
    assert reply.body == TOO_LONG.body


async def test_a_fallback_that_is_spent_leads_on_by_its_own_cause():
    rig = with_fallbacks(request_retry=0)
    rig.script("A", TOO_LONG)
    rig.script("B:long", 503)
    assert (await rig.ask()).status == 200
    assert rig.models == ["up", "long", "spare"]


async def test_who_is_free_elsewhere_is_asked_before_anybody_waits():
    rig = with_fallbacks()
    rig.script("A", 429)
    rig.script("B", 429)
    reply = await rig.ask()
    assert (reply.status, rig.models, rig.waits) == (429, ["up"] + ["spare"] * 4, [1, 2, 4])


async def test_a_fallback_for_a_request_that_nobody_can_do_follows_the_asked_model_s_chain():
    rig = with_fallbacks()
    entry = rig.credential("A")
    candidate = Candidate(credential=entry, model="up", features=Features(max_tokens=5))
    rig.offers["m"] = [Offer(credential=entry, members=("up",), candidates=(candidate,))]
    rig.publish()
    rig.script("B:long", TOO_LONG)
    assert (await rig.ask(user="x" * 100)).status == 200
    assert rig.models == ["long", "longer"]


async def test_a_client_key_is_not_led_to_a_model_that_it_may_not_use():
    rig = with_fallbacks()
    rig.client = ClientEntry(id=1, label="limited", allowed=("m", "longer"))
    rig.publish()
    rig.script("A", TOO_LONG)
    assert (await rig.ask()).status == 200
    assert rig.models == ["up", "longer"]


async def test_nothing_leads_on_after_a_fault_of_the_request_or_a_rule_that_stops():
    rig = with_fallbacks()
    rig.script("A", Says(400, error("bad", "invalid_request_error")))
    assert (await rig.ask()).status == 400
    rule = ErrorRule(status=503, action=RuleAction.STOP, texts=("status",))
    ruled = rig_of("", fallbacks={"m": LONG})
    ruled.offer("A", error_rules=(rule,))
    ruled.offer("B", "spare", model="spare")
    ruled.script("A", 503)
    assert (await ruled.ask()).status == 503
    assert (rig.models, ruled.models) == (["up"], ["up"])


async def test_a_suffix_goes_with_the_request_to_its_fallback():
    rig = with_fallbacks()
    rig.script("A", TOO_LONG)
    await rig.ask("m(low)")
    assert rig.upstream.bodies[-1]["reasoning_effort"] == "low"


async def test_a_request_that_is_too_large_by_what_the_operator_says_falls_back_untried():
    rig = with_fallbacks()
    entry = rig.credential("A")
    candidate = Candidate(credential=entry, model="up", features=Features(max_tokens=5))
    rig.offers["m"] = [Offer(credential=entry, members=("up",), candidates=(candidate,))]
    rig.publish()
    reply = await rig.ask(user="x" * 100)
    assert (reply.status, rig.models) == (200, ["long"])
    assert reply.headers["x-cliproxy-fallback"] == "long; context_length"


async def test_a_stream_falls_back_before_its_first_byte():
    rig = with_fallbacks()
    rig.script("A", TOO_LONG)
    reply = await rig.ask(stream=True)
    assert (reply.status, rig.models) == (200, ["up", "long"])
    assert reply.body.endswith(DONE)


# --- the deadline -----------------------------------------------------------------------------------


async def test_no_wait_goes_beyond_the_deadline():
    rig = rig_of("A", deadline_s=6)
    rig.script("A", 429)
    reply = await rig.ask()
    assert (reply.status, rig.waits) == (429, [1, 2])


async def test_an_attempt_is_cut_off_at_the_deadline():
    rig = rig_of("AB", deadline_s=0.05)
    rig.script("A", 503)
    silence = asyncio.Event()

    async def never(*call):
        if not rig.upstream.calls:
            return await answered(*call)
        rig.upstream.calls.append(("B", "up"))
        await silence.wait()

    answered = rig.upstream.send
    rig.upstream.send = never  # type: ignore[method-assign]  # the outer edge
    reply = await rig.ask()
    assert (reply.status, reply.error["code"]) == (504, "deadline_exceeded")
    assert "status 503" in reply.error["message"]
    assert rig.rests("B") is None
    assert rig.state.in_flight(2) == 0


async def test_without_a_deadline_nobody_is_asked_after_the_time_that_one_attempt_has():
    rig = rig_of("ABC")
    answered = rig.upstream.send

    async def slow(*call):
        rig.now += 350
        return await answered(*call)

    rig.upstream.send = slow  # type: ignore[method-assign]  # the outer edge
    for name in "ABC":
        rig.script(name, 503)
    assert (await rig.ask()).status == 503
    assert (rig.calls, rig.waits) == ("AB", [])


async def test_the_record_tells_who_was_left_out_of_the_rounds():
    rig = rig_of("AB", max_retry_credentials=1, request_retry=0)
    rig.script("A", 503)
    await rig.ask()
    (left,) = rig.lines.written[-1].decision["rejected"]
    assert (left["credential"], left["reason"]) == (2, "retry_limit")
    assert left["detail"] == "1 credentials were tried in this round"


# --- streams ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("retries", "calls", "status"), [(0, "A", 502), (1, "AA", 200), (3, "AA", 200)])
async def test_a_stream_that_opened_and_failed_is_begun_anew(retries, calls, status):
    rig = rig_of("A", bootstrap_retries=retries, request_retry=0)
    rig.script("A", EMPTY, 200)
    assert (await rig.ask(stream=True)).status == status
    assert rig.calls == calls


@pytest.mark.parametrize("answer", [503, Says(200, error("no", "invalid_request_error"))])
async def test_a_stream_that_did_not_open_or_was_refused_is_not(answer):
    rig = rig_of("A", bootstrap_retries=3, request_retry=0)
    rig.script("A", answer)
    assert (await rig.ask(stream=True)).status in (503, 400)
    assert rig.calls == "A"


async def test_a_whole_answer_is_not_begun_anew():
    rig = rig_of("A", bootstrap_retries=3, request_retry=0)
    rig.script("A", Says(200, b" "))
    assert (await rig.ask()).status == 502
    assert rig.calls == "A"


# --- what rests, and what does not ----------------------------------------------------------------------


@pytest.mark.parametrize("drops", [Drops(), Says(200, breaks=True)])
async def test_a_dropped_connection_rests_nobody_and_no_round_follows(drops):
    rig = rig_of("A")
    rig.script("A", drops)
    assert (await rig.ask()).status == 502
    assert (rig.calls, rig.rests("A"), rig.waits) == ("A", None, [])


@pytest.mark.parametrize(("silence", "status"), [(Refuses(), 502), (Hangs(), 504)])
@pytest.mark.parametrize("stream", [False, True])
async def test_who_cannot_be_reached_or_keeps_silent_rests_and_the_next_is_tried(silence, status, stream):
    rig = Rig(first_byte_s=0.02)
    rig.offer("A")
    rig.offer("B")
    rig.script("A", silence)
    assert (await rig.ask(stream=stream)).status == 200
    assert (rig.calls, rig.rests("A")) == ("AB", 1)
    rig.script("B", silence)
    rig.now += 10
    assert (await rig.ask(stream=stream)).status == status
    assert (rig.calls, rig.waits) == ("ABAB", [])  # nobody gave a status, so no round follows


async def test_the_silence_of_several_does_not_add_up(monkeypatch):
    monkeypatch.setattr(trials, "PATIENCE_S", 0.0)
    rig = Rig(first_byte_s=0.3)
    for name in "AB":
        rig.offer(name)
    answered = rig.upstream.send

    async def late(*call):
        response = await answered(*call)
        rig.now += 0.29
        return response

    rig.upstream.send = late  # type: ignore[method-assign]  # the outer edge
    rig.script("A", 503)
    rig.script("B", Hangs())
    began = time.perf_counter()
    reply = await rig.ask()
    assert (reply.status, reply.error["code"]) == (504, "deadline_exceeded")
    assert "status 503" in reply.error["message"]
    assert time.perf_counter() - began < 0.25


async def test_a_provider_s_own_ladder_wins():
    rig = Rig(transient_cooldown_s=60)
    rig.offer("A", ladder=CoolingLadder(initial_s=3, max_s=5))
    rig.script("A", 503)
    await rig.ask()
    assert (rig.calls, rig.waits) == ("AAAA", [3, 5, 5])


async def test_a_rule_s_cooldown_comes_although_cooling_is_off():
    rule = ErrorRule(status=503, action=RuleAction.STOP_AND_COOLDOWN, patterns=("status [0-9]+",))
    rig = Rig(disable_cooling=True)
    rig.offer("A", error_rules=(rule,))
    rig.offer("B")
    rig.script("A", 503)
    assert (await rig.ask()).status == 503
    assert (rig.calls, rig.rests("A")) == ("A", 1)
    assert rig.lines.written[-1].attempts[0]["rule"] == "stop-and-cooldown"


async def test_a_rule_that_only_goes_on_rests_nobody():
    rule = ErrorRule(status=401, action=RuleAction.CONTINUE, texts=("status",))
    rig = Rig()
    rig.offer("A", error_rules=(rule,))
    rig.offer("B")
    rig.script("A", 401)
    assert (await rig.ask()).status == 200
    assert (rig.calls, rig.rests("A")) == ("AB", None)


async def test_a_rule_is_asked_about_errors_inside_a_stream_too():
    rule = ErrorRule(status=429, action=RuleAction.STOP, texts=("slow down",))
    rig = Rig()
    rig.offer("A", error_rules=(rule,))
    rig.offer("B")
    said = error("slow down", "rate_limit_error", "rate_limit_exceeded")
    rig.script("A", Says(200, pieces=(b"data: " + said + b"\n\n",)))
    assert (await rig.ask(stream=True)).status == 429
    assert (rig.calls, rig.rests("A")) == ("A", None)


async def test_a_credential_wide_429_leaves_its_pool_and_covers_every_model():
    rig = Rig()
    rig.offer("A", "q", "g")
    rig.offer("B", "q")
    rig.script("A", Says(429, error("spent", code="insufficient_quota")))
    assert (await rig.ask()).status == 200
    assert rig.upstream.calls == [("A", "q"), ("B", "q")]
    assert rig.rests("A", "anything") == 1800


async def test_a_pool_goes_on_with_its_next_member_and_skips_who_rests():
    rig = Rig(transient_cooldown_s=60)
    rig.offer("A", "q", "g", "k")
    rig.script("A:g", 500)
    await rig.ask_often(5)
    assert rig.models == ["q", "g", "k", "k", "q", "k"]


async def test_a_429_of_seconds_does_not_shorten_a_longer_one():
    rig = rig_of("A", request_retry=0)
    long, short = (Says(429, error("x"), {"retry-after": text}) for text in ("600", "2"))
    rig.script("A", long, short)
    await asyncio.gather(rig.ask(), rig.ask())
    assert (rig.calls, rig.rests("A")) == ("AA", 600)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "40"}, 40),
        ({"retry-after": "Fri, 15 Jan 2027 08:01:00 GMT"}, 60),
        ({"retry-after-ms": "2500"}, 2.5),
        ({"retry-after": "90000"}, 1800),
        ({"retry-after": "soon"}, 1),
        ({"retry-after": "-5"}, 1),
    ],
)
async def test_retry_after_is_honoured_in_both_forms_and_capped(headers, seconds):
    rig = rig_of("A", request_retry=0)
    rig.script("A", Says(429, error("slow down"), headers))
    await rig.ask()
    assert rig.rests("A") == seconds


# --- one probe per window -------------------------------------------------------------------------------


async def test_a_long_rest_is_tested_once_in_its_second_half():
    rig = rig_of("AB")
    rig.script("A", 404)
    await rig.ask()
    rig.script("A", 404)
    rig.now += 21_000
    await rig.ask_often(2)
    assert rig.calls == "AB" + "BB"
    rig.now += 1_000
    assert rig.explain().order[0].startswith("it rests; this one request tests")
    await rig.ask_often(3)
    assert rig.calls == "ABBB" + "AB" + "BB"
    assert rig.rests("A") == 43_200


async def test_a_probe_that_is_answered_ends_the_rest_of_the_whole_credential():
    rig = rig_of("AB")
    rig.script("A", Says(429, error("spent", code="insufficient_quota")), 200)
    await rig.ask()
    rig.now += 1000
    await rig.ask()
    assert (rig.calls, rig.rests("A")) == ("AB" + "A", None)


async def test_a_lower_priority_is_not_probed_while_a_higher_one_is_free():
    rig = Rig()
    rig.offer("A", priority=5)
    rig.offer("B")
    rig.script("B", 404)
    rig.script("A", 503, 200)
    await rig.ask()
    rig.now += 30_000
    await rig.ask()
    assert rig.calls == "AB" + "A"


async def test_a_disabled_account_is_never_tried_again():
    rig = rig_of("AB")
    rig.script("A", Says(403, error("Your account has been disabled.")))
    await rig.ask()
    rig.now += 200 * 86_400
    await rig.ask_often(4)
    assert rig.calls == "AB" + "BBBB"


# --- conversations ----------------------------------------------------------------------------------------


SESSION = {"x-session-id": "s"}


async def test_a_conversation_stays_and_others_go_round():
    rig = rig_of("ABC", session_affinity=True)
    await rig.ask(headers=SESSION)
    await rig.ask(headers={"x-session-id": "t"})
    await rig.ask_often(3, headers=SESSION)
    assert rig.calls == "AB" + "AAA"


async def test_a_conversation_never_binds_to_the_dead():
    rig = rig_of("AB", session_affinity=True)
    await rig.ask(headers=SESSION)
    rig.script("A", 401)
    await rig.ask_often(2, headers=SESSION)
    rig.now += 1800
    rig.script("A", 200)
    await rig.ask(headers=SESSION)
    assert rig.calls == "A" + "ABB" + "B"


async def test_a_dropped_connection_keeps_the_conversation():
    rig = rig_of("AB", session_affinity=True)
    await rig.ask(headers=SESSION)
    rig.script("A", Says(200, breaks=True), 200)
    await rig.ask_often(2, headers=SESSION)
    assert rig.calls == "A" + "AB" + "A"


async def test_a_hold_runs_out_and_is_renewed_by_every_answer():
    rig = rig_of("AB", session_affinity=True, session_affinity_ttl_s=100)
    await rig.ask(headers=SESSION)
    for _ in range(3):
        rig.now += 90
        await rig.ask(headers=SESSION)
    rig.now += 101
    await rig.ask(headers=SESSION)
    assert rig.calls == "AAAA" + "B"


async def test_a_conversation_is_one_per_model_and_client_key():
    rig = rig_of("AB", session_affinity=True)
    for name in "AB":
        rig.offer(name, "other", model="n")
    await rig.ask(headers=SESSION)
    await rig.ask("n", headers=SESSION)
    assert len(rig.state._bindings) == 2


async def test_the_later_turns_of_a_nameless_conversation_find_the_first():
    rig = rig_of("ABC", session_affinity=True)
    first = [{"role": "user", "content": "Tell me a story."}]
    answered = [*first, {"role": "assistant", "content": "Once"}]
    await rig.ask(messages=first)
    await rig.ask(messages=[{"role": "user", "content": "Other"}])
    await rig.ask(messages=[*answered, {"role": "user", "content": "Go on."}])
    await rig.ask(messages=[*answered, {"role": "user", "content": "Go on."}, *answered])
    assert rig.calls == "AB" + "AA"


async def test_weight_nothing_never_holds_a_conversation():
    rig = Rig(session_affinity=True)
    rig.offer("A")
    rig.offer("B")
    await rig.ask(headers=SESSION)
    rig.offers = {}
    rig.settings = type(rig.settings)(session_affinity=True, strategy=Strategy.WEIGHTED)
    rig.offer("A", weight=0)
    rig.offer("B")
    await rig.ask(headers=SESSION)
    assert rig.calls == "AB"


# --- the client -----------------------------------------------------------------------------------------


async def test_requests_in_flight_are_counted_until_the_answer_is_through():
    rig = rig_of("A")
    await rig.ask()
    await rig.ask(stream=True)
    rig.script("A", Drops())
    await rig.ask()
    assert rig.state.in_flight(1) == 0


async def test_a_client_that_leaves_during_a_wait_ends_it_at_once():
    rig = rig_of("A")
    rig.script("A", 429)
    waiting = asyncio.Event()

    async def wait(seconds):
        waiting.set()
        await asyncio.Event().wait()

    object.__setattr__(rig.gateway, "sleep", wait)
    asked = asyncio.get_running_loop().create_task(rig.ask())
    await waiting.wait()
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert rig.calls == "A"
    assert rig.lines.written[-1].outcome == "client_gone"


async def test_an_image_model_cannot_chat():
    rig = rig_of("")
    rig.offer("A", model="team/gpt-image-2")
    reply = await rig.ask("team/gpt-image-2")
    assert (reply.status, rig.calls) == (503, "")
    assert "/v1/images/generations" in reply.error["message"]


async def test_auto_is_the_newest_model_that_is_there():
    rig = rig_of("")
    for model in ("old", "new"):
        rig.offer("A", model, model=model)
    rig.extra = {"newest": ("new", "old")}
    rig.publish()
    rig.script("A:new", 401)
    await rig.ask("auto")
    rig.script("A:new", 200)
    await rig.ask("auto(high)")
    assert rig.models == ["new", "old"]
    assert rig.upstream.bodies[-1]["reasoning_effort"] == "high"


async def test_auto_without_any_model_is_unknown():
    reply = await Rig().ask("auto")
    assert (reply.status, reply.error["code"]) == (404, "model_not_found")


async def test_a_streamed_error_before_the_content_is_tried_elsewhere():
    rig = rig_of("AB")
    said = error("overloaded", "server_error")
    rig.script("A", Says(200, pieces=(b"data: " + said + b"\n\n",)))
    rig.script("B", Says(200, pieces=(chunk("Hi", "stop"), DONE)))
    reply = await rig.ask(stream=True)
    assert (reply.status, rig.calls) == (200, "AB")
    assert b"overloaded" not in reply.body


# --- what a client is told of a spent quota ---------------------------------------------------------


async def test_a_429_tells_when_somebody_is_free_again():
    rig = rig_of("AB", max_retry_interval_s=0)
    rig.script("A", Says(429, error("spent"), {"retry-after": "40"}))
    rig.script("B", Says(429, error("spent"), {"retry-after": "7200"}))
    reply = await rig.ask()
    assert (reply.status, rig.calls, reply.headers["retry-after"]) == (429, "AB", "40")


async def test_a_429_without_a_word_of_when_names_the_gateway_s_own_rest():
    rig = rig_of("A", max_retry_interval_s=0)
    rig.script("A", 429)
    assert (await rig.ask()).headers["retry-after"] == "1"


# --- streams that begin with nonsense -----------------------------------------------------------------


@pytest.mark.parametrize(
    "pieces",
    [
        (b"data: <<<\n\n",),
        (b"data: [DONE]\n\n",),
        (b'data: {"id": "c", "cho',),
        (b'data: {"id":', b' "c",}\n\n'),
        (b"<html><body>Bad gateway</body></html>",),
        (b": hello\n\n", b"oops\n\n"),
    ],
)
async def test_a_stream_that_begins_with_no_event_is_the_next_one_s(pieces):
    rig = rig_of("AB")
    rig.script("A", Says(200, pieces=pieces))
    reply = await rig.ask(stream=True)
    assert (reply.status, rig.calls, rig.rests("A")) == (200, "AB", 1)
    assert b"<" not in reply.body


@pytest.mark.parametrize(
    "pieces",
    [
        (b"event: x\n", chunk("Hi", "stop"), DONE),
        (b'data: {"id": "c",\ndata: "choices": []}\n\n', chunk("Hi", "stop"), DONE),
        (b"data:\n\n", chunk("Hi", "stop"), DONE),
        (chunk("Hi", "stop").replace(b"\n\n", b"\r\n\r\n"), DONE),
        (chunk("Hi", "stop").rstrip(),),
    ],
)
async def test_odd_but_legal_beginnings_are_let_through(pieces):
    rig = rig_of("AB")
    rig.script("A", Says(200, pieces=pieces))
    reply = await rig.ask(stream=True)
    assert (rig.calls, reply.body.count(b"Hi")) == ("A", 1)
    assert reply.body.endswith(DONE)


# --- refusals and answers in odd shapes -----------------------------------------------------------------


ENDLESS = error("x" * 2_000_000)


@pytest.mark.parametrize(
    "answer",
    [
        Says(429, ENDLESS, {"retry-after": "33"}),
        Says(429, b"\xff\xfe", {"retry-after": "33"}),
        Says(429, headers={"retry-after": "33"}, pieces=(b'{"error": {"mess',), breaks=True),
        Says(429, headers={"retry-after": "33"}, breaks=True),
    ],
    ids=["very long", "no UTF-8", "cut off", "cut off at once"],
)
async def test_a_refusal_counts_by_its_status_whatever_its_body_is(answer):
    rig = rig_of("AB")
    rig.script("A", answer)
    assert (await rig.ask()).status == 200
    assert (rig.calls, rig.rests("A")) == ("AB", 33)


async def test_the_body_of_a_refusal_is_not_waited_for_for_ever(monkeypatch):
    monkeypatch.setattr(read_answer, "REFUSAL_WITHIN_S", 0.02)

    async def chunks():
        yield b"so "
        await asyncio.Event().wait()

    assert await read_answer.refusal_body(chunks()) == b"so "


@pytest.mark.parametrize("answer", [Says(200, b"{}"), Says(200, b" "), Says(302), Says(204)])
async def test_what_is_no_answer_leads_to_the_next(answer):
    rig = rig_of("AB")
    rig.script("A", answer)
    assert (await rig.ask()).status == 200
    assert (rig.calls, rig.rests("A")) == ("AB", 1)


async def test_a_redirect_is_told_as_one_and_a_status_that_does_not_exist_as_500():
    rig = rig_of("A", request_retry=0)
    rig.script("A", Says(302), Says(677, b"?"))
    reply = await rig.ask()
    assert reply.status == 502
    assert "redirect (302)" in reply.error["message"]
    assert (await rig.ask()).status == 500


# --- what comes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("named", ["text/event-stream", "Text/Event-Stream; Charset=UTF-8"])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_stream_is_told_by_its_media_type_in_any_case(named, stream):
    rig = rig_of()
    pieces = (chunk("Hel"), chunk("lo", "stop"), DONE)
    rig.script("A", Says(pieces=pieces, headers={"content-type": named}))
    answer = await rig.ask(stream=stream)
    assert answer.status == 200
    if not stream:
        assert answer.json["choices"][0]["message"]["content"] == "Hello"
