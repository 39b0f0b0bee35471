"""Plain makers for adapter tests."""

from __future__ import annotations

from typing import Any

from providers.adapters.registry import adapter_for
from providers.values import CredentialEntry


def make_credential(adapter: str = "openai", **fields: Any) -> CredentialEntry:
    values: dict[str, Any] = {
        "id": 1,
        "provider_id": 1,
        "provider_key": adapter,
        "adapter": adapter,
        "base_url": adapter_for(adapter).base_url,
        "secret": "test-key-0123456789",
    }
    return CredentialEntry(**(values | fields))
