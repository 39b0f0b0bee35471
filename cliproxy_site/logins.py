"""The logins of one process: what renews tokens and reads allowances, as the hot path asks for it."""

from __future__ import annotations

from collections.abc import Mapping

from django.conf import settings

from management_api.auth_dir.watch import CredentialFileWatcher
from oauth.quota import QuotaReader
from oauth.refresh import Refresher
from providers.upstream.client import UpstreamClient
from providers.values import CredentialEntry
from routing.live import LiveTable


class Logins:
    """Implements ``routing.proxy.tokens.TokenSource``."""

    def __init__(self, client: UpstreamClient, live: LiveTable) -> None:
        self.refresher = Refresher(
            client,
            interval_s=settings.TOKEN_REFRESH_INTERVAL_S,
            workers=lambda: live.table.settings.auth_refresh_workers,
        )
        self.files = CredentialFileWatcher(
            lambda: live.table.settings.auth_dir, interval_s=settings.TOKEN_REFRESH_INTERVAL_S
        )
        self.quotas = QuotaReader(client, interval_s=settings.TOKEN_REFRESH_INTERVAL_S)

    def current(self, entry: CredentialEntry) -> CredentialEntry:
        return self.refresher.current(entry)

    def is_stale(self, entry: CredentialEntry) -> bool:
        return self.refresher.is_stale(entry)

    async def renew(self, entry: CredentialEntry) -> CredentialEntry:
        return await self.refresher.renew(entry)

    def note_headers(self, entry: CredentialEntry, headers: Mapping[str, str]) -> None:
        self.quotas.note_headers(entry, headers)

    async def stop(self) -> None:
        """After their tasks were cancelled: let what has begun end."""
        await self.refresher.stop()
        await self.quotas.stop()
