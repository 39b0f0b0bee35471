from __future__ import annotations

from providers.values import CredentialEntry
from routing.core.credentials import credentials_of_provider, find_credential
from routing.core.table import ClientEntry, Offer, OpenOffer, RegisteredModel, RoutingTable

ALICE = ClientEntry(id=1, label="alice")


def entry(number: int, key: str = "acme", priority: int = 0) -> CredentialEntry:
    return CredentialEntry(
        id=number,
        provider_id=len(key),
        provider_key=key,
        adapter="openai",
        base_url="",
        secret="s",
        priority=priority,
    )


def table(models: dict[str, list[CredentialEntry]], opened: CredentialEntry | None = None) -> RoutingTable:
    registered = {
        name: RegisteredModel(
            id=name, offers=tuple(Offer(credential=one, members=(name,)) for one in entries)
        )
        for name, entries in models.items()
    }
    open_offers = (OpenOffer(credential=opened),) if opened else ()
    return RoutingTable(revision=1, clients={}, models=registered, open_offers=open_offers)


def numbers(found: list[CredentialEntry]) -> list[int]:
    return [one.id for one in found]


def test_a_credential_is_found_by_its_number_wherever_it_is_offered():
    both = table({"m": [entry(1)]}, opened=entry(2))
    assert [find_credential(both, number) is not None for number in (1, 2, 3)] == [True, True, False]


def test_the_first_provider_is_the_one_with_the_highest_priority():
    made = table({"m": [entry(1, "a"), entry(2, "bb", 5), entry(3, "bb", 9)], "n": [entry(3, "bb", 9)]})
    assert numbers(credentials_of_provider(made, ALICE, "", lambda _: True)) == [3, 2]
    assert numbers(credentials_of_provider(made, ALICE, "a", lambda _: True)) == [1]
    assert numbers(credentials_of_provider(made, ALICE, "", lambda one: one.id == 1)) == [1]
    assert credentials_of_provider(made, ALICE, "none", lambda _: True) == []


def test_a_client_key_reaches_only_providers_of_its_models():
    made = table({"mine": [entry(1)], "other": [entry(2, "other", 5)]}, opened=entry(3, "open", 9))
    bob = ClientEntry(id=2, label="bob", allowed=("mine",))
    assert numbers(credentials_of_provider(made, bob, "", lambda _: True)) == [1]
    assert numbers(credentials_of_provider(made, ALICE, "", lambda _: True)) == [3]
