"""Thought signatures on the wire of a Gemini client, and how another vendor's state travels there.

A Gemini signature passes as the exact text that Google sent. State that another vendor issued (a Claude
signature, encrypted reasoning) is wrapped and tagged, so that a Gemini client echoes it and the next
request can hand it back to its issuer, and to nobody else. The wrapping is valid base64, because the
official SDK refuses any other ``thoughtSignature``; SDKs re-encode it in the URL-safe alphabet.
"""

from __future__ import annotations

import base64

from providers.translation.media import standard_base64
from providers.translation.model import Signature
from providers.values import Format

_TAG = b"cliproxy.state.1:"
TAGGED = base64.b64encode(_TAG)[:20]
"""With this every value begins that ``to_client`` wrapped: the base64 of the tag's first 15 bytes."""

ESCAPE = "skip_thought_signature_validator"
"""What Google documents for a call that never had a signature (history from another model); seen to work
as this raw text, which happens to be base64 too. https://ai.google.dev/gemini-api/docs/thought-signatures"""


def to_client(signature: Signature, *, redacted: bool = False) -> str:
    if signature.issuer is Format.GEMINI and not redacted:
        return signature.value
    kind = "redacted" if redacted else "signature"
    payload = _TAG + f"{signature.issuer.value}:{kind}:{signature.value}".encode()
    return base64.b64encode(payload).decode()


def from_client(value: str) -> tuple[Signature, bool]:
    """The signature and whether it stands for redacted reasoning."""
    try:
        payload = base64.b64decode(standard_base64(value))
        if payload.startswith(_TAG):
            issuer, kind, inner = payload[len(_TAG) :].decode().split(":", 2)
            return Signature(inner, Format(issuer)), kind == "redacted"
    except ValueError:
        # Not base64, not UTF-8 or not a format we know: then it is nothing that this module wrote.
        return Signature(value, Format.GEMINI), False
    return Signature(value, Format.GEMINI), False
