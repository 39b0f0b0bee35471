"""Another registered id when the one asked for cannot serve: which failures lead where. Pure."""

from __future__ import annotations

from collections.abc import Container
from enum import StrEnum

from providers.errors import GatewayError, NoCandidate, UpstreamError
from providers.values import RefusalKind, RuleAction
from routing.core.cooldown import kind_of, stops
from routing.core.resolve import Incapable
from routing.core.table import Fallbacks


class Cause(StrEnum):
    """The names of ``fallbacks:`` in config.yaml, and of the header that tells the client."""

    CONTEXT_LENGTH = "context_length"
    CONTENT_FILTER = "content_filter"
    EXHAUSTION = "exhaustion"


_OF_KIND = {
    RefusalKind.CONTEXT_LENGTH: Cause.CONTEXT_LENGTH,
    RefusalKind.CONTENT_FILTER: Cause.CONTENT_FILTER,
}


def cause_of(error: GatewayError) -> Cause | None:
    """Why another model may do better, or None: the request itself is at fault, or a rule says stop."""
    if isinstance(error, Incapable):
        return Cause.CONTEXT_LENGTH if error.is_size else Cause.EXHAUSTION
    if isinstance(error, NoCandidate):
        return Cause.EXHAUSTION
    if not isinstance(error, UpstreamError) or error.rule in (RuleAction.STOP, RuleAction.STOP_AND_COOLDOWN):
        return None
    kind = kind_of(error)
    return _OF_KIND.get(kind) or (None if stops(error) else Cause.EXHAUSTION)


def next_model(fallbacks: Fallbacks, cause: Cause, tried: Container[str]) -> str | None:
    """The first id of the chain for ``cause`` that was not asked yet."""
    chain: tuple[str, ...] = getattr(fallbacks, cause.value)
    return next((model for model in chain if model not in tried), None)
