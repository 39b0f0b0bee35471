"""Every row of the lists' tables in docs/management-api.md, on the entries alone."""

from __future__ import annotations

from typing import Any

import pytest

from management_api.errors import ManagementError
from management_api.resources import masking
from management_api.resources.object_list import Entry, Held, deleted, patched, replaced
from management_api.resources.object_list_kinds import OBJECT_LISTS

KINDS = {kind.name: kind for kind in OBJECT_LISTS}
KEYED = [kind for kind in OBJECT_LISTS if not kind.is_by_name]
PLAIN_DELETE = [kind for kind in KEYED if not kind.is_narrowed]
GEMINI, CLAUDE, CODEX, XAI, VERTEX, COMPATIBLE = (
    KINDS[name]
    for name in (
        "gemini-api-key",
        "claude-api-key",
        "codex-api-key",
        "xai-api-key",
        "vertex-api-key",
        "openai-compatibility",
    )
)
URL, OTHER = "https://one.test/v1", "https://two.test/v1"
KEY, SECOND = "sk-first-000000000000001", "sk-second-00000000000002"


def held(*entries: dict[str, Any]) -> Held:
    return Held(tuple(Entry(values, at) for at, values in enumerate(entries)))


def one(key: Any = KEY, url: Any = URL, **more: Any) -> dict[str, Any]:
    return {"api-key": key, "base-url": url, **more}


def named(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "base-url": URL, **more}


def refusal(work) -> tuple[int, str]:
    with pytest.raises(ManagementError) as caught:
        work()
    return caught.value.status, caught.value.body["error"]


def values(entries: list[Entry]) -> list[dict[str, Any]]:
    return [entry.values for entry in entries]


# --- PUT


@pytest.mark.parametrize("kind", OBJECT_LISTS, ids=lambda kind: kind.name)
def test_put_takes_an_array_items_or_the_lists_own_name(kind):
    item = named("acme") if kind.is_by_name else one()
    for body in ([item], {"items": [item]}, {kind.name: [item]}):
        assert replaced(kind, held(), body) == [Entry(item)]
    assert replaced(kind, held(item), []) == []
    assert replaced(kind, held(item), {kind.name: []}) == []


@pytest.mark.parametrize("body", [None, {}, {"items": []}, {"items": None}, "x", [1], [[]], {"other": [{}]}])
def test_put_refuses_what_is_no_list_of_entries(body):
    assert refusal(lambda: replaced(CLAUDE, held(one()), body)) == (400, "invalid body")


@pytest.mark.parametrize(
    ("kind", "item", "error"),
    [
        (CLAUDE, one(weight="3"), "claude-api-key[1]: weight must be an integer"),
        (CLAUDE, one(weight=True), "claude-api-key[1]: weight must be an integer"),
        (CLAUDE, one(weight=1_000_001), "claude-api-key[1]: weight must not exceed 1000000"),
        (
            COMPATIBLE,
            named("b", **{"api-key-entries": [{"api-key": "k", "weight": 1.5}]}),
            "openai-compatibility[1].api-key-entries[0]: weight must be an integer",
        ),
        (VERTEX, {"base-url": URL}, "vertex-api-key[1].api-key is required"),
    ],
)
def test_put_says_which_entry_is_bad(kind, item, error):
    good = named("a") if kind.is_by_name else one()
    assert refusal(lambda: replaced(kind, held(), [good, item])) == (400, error)


@pytest.mark.parametrize("kind", [CODEX, XAI, COMPATIBLE], ids=lambda kind: kind.name)
def test_put_drops_entries_without_an_address(kind):
    item = {"name": "acme"} if kind.is_by_name else {"api-key": KEY}
    assert replaced(kind, held(), [item, {**item, "base-url": URL}]) == [Entry({**item, "base-url": URL})]


