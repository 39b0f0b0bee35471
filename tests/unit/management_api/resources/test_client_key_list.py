"""Every row of the client keys' table in docs/management-api.md, on the list alone."""

from __future__ import annotations

import pytest

from management_api.errors import ManagementError
from management_api.resources.client_key_list import Known, Slot, deleted, patched, replaced
from routing import client_keys

KEYS = ("k-one", "a-long-client-key-0002", "k-three")
KNOWN = [Known(client_keys.shown(key), client_keys.digest(key)) for key in KEYS]
SHORT, LONG = KNOWN[0].shown, KNOWN[1].shown


def kept(*sources: int) -> list[Slot]:
    return [Slot(source=source) for source in sources]


def refusal(work) -> tuple[int, str]:
    with pytest.raises(ManagementError) as caught:
        work()
    return caught.value.status, caught.value.body["error"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (["k-one", "new"], [Slot(source=0), Slot(key="new")]),
        ({"items": ["new"]}, [Slot(key="new")]),
        ({"api-keys": ["new"]}, [Slot(key="new")]),
        ({"api-keys": []}, []),
        ([], []),
        ([LONG, SHORT], kept(1, 0)),
        (["new", " new ", "", "k-one", SHORT], [Slot(key="new"), Slot(source=0)]),
    ],
)
def test_put(body, expected):
    assert replaced(KNOWN, body) == expected


@pytest.mark.parametrize("body", [None, {}, {"items": []}, {"items": None}, "k1", [1], [["k"]], {"keys": []}])
def test_put_refuses_what_is_no_list_of_texts(body):
    assert refusal(lambda: replaced(KNOWN, body)) == (400, "invalid body")


@pytest.mark.parametrize("mask", ["sk-abc…wxyz", "#00000000"])
def test_a_mask_that_fits_no_key_is_refused(mask):
    assert refusal(lambda: replaced(KNOWN, [mask])) == (400, "invalid body")
    assert refusal(lambda: patched(KNOWN, {"index": 0, "value": mask})) == (400, "invalid body")


def test_two_keys_that_look_alike_are_kept_both():
    twins = [Known("sk-abc…wxyz", client_keys.digest(key)) for key in ("one", "two")]
    assert replaced(twins, ["sk-abc…wxyz", "sk-abc…wxyz"]) == kept(0, 1)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"index": 1, "value": "new"}, [Slot(0), Slot(1, "new"), Slot(2)]),
        ({"index": 1, "value": LONG}, kept(0, 1, 2)),
        ({"index": 1, "value": "k-one"}, kept(0, 2)),
        ({"old": "k-three", "new": "new"}, [Slot(0), Slot(1), Slot(2, "new")]),
        ({"old": LONG, "new": "new"}, [Slot(0), Slot(1, "new"), Slot(2)]),
        ({"old": "absent", "new": "new"}, [*kept(0, 1, 2), Slot(key="new")]),
        ({"index": 9, "value": "x", "old": "k-one", "new": "y"}, [Slot(0, "y"), Slot(1), Slot(2)]),
    ],
)
def test_patch(body, expected):
    assert patched(KNOWN, body) == expected


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"index": 3, "value": "x"}, "missing fields"),
        ({"index": -1, "value": "x"}, "missing fields"),
        ({"index": 0}, "missing fields"),
        ({"old": "k-one"}, "missing fields"),
        ({}, "missing fields"),
        ({"index": 0, "value": ""}, "missing fields"),
        (None, "invalid body"),
        (["k"], "invalid body"),
        ({"index": "0", "value": "x"}, "invalid body"),
        ({"index": True, "value": "x"}, "invalid body"),
        ({"old": 1, "new": "x"}, "invalid body"),
    ],
)
def test_patch_refuses(body, error):
    assert refusal(lambda: patched(KNOWN, body)) == (400, error)


@pytest.mark.parametrize(
    ("index", "value", "expected"),
    [
        ("0", "", kept(1, 2)),
        ("", " k-three ", kept(0, 1)),
        ("", LONG, kept(0, 2)),
        ("", "absent", kept(0, 1, 2)),
        ("9", "k-one", kept(1, 2)),
    ],
)
def test_delete(index, value, expected):
    assert deleted(KNOWN, index, value) == expected


@pytest.mark.parametrize(("index", "value"), [("", ""), ("3", ""), ("-1", ""), ("x", " "), ("²", "")])
def test_delete_needs_to_know_what(index, value):
    assert refusal(lambda: deleted(KNOWN, index, value)) == (400, "missing index or value")
