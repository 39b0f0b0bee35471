"""Buckets as Prometheus reads them."""

from __future__ import annotations

from routing.proxy.histogram import Histogram


def test_a_bound_belongs_to_its_own_bucket():
    histogram = Histogram.over((0.01, 1.0))
    for value in (0.001, 0.01, 0.011, 1.0, 5.0):
        histogram.observe(value)
    assert histogram.cumulative() == [("0.01", 2), ("1", 4), ("+Inf", 5)]
    assert histogram.count == 5
    assert round(histogram.total, 3) == 6.022


def test_large_bounds_are_written_whole():
    assert [text for text, _ in Histogram.over((4.0**13,)).cumulative()] == ["67108864", "+Inf"]


def test_other_bounds_are_not_added():
    histogram = Histogram.over((1.0,))
    other = Histogram.over((2.0,))
    other.observe(1.5)
    histogram.add(other)
    assert histogram.count == 0
