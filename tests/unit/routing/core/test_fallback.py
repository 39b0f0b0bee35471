import pytest

from providers.errors import ClientError, NoCandidate
from providers.values import RefusalKind, RuleAction
from routing.core.fallback import Cause, Chain, cause_of
from routing.core.table import Fallbacks
from tests.unit.routing.core.makers import refused, unreachable


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (refused(RefusalKind.CONTEXT_LENGTH, 400), Cause.CONTEXT_LENGTH),
        (refused(RefusalKind.CONTENT_FILTER, 400), Cause.CONTENT_FILTER),
        (refused(RefusalKind.QUOTA, 429), Cause.EXHAUSTION),
        (refused(RefusalKind.UNAUTHORIZED, 401), Cause.EXHAUSTION),
        (unreachable(), Cause.EXHAUSTION),
        (NoCandidate("nobody"), Cause.EXHAUSTION),
        (refused(RefusalKind.REQUEST, 400), None),
        (ClientError("bad"), None),
    ],
)
def test_what_another_model_may_do_better(error, cause):
    assert cause_of(error) is cause


def test_a_rule_that_stops_leads_nowhere():
    error = refused(RefusalKind.CONTEXT_LENGTH, 400)
    error.rule = RuleAction.STOP_AND_COOLDOWN
    assert cause_of(error) is None


def test_each_cause_has_its_own_chain_and_no_id_is_asked_twice():
    chain = Chain(Fallbacks(context_length=("long", "m", "longer"), exhaustion=("other", "long")), "m")
    assert chain.next(Cause.CONTEXT_LENGTH) == "long"
    spare = [chain.has_spare]
    assert [chain.next(Cause.EXHAUSTION), chain.next(Cause.EXHAUSTION)] == ["other", None]
    assert [*spare, chain.has_spare] == [True, False]
    assert [chain.next(Cause.CONTEXT_LENGTH), chain.next(Cause.CONTEXT_LENGTH)] == ["longer", None]


def test_who_has_no_fallbacks_has_no_spare():
    chain = Chain(None, "m")
    assert not chain.has_spare
    assert chain.next(Cause.EXHAUSTION) is None
