"""Rows as an admin or a file would make them."""

from __future__ import annotations

from typing import Any

from providers import secrets
from providers.models import Credential, Provider
from routing.models import ModelAlias, ModelExclusion


def make_provider(key: str = "acme", adapter: str = "openai-compatibility", **changes: Any) -> Provider:
    values = {"base_url": "http://127.0.0.1:9/v1", **changes}
    return Provider.objects.create(key=key, adapter=adapter, **values)


def make_credential(provider: Provider, secret: str = "", **changes: Any) -> Credential:
    plain = secret or f"secret-{provider.key}-{provider.credentials.count()}"
    values = {"secret_token": secrets.seal(plain), "fingerprint": secrets.fingerprint(plain), **changes}
    return Credential.objects.create(provider=provider, **values)


def make_alias(provider: Provider, alias: str, *upstream: str, **changes: Any) -> None:
    for position, model in enumerate(upstream or (alias,)):
        ModelAlias.objects.create(
            provider=provider, alias=alias, upstream_model=model, position=position, **changes
        )


def exclude(provider: Provider, pattern: str, credential: Credential | None = None) -> None:
    ModelExclusion.objects.create(provider=provider, pattern=pattern, credential=credential)
