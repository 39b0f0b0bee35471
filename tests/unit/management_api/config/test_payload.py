"""Payload rules become values; what can never fire is said."""

from __future__ import annotations

from routing.core.payload import PayloadFilter, PayloadRule, PayloadRules, PayloadSelector
from tests.unit.management_api.config.reading import read, refused, settings, warned

RULES = """
payload:
  default:
    - models:
        - name: "gemini-2.5-*"
          protocol: Gemini
          from-protocol: responses
          headers: {X-Team: "red*"}
          match: [{"a.b": 1}]
          not-match: {"c": "x"}
          exist: [d]
          not-exist: [e]
      params:
        "generationConfig.thinkingConfig.thinkingBudget": 32768
        "n": null
  default-raw:
    - models: [gpt-*]
      params: {"response_format": '{"type": "json_object"}', "gone": null, "list": [1, 2.5, true]}
  override:
    - models: [{name: "*"}]
      params: {"temperature": 0.1, "user": "${WHO}"}
  override-raw:
    - models: [{name: "*"}]
      params: {"broken": "{"}
  filter:
    - models: [{name: claude-*}]
      params: [metadata, tools.0]
    - models: []
      params: [x]
"""


def test_rules_are_read_in_full():
    config, problems = read(RULES, {"WHO": "me"})
    assert [str(problem).rpartition(": ")[2] for problem in problems] == [
        "has text at `broken` that is no JSON; the rule is left out",
        "has no models, so it never applies",
    ]
    assert config.settings is not None
    assert config.settings.payload == PayloadRules(
        default=(
            PayloadRule(
                models=(
                    PayloadSelector(
                        name="gemini-2.5-*",
                        protocol="gemini",
                        from_protocol="openai-response",
                        headers={"x-team": "red*"},
                        match=(("a.b", 1),),
                        not_match=(("c", "x"),),
                        exist=("d",),
                        not_exist=("e",),
                    ),
                ),
                params=(("generationConfig.thinkingConfig.thinkingBudget", 32768), ("n", None)),
            ),
        ),
        default_raw=(
            PayloadRule(
                models=(PayloadSelector(name="gpt-*"),),
                params=(("response_format", {"type": "json_object"}), ("list", [1, 2.5, True])),
            ),
        ),
        override=(
            PayloadRule(models=(PayloadSelector(name="*"),), params=(("temperature", 0.1), ("user", "me"))),
        ),
        filter=(PayloadFilter(models=(PayloadSelector(name="claude-*"),), params=("metadata", "tools.0")),),
    )


def test_no_rules_are_no_setting():
    assert read("payload:\n")[0].settings is None
    assert read("payload: {default: []}\n")[0].settings is None


def test_params_of_another_shape_refuse_the_file():
    assert refused("payload: {default: [{models: [a], params: [b]}]}\n") == [
        "config.yaml line 1, payload.default[0].params: must be a mapping of paths to values"
    ]
    assert refused("payload: {default: [{models: [{name: a, match: [b]}], params: {c: 1}}]}\n") == [
        "config.yaml line 1, payload.default[0].models[0].match: must be a list of `path: value`"
    ]


def test_a_selector_without_a_name_never_fits():
    assert warned("payload: {override: [{models: [{protocol: openai}], params: {a: 1}}]}\n") == [
        "config.yaml line 1, payload.override[0].models[0]: has no name, so it never fits",
        "config.yaml line 1, payload.override[0]: has no models, so it never applies",
    ]


def test_yaml_s_own_types_arrive_as_json_has_them():
    found = settings(
        "payload: {override: [{models: [a], params: {i: 0x10, f: 1e3, t: yes, d: 2020-01-01, s: '1'}}]}\n"
    )
    (rule,) = found.payload.override
    assert dict(rule.params) == {"i": 16, "f": 1000.0, "t": "yes", "d": "2020-01-01", "s": "1"}
