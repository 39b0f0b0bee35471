"""Proof Key for Code Exchange (RFC 7636), and the ``state`` of a login, from one random seed. Pure.

The challenge is Authlib's. A login's seed is at least 32 random bytes in hex; state and verifier are
separate digests of it: knowing one (the state travels through the browser) tells nothing of the other.
"""

from __future__ import annotations

import base64
import hashlib
import uuid

from authlib.oauth2.rfc7636 import create_s256_code_challenge


def state(seed: str) -> str:
    """32 hex digits, as CLIProxyAPI's panels expect them."""
    return _digest("state", seed).hex()[:32]


def verifier(seed: str) -> str:
    """86 characters; RFC 7636 section 4.1 allows 43 to 128."""
    return base64.urlsafe_b64encode(_digest("verifier", seed)).decode().rstrip("=")


def challenge(code_verifier: str) -> str:
    """``S256`` of a verifier (RFC 7636 section 4.2)."""
    made: str = create_s256_code_challenge(code_verifier)
    return made


def device_id(seed: str) -> str:
    """A UUID for channels that want one per login."""
    return str(uuid.UUID(bytes=_digest("device", seed)[:16], version=4))


def _digest(purpose: str, seed: str) -> bytes:
    return hashlib.sha512(f"{purpose}:{seed}".encode()).digest()
