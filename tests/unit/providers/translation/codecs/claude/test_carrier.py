import pytest

from providers.translation.codecs.claude.carrier import Place, is_tagged, unwrap, wrap
from providers.translation.model import Signature
from providers.values import Format


@pytest.mark.parametrize("issuer", list(Format))
@pytest.mark.parametrize("place", list(Place))
@pytest.mark.parametrize("value", ["EqQB", "a.b.c", "gAAAA-_=", "ü"])
def test_state_comes_back_bit_by_bit_with_issuer_and_place(issuer, place, value):
    signature = Signature(value, issuer)
    assert unwrap(wrap(signature, place)) == (signature, place)


def test_anthropics_own_value_travels_untagged():
    assert wrap(Signature("EqQB/+=", Format.CLAUDE)) == "EqQB/+="
    assert is_tagged(wrap(Signature("x", Format.GEMINI)))
    assert not is_tagged("EqQB/+=")


@pytest.mark.parametrize(
    "value", ["", wrap(None), "cliproxy.1.", "cliproxy.1.acme.own.x", "cliproxy.1.gemini.there.x"]
)
def test_nothing_and_broken_tags_are_no_signature(value):
    assert unwrap(value) == (None, Place.OWN)
