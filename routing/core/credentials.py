"""Credentials found without a model: by their number, or by the provider that a client asks for. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from providers.values import CredentialEntry
from routing.core.resolve import is_allowed
from routing.core.table import ClientEntry, RoutingTable


def _reachable(table: RoutingTable, client: ClientEntry) -> Iterable[CredentialEntry]:
    """Every credential behind an offer that ``client`` may use; some more than once."""
    if not client.allowed:
        return table.credentials.values()
    models = (model for model in table.models.values() if is_allowed(client, model.id))
    return (offer.credential for model in models for offer in model.offers)


def find_credential(table: RoutingTable, credential_id: int) -> CredentialEntry | None:
    """The credential while it is enabled and offers something."""
    return table.credentials.get(credential_id)


def fit_credentials(
    table: RoutingTable, client: ClientEntry, is_fit: Callable[[CredentialEntry], bool]
) -> list[CredentialEntry]:
    """The fit credentials of all providers, higher priority first, then by provider, then by id."""
    fit = {entry.id: entry for entry in _reachable(table, client) if is_fit(entry)}
    return sorted(fit.values(), key=lambda entry: (-entry.priority, entry.provider_id, entry.id))


def credentials_of_provider(
    table: RoutingTable,
    client: ClientEntry,
    provider_key: str,
    is_fit: Callable[[CredentialEntry], bool],
) -> list[CredentialEntry]:
    """The fit credentials of one provider, higher priority first, then by id.

    ``provider_key`` "" means the first provider that has one: the highest priority, then the oldest row.
    """
    ordered = fit_credentials(table, client, is_fit)
    wanted = provider_key or (ordered[0].provider_key if ordered else "")
    return [entry for entry in ordered if entry.provider_key == wanted]
