"""From rows to the values that the hot path and the probe call with: secrets opened, overrides applied."""

from __future__ import annotations

from providers import secrets
from providers.adapters.registry import adapter_for
from providers.models import Credential
from providers.values import CredentialEntry


def entry_of(credential: Credential, default_proxy: str = "") -> CredentialEntry:
    """``credential`` (its provider loaded) as an immutable entry.

    A credential's own value wins over the provider's; headers are merged by name. ``default_proxy`` is
    the gateway's. Raises SecretsError when a secret cannot be opened, UnknownAdapter for an unknown kind.
    """
    provider = credential.provider
    adapter = adapter_for(provider.adapter)
    headers = {name.lower(): value for name, value in secrets.reveal_headers(provider.headers_token).items()}
    headers |= {
        name.lower(): value for name, value in secrets.reveal_headers(credential.headers_token).items()
    }
    priority = credential.priority if credential.priority is not None else provider.priority
    retry = credential.request_retry if credential.request_retry is not None else provider.request_retry
    cooling = (
        credential.disable_cooling if credential.disable_cooling is not None else provider.disable_cooling
    )
    return CredentialEntry(
        id=credential.pk,
        provider_id=provider.pk,
        provider_key=provider.key,
        adapter=provider.adapter,
        base_url=(credential.base_url or provider.base_url or adapter.base_url).rstrip("/"),
        secret=secrets.reveal(credential.secret_token),
        label=credential.label,
        fingerprint=credential.fingerprint,
        headers=tuple(headers.items()),
        proxy_url=secrets.reveal(credential.proxy_token or provider.proxy_token) or default_proxy,
        prefix=credential.prefix or provider.prefix,
        priority=priority,
        weight=credential.weight,
        request_retry=retry,
        disable_cooling=cooling,
        options=dict(provider.options),
    )
