from __future__ import annotations

import pytest

from providers.values import CredentialEntry, RefusalKind
from routing.core.quota import rests
from routing.core.table import Offer, RegisteredModel, RouteSettings, RoutingTable, Spent


def table(disable_cooling: bool | None = None, *, everywhere: bool = False) -> RoutingTable:
    entry = CredentialEntry(
        id=7,
        provider_id=1,
        provider_key="copilot",
        adapter="x",
        base_url="",
        secret="s",
        disable_cooling=disable_cooling,
    )
    models = {
        name: RegisteredModel(id=name, offers=(Offer(credential=entry, members=(name,)),))
        for name in ("claude-opus", "gpt-4.1", "gpt-4.1-mini")
    }
    settings = RouteSettings(disable_cooling=everywhere)
    return RoutingTable(revision=1, clients={}, models=models, settings=settings)


def spent(model: str = "", spares: tuple[str, ...] = ()) -> Spent:
    return Spent(credential_id=7, model=model, spares=spares, until=200.0, message="spent")


def test_the_whole_seat_rests_until_the_reset():
    (history,) = rests(table(), spent(), 100.0)
    assert history.cooldown is not None
    assert (history.cooldown.model, history.cooldown.since, history.cooldown.until) == ("", 100.0, 200.0)
    assert history.cooldown.cause is RefusalKind.QUOTA


def test_one_model_rests_alone():
    (history,) = rests(table(), spent("gemini-pro"), 100.0)
    assert history.cooldown is not None
    assert history.cooldown.model == "gemini-pro"


def test_models_that_cost_nothing_go_on():
    rested = [history.cooldown for history in rests(table(), spent(spares=("gpt-4.1*",)), 100.0)]
    assert [cooldown.model for cooldown in rested if cooldown] == ["claude-opus"]


@pytest.mark.parametrize(
    ("own", "everywhere", "count"), [(True, False, 0), (None, True, 0), (False, True, 1), (None, False, 1)]
)
def test_a_credential_that_does_not_cool_does_not_rest(own, everywhere, count):
    assert len(list(rests(table(own, everywhere=everywhere), spent(), 100.0))) == count
