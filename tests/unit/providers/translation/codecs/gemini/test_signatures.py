import base64

import pytest

from providers.translation.codecs.gemini.signatures import ESCAPE, from_client, to_client
from providers.translation.model import Signature
from providers.values import Format


def test_googles_own_signature_passes_unchanged():
    value = base64.b64encode(bytes(range(256))).decode()
    assert to_client(Signature(value, Format.GEMINI)) == value
    assert from_client(value) == (Signature(value, Format.GEMINI), False)


@pytest.mark.parametrize("redacted", [False, True])
@pytest.mark.parametrize("issuer", [Format.CLAUDE, Format.RESPONSES])
def test_the_state_of_another_vendor_survives_a_gemini_client(issuer, redacted):
    signature = Signature("a:b/+=ü", issuer)
    wire = to_client(signature, redacted=redacted)
    assert from_client(wire) == (signature, redacted)
    # The official SDK decodes and encodes again, in the URL-safe alphabet.
    echoed = base64.urlsafe_b64encode(base64.b64decode(wire, validate=True)).decode().rstrip("=")
    assert from_client(echoed) == (signature, redacted)


@pytest.mark.parametrize(
    "value",
    [
        ESCAPE,
        "not base64 !",
        base64.b64encode(b"cliproxy.state.1:martian:signature:x").decode(),
        base64.b64encode(b"cliproxy.state.1:claude").decode(),
        base64.b64encode(b"cliproxy.state.1:\xff").decode(),
    ],
)
def test_anything_else_is_taken_for_googles(value):
    assert from_client(value) == (Signature(value, Format.GEMINI), False)
