"""A duration reads as Go writes it; who counts what is in tests/integration/management/test_access.py."""

from __future__ import annotations

from datetime import timedelta

import pytest

from management_api.lockout import duration_text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1800, "30m0s"), (1797.6, "29m58s"), (58, "58s"), (0.2, "0s"), (3600, "1h0m0s"), (59.7, "1m0s")],
)
def test_a_duration_is_written_as_go_does(seconds, text):
    assert duration_text(timedelta(seconds=seconds)) == text