def test_put_drops_what_gemini_cannot_use_or_has_already():
    listed = [{"prefix": "x"}, one(), one(priority=3), one(headers={"A": "b"}), {"base-url": URL}]
    assert values(replaced(GEMINI, held(), listed)) == [one(), one(headers={"A": "b"}), {"base-url": URL}]
    assert len(replaced(CLAUDE, held(), [{"prefix": "x"}, one(), one()])) == 3


def test_put_forgets_what_only_answers_have_and_xais_search():
    assert values(replaced(XAI, held(), [one(**{"auth-index": "0", "alpha-search": True})])) == [one()]


def test_put_keeps_the_secret_behind_a_mask_and_knows_the_entry_again():
    old = held(one(SECOND), one(headers={"X-Team": "secret-team-0000000000001"}))
    shown = masking.masked([entry.values for entry in old.entries], (CLAUDE.name,))
    assert KEY not in str(shown)
    assert "secret-team" not in str(shown)
    new = replaced(CLAUDE, old, [{**shown[1], "prefix": "team"}, one("new")])
    assert new == [
        Entry(one(headers={"X-Team": "secret-team-0000000000001"}, prefix="team"), 1),
        Entry(one("new")),
    ]
    assert refusal(lambda: replaced(CLAUDE, old, [one("00000000…abcd")])) == (400, "invalid body")


def test_references_may_stay_and_not_come():
    old = held(one("${KEY}"))
    assert replaced(CLAUDE, old, [one("${KEY}", prefix="p")])[0].source == 0
    assert refusal(lambda: replaced(CLAUDE, old, [one(prefix="${SECRET_KEY}")])) == (400, "invalid body")


# --- PATCH


@pytest.mark.parametrize("kind", KEYED, ids=lambda kind: kind.name)
@pytest.mark.parametrize("match", [KEY, masking.of_secret(KEY), f" {KEY} "])
def test_patch_finds_an_entry_by_key_or_mask(kind, match):
    old = held(one(SECOND), one(priority=4, models=[{"name": "m"}]))
    new = patched(kind, old, {"match": match, "value": {"prefix": " team "}})
    assert new[1] == Entry(one(priority=4, models=[{"name": "m"}], prefix="team"), 1)
    assert new[0] == old.entries[0]


def test_an_index_wins_over_a_match_and_a_bad_one_does_not():
    old = held(one(), one(SECOND))
    body = {"match": KEY, "value": {"prefix": "p"}}
    assert "prefix" in patched(CLAUDE, old, {"index": 1, **body})[1].values
    assert "prefix" in patched(CLAUDE, old, {"index": 9, **body})[0].values


@pytest.mark.parametrize("body", [None, [], {}, {"index": 0}, {"match": KEY}, {"index": 0, "value": []}])
def test_patch_needs_a_value(body):
    assert refusal(lambda: patched(CLAUDE, held(one()), body)) == (400, "invalid body")


@pytest.mark.parametrize(
    "selector", [{"index": "0"}, {"index": True}, {"match": 1}, {"index": 1.5}], ids=lambda one: str(one)
)
def test_patch_refuses_a_selector_of_another_type(selector):
    assert refusal(lambda: patched(CLAUDE, held(one()), {**selector, "value": {}})) == (400, "invalid body")


@pytest.mark.parametrize("selector", [{}, {"match": "absent"}, {"match": ""}, {"index": 1}, {"index": -1}])
def test_patch_of_an_entry_that_is_not_there(selector):
    body = {**selector, "value": {"prefix": "p"}}
    assert refusal(lambda: patched(CLAUDE, held(one()), body)) == (404, "item not found")


@pytest.mark.parametrize(
    ("field", "error"),
    [
        ({"weight": "3"}, "weight must be an integer"),
        ({"weight": 2.0}, "weight must be an integer"),
        ({"weight": 1_000_001}, "weight must not exceed 1000000"),
        ({"disable-cooling": "yes"}, "disable-cooling must be a boolean or null"),
        ({"prefix": 1}, "invalid body"),
        ({"models": "m"}, "invalid body"),
        ({"headers": {"A": 1}}, "invalid body"),
        ({"excluded-models": "x"}, "invalid body"),
        ({"request-retry": True}, "invalid body"),
    ],
)
def test_patch_refuses_a_field_of_another_type(field, error):
    assert refusal(lambda: patched(CLAUDE, held(one()), {"index": 0, "value": field})) == (400, error)


