"""The decision in one sentence, and everything that led to it."""

from __future__ import annotations

import msgspec
import pytest

from providers.translation.codec import MalformedRequest
from providers.values import Features, Format, Limits, RefusalKind
from routing.core.limits import client_claim
from routing.core.payload import PayloadRule, PayloadRules, PayloadSelector
from routing.core.query import RouteQuery
from routing.core.resolve import binding_key, resolve
from routing.core.table import Candidate, ClientEntry, Fallbacks, Rejection, RouteSettings
from routing.offline import StoredRouting
from routing.preview import CLIENT_FORMATS, Question
from routing.state.memory import MemoryState
from routing.why import Answer, explain_route, find_client
from tests.unit.routing.core.makers import (
    NOW,
    fail,
    make_credential,
    make_offer,
    make_table,
    refused,
)

NO_TOOLS = Features(functions=False)
A, B = make_credential(1, label="first"), make_credential(2, label="second")


def ask(table=None, state=None, **question) -> Answer:
    table = table or make_table({"m": [make_offer(A), make_offer(B)]})
    routing = StoredRouting(table, state or MemoryState())
    return explain_route(routing, Question(**{"model": "m", **question}), NOW, source="a test")


def test_it_names_who_gets_it_and_what_is_sent_where():
    answer = ask(stream=True)
    assert answer.verdict == "It goes to acme, credential first, as up."
    first, second = answer.candidates
    assert (first.credential, second.credential) == ("first", "second")
    assert first.in_first_round
    assert first.sent is not None
    assert first.sent.method == "POST"
    assert first.sent.url == "http://127.0.0.1:1/chat/completions"
    assert first.sent.stream
    assert first.sent.passes
    assert first.sent.body is None
    assert answer.error is None


def test_what_it_says_is_what_the_next_request_gets():
    state = MemoryState()
    table = make_table({"m": [make_offer(A), make_offer(B)]})
    for _ in range(5):
        told = ask(table, state)
        served = resolve(table, state, ClientEntry(id=1, label="x"), RouteQuery(model="m"), NOW)
        assert [choice.credential_id for choice in told.candidates] == [
            candidate.credential.id for candidate in served.candidates
        ]


def test_who_rests_is_told_with_cause_and_end():
    state = MemoryState()
    fail(state, 1, refused(RefusalKind.QUOTA, 429, retry_after_s=9.0))
    (left,) = ask(state=state).rejected
    assert (left.credential, left.reason, left.left_s) == ("first", "cooling", 9)
    assert left.until == "2027-01-15T08:00:09Z"
    assert left.detail.startswith("quota")


def test_when_every_quota_is_spent_the_client_waits_or_is_told_when():
    state = MemoryState()
    for credential_id in (1, 2):
        fail(state, credential_id, refused(RefusalKind.QUOTA, 429, retry_after_s=20.0))
    waits = ask(state=state)
    assert waits.verdict == "Nobody is free; the request waits 20 s for the first cooldown to end."
    assert waits.error is None
    hasty = make_table({"m": [make_offer(A), make_offer(B)]}, settings=RouteSettings(max_retry_interval_s=5))
    refused_answer = ask(hasty, state)
    assert refused_answer.error is not None
    assert (refused_answer.error.status, refused_answer.error.code) == (429, "model_cooldown")
    assert refused_answer.error.retry_after_s == 20


def test_when_everybody_rests_for_a_passing_fault_the_first_to_wake_is_tried():
    state = MemoryState()
    for credential_id in (1, 2):
        fail(state, credential_id, refused(RefusalKind.TRANSIENT, 500), now=NOW - 0.1 * credential_id)
    assert "is tried with acme, credential second" in ask(state=state).verdict


def test_an_unknown_model_tells_who_hides_it_and_what_was_meant():
    hidden = Rejection(
        credential_id=1, provider_key="acme", reason="excluded", detail="by pattern n*", model="n"
    )
    table = make_table({"m": [make_offer(A)], "nn": [make_offer(A)]}, hidden={"n": (hidden,)})
    answer = ask(table, model="n")
    assert answer.error is not None
    assert (answer.error.status, answer.error.code) == (404, "model_not_found")
    assert [(left.reason, left.detail, left.credential) for left in answer.rejected] == [
        ("excluded", "by pattern n*", "first")
    ]
    assert answer.similar == ("nn",)


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"allowed": ("other-*",)}, 403, "model_not_allowed"),
        ({"enabled": False}, 401, "api_key_disabled"),
        ({"expires_at": NOW - 1}, 401, "api_key_expired"),
    ],
)
def test_a_client_key_may_stand_in_the_way(changes, status, code):
    answer = ask(client=ClientEntry(id=7, label="lena", **changes))
    assert answer.error is not None
    assert (answer.error.status, answer.error.code) == (status, code)
    assert answer.client_key == "lena"


def test_a_client_keys_own_limit_is_told():
    client = ClientEntry(id=7, label="lena", limits=Limits(rpm=1))
    state = MemoryState()
    state.admit_here(limits_of(client), NOW)
    answer = ask(state=state, client=client)
    assert answer.error is not None
    assert (answer.error.status, answer.error.code) == (429, "rate_limit_exceeded")
    waiting = msgspec.structs.replace(client, limits=Limits(rpm=1, waits=True, max_wait_s=90))
    assert "the request waits" in ask(state=state, client=waiting).verdict


def limits_of(client: ClientEntry):
    return client_claim(client.id, client.limits, 0)


