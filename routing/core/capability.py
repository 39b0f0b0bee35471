"""Whether a candidate can do what a request needs, by what the operator said of it. Pure.

What nobody said counts as possible: the filter only keeps requests from where they are known to fail.
"""

from __future__ import annotations

from providers.values import Features
from routing.core.query import RouteQuery

ROOM = "room for"


def lacks(features: Features, query: RouteQuery) -> str:
    """What ``query`` needs and ``features`` deny, in words; "" when nothing."""
    missing = []
    if query.stream and features.streaming is False:
        missing.append("streaming")
    if query.needs_functions and features.functions is False:
        missing.append("functions")
    if query.needs_vision and features.vision is False and not features.multimodal:
        missing.append("vision")
    if features.max_tokens and query.input_tokens > features.max_tokens:
        missing.append(f"{ROOM} {query.input_tokens} tokens")
    return ", ".join(missing)


def merged(of_model: Features | None, of_provider: Features | None) -> Features | None:
    """What is said of a model, completed by what is said of its provider."""
    if of_model is None or of_provider is None:
        return of_model or of_provider

    def said(name: str) -> bool | None:
        own: bool | None = getattr(of_model, name)
        general: bool | None = getattr(of_provider, name)
        return general if own is None else own

    return Features(
        streaming=said("streaming"),
        functions=said("functions"),
        vision=said("vision"),
        code_generation=said("code_generation"),
        multimodal=said("multimodal"),
        images=of_model.images or of_provider.images,
        is_compat=of_model.is_compat or of_provider.is_compat,
        thinking=of_model.thinking or of_provider.thinking,
        max_tokens=of_model.max_tokens or of_provider.max_tokens,
    )
