"""Provider rows as the values that ``/v1/providers`` shows; read with the rest of the table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from providers.adapters.base import Adapter
from providers.adapters.registry import UnknownAdapter, adapter_for
from providers.json_columns import read
from providers.models import Credential, Provider
from providers.values import Features, Limits
from routing.core.capability import merged
from routing.core.table import ProviderEntry


def provider_entries(
    providers: Iterable[Provider], credentials: Iterable[Credential]
) -> dict[str, ProviderEntry]:
    """By key. A provider whose kind is gone is left out, as it is from routing."""
    held: defaultdict[int, list[Credential]] = defaultdict(list)
    for credential in credentials:
        held[credential.provider_id].append(credential)
    entries: dict[str, ProviderEntry] = {}
    for provider in providers:
        try:
            entries[provider.key] = _entry(provider, held[provider.pk])
        except UnknownAdapter:
            continue  # the table's builder logs it
    return entries


def _entry(provider: Provider, credentials: list[Credential]) -> ProviderEntry:
    adapter = adapter_for(provider.adapter)
    limits = read(provider, "limits", Limits, Limits())
    said = read(provider, "features", Features, None) if provider.features else None
    return ProviderEntry(
        key=provider.key,
        adapter=provider.adapter,
        name=provider.name or adapter.name,
        enabled=provider.enabled and (not credentials or any(row.enabled for row in credentials)),
        auth_type=_auth_type(credentials, adapter),
        endpoint=(provider.base_url or adapter.base_url).rstrip("/"),
        priority=provider.priority,
        features=merged(said, adapter.features) or adapter.features,
        limits=limits if limits.is_set else None,
        credential_ids=tuple(credential.pk for credential in credentials if credential.enabled),
    )


def _auth_type(credentials: list[Credential], adapter: Adapter) -> str:
    if any(credential.kind == "oauth" or credential.channel for credential in credentials):
        return "oauth_device_flow"
    if any(credential.secret_token for credential in credentials):
        return "api_key"
    if adapter.needs_login:
        return "oauth_device_flow"
    return "api_key" if adapter.needs_key and not credentials else "none"
