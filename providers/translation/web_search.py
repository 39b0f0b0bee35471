"""What a client asks of a vendor's web search, beyond that there shall be one: domains, place, size.

Each format spells it differently; the formats' own fields stay in the tool's ``ext`` for their own vendor.
Sources: the types of the official SDKs (``WebSearchOptions``, ``WebSearchToolParam`` of openai 3.x,
``WebSearchTool20250305Param`` of anthropic 2.x). Google's search takes no options.
"""

from __future__ import annotations

from providers.translation.model import Json, Tool, WebSearch
from providers.values import Format

Block = dict[str, Json]
PLACE = ("city", "region", "country", "timezone")
_HEAD = ("type", "name")
_SPELLED = (
    "filters", "allowed_domains", "blocked_domains", "user_location", "search_context_size", "max_uses",
)  # fmt: skip
FIELDS = ("allowed_domains", "blocked_domains", "location", "size", "max_uses")


def options_of(raw: Block) -> WebSearch | None:
    """The options in any spelling; None when there are none. What has another type counts as absent."""
    filters = raw.get("filters")
    named = {**raw, **(filters if isinstance(filters, dict) else {})}
    size, uses = named.get("search_context_size"), named.get("max_uses")
    found = WebSearch(
        allowed_domains=_texts(named.get("allowed_domains")),
        blocked_domains=_texts(named.get("blocked_domains")),
        location=_place(named.get("user_location")),
        size=size if size in ("low", "medium", "high") else None,
        max_uses=uses if isinstance(uses, int) and not isinstance(uses, bool) else None,
    )
    return found if found != WebSearch() else None


def _texts(value: Json) -> tuple[str, ...]:
    return tuple(text for text in value if isinstance(text, str)) if isinstance(value, list) else ()


def _place(value: Json) -> Block | None:
    """Chat Completions nests the place once more."""
    if not isinstance(value, dict):
        return None
    inner = value.get("approximate")
    given = inner if isinstance(inner, dict) else value
    return {key: given[key] for key in PLACE if isinstance(given.get(key), str)}


def lost(tool: Tool, where: str, target: Format, kept: tuple[str, ...]) -> list[str]:
    """What of a server tool's options ``target``, which knows ``kept``, cannot carry: for ``dropped``."""
    wanted = tool.search or WebSearch()
    names = [name for name in FIELDS if name not in kept and getattr(wanted, name) not in (None, ())]
    names += [
        key
        for issuer, raw in tool.ext.items()
        if issuer is not target
        for key in raw
        if key not in _HEAD and (tool.search is None or key not in _SPELLED)
    ]
    return [f"{where}.{name}" for name in names]


def approximate(place: Block) -> Block:
    """A flat place, as Responses and Anthropic write it."""
    return {"type": "approximate", **place}
