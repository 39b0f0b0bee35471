"""Logins as tests need them."""

from __future__ import annotations

import time

from oauth.flows.base import Grant
from oauth.tokens import store_grant
from providers.models import Credential


def qwen_login(
    access: str = "access-0", refresh: str = "refresh-0", *, life_s: float = -1.0, name: str = "alice"
) -> Credential:
    """A login that is due at once: Qwen's lead is three hours."""
    now = time.time()
    return store_grant(
        Grant(
            channel="qwen",
            access_token=access,
            refresh_token=refresh,
            expires_at=now + life_s,
            refreshed_at=now - 3600,
            method="device",
            label=name,
            account={"email": name, "resource_url": "portal.qwen.ai"},
        )
    )


def tokens(number: int, life_s: int = 6 * 3600) -> tuple[int, dict[str, object]]:
    """The answer to a refresh."""
    return 200, {
        "access_token": f"access-{number}",
        "refresh_token": f"refresh-{number}",
        "expires_in": life_s,
        "token_type": "Bearer",
    }
