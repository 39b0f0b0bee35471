"""What one credential offers: the order of exclusions and aliases for keys and for logins, the fork table."""

import pytest

from providers.adapters.base import Adapter, CatalogueModel
from providers.models import Provider
from routing.listings import AliasRow, listings_of_key, listings_of_login
from routing.models import ChannelAlias

GPT = ("gpt-5", "gpt-5-mini")


class Vendor(Adapter):
    key = "vendor"


class WithMappings(Vendor):
    default_mappings = (("easy", "v-easy"),)
    mappings_are_aliases = True


def catalogue(*ids):
    return tuple(CatalogueModel(id=model_id) for model_id in ids)


def login(*ids, aliases=(), renamed=(), patterns=(), adapter=None, closed=False, with_defaults=True):
    listings = listings_of_login(
        Provider(key="vendor"),
        adapter or Vendor(),
        catalogue(*ids),
        [AliasRow(alias=alias, upstream_model=model) for alias, model in aliases],
        [ChannelAlias(upstream_model=model, alias=alias, fork=fork) for model, alias, fork in renamed],
        tuple(patterns),
        closed=closed,
        with_defaults=with_defaults,
    )
    return {listing.id: listing.members for listing in listings if listing.excluded_by is None}


@pytest.mark.parametrize(
    ("entries", "listed"),
    [
        ([], {"M": ("M",)}),
        ([("M", "a", False)], {"a": ("M",)}),
        ([("m", "a", True)], {"M": ("M",), "a": ("M",)}),
        ([("M", "a", False), ("M", "b", False)], {"a": ("M",), "b": ("M",)}),
        ([("M", "a", False), ("M", "b", True)], {"M": ("M",), "a": ("M",), "b": ("M",)}),
        ([("other", "a", False)], {"M": ("M",)}),
    ],
)
def test_the_fork_table(entries, listed):
    assert login("M", renamed=entries) == listed


def test_an_alias_that_an_earlier_model_took_is_skipped_and_the_model_keeps_its_name():
    entries = [("first", "shared", False), ("second", "Shared", False)]
    assert login("first", "second", renamed=entries) == {"shared": ("first",), "second": ("second",)}


def test_the_example_of_the_documentation():
    entries = [("gpt-5", "g5", True), ("gpt-5", "five", False), ("gpt-5-mini", "mini", False)]
    assert list(login(*GPT, renamed=entries)) == ["gpt-5", "g5", "five", "mini"]


def test_an_excluded_model_cannot_be_had_under_an_alias_either():
    assert login(*GPT, renamed=[("gpt-5", "big", True)], patterns=["gpt-5"]) == {
        "gpt-5-mini": ("gpt-5-mini",)
    }
    assert login(*GPT, aliases=[("big", "gpt-5")], patterns=["GPT-5"]) == {"gpt-5-mini": ("gpt-5-mini",)}


def test_an_alias_of_a_login_is_not_excluded_by_its_own_name():
    assert login("gpt-5", renamed=[("gpt-5", "big", False)], patterns=["big"]) == {"big": ("gpt-5",)}


def test_an_alias_for_a_vendor_whose_models_nobody_listed_stands_alone():
    assert login(renamed=[("x", "a", False)]) == {"a": ("x",)}
    assert login("M", renamed=[("x", "a", False)]) == {"M": ("M",)}


def test_built_in_aliases_hold_until_the_operator_names_others_or_none():
    ids = ("v-easy", "easy")
    assert login(*ids, adapter=WithMappings()) == {"v-easy": ("v-easy",), "easy": ("v-easy",)}
    assert login(*ids, adapter=WithMappings(), with_defaults=False) == {"v-easy": ("v-easy",)}
    own = [("v-easy", "mine", True)]
    assert login(*ids, adapter=WithMappings(), renamed=own) == {"v-easy": ("v-easy",), "mine": ("v-easy",)}
    assert login(*ids, adapter=WithMappings(), patterns=["v-*"]) == {}


def test_a_login_whose_list_is_closed_offers_its_aliases_alone():
    assert login(*GPT, aliases=[("big", "gpt-5")], closed=True) == {"big": ("gpt-5",)}


def test_a_key_s_exclusions_see_the_alias_and_not_the_name_behind_it():
    aliases = [
        AliasRow(alias="fast", upstream_model="claude-x"),
        AliasRow(alias="claude-y", upstream_model="z"),
    ]
    listings = listings_of_key(Provider(key="v"), Vendor(), (), aliases, ("claude-*",), closed=True)
    assert [(listing.id, listing.excluded_by) for listing in listings] == [
        ("fast", None),
        ("claude-y", "claude-*"),
    ]
