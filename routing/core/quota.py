"""Allowances that a vendor reports as spent become cooldowns until their reset. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from providers.values import RefusalKind
from routing.core.cooldown import Cooldown, History
from routing.core.exclusions import first_match
from routing.core.table import RoutingTable, Spent


def rests(table: RoutingTable, spent: Spent, now: float) -> Iterator[History]:
    """What rests because of ``spent``: one model, the whole credential, or, where some models go on, each of
    the others that the credential offers. Nothing where the credential does not cool."""
    disabled = table.settings.disable_cooling
    models: set[str] = set()
    is_offered = False
    for registered in table.models.values():
        for offer in registered.offers:
            if offer.credential.id == spent.credential_id:
                is_offered = True
                own = offer.credential.disable_cooling
                disabled = table.settings.disable_cooling if own is None else own
                models.update(offer.members)
    if disabled:
        return
    if spent.model:
        yield _rest(spent, spent.model, now)
    elif not spent.spares or not is_offered:
        yield _rest(spent, "", now)
    else:
        for model in sorted(models):
            if first_match(spent.spares, model) is None:
                yield _rest(spent, model, now)


def _rest(spent: Spent, model: str, now: float) -> History:
    return History(
        level=1,
        cooldown=Cooldown(
            cause=RefusalKind.QUOTA,
            since=now,
            until=spent.until,
            model=model,
            status=429,
            message=spent.message,
        ),
    )
