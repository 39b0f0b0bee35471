"""Which models a provider really serves, asked in the background and kept with the provider.

A provider that nobody has asked yet is asked soon after it appears, so that what an admin or a file adds
is listed and routable without a further step. An unreachable provider is asked again later, less often.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime

import msgspec
from asgiref.sync import sync_to_async
from django.db import DatabaseError
from django.db.models import Q

from providers import secrets
from providers.adapters.base import CatalogueModel
from providers.adapters.registry import UnknownAdapter, adapter_for
from providers.entries import GatewayDefaults, entry_of
from providers.models import Credential, CredentialHealth, Provider
from providers.secrets import SecretsError
from providers.upstream.client import UpstreamClient
from providers.upstream.probe import ProbeResult, probe
from providers.values import CredentialEntry
from routing import revision
from routing.defaults import defaults_of
from routing.models import GatewaySettings

logger = logging.getLogger("routing.discovery")

LOOK_INTERVAL_S = 3.0
RETRY_AFTER_S = 300.0
REFRESH_AFTER_S = 6 * 3600.0


class Discovery:
    """A background task; ``run`` until cancelled. Several processes may run it: storing is idempotent."""

    def __init__(self, client: UpstreamClient) -> None:
        self._client = client
        self._asked: dict[int, float] = {}

    async def run(self) -> None:
        while True:
            try:
                for provider_id, entry in await sync_to_async(waiting, thread_sensitive=False)():
                    if self._is_due(provider_id):
                        await self._ask(provider_id, entry)
            except DatabaseError as error:
                logger.warning("model lists wait for the database: %s", error)
            await asyncio.sleep(LOOK_INTERVAL_S)

    def _is_due(self, provider_id: int) -> bool:
        now = asyncio.get_running_loop().time()
        if now - self._asked.get(provider_id, -RETRY_AFTER_S) < RETRY_AFTER_S:
            return False
        self._asked[provider_id] = now
        return True

    async def _ask(self, provider_id: int, entry: CredentialEntry) -> None:
        result = await probe(self._client, entry, may_generate=False)
        await sync_to_async(store, thread_sensitive=False)(provider_id, entry.id, result)
        logger.info(
            "model list read" if result.ok else "model list not read",
            extra={
                "fields": {
                    "provider": entry.provider_key,
                    "models": len(result.models),
                    "ms": result.latency_ms,
                    "why": None if result.ok else result.message,
                }
            },
        )


def defaults() -> GatewayDefaults:
    """What the gateway's own settings give to every credential. Raises SecretsError."""
    row = GatewaySettings.objects.filter(pk=1).first() or GatewaySettings()
    return defaults_of(row, secrets.reveal(row.proxy_token))


def waiting() -> list[tuple[int, CredentialEntry]]:
    """Providers that were never asked, or long ago, each with one credential to ask with. Blocking."""
    old = datetime.fromtimestamp(datetime.now(UTC).timestamp() - REFRESH_AFTER_S, UTC)
    found: list[tuple[int, CredentialEntry]] = []
    try:
        given = defaults()
    except SecretsError:
        return []  # the table builder reports it
    providers = Provider.objects.filter(Q(discovered_at=None) | Q(discovered_at__lt=old), enabled=True)
    for provider in providers:
        entry = _one_to_ask_with(provider, given)
        if entry is not None:
            found.append((provider.pk, entry))
    return found


MOST_LOOKED_AT = 50


def _one_to_ask_with(provider: Provider, given: GatewayDefaults) -> CredentialEntry | None:
    """The first credential whose answer would mean something: a login that has ended is renewed first, and
    until then a refusal would say nothing."""
    rows = Credential.objects.filter(provider=provider, enabled=True)
    for credential in rows.select_related("provider", "oauth_token")[:MOST_LOOKED_AT]:
        try:
            if adapter_for(provider.adapter).in_process:
                return None
            entry = entry_of(credential, given)
        except (SecretsError, UnknownAdapter):
            continue  # the table builder reports it
        if not (credential.kind == "oauth" and is_ended(entry)):
            return entry
    return None


def is_ended(entry: CredentialEntry) -> bool:
    """Whether a login's token is bound to be refused: there is none, or it has ended."""
    end = entry.secret_expires_at
    return not entry.secret or (end is not None and end <= datetime.now(UTC).timestamp())


def store(provider_id: int, credential_id: int, result: ProbeResult) -> None:
    """Keep what a background look learnt; routing is told of a new list.

    Only a refused key says something about the credential: many servers that answer well have no list.
    """
    now = datetime.now(UTC)
    credential = Credential.objects.filter(pk=credential_id)
    if not result.ok:
        if result.status in (401, 403):
            credential.update(
                health=CredentialHealth.BROKEN, health_message=result.message[:500], health_at=now
            )
        return
    credential.update(
        health=CredentialHealth.WORKING,
        health_message="",
        health_at=now,
        latency_ms=round(result.latency_ms) if result.latency_ms is not None else None,
    )
    models = [_stored(model) for model in result.models]
    if not models:  # it works but lists nothing now: what it listed before is the better guess
        Provider.objects.filter(pk=provider_id).update(discovered_at=now)
        return
    before = Provider.objects.filter(pk=provider_id).values_list("discovered_models", flat=True).first()
    Provider.objects.filter(pk=provider_id).update(discovered_models=models, discovered_at=now)
    if before != models:
        revision.bump()


def _stored(model: CatalogueModel) -> dict[str, object]:
    """What is worth keeping of a listed model; capabilities stay with the adapter."""
    stored: dict[str, object] = msgspec.to_builtins(msgspec.structs.replace(model, capabilities=None))
    return stored
