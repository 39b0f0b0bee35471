"""JSON out."""

from __future__ import annotations

import msgspec
import pytest

from providers.translation.json_text import dump_bytes, dumps


def test_big_integers_order_and_characters_survive():
    value = {"z": 2**70, "a": "é</>&", "m": [1.5, None, True]}
    assert dumps(value) == '{"z":1180591620717411303424,"a":"é</>&","m":[1.5,null,true]}'
    assert msgspec.json.decode(dump_bytes(value)) == value


def test_what_json_cannot_hold_is_refused():
    with pytest.raises(TypeError):
        dumps(object())
