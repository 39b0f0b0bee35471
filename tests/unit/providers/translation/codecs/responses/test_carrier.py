from __future__ import annotations

import pytest

from providers.translation.codecs.responses import carrier
from providers.translation.model import Signature
from providers.values import Format


@pytest.mark.parametrize("issuer", list(Format))
@pytest.mark.parametrize("value", ["gAAAA-_=", "a.b.c", "ä b"])
@pytest.mark.parametrize("place", [carrier.OWN, carrier.REDACTED, carrier.LAST, carrier.call_place("c/1.x")])
def test_what_was_wrapped_comes_out(issuer, value, place):
    signature = Signature(value, issuer)
    assert carrier.unwrap(carrier.wrap(signature, place)) == (signature, place)


def test_openais_own_state_travels_untouched():
    assert carrier.wrap(Signature("gAAAA", Format.RESPONSES)) == "gAAAA"


@pytest.mark.parametrize("value", ["", "cliproxy.1.", "cliproxy.1.nobody.own.x", "cliproxy.1.claude.own."])
def test_a_broken_tag_is_no_signature(value):
    assert carrier.unwrap(value)[0] is None


def test_a_call_id_survives_in_its_place():
    assert carrier.call_id_of(carrier.call_place("toolu_ä.1")) == "toolu_ä.1"
    assert carrier.call_id_of("call-zz") is None
    assert carrier.call_id_of(carrier.LAST) is None
