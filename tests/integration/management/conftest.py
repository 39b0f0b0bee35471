"""A management API with a stored key, called as scripts call it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bcrypt
import pytest
from django.test import Client

from routing.models import GatewaySettings

KEY = "management-key-0001"
HASH = bcrypt.hashpw(KEY.encode(), bcrypt.gensalt(4)).decode()
"""The cheapest bcrypt: these tests are about who gets in, not about how long a guess takes."""


@pytest.fixture
def grant(db) -> Callable[..., None]:
    """``grant(key_hash=HASH, remote=False)`` stores the key's hash and the switch."""

    def store(*, key_hash: str = HASH, remote: bool = False) -> None:
        GatewaySettings.objects.update_or_create(
            pk=1, defaults={"management_key_hash": key_hash, "allow_remote_management": remote}
        )

    return store


@pytest.fixture
def call(grant) -> Callable[..., Any]:
    """``call("get", "openapi.json", key=KEY, address="127.0.0.1", HTTP_…=…)``; a key is in force."""
    grant()

    def send(method: str, path: str, body: Any = None, *, key: str = KEY, **options: Any) -> Any:
        extra = {"REMOTE_ADDR": options.pop("address", "127.0.0.1"), **options}
        if key:
            extra["HTTP_AUTHORIZATION"] = f"Bearer {key}"
        content = {} if body is None else {"data": body, "content_type": "application/json"}
        return getattr(Client(), method)(f"/v0/management/{path}", **content, **extra)

    return send
