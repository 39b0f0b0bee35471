"""Credentials that exist only while somebody is connected, laid over the table. Pure."""

from __future__ import annotations

import msgspec

from providers.values import CredentialEntry
from routing.core.relay_model import RelayModel
from routing.core.table import Offer, RegisteredModel, RoutingTable


def with_relays(
    table: RoutingTable, entries: tuple[CredentialEntry, ...], models: tuple[RelayModel, ...]
) -> RoutingTable:
    """``table`` with ``models`` offered by every one of ``entries`` as well."""
    if not entries:
        return table
    registered = dict(table.models)
    for model in models:
        offers = tuple(
            Offer(credential=entry, members=(model.upstream,), force_mapping=model.force_mapping)
            for entry in entries
        )
        known = registered.get(model.id)
        if known is not None:
            registered[model.id] = msgspec.structs.replace(known, offers=known.offers + offers, tiers=())
        else:
            registered[model.id] = RegisteredModel(
                id=model.id,
                offers=offers,
                owned_by=model.owned_by,
                display_name=model.display_name or model.id,
                context_length=model.context_length,
                max_output_tokens=model.max_output_tokens,
            )
    return msgspec.structs.replace(table, models=dict(sorted(registered.items())))