def test_a_key_that_is_off_is_told_before_a_model_that_is_unknown():
    answer = ask(model="nobody-has-it", client=ClientEntry(id=7, label="lena", enabled=False))
    assert answer.error is not None
    assert answer.error.code == "api_key_disabled"


def test_a_conversation_is_known_by_its_header():
    client = ClientEntry(id=7, label="lena")
    state = MemoryState()
    settings = RouteSettings(session_affinity=True)
    table = make_table({"m": [make_offer(A), make_offer(B)]}, settings=settings)
    state.bind(binding_key(client, "header:42", "m"), 2, NOW, 3600)
    answer = ask(table, state, client=client, headers={"x-session-id": "42"})
    assert answer.verdict == "It goes to acme, credential second, as up."
    assert answer.bound_by == "header:42"
    assert ask(table, state, client=client).bound_by == ""


def test_what_a_sample_needs_is_read_as_the_hot_path_reads_it():
    table = make_table(
        {
            "m": [
                make_offer(A, candidates=(Candidate(credential=A, model="up", features=NO_TOOLS),)),
                make_offer(B),
            ]
        },
        has_features=True,
    )
    sample = {"messages": [{"role": "user", "content": "Hi"}], "tools": [{"type": "function"}]}
    answer = ask(table, body=sample)
    assert [choice.credential for choice in answer.candidates] == ["second"]
    assert [(left.credential, left.reason) for left in answer.rejected] == [("first", "capability")]
    assert len(ask(table).candidates) == 2
    assert len(ask(table, tools=True).candidates) == 1


def test_a_sample_bound_to_its_format_leaves_the_others_out():
    codex = make_credential(3, adapter="codex", label="third")
    chat = make_credential(4, adapter="deepseek", label="fourth")
    table = make_table({"m": [make_offer(chat), make_offer(codex)]})
    sample = {"input": "Hi", "previous_response_id": "resp_1"}
    answer = ask(table, format=Format.RESPONSES, body=sample)
    assert [choice.credential for choice in answer.candidates] == ["third"]
    assert [(left.credential, left.reason) for left in answer.rejected] == [("fourth", "format")]
    alone = ask(make_table({"m": [make_offer(chat)]}), format=Format.RESPONSES, body=sample)
    assert alone.error is not None
    assert (alone.error.status, alone.error.code) == (400, "previous_response_not_found")


def test_payload_rules_are_in_what_would_be_sent():
    rule = PayloadRule(models=(PayloadSelector(name="*"),), params=(("seed", 9),))
    settings = RouteSettings(payload=PayloadRules(override=(rule,)))
    sample = {"messages": [{"role": "user", "content": "Hi"}]}
    sent = ask(make_table({"m": [make_offer(A)]}, settings=settings), body=sample).candidates[0].sent
    assert sent is not None
    assert isinstance(sent.body, dict)
    assert sent.body["seed"] == 9


def test_credentials_left_to_later_rounds_are_marked():
    settings = RouteSettings(max_retry_credentials=1)
    answer = ask(make_table({"m": [make_offer(A), make_offer(B)]}, settings=settings))
    assert [choice.in_first_round for choice in answer.candidates] == [True, False]


def test_when_nobody_is_free_the_fallbacks_are_asked():
    state = MemoryState()
    fail(state, 1, refused(RefusalKind.UNAUTHORIZED, 401))
    settings = RouteSettings(fallbacks={"m": Fallbacks(exhaustion=("n", "o"))})
    answer = ask(make_table({"m": [make_offer(A)]}, settings=settings), state)
    assert answer.verdict.endswith("so its fallbacks are asked in turn: n, o.")
    assert answer.error is None


def test_fallbacks_are_told():
    settings = RouteSettings(fallbacks={"m": Fallbacks(exhaustion=("n",))})
    assert ask(make_table({"m": [make_offer(A)]}, settings=settings)).fallbacks == {"exhaustion": ("n",)}


def test_a_sample_is_shown_translated_with_what_it_loses():
    claude = make_credential(3, adapter="claude")
    table = make_table({"m": [make_offer(claude)]})
    body = {"model": "ignored", "messages": [{"role": "user", "content": "Hi"}], "seed": 7}
    sent = ask(table, model="m(high)", body=body).candidates[0].sent
    assert sent is not None
    assert (sent.format, sent.passes) == ("claude", False)
    assert "seed" in sent.dropped
    assert isinstance(sent.body, dict)
    assert sent.body["model"] == "up"


@pytest.mark.parametrize("format_", CLIENT_FORMATS)
def test_a_question_without_a_sample_can_be_asked_in_every_format(format_):
    sent = ask(format=Format(format_), stream=True).candidates[0].sent
    assert sent is not None
    assert not sent.error
    assert sent.stream


def test_a_sample_that_no_format_takes_is_the_askers_mistake():
    with pytest.raises(MalformedRequest):
        ask(body={"messages": "no list"}, stream=True, format=Format.OPENAI, headers={}, model="")


def test_a_client_key_is_found_by_itself_its_number_or_its_label():
    lena = ClientEntry(id=7, label="lena")
    table = msgspec.structs.replace(make_table({}), clients={"d:cpx-1": lena})
    for text in ("cpx-1", "7", "#7", "lena", " lena "):
        assert find_client(table, lambda key: f"d:{key}", text) is lena
    assert find_client(table, lambda key: f"d:{key}", "8") is None
    assert find_client(table, lambda key: f"d:{key}", "") is None
