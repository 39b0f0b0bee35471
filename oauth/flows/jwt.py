"""JSON Web Tokens as logins meet them: claims of a token that its issuer just sent, and the assertion of a
Google service account (RFC 7523), signed by google-auth. Pure.
"""

from __future__ import annotations

import base64
import binascii

from google.auth import crypt, jwt

from oauth.flows import wire
from oauth.flows.errors import OAuthError


def claims(token: str) -> dict[str, object]:
    """The payload, unverified: for tokens that came straight from their issuer over TLS. {} for what is no
    JWT, since vendors also hand out opaque tokens."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        payload = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
    except (ValueError, binascii.Error):
        return {}
    return wire.object_from(payload)


def end_of(token: str) -> float | None:
    """``exp`` in Unix seconds."""
    return wire.number(claims(token), "exp")


def service_account_assertion(key: dict[str, str], scope: str, audience: str, now: float) -> str:
    """A one-hour assertion for the endpoint ``audience``. Raises OAuthError for a key that cannot sign."""
    try:
        signer = crypt.RSASigner.from_service_account_info(  # type: ignore[no-untyped-call]
            {"private_key": key["private_key"], "private_key_id": key.get("private_key_id", "")}
        )
        payload = {
            "iss": key["client_email"],
            "scope": scope,
            "aud": audience,
            "iat": int(now),
            "exp": int(now) + 3600,
        }
        signed: bytes = jwt.encode(signer, payload)  # type: ignore[no-untyped-call]
    except (ValueError, KeyError, TypeError) as error:
        raise OAuthError(
            "The service account's private key cannot be used: invalid service account.",
            code="invalid_service_account",
            status=400,
        ) from error
    return signed.decode()