def test_null_removes_a_weight_and_an_override_and_leaves_the_rest():
    old = held(one(weight=3, prefix="p", **{"disable-cooling": True}))
    body = {"index": 0, "value": {"weight": None, "disable-cooling": None, "prefix": None}}
    assert values(patched(CLAUDE, old, body)) == [one(prefix="p")]
    off = {"index": 0, "value": {"weight": 0, "disable-cooling": False}}
    assert values(patched(CLAUDE, old, off)) == [one(weight=0, prefix="p", **{"disable-cooling": False})]


ALL = {
    "api-key": "new",
    "prefix": "p",
    "base-url": OTHER,
    "proxy-url": "direct",
    "headers": {"A": "b"},
    "excluded-models": ["x"],
    "weight": 2,
    "disable-cooling": True,
    "request-retry": 1,
    "request-scoped-errors": [{"status": 400}],
    "models": [{"name": "m"}],
    "priority": 5,
    "websockets": True,
    "alpha-search": True,
    "rebuild-mid-system-message": True,
}
CANNOT = {
    "gemini-api-key": {"models", "priority", "websockets", "alpha-search", "rebuild-mid-system-message"},
    "interactions-api-key": {
        "models",
        "priority",
        "websockets",
        "alpha-search",
        "rebuild-mid-system-message",
    },
    "claude-api-key": {"priority", "websockets", "alpha-search"},
    "codex-api-key": {"priority", "websockets", "rebuild-mid-system-message"},
    "xai-api-key": {"alpha-search", "rebuild-mid-system-message"},
    "vertex-api-key": {
        "priority",
        "websockets",
        "alpha-search",
        "rebuild-mid-system-message",
        "request-scoped-errors",
    },
}


@pytest.mark.parametrize("kind", KEYED, ids=lambda kind: kind.name)
def test_what_patch_can_set(kind):
    new = patched(kind, held(one()), {"index": 0, "value": ALL})[0].values
    assert new == {name: value for name, value in ALL.items() if name not in CANNOT[kind.name]}


def test_what_patch_can_set_of_a_provider():
    fields = {
        **{name: value for name, value in ALL.items() if name not in ("api-key", "weight", "priority")},
        "name": "renamed",
        "disabled": True,
        "api-key-entries": [{"api-key": "k"}],
        "support-prompt-cache-key": True,
    }
    body = {"name": "acme", "value": {**fields, "weight": 3, "priority": 4}}
    new = patched(COMPATIBLE, held(named("acme")), body)[0].values
    for name in ("websockets", "alpha-search", "rebuild-mid-system-message"):
        del fields[name]
    assert new == fields


@pytest.mark.parametrize(
    ("kind", "value", "stays"),
    [
        (GEMINI, {"api-key": "", "base-url": ""}, False),
        (GEMINI, {"api-key": ""}, True),
        (CLAUDE, {"api-key": "", "base-url": ""}, True),
        (CODEX, {"base-url": ""}, False),
        (CODEX, {"api-key": ""}, True),
        (XAI, {"base-url": " "}, False),
        (VERTEX, {"api-key": ""}, False),
        (VERTEX, {"base-url": ""}, True),
    ],
)
def test_when_patch_removes_an_entry(kind, value, stays):
    assert len(patched(kind, held(one()), {"index": 0, "value": value})) == int(stays)


def test_a_provider_without_an_address_is_removed():
    assert patched(COMPATIBLE, held(named("a")), {"name": "a", "value": {"base-url": ""}}) == []


