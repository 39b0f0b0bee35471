import pytest

from providers.errors import ClientError, NoCandidate
from providers.values import RefusalKind, RuleAction
from routing.core.fallback import Cause, cause_of, next_model
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
    chains = Fallbacks(context_length=("long", "longer"), exhaustion=("other",))
    assert next_model(chains, Cause.CONTEXT_LENGTH, {"m"}) == "long"
    assert next_model(chains, Cause.CONTEXT_LENGTH, {"m", "long"}) == "longer"
    assert next_model(chains, Cause.EXHAUSTION, {"m", "other"}) is None
    assert next_model(chains, Cause.CONTENT_FILTER, {"m"}) is None
