from __future__ import annotations

import pytest

from providers.masking import masked

TOKEN = "eyJhbGciOiJSUzI1NiJ9." + "x" * 2000


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"token {TOKEN} is wrong", "token [redacted] is wrong"),
        (f"token {TOKEN[:300]}", "token [redacted]"),
        (f"{TOKEN}{TOKEN[:20]}…", "[redacted][redacted]…"),
        (f"{TOKEN[:15]} is no token", f"{TOKEN[:15]} is no token"),
        ("nothing of it", "nothing of it"),
        ("", ""),
    ],
)
def test_a_secret_goes_whole_or_cut(text, left):
    assert masked(text, TOKEN) == left


def test_a_short_secret_goes_whole():
    assert masked("key abc123 or abc12", "abc123") == "key [redacted] or abc12"
    assert masked("as it was", "") == "as it was"
