"""Request-scoped error rules: what the operator says of an upstream's failure, before anything else is asked.

The first rule whose status is equal and that finds one of its texts in the body decides
(docs/routing.md#request-scoped-rules). Pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from providers.values import ErrorRule, RuleAction

LONGEST_READ = 65_536
"""Characters of a body that are searched: the sense of an error stands at its beginning."""


def action_for(rules: Sequence[ErrorRule], status: int, body: bytes) -> RuleAction | None:
    """What the first fitting rule says, None without one. A pattern that is no regular expression fits
    nothing."""
    text = None
    for rule in rules:
        if rule.status != status:
            continue
        if text is None:
            text = body[: LONGEST_READ * 4].decode("utf-8", "replace")[:LONGEST_READ]
        if any(part in text for part in rule.texts) or any(
            _finds(pattern, text) for pattern in rule.patterns
        ):
            return rule.action
    return None


def _finds(pattern: str, text: str) -> bool:
    try:
        return re.search(pattern, text) is not None
    except re.error:
        return False
