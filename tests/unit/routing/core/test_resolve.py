import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.values import RefusalKind
from routing.core.query import RouteQuery
from routing.core.resolve import (
    ModelNotAllowed,
    UnknownModel,
    find_offers,
    listed_models,
    resolve,
    split_suffix,
    upstream_suffix,
)
from routing.core.table import ClientEntry
from routing.state.memory import MemoryState
from tests.unit.routing.core.makers import (
    ANYONE,
    NOW,
    fail,
    make_credential,
    make_offer,
    make_open,
    make_table,
    refused,
)

A, B, C = make_credential(1), make_credential(2), make_credential(3)


def served(table, state, model="m", requests=4, now=NOW):
    """The first candidate of each of several requests, as (credential id, upstream model)."""
    found = []
    for _ in range(requests):
        candidates = resolve(table, state, ANYONE, RouteQuery(model=model), now).candidates
        found.append((candidates[0].credential.id, candidates[0].model))
    return found


def test_credentials_are_used_in_turn():
    table = make_table({"m": [make_offer(A), make_offer(B), make_offer(C)]})
    assert [pair[0] for pair in served(table, MemoryState())] == [1, 2, 3, 1]


def test_a_lower_priority_is_used_only_while_the_higher_rests():
    high = make_credential(9, priority=10)
    table = make_table({"m": [make_offer(A), make_offer(B), make_offer(high)]})
    state = MemoryState()
    assert {pair[0] for pair in served(table, state)} == {9}
    fail(state, 9, refused(RefusalKind.UNAUTHORIZED, 401))
    assert sorted(pair[0] for pair in served(table, state)) == [1, 1, 2, 2]


def test_those_who_are_free_share_the_load_evenly_while_one_rests():
    table = make_table({"m": [make_offer(A), make_offer(B), make_offer(C)]})
    state = MemoryState()
    fail(state, 1, refused(RefusalKind.UNAUTHORIZED, 401))
    counts = [pair[0] for pair in served(table, state, requests=6)]
    assert counts.count(2) == counts.count(3) == 3


def test_a_pool_rotates_its_members_and_fails_over_inside_one_credential():
    table = make_table({"m": [make_offer(A, "q", "g", "k")]})
    state = MemoryState()
    assert [pair[1] for pair in served(table, state)] == ["q", "g", "k", "q"]
    order = [
        candidate.model for candidate in resolve(table, state, ANYONE, RouteQuery(model="m"), NOW).candidates
    ]
    assert order == ["g", "k", "q"]


def test_a_resting_pool_member_is_skipped_and_its_reason_is_told():
    table = make_table({"m": [make_offer(A, "q", "g", "k")]})
    state = MemoryState()
    fail(state, 1, refused(RefusalKind.TRANSIENT, 500), model="g")
    resolution = resolve(table, state, ANYONE, RouteQuery(model="m"), NOW)
    assert {candidate.model for candidate in resolution.candidates} == {"q", "k"}
    (rejection,) = resolution.rejections
    assert (rejection.reason, rejection.model, rejection.until) == ("cooling", "g", NOW + 1)


def test_a_credential_wide_rest_covers_every_member():
    table = make_table({"m": [make_offer(A, "q", "g")]})
    state = MemoryState()
    fail(state, 1, refused(RefusalKind.QUOTA, 429, credential_wide=True), model="q")
    assert resolve(table, state, ANYONE, RouteQuery(model="m"), NOW).candidates == ()


def test_an_unknown_model_is_a_404_with_openais_code():
    with pytest.raises(UnknownModel) as caught:
        resolve(make_table({}), MemoryState(), ANYONE, RouteQuery(model="nope"), NOW)
    assert (caught.value.client_status, caught.value.code, caught.value.param) == (
        404,
        "model_not_found",
        "model",
    )


def test_ids_are_case_sensitive():
    with pytest.raises(UnknownModel):
        find_offers(make_table({"m": [make_offer(A)]}), "M")


@pytest.mark.parametrize(
    ("asked", "split"),
    [
        ("m(high)", ("m", "high")),
        ("m(8192)", ("m", "8192")),
        ("m", ("m", "")),
        ("(x)", ("(x)", "")),
        ("m()", ("m", "")),
    ],
)
def test_a_suffix_is_what_stands_in_the_last_parentheses(asked, split):
    assert split_suffix(asked) == split


def test_an_id_that_ends_in_parentheses_wins_over_the_suffix_reading():
    table = make_table({"m(high)": [make_offer(A, "exact")], "m": [make_offer(A, "base")]})
    assert find_offers(table, "m(high)")[1:] == ("", table.models["m(high)"].offers)
    assert find_offers(table, "m(low)")[:2] == ("m", "low")


