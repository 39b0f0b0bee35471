import pytest

from providers.values import ErrorRule, RuleAction
from routing.core.error_rules import action_for

STOP, GO_ON = RuleAction.STOP, RuleAction.CONTINUE
RULES = (
    ErrorRule(status=400, action=STOP, texts=("Quota", "credits")),
    ErrorRule(status=400, action=GO_ON, patterns=(r"model-\d+ is (busy|full)",)),
    ErrorRule(status=400, action=RuleAction.CONTINUE_AND_COOLDOWN, texts=("Quota hit",)),
    ErrorRule(status=500, action=STOP),
    ErrorRule(status=502, action=STOP, patterns=("(",)),
)


@pytest.mark.parametrize(
    ("status", "body", "action"),
    [
        (400, b'{"error":"Quota hit"}', STOP),
        (400, b'{"error":"quota hit"}', None),
        (400, b"model-7 is full", GO_ON),
        (429, b"Quota hit", None),
        (500, b"anything", None),
        (502, b"(", None),
        (400, b"\xff\xfe credits", STOP),
        (400, b"", None),
    ],
)
def test_the_first_rule_with_that_status_that_finds_a_text_decides(status, body, action):
    assert action_for(RULES, status, body) is action


def test_only_the_beginning_of_a_long_body_is_read():
    assert action_for(RULES, 400, b"x" * 300_000 + b"credits") is None
