import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.core.payload import PayloadFilter, PayloadRule, PayloadRules, PayloadSelector
from routing.core.payload_rules import Subject, applied, rules_for, without_image_tool


def subject(model="gpt-5", asked="fast(high)", protocols=("openai",), from_protocol="openai", **headers):
    models = (model, asked.partition("(")[0], asked)
    return Subject(models=models, protocols=protocols, from_protocol=from_protocol, headers=headers)


def read(block):
    def selector(given):
        given = {"name": given["name"], **{k.replace("-", "_"): v for k, v in given.items() if k != "name"}}
        for key in ("match", "not_match"):
            given[key] = tuple(pair for item in given.get(key, ()) for pair in item.items())
        given["headers"] = {name.lower(): value for name, value in given.get("headers", {}).items()}
        for key in ("protocol", "from_protocol"):
            given[key] = given.get(key, "").lower()
        return PayloadSelector(**given)

    lists: dict[str, Any] = {}
    for key, items in block.items():
        made: list[Any] = []
        for item in items:
            selectors = tuple(selector(given) for given in item.get("models", ()))
            if key == "filter":
                made.append(PayloadFilter(models=selectors, params=tuple(item["params"])))
            else:
                made.append(PayloadRule(models=selectors, params=tuple(item["params"].items())))
        lists[key.replace("-", "_")] = tuple(made)
    return PayloadRules(**lists)


def run(block, body, asked_by=None):
    rules = rules_for(read(block), asked_by or subject())
    return applied(rules, body) if rules else body


def rule(params, **selector):
    return {"models": [{"name": "*", **selector}], "params": params}


def test_the_five_lists_apply_in_order():
    block = {
        "filter": [rule(["user", "drop"])],
        "override-raw": [rule({"format": {"type": "json"}, "top_p": 0.2})],
        "override": [rule({"top_p": 0.1, "drop": 1})],
        "default-raw": [rule({"temperature": 0.9, "stop": ["x"]})],
        "default": [rule({"temperature": 0.3, "reasoning.effort": "high"})],
    }
    body = {"model": "gpt-5", "user": "u"}
    assert run(block, body) == {
        "model": "gpt-5",
        "temperature": 0.3,
        "reasoning": {"effort": "high"},
        "stop": ["x"],
        "top_p": 0.2,
        "format": {"type": "json"},
    }
    assert body == {"model": "gpt-5", "user": "u"}


def test_a_default_leaves_what_the_client_set_even_null():
    block = {"default": [rule({"temperature": 1, "stop": "x", "top_p": 2}), rule({"top_p": 3})]}
    assert run(block, {"temperature": 0, "stop": None}) == {"temperature": 0, "stop": None, "top_p": 2}


def test_the_last_override_wins():
    assert run({"override": [rule({"a": 1}), rule({"a": 2})]}, {"a": 0}) == {"a": 2}


@pytest.mark.parametrize(
    ("selector", "holds"),
    [
        ({"name": "gpt-*"}, True),
        ({"name": "fast"}, True),
        ({"name": "fast(high)"}, True),
        ({"name": "FAST"}, False),
        ({"name": "f*t"}, True),
        ({"name": ""}, False),
        ({"name": "other"}, False),
        ({"protocol": "OpenAI"}, True),
        ({"protocol": "claude"}, False),
        ({"from-protocol": "openai"}, True),
        ({"from-protocol": "openai-response"}, False),
        ({"headers": {"X-Team": "blue-*"}}, True),
        ({"headers": {"X-Team": "Blue-*"}}, False),
        ({"headers": {"X-Team": "*", "X-None": "*"}}, False),
        ({"match": [{"a": 1}, {"b.c": "x"}]}, True),
        ({"match": [{"a": 1}, {"b.c": "y"}]}, False),
        ({"match": [{"a": True}]}, False),
        ({"not-match": [{"a": 2}]}, True),
        ({"not-match": [{"a": 2}, {"a": 1}]}, False),
        ({"exist": ["b.c"]}, True),
        ({"exist": ["b.c", "empty"]}, False),
        ({"not-exist": ["empty", "missing"]}, True),
        ({"not-exist": ["a"]}, False),
    ],
)
def test_a_selector_holds_only_with_all_its_conditions(selector, holds):
    body = {"a": 1, "b": {"c": "x"}, "empty": None}
    block = {"override": [rule({"hit": True}, **selector)]}
    asked_by = subject(**{"x-team": "blue-7"})
    assert ("hit" in run(block, body, asked_by)) is holds