def test_an_open_prefix_passes_any_id_but_the_excluded_ones():
    table = make_table({}, open_prefixes={"or": (make_open(A, "*-vision"),)})
    resolution = resolve(table, MemoryState(), ANYONE, RouteQuery(model="or/vendor/model"), NOW)
    assert resolution.candidates[0].model == "vendor/model"
    with pytest.raises(UnknownModel):
        resolve(table, MemoryState(), ANYONE, RouteQuery(model="or/gpt-vision"), NOW)
    with pytest.raises(UnknownModel):
        resolve(table, MemoryState(), ANYONE, RouteQuery(model="or/"), NOW)


def test_an_open_provider_takes_only_what_nobody_registered():
    table = make_table({"m": [make_offer(A)]}, open_offers=(make_open(B),))
    assert resolve(table, MemoryState(), ANYONE, RouteQuery(model="m"), NOW).candidates[0].credential.id == 1
    assert (
        resolve(table, MemoryState(), ANYONE, RouteQuery(model="other"), NOW).candidates[0].credential.id == 2
    )


def test_a_client_key_sees_and_uses_only_what_it_may():
    table = make_table({"gpt-4o": [make_offer(A)], "claude-x": [make_offer(A)]})
    limited = ClientEntry(id=2, label="limited", allowed=("gpt-*",))
    assert [model.id for model in listed_models(table, limited)] == ["gpt-4o"]
    resolve(table, MemoryState(), limited, RouteQuery(model="gpt-4o"), NOW)
    with pytest.raises(ModelNotAllowed) as caught:
        resolve(table, MemoryState(), limited, RouteQuery(model="claude-x"), NOW)
    assert caught.value.client_status == 403


QUOTA, UNAUTHORIZED = refused(RefusalKind.QUOTA, 429, retry_after_s=900.0), refused(RefusalKind.UNAUTHORIZED)


@pytest.mark.parametrize(
    ("failures", "after_s", "is_listed"),
    [
        ({}, 0, True),
        ({1: UNAUTHORIZED}, 0, True),
        ({1: QUOTA, 2: QUOTA}, 0, True),
        ({1: UNAUTHORIZED, 2: UNAUTHORIZED}, 0, False),
        ({1: refused(RefusalKind.NOT_FOUND), 2: refused(RefusalKind.PAYMENT)}, 0, False),
        ({1: refused(RefusalKind.MODEL_UNSUPPORTED), 2: refused(RefusalKind.TERMINAL)}, 0, False),
        ({1: QUOTA, 2: UNAUTHORIZED}, 0, False),
        ({1: QUOTA, 2: UNAUTHORIZED}, 300, True),
        ({1: refused(RefusalKind.TRANSIENT), 2: UNAUTHORIZED}, 0, True),
        ({1: UNAUTHORIZED, 2: UNAUTHORIZED}, 1800, True),
    ],
)
def test_a_model_is_listed_while_somebody_can_be_asked_or_all_are_spent(failures, after_s, is_listed):
    table = make_table({"m": [make_offer(A), make_offer(B)]})
    state = MemoryState()
    for number, error in failures.items():
        fail(state, number, error)
    assert bool(listed_models(table, ANYONE, state, NOW + after_s)) is is_listed


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("up(low)", ("up", "low")),
        ("up(8192)", ("up", "8192")),
        ("up(None)", ("up", "None")),
        ("Llama 3 (free)", ("Llama 3 (free)", "")),
        ("up", ("up", "")),
    ],
)
def test_only_what_says_something_of_reasoning_is_a_suffix_of_an_upstream_name(name, split):
    assert upstream_suffix(name) == split


@given(
    resting=st.sets(st.integers(1, 6)),
    priorities=st.lists(st.integers(0, 2), min_size=6, max_size=6),
    turns=st.integers(0, 5),
)
def test_no_resting_credential_is_ever_a_candidate_and_none_appears_twice(resting, priorities, turns):
    credentials = [make_credential(number, priority=priorities[number - 1]) for number in range(1, 7)]
    table = make_table({"m": [make_offer(credential, "x", "y") for credential in credentials]})
    state = MemoryState()
    for number in resting:
        fail(state, number, refused(RefusalKind.PAYMENT, 402, credential_wide=True))
    for _ in range(turns):
        state.turn("m")
    pairs = [
        (candidate.credential.id, candidate.model)
        for candidate in resolve(table, state, ANYONE, RouteQuery(model="m"), NOW).candidates
    ]
    assert len(pairs) == len(set(pairs)) == 2 * (6 - len(resting))
    assert not resting & {pair[0] for pair in pairs}
    order = [priorities[pair[0] - 1] for pair in pairs]
    assert order == sorted(order, reverse=True)
