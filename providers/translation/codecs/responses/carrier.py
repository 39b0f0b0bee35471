"""How reasoning state of another vendor survives a Responses client.

Such a client echoes ``reasoning`` items with their ``encrypted_content``, so foreign state travels there
behind a tag: ``cliproxy.1.<issuer>.<place>.<value>``. OpenAI's own values are URL-safe base64 and hold no
full stop, so neither can be mistaken for the other; they travel untagged. What follows the tag is an opaque
value of its issuer and is trusted by nobody but the issuer.

Gemini signs calls and texts, which have no such field: their state gets a reasoning item of its own, whose
place says what it belongs to.
"""

from __future__ import annotations

from providers.translation.model import Signature
from providers.values import Format

TAG = "cliproxy.1."

OWN = "own"
"""The state belongs to the reasoning item that carries it."""
REDACTED = "redacted"
"""As OWN, for reasoning whose vendor hides the text."""
LAST = "last"
"""The state belongs to the text before the item."""
_CALL = "call-"
"""Followed by the call id in hexadecimal: the state belongs to that call."""

_ISSUERS = {issuer.value: issuer for issuer in Format}


def call_place(call_id: str) -> str:
    return _CALL + call_id.encode().hex()


def wrap(signature: Signature, place: str = OWN) -> str:
    if signature.issuer is Format.RESPONSES and place == OWN:
        return signature.value
    return f"{TAG}{signature.issuer}.{place}.{signature.value}"


def unwrap(value: str) -> tuple[Signature | None, str]:
    """What ``wrap`` put in. An untagged value is OpenAI's own; "" and a broken tag are no signature."""
    if not value.startswith(TAG):
        return (Signature(value, Format.RESPONSES) if value else None), OWN
    issuer, _, tail = value.removeprefix(TAG).partition(".")
    place, _, state = tail.partition(".")
    if issuer not in _ISSUERS or not state:
        return None, place
    return Signature(state, _ISSUERS[issuer]), place


def call_id_of(place: str) -> str | None:
    """The call id in a place that ``call_place`` made, else None."""
    if not place.startswith(_CALL):
        return None
    try:
        return bytes.fromhex(place.removeprefix(_CALL)).decode()
    except ValueError:
        return None


def is_tagged(value: str) -> bool:
    """Whether this gateway wrote ``value``: OpenAI could not read it."""
    return value.startswith(TAG)
