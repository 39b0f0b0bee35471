"""Tools that the vendor runs, told as OpenAI tells them: ``web_search_call`` and ``code_interpreter_call``.

What another vendor's tool did is shown so to a Responses client. Such items carry ids of this gateway, and
are taken out of a conversation on its way up. Source: the types ``ResponseFunctionWebSearch`` and
``ResponseCodeInterpreterToolCall`` of the official Python SDK (3.x).
"""

from __future__ import annotations

from providers.translation.codec import AnswerContext
from providers.translation.codecs.responses.ids import is_own, item_id
from providers.translation.model import Activity, Json

Block = dict[str, Json]

SEARCH, CODE = "web_search", "code_execution"
TYPES = {"web_search_call": "ws", "code_interpreter_call": "ci"}
_PROGRESS = {
    "web_search_call": ("in_progress", "searching", "completed"),
    "code_interpreter_call": ("in_progress", "interpreting", "completed"),
}


def read(raw: Block) -> Activity | None:
    """What an item of OpenAI's says, None for one that has no counterpart elsewhere. Never raises."""
    if raw.get("type") == "web_search_call":
        action = raw.get("action")
        action = action if isinstance(action, dict) else {}
        if action.get("type", "search") != "search":
            return None
        queries = action.get("queries")
        query = action.get("query") or (queries[0] if isinstance(queries, list) and queries else "")
        return Activity(kind=SEARCH, text=_text(query), sources=_sources(action.get("sources")))
    if raw.get("type") == "code_interpreter_call":
        outputs = raw.get("outputs")
        logs = (
            [one.get("logs") for one in outputs if isinstance(one, dict)] if isinstance(outputs, list) else []
        )
        return Activity(kind=CODE, text=_text(raw.get("code")), output="".join(map(_text, logs)))
    return None


def _sources(value: Json) -> tuple[dict[str, str], ...]:
    found = value if isinstance(value, list) else []
    return tuple({"url": _text(one.get("url")), "title": ""} for one in found if isinstance(one, dict))


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""


def item_of(
    activity: Activity, index: int, context: AnswerContext
) -> tuple[Block, Block, tuple[str, ...]] | None:
    """(the item as it begins, the item when done, the events between); None for a result, whose call was
    shown already."""
    if activity.is_result:
        return None
    kind = "web_search_call" if activity.kind == SEARCH else "code_interpreter_call"
    head: Block = {"id": item_id(TYPES[kind], index, context), "type": kind}
    if activity.kind == SEARCH:
        said: Block = {"action": {"type": "search", "query": activity.text}}
    else:
        logs = [{"type": "logs", "logs": activity.output}] if activity.output else None
        said = {"code": activity.text, "container_id": "cntr_cliproxy", "outputs": logs}
    progress = tuple(f"response.{kind}.{event}" for event in _PROGRESS[kind])
    return {**head, "status": "in_progress", **said}, {**head, "status": "completed", **said}, progress


def with_result(block: Block, activity: Activity) -> Block:
    """A finished item with what came of it, which other vendors tell in a part of its own."""
    if block["type"] == "code_interpreter_call" and activity.kind == CODE and activity.output:
        logs = {"type": "logs", "logs": activity.output}
        return {**block, "outputs": [*(block["outputs"] or []), logs]}
    if block["type"] == "web_search_call" and activity.kind == SEARCH and activity.sources:
        found = [{"type": "url", "url": source["url"]} for source in activity.sources]
        return {**block, "action": {**block["action"], "sources": found}}
    return block


def is_own_activity(item: Json) -> bool:
    """Whether this gateway wrote the item."""
    return isinstance(item, dict) and item.get("type") in TYPES and is_own(item.get("id"))
