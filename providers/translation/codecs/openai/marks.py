"""Cache marks of content parts, ``prompt_cache_breakpoint``, which Chat Completions and Responses share."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from providers.translation.codec import Capabilities
from providers.translation.model import Media, Part, Request, Role, Text
from providers.values import Format

SIBLING = {Format.OPENAI: Format.RESPONSES, Format.RESPONSES: Format.OPENAI}

MARK = "prompt_cache_breakpoint"
"""Of content parts, in both formats."""


def with_shared_marks(request: Request, target: Format) -> Request:
    """The request with the cache marks of the sibling format's parts as marks of ``target``'s."""
    sibling = SIBLING[target]

    def marked(part: Part) -> Part:
        raw = part.ext.get(sibling, {})
        if MARK not in raw:
            return part
        rest = {key: value for key, value in raw.items() if key != MARK}
        own = {**part.ext.get(target, {}), MARK: raw[MARK]}
        return msgspec.structs.replace(part, ext={**part.ext, sibling: rest, target: own})

    return _with_parts(request, marked)


MAX_MARKS = 4
"""Breakpoints that a request may write (openai 3.x, ``prompt_cache_options``)."""


def with_own_marks(request: Request, target: Format, capabilities: Capabilities) -> Request:
    """The request with cache marks of other vendors as breakpoints, where the model knows those: on texts
    and media of the user and of instructions, the last four of them."""
    if not capabilities.cache_breakpoints:
        return request
    places: list[Part] = [part for note in request.instructions for part in note.parts]
    places += [part for turn in request.turns if turn.role is Role.USER for part in turn.parts]
    wanted = [part for part in places if isinstance(part, Text | Media) and part.cache is not None]
    chosen = {id(part) for part in wanted[-MAX_MARKS:]}

    def marked(part: Part) -> Part:
        if id(part) not in chosen or MARK in part.ext.get(target, {}):
            return part
        own = {**part.ext.get(target, {}), MARK: {"mode": "explicit"}}
        return msgspec.structs.replace(part, ext={**part.ext, target: own})

    return _with_parts(request, marked)


def _with_parts(request: Request, changed: Callable[[Part], Part]) -> Request:
    replace = msgspec.structs.replace
    return replace(
        request,
        instructions=tuple(
            replace(one, parts=tuple(map(changed, one.parts))) for one in request.instructions
        ),
        turns=tuple(replace(turn, parts=tuple(map(changed, turn.parts))) for turn in request.turns),
    )
