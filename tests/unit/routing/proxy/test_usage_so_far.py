"""What a stream used that did not come to its end is told where it was told, and guessed where not."""

from __future__ import annotations

import pytest

from providers.translation.model import Usage
from routing.proxy.usage_so_far import usage_so_far

EVENT = b'data: {"choices":[{"index":0,"delta":{"content":"word "}}]}\n\n'


@pytest.mark.parametrize(
    ("first", "sent", "output"),
    [
        (EVENT, 12 * len(EVENT), 12),
        (EVENT * 3, 12 * len(EVENT), 12),
        (EVENT[:20], 40, 2),
        (b"", 0, 0),
        (b"\n\n", 4, 2),
    ],
)
def test_an_event_counts_as_a_token(first, sent, output):
    usage = usage_so_far(None, b"x" * 400, first, sent)
    assert (usage.input_total, usage.output_total, usage.is_estimated) == (100, output, True)


def test_what_the_upstream_told_counts_more_than_a_guess():
    told = Usage(input_total=7, cache_read=3, output_total=1)
    usage = usage_so_far(told, b"x" * 400, EVENT, 5 * len(EVENT))
    assert (usage.input_total, usage.cache_read, usage.output_total) == (7, 3, 5)
    later = usage_so_far(Usage(output_total=90), b"x" * 400, EVENT, 5 * len(EVENT))
    assert later.output_total == 90
