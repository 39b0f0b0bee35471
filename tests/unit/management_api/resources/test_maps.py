"""Every row of the maps' table in docs/management-api.md, on the map alone."""

from __future__ import annotations

import pytest

from management_api.errors import ManagementError
from management_api.resources.maps import MAPS, deleted, patched, replaced

EXCLUDED, ALIASES, RULES = MAPS
ALIAS = {"name": "m", "alias": "x"}


def item(kind):
    return "m-*" if kind is EXCLUDED else ALIAS


def refusal(work) -> tuple[int, str]:
    with pytest.raises(ManagementError) as caught:
        work()
    return caught.value.status, caught.value.body["error"]


@pytest.mark.parametrize("kind", MAPS, ids=lambda kind: kind.name)
def test_the_forms_of_each_map(kind):
    held = {"claude": [item(kind)], "Codex": [item(kind)]}
    wanted = {"gemini-cli": [item(kind)]}
    assert replaced(kind, held, wanted) == wanted
    assert replaced(kind, held, {"items": wanted}) == wanted
    assert replaced(kind, held, {kind.name: wanted}) == wanted
    assert replaced(kind, held, {}) == {}
    for name in kind.selectors:
        body = {name: " qwen ", kind.member: [item(kind)]}
        assert patched(kind, held, body) == {**held, "qwen": [item(kind)]}
        assert patched(kind, held, {name: "Codex", kind.member: []}) == {"claude": [item(kind)]}
        assert patched(kind, held, {name: "Codex"}) == {"claude": [item(kind)]}
        not_found = (404, f"{kind.word} not found")
        assert refusal(lambda name=name: patched(kind, held, {name: "codex", kind.member: []})) == not_found
    invalid = (400, f"invalid {kind.word}")
    assert (
        refusal(lambda: patched(kind, held, {kind.selectors[0]: " ", kind.member: [item(kind)]})) == invalid
    )
    assert refusal(lambda: patched(kind, held, {kind.member: [item(kind)]})) == invalid
    assert deleted(kind, held, " Codex ") == {"claude": [item(kind)]}
    assert refusal(lambda: deleted(kind, held, "")) == (400, f"missing {kind.word}")
    assert refusal(lambda: deleted(kind, held, "codex")) == (404, f"{kind.word} not found")


@pytest.mark.parametrize("body", [None, [], "x", {"claude": "m"}, {"claude": [1]}, {"claude": {"a": []}}])
@pytest.mark.parametrize("kind", MAPS, ids=lambda kind: kind.name)
def test_put_refuses_another_shape(kind, body):
    assert refusal(lambda: replaced(kind, {}, body)) == (400, "invalid body")


@pytest.mark.parametrize("body", [None, [], {"provider": 1}, {"provider": "a", "models": "x"}])
def test_patch_refuses_another_shape(body):
    assert refusal(lambda: patched(EXCLUDED, {}, body)) == (400, "invalid body")


def test_only_aliases_may_be_empty():
    assert replaced(ALIASES, {}, {"claude": []}) == {"claude": []}
    assert replaced(EXCLUDED, {}, {"claude": [], "codex": None}) == {}
