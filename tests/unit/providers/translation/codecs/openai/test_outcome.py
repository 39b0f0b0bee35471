"""Usage to the letter and in other shapes: the typed decoder and the liberal one agree."""

from __future__ import annotations

import itertools
import json
from typing import Any

import msgspec
import pytest

from providers.translation.codecs.openai.outcome import PlainUsage, decode_usage
from providers.translation.codecs.openai.passthrough import read_answer
from providers.translation.model import Usage

FULL: dict[str, Any] = {
    "prompt_tokens": 100,
    "completion_tokens": 30,
    "total_tokens": 130,
    "prompt_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 5, "audio_tokens": 3},
    "completion_tokens_details": {
        "reasoning_tokens": 20,
        "audio_tokens": 2,
        "accepted_prediction_tokens": 1,
        "rejected_prediction_tokens": 1,
    },
}
ODD = [
    "0", "5.0", "5.5", "1e2", "-1", "-0", "null", "true", '"5"', '"many"', "[]", "{}", '{"cached_tokens":1}',
    "1000000000000", "1000000000001", "9223372036854775807", "9223372036854775808", "18446744073709551616",
    "1000000000000000000000000000000", "1e30",
]  # fmt: skip
WHOLES = [
    {},
    {"usage": None},
    {"usage": {}},
    {"usage": []},
    {"usage": "none"},
    {"usage": FULL},
    {"usage": {"prompt_tokens": 9, "prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 5}},
    {"usage": {"prompt_tokens": 9, "cached_tokens": 4}},
    {
        "usage": {
            "cached_tokens": 1,
            "prompt_cache_hit_tokens": 2,
            "prompt_tokens_details": {"cached_tokens": 3},
        }
    },
    {"usage": {"cached_tokens": 1, "prompt_cache_hit_tokens": 2, "prompt_tokens_details": {}}},
    {"usage": {"prompt_tokens": 1, "prompt_tokens_details": None, "completion_tokens_details": None}},
    {"usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}},
    {"usage": {"prompt_tokens": 1, "cost": 0.0012, "cost_details": {"upstream": None}, "is_byok": False}},
    {"usage": {"queue_time": 0.1, "prompt_time": 0.2, "prompt_tokens": 3}},
]
ERRORS = [None, False, 0, "", {}, [], {"message": "x"}, "broken", [1]]


def told(body: bytes) -> tuple[Usage | None, bool]:
    """As the liberal decoder alone reads it."""
    value = json.loads(body)
    usage = value.get("usage")
    return decode_usage(usage) if isinstance(usage, dict) else None, bool(value.get("error"))


def spelled(field: str, value: str) -> bytes:
    """``FULL`` with the JSON text ``value`` at ``field``, which may name a member of its details."""
    outer, _, inner = field.partition(".")
    usage: dict[str, Any] = {name: dict(one) if isinstance(one, dict) else one for name, one in FULL.items()}
    place = usage[outer] if inner else usage
    place[inner or outer] = "@"
    return json.dumps({"usage": usage, "model": "m"}).replace('"@"', value).encode()


FIELDS = [
    *(name for name in FULL),
    *(f"{name}.{inner}" for name, details in FULL.items() if isinstance(details, dict) for inner in details),
    "prompt_cache_hit_tokens",
    "cached_tokens",
]


@pytest.mark.parametrize("field", FIELDS)
def test_a_number_in_any_shape_is_read_alike_wherever_it_stands(field):
    for value in ODD:
        body = spelled(field, value)
        assert read_answer(body) == told(body), value


@pytest.mark.parametrize("body", WHOLES, ids=json.dumps)
def test_a_usage_of_any_shape_is_read_alike(body):
    raw = json.dumps(body).encode()
    assert read_answer(raw) == told(raw)


@pytest.mark.parametrize(("body", "error"), list(itertools.product(WHOLES[:6], ERRORS)))
def test_an_error_beside_it_is_seen(body, error):
    raw = json.dumps(body | {"error": error}).encode()
    assert read_answer(raw) == told(raw)
    assert read_answer(raw)[1] is bool(error)


def test_the_typed_decoder_reads_what_the_specification_says():
    """That it is used at all: the liberal one would hide its absence."""
    plain = msgspec.json.decode(json.dumps(FULL).encode(), type=PlainUsage)
    assert plain.neutral() == decode_usage(FULL)
    assert plain.neutral() == Usage(
        input_total=100,
        cache_read=40,
        cache_write=5,
        output_total=30,
        reasoning=20,
        audio_in=3,
        audio_out=2,
        total=130,
    )


def test_the_last_of_two_members_of_a_name_counts_for_both():
    body = b'{"usage":{"prompt_tokens":1},"usage":{"prompt_tokens":2,"prompt_tokens":3}}'
    assert read_answer(body) == told(body)
    assert read_answer(body)[0] == Usage(input_total=3)
