"""How reasoning state of another vendor survives an Anthropic client.

Such a client must echo ``thinking.signature`` and ``redacted_thinking.data`` verbatim, so foreign state
travels there behind a tag: ``cliproxy.1.<issuer>.<place>.<value>``. Anthropic's own values are base64 and
hold no full stop, so neither can be mistaken for the other; its values travel untagged. What follows the
tag is an opaque value of its issuer and is trusted by nobody but the issuer.
"""

from __future__ import annotations

from enum import StrEnum

from providers.translation.model import Signature
from providers.values import Format

TAG = "cliproxy.1."


class Place(StrEnum):
    """Which part of the turn the state belongs to."""

    OWN = "own"
    """The thinking block that carries it."""
    NEXT = "next"
    """The block after it (Gemini signs tool calls)."""
    LAST = "last"
    """The block before it (Gemini may sign text, which is known only once the text ended)."""


_PLACES = {place.value: place for place in Place}
_ISSUERS = {issuer.value: issuer for issuer in Format}


def wrap(signature: Signature | None, place: Place = Place.OWN) -> str:
    """The text for ``signature``. Unsigned thinking gets a tag too: the client's types want a value."""
    if signature is None:
        return f"{TAG}none.{place}."
    if signature.issuer is Format.CLAUDE and place is Place.OWN:
        return signature.value
    return f"{TAG}{signature.issuer}.{place}.{signature.value}"


def unwrap(value: str) -> tuple[Signature | None, Place]:
    """What ``wrap`` put in; an untagged value is Anthropic's own, "" and a broken tag are no signature."""
    if not is_tagged(value):
        return (Signature(value, Format.CLAUDE) if value else None), Place.OWN
    issuer, _, tail = value.removeprefix(TAG).partition(".")
    place, dot, state = tail.partition(".")
    if not dot or place not in _PLACES:
        return None, Place.OWN
    signed = issuer in _ISSUERS and state
    return (Signature(state, _ISSUERS[issuer]) if signed else None), _PLACES[place]


def is_tagged(value: str) -> bool:
    """Whether this gateway wrote ``value``: Anthropic would refuse it."""
    return value.startswith(TAG)
