import pytest

from providers.translation.codecs.openai.efforts import nearest


@pytest.mark.parametrize(
    ("wanted", "levels", "found"),
    [
        ("high", (), "high"),
        ("max", ("low", "medium", "high"), "high"),
        ("minimal", ("none", "low"), "low"),
        ("none", ("none", "low"), "none"),
        ("none", ("low", "high"), "low"),
        ("low", ("none",), "none"),
        ("own", ("low",), "own"),
    ],
)
def test_the_nearest_effort_is_the_next_lower_one_and_none_only_for_who_asks_for_it(wanted, levels, found):
    assert nearest(wanted, levels) == found