def test_gemini_entries_of_one_key_are_told_apart():
    old = held(one(), one(url=OTHER))
    body = {"match": KEY, "value": {"prefix": "p"}}
    several = "multiple items match; index is required"
    assert refusal(lambda: patched(GEMINI, old, body)) == (400, several)
    assert "prefix" in patched(GEMINI, old, body, OTHER)[1].values
    assert refusal(lambda: patched(GEMINI, old, body, "https://none.test")) == (404, "item not found")
    assert "prefix" in patched(CLAUDE, old, body)[0].values


def test_the_seeds_flat_form_and_value_when_both_are_there():
    old = held(named("a"), named("b"))
    flat = {"name": "b", "models": [{"name": "m", "alias": "x"}]}
    assert patched(COMPATIBLE, old, flat)[1].values == named("b", models=flat["models"])
    both = {"name": "b", "prefix": "flat", "value": {"prefix": "value"}}
    assert patched(COMPATIBLE, old, both)[1].values == named("b", prefix="value")
    keyed = held(one())
    assert patched(CLAUDE, keyed, {"api-key": KEY, "prefix": "p"})[0].values == one(prefix="p")
    assert patched(CLAUDE, keyed, {"index": 0, "api-key": "new"})[0].values == one("new")


# --- DELETE


def test_deleting_gemini_keys():
    old = held(one(), one(url=OTHER), one(SECOND), {"base-url": URL})
    several = "multiple items match api-key; base-url is required"
    assert refusal(lambda: deleted(GEMINI, old, KEY, None, "")) == (400, several)
    assert refusal(lambda: deleted(GEMINI, old, "absent", None, "")) == (404, "item not found")
    assert refusal(lambda: deleted(GEMINI, old, KEY, "https://none.test", "")) == (404, "item not found")
    assert refusal(lambda: deleted(GEMINI, old, "", None, "")) == (400, "missing api-key or index")
    twice = held(one(prefix="a"), one(prefix="b"))
    error = "multiple items match; index is required"
    assert refusal(lambda: deleted(GEMINI, twice, KEY, URL, "")) == (400, error)
    assert [entry.source for entry in deleted(GEMINI, old, SECOND, None, "")] == [0, 1, 3]
    assert [entry.source for entry in deleted(GEMINI, old, KEY, OTHER, "")] == [0, 2, 3]
    assert [entry.source for entry in deleted(GEMINI, old, "", None, "3")] == [0, 1, 2]


@pytest.mark.parametrize("kind", PLAIN_DELETE, ids=lambda kind: kind.name)
def test_deleting_other_keys(kind):
    old = held(one(prefix="a"), one(prefix="b"), one(url=OTHER), {"api-key": SECOND})
    several = "multiple items match api-key; base-url is required"
    assert refusal(lambda: deleted(kind, old, KEY, None, "")) == (400, several)
    assert [entry.source for entry in deleted(kind, old, KEY, URL, "")] == [2, 3]
    assert [entry.source for entry in deleted(kind, old, masking.of_secret(KEY), OTHER, "")] == [0, 1, 3]
    assert [entry.source for entry in deleted(kind, old, SECOND, "", "")] == [0, 1, 2]
    assert [entry.source for entry in deleted(kind, old, "absent", None, "")] == [0, 1, 2, 3]
    assert [entry.source for entry in deleted(kind, old, "absent", "", "")] == [0, 1, 2, 3]
    assert [entry.source for entry in deleted(kind, old, " ", None, "0")] == [1, 2, 3]
    for index in ("", "4", "-1", "x"):
        error = (400, "missing api-key or index")
        assert refusal(lambda index=index: deleted(kind, old, "", None, index)) == error


def test_deleting_providers():
    old = held(named("a"), named("b"), named("a"))
    assert [entry.source for entry in deleted(COMPATIBLE, old, "a", None, "")] == [1]
    assert len(deleted(COMPATIBLE, old, "A", None, "")) == 3
    assert [entry.source for entry in deleted(COMPATIBLE, old, "", None, "1")] == [0, 2]
    assert refusal(lambda: deleted(COMPATIBLE, old, "", None, "3")) == (400, "missing name or index")
