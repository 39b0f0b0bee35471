"""Plain makers and a small cast for routing tests."""

from __future__ import annotations

from typing import Any

from providers.errors import UpstreamRefused, UpstreamUnreachable
from providers.values import CredentialEntry, Refusal, RefusalKind
from routing.core.cooldown import CoolingRules, history_after, scope_of
from routing.core.table import ClientEntry, Offer, OpenOffer, RegisteredModel, RouteSettings, RoutingTable
from routing.state.memory import MemoryState

ANYONE = ClientEntry(id=1, label="anyone")
NOW = 1_800_000_000.0


def make_credential(id: int, provider: str = "acme", **changes) -> CredentialEntry:
    values: dict[str, Any] = {
        "id": id,
        "provider_id": 1,
        "provider_key": provider,
        "adapter": "openai",
        "base_url": "http://127.0.0.1:1",
        "secret": f"secret-{id}",
    }
    return CredentialEntry(**(values | changes))


def make_offer(credential: CredentialEntry, *members: str, **changes) -> Offer:
    return Offer(credential=credential, members=members or ("up",), **changes)


def make_table(models: dict[str, list[Offer]], **changes) -> RoutingTable:
    registered = {name: RegisteredModel(id=name, offers=tuple(offers)) for name, offers in models.items()}
    return RoutingTable(revision=1, clients={}, models=registered, **changes)


def make_open(credential: CredentialEntry, *excluded: str) -> OpenOffer:
    return OpenOffer(credential=credential, excluded=excluded)


def refused(kind: RefusalKind, status: int = 500, **changes) -> UpstreamRefused:
    return UpstreamRefused(Refusal(kind=kind, status=status, message=kind.value, **changes))


def unreachable() -> UpstreamUnreachable:
    return UpstreamUnreachable("the upstream refused the connection")


def fail(
    state: MemoryState, credential_id: int, error, model: str = "up", now: float = NOW, rules=None
) -> None:
    """Record one failure as the hot path does."""
    scope = scope_of(error, model)
    history = history_after(error, model, state.history(credential_id, scope), rules or CoolingRules(), now)
    if history is not None:
        state.record_failure(credential_id, scope, history)


SETTINGS = RouteSettings()
