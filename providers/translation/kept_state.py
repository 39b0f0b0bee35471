"""Fields that stand for content or work which one vendor keeps: a request is nothing without what they name.

They travel in the request's ``ext``. An upstream of the same format gets them back; every other encoder
refuses, because to drop them would answer another question.
"""

from __future__ import annotations

from providers.translation.codec import Untranslatable
from providers.translation.model import Request
from providers.values import Format

RESPONSES_FIELDS = ("previous_response_id", "conversation", "prompt")
"""With one of these ``input`` may be missing."""

RESPONSES_ITEMS = frozenset({"item_reference", "compaction", "compaction_trigger"})
"""Input items; each also leaves its type as a key of the request's ``ext``."""

RESPONSES_BINDING = (*RESPONSES_FIELDS, "background")
"""What only an upstream of this format can honour: state that it keeps, work that it does later."""

GEMINI_BINDING = ("cachedContent", "cached_content")
"""Both spellings that Google reads."""

_KEPT: dict[Format, frozenset[str]] = {
    Format.GEMINI: frozenset(GEMINI_BINDING),
    Format.RESPONSES: RESPONSES_ITEMS.union(RESPONSES_BINDING),
}


def refuse_foreign_state(request: Request, target: Format) -> None:
    """Raise Untranslatable when ``request`` names what another vendor than ``target``'s keeps."""
    for issuer, raw in request.ext.items():
        if issuer is target:
            continue
        for key in sorted(_KEPT.get(issuer, frozenset()) & raw.keys()):
            if raw[key]:
                raise Untranslatable(
                    f"`{key}` stands for what another vendor keeps. Send the whole conversation instead.",
                    param=key,
                )
