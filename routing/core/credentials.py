"""Credentials found without a model: by their number, or by the provider that a client asks for. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from providers.values import CredentialEntry
from routing.core.resolve import is_allowed
from routing.core.table import ClientEntry, RoutingTable


def _offered(table: RoutingTable, client: ClientEntry | None) -> Iterator[CredentialEntry]:
    """Every credential behind some offer; with ``client`` only behind those that it may use."""
    for model in table.models.values():
        if client is None or is_allowed(client, model.id):
            for offer in model.offers:
                yield offer.credential
    if client is None or not client.allowed:
        for open_offers in (*table.open_prefixes.values(), table.open_offers):
            for open_offer in open_offers:
                yield open_offer.credential


def find_credential(table: RoutingTable, credential_id: int) -> CredentialEntry | None:
    """The credential while it is enabled and offers something."""
    return next((entry for entry in _offered(table, None) if entry.id == credential_id), None)


def credentials_of_provider(
    table: RoutingTable,
    client: ClientEntry,
    provider_key: str,
    is_fit: Callable[[CredentialEntry], bool],
) -> list[CredentialEntry]:
    """The fit credentials of one provider, higher priority first, then by id.

    ``provider_key`` "" means the first provider that has one: the highest priority, then the oldest row.
    """
    fit = {entry.id: entry for entry in _offered(table, client) if is_fit(entry)}
    ordered = sorted(fit.values(), key=lambda entry: (-entry.priority, entry.provider_id, entry.id))
    wanted = provider_key or (ordered[0].provider_key if ordered else "")
    return [entry for entry in ordered if entry.provider_key == wanted]
