from providers.values import RefusalKind
from routing.core.explain import explain, similar_ids
from routing.core.query import RouteQuery
from routing.core.resolve import resolve
from routing.core.table import ClientEntry, Rejection
from routing.state.memory import MemoryState
from tests.unit.routing.core.makers import (
    ANYONE,
    NOW,
    fail,
    make_credential,
    make_offer,
    make_table,
    refused,
)

A, B = make_credential(1), make_credential(2)
TABLE = make_table({"m": [make_offer(A), make_offer(B)], "team/m-large": [make_offer(A)]})
ASKED = RouteQuery(model="m")


def test_an_explanation_takes_no_turn():
    state = MemoryState()
    seen = [explain(TABLE, state, ANYONE, ASKED, NOW).resolution for _ in range(3)]
    served = resolve(TABLE, state, ANYONE, ASKED, NOW)
    assert seen == [served] * 3
    assert resolve(TABLE, state, ANYONE, ASKED, NOW).candidates[0].credential is B


def test_who_rests_is_told_with_the_cause_and_the_end():
    state = MemoryState()
    fail(state, 1, refused(RefusalKind.QUOTA, 429, retry_after_s=9.0))
    told = explain(TABLE, state, ANYONE, ASKED, NOW)
    (rejection,) = told.rejections
    assert (rejection.credential_id, rejection.reason, rejection.until) == (1, "cooling", NOW + 9)
    assert rejection.detail.startswith("quota")
    assert told.order == ("priority 0, by round-robin",)


def test_a_lower_priority_says_for_whom_it_waits():
    high = make_credential(3, priority=10)
    table = make_table({"m": [make_offer(A), make_offer(high)]})
    told = explain(table, MemoryState(), ANYONE, ASKED, NOW)
    assert told.order == (
        "priority 10, by round-robin",
        "priority 0: only when those of a higher priority fail",
    )


def test_an_unknown_model_tells_who_hides_it_and_what_was_perhaps_meant():
    hidden = Rejection(credential_id=1, provider_key="acme", reason="excluded", detail="by pattern m-*")
    table = make_table({"m-large": [make_offer(A)]}, hidden={"m-larger": (hidden,)})
    told = explain(table, MemoryState(), ANYONE, RouteQuery(model="m-larger(high)"), NOW)
    assert told.resolution is None
    assert told.failure is not None
    assert told.failure.client_status == 404
    assert told.rejections == (hidden,)
    assert told.similar == ("m-large",)


def test_a_forgotten_prefix_and_another_case_are_found():
    assert similar_ids(TABLE, ANYONE, "m-large")[0] == "team/m-large"
    assert similar_ids(TABLE, ANYONE, "M") == ("m",)


def test_similar_ids_are_only_those_that_the_key_may_use():
    limited = ClientEntry(id=2, label="limited", allowed=("gpt-*",))
    assert similar_ids(TABLE, limited, "M") == ()


def test_a_model_that_the_key_may_not_use_names_the_keys_patterns():
    limited = ClientEntry(id=2, label="limited", allowed=("gpt-*",))
    told = explain(TABLE, MemoryState(), limited, ASKED, NOW)
    assert told.failure is not None
    assert told.failure.client_status == 403
    assert [(r.credential_id, r.reason) for r in told.rejections] == [(1, "not_allowed"), (2, "not_allowed")]
    assert "gpt-*" in told.rejections[0].detail
