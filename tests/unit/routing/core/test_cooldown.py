import pytest

from providers.values import RefusalKind
from routing.core.cooldown import FOREVER_S, CoolingRules, History, history_after, stops
from tests.unit.routing.core.makers import NOW, refused, unreachable

RULES = CoolingRules()


def after(error, history=History(), rules=RULES, now=NOW):  # noqa: B008  (a frozen value)
    """The history after a failure that must open a window, and that window."""
    found = history_after(error, "up", history, rules, now)
    assert found is not None
    assert found.cooldown is not None
    return found, found.cooldown


def rest_after(error, history=History(), rules=RULES, now=NOW):  # noqa: B008  (a frozen value)
    found = history_after(error, "up", history, rules, now)
    return None if found is None or found.cooldown is None else found.cooldown.until - now


@pytest.mark.parametrize(
    ("kind", "seconds"),
    [
        (RefusalKind.UNAUTHORIZED, 1800),
        (RefusalKind.PAYMENT, 1800),
        (RefusalKind.NOT_FOUND, 43_200),
        (RefusalKind.MODEL_UNSUPPORTED, 43_200),
        (RefusalKind.TERMINAL, FOREVER_S),
        (RefusalKind.QUOTA, 1),
        (RefusalKind.CHALLENGE, 10),
        (RefusalKind.TRANSIENT, 1),
        (RefusalKind.OTHER, 1),
        (RefusalKind.REQUEST, None),
        (RefusalKind.CONTEXT_LENGTH, None),
        (RefusalKind.CONTENT_FILTER, None),
    ],
)
def test_each_kind_rests_as_long_as_the_table_says(kind, seconds):
    assert rest_after(refused(kind)) == seconds


def test_an_unreachable_upstream_counts_as_transient():
    assert rest_after(unreachable()) == 1


def climb(kind, failures, rules=RULES):
    """Separate failures, each after the window of the one before."""
    history, now, rests = History(), NOW, []
    for _ in range(failures):
        history, window = after(refused(kind, 429), history, rules, now)
        rests.append(window.until - now)
        now = window.until + 1
    return rests


def test_quota_without_a_delay_climbs_to_half_an_hour():
    assert climb(RefusalKind.QUOTA, 13) == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1800, 1800]


def test_transient_faults_climb_to_a_minute():
    assert climb(RefusalKind.TRANSIENT, 9) == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_an_explicit_transient_time_is_used_as_it_is_and_a_negative_one_never_rests():
    fixed = CoolingRules(transient_s=5)
    assert climb(RefusalKind.TRANSIENT, 3, fixed) == [5, 5, 5]
    assert rest_after(refused(RefusalKind.TRANSIENT), rules=CoolingRules(transient_s=-1)) is None


def test_parallel_failures_in_one_window_are_one_step():
    first, _ = after(refused(RefusalKind.QUOTA, 429))
    second = history_after(refused(RefusalKind.QUOTA, 429), "up", first, RULES, NOW + 0.5)
    assert second is first


def test_a_delay_asked_for_is_honoured_and_capped_unless_it_names_a_window():
    assert rest_after(refused(RefusalKind.QUOTA, 429, retry_after_s=45.0)) == 45
    assert rest_after(refused(RefusalKind.TRANSIENT, 503, retry_after_s=7.0)) == 7
    assert rest_after(refused(RefusalKind.QUOTA, 429, retry_after_s=90_000.0)) == 1800
    window = refused(RefusalKind.QUOTA, 429, retry_after_s=90_000.0, names_quota_window=True)
    assert rest_after(window) == 90_000


def test_a_window_is_never_shortened_but_may_be_lengthened():
    long, _ = after(refused(RefusalKind.QUOTA, 429, retry_after_s=60.0))
    _, window = after(refused(RefusalKind.QUOTA, 429, retry_after_s=5.0), long, now=NOW + 1)
    assert window.until == NOW + 60
    _, window = after(refused(RefusalKind.QUOTA, 429, retry_after_s=120.0), long, now=NOW + 1)
    assert window.until == NOW + 121


def test_with_cooling_off_only_the_unsupported_and_the_terminal_rest():
    off = CoolingRules(is_enabled=False)
    assert rest_after(refused(RefusalKind.QUOTA, 429), rules=off) is None
    assert rest_after(refused(RefusalKind.MODEL_UNSUPPORTED, 400), rules=off) == 43_200
    assert rest_after(refused(RefusalKind.TERMINAL, 403), rules=off) == FOREVER_S


def test_a_credential_wide_refusal_rests_every_model():
    _, window = after(refused(RefusalKind.QUOTA, 429, credential_wide=True))
    assert window.model == ""


def test_only_faults_of_the_request_stop_the_rotation():
    stopping = {kind for kind in RefusalKind if stops(refused(kind))}
    assert stopping == {RefusalKind.REQUEST, RefusalKind.CONTEXT_LENGTH, RefusalKind.CONTENT_FILTER}
    assert not stops(unreachable())


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ({"retry_after_s": 86_400.0, "names_quota_window": True}, 86_400.0),
        ({"retry_after_s": 60.0, "names_quota_window": True}, 1_800.0),
        ({"retry_after_s": 86_400.0}, 1_800.0),
    ],
)
def test_a_suspension_with_an_end_of_its_own_rests_that_long(asked, seconds):
    assert rest_after(refused(RefusalKind.PAYMENT, status=403, **asked)) == seconds
