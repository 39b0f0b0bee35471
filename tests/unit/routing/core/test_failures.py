"""What attempts leave behind: windows, holds, and what a change of the configuration ends."""

from msgspec.structs import replace

from providers.values import RefusalKind
from routing.core import failures
from routing.core.query import RouteQuery
from routing.core.resolve import resolve
from routing.core.table import Candidate, RouteSettings, RoutingTable
from routing.state.memory import MemoryState
from tests.unit.routing.core.makers import (
    ANYONE,
    NOW,
    make_credential,
    make_offer,
    make_table,
    refused,
    unreachable,
)

A, B = make_credential(1), make_credential(2)
ON = RouteSettings(session_affinity=True)
TABLE = make_table({"m": [make_offer(A), make_offer(B)]}, settings=ON)
ASKED = RouteQuery(model="m", session_keys=("first", "second"))
CANDIDATE = Candidate(credential=A, model="up")


def test_a_failure_is_kept_for_its_scope():
    state = MemoryState()
    failures.note(state, CANDIDATE, refused(RefusalKind.UNAUTHORIZED, 401), ON, NOW)
    assert state.cooldown(1, "other", NOW) is None
    wide = refused(RefusalKind.QUOTA, 429, credential_wide=True)
    rest = failures.note(state, CANDIDATE, wide, ON, NOW)
    assert rest is not None
    assert rest.model == ""
    assert state.cooldown(1, "other", NOW) is rest


def test_a_credential_that_comes_to_rest_loses_what_it_holds_and_a_dropped_connection_does_not():
    state = MemoryState()
    state.bind("k", 1, NOW, 100)
    lost = unreachable()
    lost.is_dropped = True
    assert failures.note(state, CANDIDATE, lost, ON, NOW) is None
    assert state.binding("k", NOW) == 1
    failures.note(state, CANDIDATE, unreachable(), ON, NOW)
    assert state.binding("k", NOW) is None


def test_cooling_is_asked_of_the_credential_and_then_of_the_gateway():
    off = RouteSettings(disable_cooling=True)
    assert not failures.cooling_rules(A, off).is_enabled
    assert failures.cooling_rules(replace(A, disable_cooling=False), off).is_enabled
    assert not failures.cooling_rules(replace(A, disable_cooling=True), RouteSettings()).is_enabled


def test_a_conversation_is_bound_under_all_its_keys_and_found_by_any():
    state = MemoryState()
    found = resolve(TABLE, state, ANYONE, ASKED, NOW)
    failures.bind(state, found, found.candidates[0], ON, NOW)
    later = resolve(TABLE, state, ANYONE, RouteQuery(model="m", session_keys=("new", "second")), NOW)
    assert (later.bound_by, later.candidates[0].credential) == ("second", A)
    failures.bind(state, later, later.candidates[0], ON, NOW)
    by_new = resolve(TABLE, state, ANYONE, RouteQuery(model="m", session_keys=("new",)), NOW)
    assert by_new.bound_by == "new"


def test_who_answers_in_a_living_holder_s_place_does_not_take_the_conversation():
    state = MemoryState()
    found = resolve(TABLE, state, ANYONE, ASKED, NOW)
    failures.bind(state, found, found.candidates[0], ON, NOW)
    again = resolve(TABLE, state, ANYONE, ASKED, NOW)
    failures.bind(state, again, again.candidates[1], ON, NOW)
    failures.renew(state, again, again.candidates[1], ON, NOW)
    assert resolve(TABLE, state, ANYONE, ASKED, NOW).candidates[0].credential is A


def table_of(*credentials, **settings):
    held = {credential.id: credential for credential in credentials}
    return RoutingTable(
        revision=1, clients={}, models={}, credentials=held, settings=RouteSettings(**settings)
    )


def test_another_key_another_address_and_cooling_turned_off_begin_anew():
    old = table_of(A, B)
    assert failures.begun_anew(old, old) == set()
    assert failures.begun_anew(old, table_of(replace(A, secret="new"), B)) == {1}
    assert failures.begun_anew(old, table_of(A, replace(B, base_url="http://other"))) == {2}
    assert failures.begun_anew(old, table_of(A, B, disable_cooling=True)) == {1, 2}
    assert failures.begun_anew(table_of(A), old) == set()


def test_a_login_whose_token_was_renewed_rests_on():
    login = replace(A, secret_version=1)
    assert (
        failures.begun_anew(table_of(login), table_of(replace(login, secret="t", secret_version=2))) == set()
    )
