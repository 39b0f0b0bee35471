import pytest

from providers.translation.codecs.gemini.outcome import (
    arguments_value,
    call_id,
    encode_logprobs,
    encode_stop,
    is_limit,
    is_whole,
)
from providers.translation.model import Stop, StopKind
from tests.unit.providers.translation.codecs.gemini.made import call, context


def test_ids_depend_on_the_answer_the_candidate_and_the_position():
    ids = {
        call_id(context(seed=seed), answer, candidate, position)
        for seed in ("a", "b")
        for answer in ("r1", "")
        for candidate in (0, 1)
        for position in (0, 1)
    }
    assert len(ids) == 16


@pytest.mark.parametrize(
    ("arguments", "kind", "whole"),
    [
        ("", "function", True),
        ('{"a":1}', "function", True),
        ('{"a":', "function", False),
        ("*** x", "custom", True),
    ],
)
def test_broken_arguments_are_told_from_whole_ones(arguments, kind, whole):
    assert is_whole(call(arguments=arguments, kind=kind)) is whole
    assert isinstance(arguments_value(call(arguments=arguments, kind=kind)), dict)


def test_only_limits_cut_an_answer():
    assert is_limit(Stop(StopKind.LENGTH))
    assert is_limit(Stop(StopKind.CONTEXT_WINDOW))
    assert not is_limit(Stop(StopKind.END))
    assert not is_limit(None)


def test_absent_outcomes_write_nothing():
    assert encode_stop(None) == {}
    assert encode_logprobs(None) == {}
    assert encode_logprobs([]) == {}


def test_log_probabilities_without_alternatives_have_one_list():
    made = encode_logprobs([{"token": "a", "logprob": -1.0, "bytes": None, "top_logprobs": []}])
    assert made == {"logprobsResult": {"chosenCandidates": [{"token": "a", "logProbability": -1.0}]}}
