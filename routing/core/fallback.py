"""Another registered id when the one asked for cannot serve: which failures lead where. Pure."""

from __future__ import annotations

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


class Chain:
    """The fallbacks of one exchange: what was asked already, and what comes next."""

    def __init__(self, fallbacks: Fallbacks | None, asked: str) -> None:
        self._fallbacks = fallbacks or Fallbacks()
        self._asked = {asked}

    def next(self, cause: Cause) -> str | None:
        """The first id for ``cause`` that was not asked yet; it counts as asked from now on."""
        model = next((model for model in self._of(cause) if model not in self._asked), None)
        if model is not None:
            self._asked.add(model)
        return model

    @property
    def has_spare(self) -> bool:
        """Whether somebody is left to be asked instead of waiting for a cooldown's end."""
        return any(model not in self._asked for model in self._of(Cause.EXHAUSTION))

    def _of(self, cause: Cause) -> tuple[str, ...]:
        found: tuple[str, ...] = getattr(self._fallbacks, cause.value)
        return found


NONE = Chain(None, "")
"""Of the many models without fallbacks; it never changes."""
