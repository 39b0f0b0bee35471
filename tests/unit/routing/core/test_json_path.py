import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.core.json_path import BadPath, json_equal, look_up, parse, put, take

BODY = {
    "model": "m",
    "a.b": 1,
    "generationConfig": {"temperature": 0.5},
    "tools": [
        {"type": "function", "function": {"name": "look"}, "n": 1},
        {"type": "web", "n": 2},
        {"type": "function", "function": {"name": "find"}, "n": 3, "tags": [{"k": "x"}]},
    ],
    "stop": ["a", "b"],
}


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("model", ["m"]),
        (r"a\.b", [1]),
        ("generationConfig.temperature", [0.5]),
        ("generationConfig.missing", []),
        ("tools.1.type", ["web"]),
        ("tools.9.type", []),
        ("tools.x", []),
        ('tools.#(type=="function").function.name', ["look"]),
        ('tools.#(type=="function")#.function.name', ["look", "find"]),
        ("tools.#(type==function)#.n", [1, 3]),
        ("tools.#.n", [1, 2, 3]),
        ("tools.#(n>1)#.n", [2, 3]),
        ("tools.#(n>=2&&n<3)#.n", [2]),
        ('tools.#(n==1||type=="web")#.n', [1, 2]),
        ('tools.#(type=="web"||n>=1&&n<=1)#.n', [1, 2]),
        ('tools.#((type=="web"||n==3)&&n>2)#.n', [3]),
        ('tools.#(function.name=="find").n', [3]),
        ("tools.#(function)#.n", [1, 3]),
        ('tools.#(type!="function")#.n', [2]),
        ('tools.#(function.name!="find")#.n', [1]),
        ('tools.#(function.name%"l*")#.n', [1]),
        ('tools.#(function.name!%"l??k")#.n', [3]),
        ('tools.#(tags.#(k=="x"))#.n', [3]),
        ('tools.#(type=="none")#.n', []),
        ('stop.#(=="b")', ["b"]),
        ('model.#(x=="y")', []),
        ('tools.#(type=="a && b")#', []),
        ('tools.#(type=="a)b")', []),
    ],
)
def test_a_path_reads(path, values):
    assert parse(path).values(BODY) == values


@pytest.mark.parametrize(
    "path",
    ["", " ", "a..b", ".a", "a.", "a.#(x==1", 'a.#(x=="1)', "a.#()", "a.#(x)y", "a.#(x==1&&)", "a.#(&&)"],
)
def test_a_path_that_cannot_be_read_says_so(path):
    with pytest.raises(BadPath):
        parse(path)


@pytest.mark.parametrize(
    ("before", "path", "value", "after"),
    [
        ({}, "a.b.c", 1, {"a": {"b": {"c": 1}}}),
        ({"a": 1}, "a.b", 2, {"a": {"b": 2}}),
        ({"a": None}, "a.b", 2, {"a": {"b": 2}}),
        ({}, "a.0", 1, {"a": [1]}),
        ({}, "a.-1.x", 1, {"a": [{"x": 1}]}),
        ({"a": [1]}, "a.-1", 2, {"a": [1, 2]}),
        ({"a": [1]}, "a.3", 2, {"a": [1, None, None, 2]}),
        ({"a": [1]}, "a.999999999", 2, {"a": [1]}),
        ({"a": [1]}, "a.b", 2, {"a": [1]}),
        ({"a": [1]}, "a.b.c", 2, {"a": [1]}),
        ({"a": {}}, "a.3", 2, {"a": {"3": 2}}),
        ({}, "a.:3", 2, {"a": {"3": 2}}),
        ({"a": [{"k": 1}, {"k": 2}]}, "a.#(k==2).x", 5, {"a": [{"k": 1}, {"k": 2, "x": 5}]}),
        ({"a": [{"k": 1}, {"k": 1}]}, "a.#(k==1)#.k", 5, {"a": [{"k": 5}, {"k": 5}]}),
        ({"a": [{"k": 1}]}, "a.#(k==9).x", 5, {"a": [{"k": 1}]}),
        ({}, "a.#(k==9).x", 5, {}),
    ],
)
def test_a_path_sets(before, path, value, after):
    for place in parse(path).places(before):
        put(before, place, value)
    assert before == after


@pytest.mark.parametrize(
    ("before", "path", "after"),
    [
        ({"a": {"b": 1, "c": 2}}, "a.b", {"a": {"c": 2}}),
        ({"a": [1, 2, 3]}, "a.1", {"a": [1, 3]}),
        ({"a": [1, 2, 3]}, "a.-1", {"a": [1, 2]}),
        ({"a": []}, "a.-1", {"a": []}),
        ({"a": [1, 2, 1, 3]}, "a.#(==1)#", {"a": [2, 3]}),
        ({"a": 1}, "a.b.c", {"a": 1}),
        ({"a": 1}, "b", {"a": 1}),
    ],
)
def test_a_path_deletes(before, path, after):
    for place in reversed(parse(path).places(before)):
        take(before, place)
    assert before == after


def test_json_equality_tells_true_from_one():
    assert json_equal(1, 1.0)
    assert json_equal({"a": [1, {"b": None}]}, {"a": [1.0, {"b": None}]})
    assert not json_equal(True, 1)
    assert not json_equal([0], [False])
    assert not json_equal({"a": 1}, {"a": 1, "b": 2})
    assert not json_equal("1", 1)


names = st.sampled_from(["a", "b", "c.d", "0", "7", "-1", "#x"])
values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=12,
)
bodies = st.dictionaries(names, values, max_size=4)
steps = st.one_of(
    st.sampled_from(
        ["a", "b", "0", "1", "-1", "#", r"c\.d", ":7", "#(a==1)", "#(a)#", '#(=="a")#', "#(a!=1||b)#"]
    )
)
paths = st.lists(steps, min_size=1, max_size=4).map(".".join)


@given(bodies, paths)
def test_reading_leaves_the_body_alone_and_finds_what_is_there(body, path):
    before = copy.deepcopy(body)
    parsed = parse(path)
    assert all(look_up(body, place)[0] for place in parsed.places(body)) or len(parsed.values(body)) < len(
        parsed.places(body)
    )
    assert body == before


@given(bodies, paths, values)
def test_what_was_set_can_be_read_at_its_place(body, path, value):
    for place in parse(path).places(body):
        if -1 in place:
            continue
        put(body, place, value)
        is_there, found = look_up(body, place)
        # A key in a list leads nowhere; everything else now holds the value.
        assert not is_there or json_equal(found, value)
        if all(isinstance(step, str) for step in place) and not _crosses_list(body, place):
            assert is_there


def _crosses_list(body, place):
    return any(isinstance(look_up(body, place[:length])[1], list) for length in range(1, len(place)))


@given(bodies, st.lists(st.sampled_from(["a", "b", "0", "1"]), min_size=1, max_size=3).map(".".join))
def test_what_was_deleted_is_gone_from_an_object(body, path):
    for place in reversed(parse(path).places(body)):
        is_in_object = isinstance(look_up(body, place[:-1])[1], dict)
        take(body, place)
        assert not is_in_object or not look_up(body, place)[0]