def test_any_selector_suffices_and_none_means_never():
    either = {"models": [{"name": "no"}, {"name": "gpt-5"}], "params": {"hit": 1}}
    assert run({"override": [either]}, {}) == {"hit": 1}
    assert run({"override": [{"params": {"hit": 1}}]}, {}) == {}


def test_conditions_see_what_earlier_rules_did():
    block = {"default": [rule({"a": 1})], "override": [rule({"b": 2}, match=[{"a": 1}])]}
    assert run(block, {}) == {"a": 1, "b": 2}


def test_the_names_of_responses_are_one():
    asked_by = subject(protocols=("responses",), from_protocol="responses")
    for name in ("responses", "openai-response", "openai-responses", "Response"):
        block = {"override": [rule({"hit": 1}, protocol=name, **{"from-protocol": name})]}
        assert run(block, {}, asked_by) == {"hit": 1}


def test_queries_reach_many_elements_and_filters_take_them_from_the_end():
    tools = [{"type": "a", "n": 1}, {"type": "b", "n": 2}, {"type": "a", "n": 3}]
    block = {"override": [rule({'tools.#(type=="a")#.strict': True})], "filter": [rule(["tools.#(n>1)#"])]}
    assert run(block, {"tools": tools}) == {"tools": [{"type": "a", "n": 1, "strict": True}]}


def test_a_path_that_cannot_be_read_does_nothing():
    block = {"override": [rule({"a..b": 1, "c": 2})], "filter": [rule(["#("], exist=["x..y"])]}
    assert run(block, {"a": 1}) == {"a": 1, "c": 2}


def test_no_rule_costs_no_copy():
    assert not rules_for(PayloadRules(), subject())
    assert not rules_for(read({"override": [rule({"a": 1}, protocol="claude")]}), subject())


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=10,
)
bodies = st.dictionaries(st.sampled_from("abc"), json_values, max_size=3)
a_path = st.sampled_from(["a", "b.c", "a.0", "c.-1", "a.#(b==1)#.c", "b.#.a", "c.a.b"])
ANY = (PayloadSelector(name="*"),)
some_rules = st.lists(
    st.builds(
        PayloadRule,
        models=st.just(ANY),
        params=st.lists(st.tuples(a_path, json_values), max_size=3).map(tuple),
    ),
    max_size=2,
).map(tuple)
some_filters = st.lists(
    st.builds(PayloadFilter, models=st.just(ANY), params=st.lists(a_path, max_size=3).map(tuple)), max_size=2
).map(tuple)


@given(st.builds(PayloadRules, default=some_rules, override=some_rules, filter=some_filters), bodies)
def test_rules_never_change_the_body_that_came_in(rules, body):
    before = copy.deepcopy(body)
    applied(rules, body)
    assert body == before


@given(bodies, json_values)
def test_an_override_is_there_afterwards_and_a_filter_is_not(body, value):
    rules = PayloadRules(override=(PayloadRule(models=ANY, params=(("a", value),)),))
    assert applied(rules, body)["a"] == value
    rules = PayloadRules(override=rules.override, filter=(PayloadFilter(models=ANY, params=("a",)),))
    assert "a" not in applied(rules, body)


@given(bodies, json_values)
def test_a_default_changes_nothing_that_was_there(body, value):
    rules = PayloadRules(default=(PayloadRule(models=ANY, params=(("a", value), ("b.c", value))),))
    after = applied(rules, body)
    assert "a" not in body or after["a"] == body["a"]
    assert after["a"] == body.get("a", value)


@pytest.mark.parametrize(
    ("body", "after"),
    [
        ({"tools": [{"type": "image_generation"}, {"type": "x"}]}, {"tools": [{"type": "x"}]}),
        ({"tools": [{"type": "image_generation"}], "tool_choice": "auto"}, {}),
        ({"tools": [{"type": "x"}], "tool_choice": "image_generation"}, {"tools": [{"type": "x"}]}),
        ({"tool_choice": {"type": "image_generation"}}, {}),
        ({"tool_choice": {"type": "tool", "name": "image_generation"}}, {}),
        ({"tool_choice": "auto", "tools": []}, {"tool_choice": "auto", "tools": []}),
        ({"tools": "odd"}, {"tools": "odd"}),
    ],
)
def test_the_image_tool_is_taken_out(body, after):
    before = copy.deepcopy(body)
    assert without_image_tool(body) == after
    assert body == before
