from routing.prices import price_of


def test_a_known_model_has_a_price_and_a_smaller_one_a_lower():
    large, small = price_of("openai", "gpt-4o"), price_of("openai", "gpt-4o-mini")
    assert large is not None
    assert small is not None
    assert 0 < small < large


def test_a_vendor_that_the_catalogue_does_not_know_is_looked_up_by_the_model():
    assert price_of("openai-compatibility", "gpt-4o") == price_of("openai", "gpt-4o")


def test_an_unknown_model_has_none():
    assert price_of("openai", "no-such-model") is None
    assert price_of("openai-compatibility", "") is None
