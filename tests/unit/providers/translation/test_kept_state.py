"""What one vendor keeps is refused by every other format, and by none in silence."""

import pytest

from providers.translation.codec import Capabilities, Untranslatable
from providers.translation.model import Request, Role, Text, Turn
from providers.translation.registry import CODECS
from providers.values import Format

STATE = [
    *(
        (Format.RESPONSES, key, "x")
        for key in (
            "previous_response_id", "conversation", "prompt", "background",
            "item_reference", "compaction", "compaction_trigger",
        )
    ),
    (Format.GEMINI, "cachedContent", "cachedContents/1"),
    (Format.GEMINI, "cached_content", "cachedContents/1"),
]  # fmt: skip


def encode(target, ext):
    request = Request(model="m", turns=(Turn(role=Role.USER, parts=(Text(text="Hi"),)),), ext=ext)
    return CODECS[target].encode_request(request, "up", Capabilities())


@pytest.mark.parametrize(("issuer", "key", "value"), STATE)
def test_state_of_one_vendor_is_refused_by_all_others(issuer, key, value):
    for target in set(CODECS) - {issuer}:
        with pytest.raises(Untranslatable) as caught:
            encode(target, {issuer: {key: value}})
        assert (caught.value.param, caught.value.client_status) == (key, 400)


@pytest.mark.parametrize(("issuer", "key", "value"), STATE)
def test_its_own_vendor_takes_it(issuer, key, value):
    assert encode(issuer, {issuer: {key: value}}).dropped == ()


@pytest.mark.parametrize("target", CODECS)
def test_an_empty_field_names_nothing_and_is_only_dropped(target):
    encoded = encode(target, {Format.RESPONSES: {"previous_response_id": ""}})
    assert encoded.dropped == (() if target is Format.RESPONSES else ("previous_response_id",))


def test_a_field_of_that_name_from_another_format_is_just_unknown():
    assert encode(Format.GEMINI, {Format.OPENAI: {"prompt": "x"}}).dropped == ("prompt",)
