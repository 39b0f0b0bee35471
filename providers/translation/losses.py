"""What of an answer a client's format has no place for, named for the record and ``x-cliproxy-dropped``.

What is shown in some form (media as links, work of tools where there is one for it) is no loss, nor is opaque
state, which is nobody's content.
"""

from __future__ import annotations

from providers.translation.model import Part, Response, Unknown
from providers.values import Format

_SHOWS_ACTIVITY = frozenset({Format.RESPONSES, Format.CLAUDE, Format.GEMINI})
_SHOWS_ALTERNATIVES = frozenset({Format.OPENAI, Format.GEMINI})


def loss_of(part: Part, to: Format) -> str | None:
    """The name of a part that is not shown, None for one that is."""
    if not isinstance(part, Unknown) or part.format is to:
        return None
    if part.activity is not None and to in _SHOWS_ACTIVITY:
        return None
    kind = part.raw.get("type")
    return f"answer.{kind if isinstance(kind, str) else next(iter(part.raw), 'part')}"


def losses_of(answer: Response, to: Format) -> tuple[str, ...]:
    """The names for a whole answer, each once."""
    shown = answer.candidates if to in _SHOWS_ALTERNATIVES else answer.candidates[:1]
    names = [loss for one in shown for part in one.parts if (loss := loss_of(part, to)) is not None]
    if len(shown) < len(answer.candidates):
        names.append("answer.candidates[1:]")
    return tuple(dict.fromkeys(names))
