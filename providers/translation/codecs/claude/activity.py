"""Tools that the vendor runs, told as Anthropic tells them: ``server_tool_use`` and its result block.

What another vendor's tool did is shown so to a Claude client. Such blocks carry ids of this gateway and no
encrypted content, so Anthropic could not take them back: they are taken out of a conversation on its way up.
Source: the types ``ServerToolUseBlock``, ``WebSearchToolResultBlock`` and ``CodeExecutionToolResultBlock`` of
the official Python SDK (2.x).
"""

from __future__ import annotations

from providers.translation.codec import AnswerContext
from providers.translation.model import Activity, Json

Block = dict[str, Json]

OWN_ID = "srvtoolu_cliproxy_"
SEARCH, CODE = "web_search", "code_execution"
_RUNS_CODE = {"code_execution": "code", "bash_code_execution": "command"}
"""Names of Anthropic's tools that run code, and where their input holds it."""


def read(raw: Block) -> Activity | None:
    """What a block of Anthropic's says, None for one that has no counterpart elsewhere. Never raises."""
    kind, content = raw.get("type"), raw.get("content")
    if kind == "server_tool_use":
        name, given = raw.get("name"), raw.get("input")
        given = given if isinstance(given, dict) else {}
        if name == SEARCH:
            return Activity(kind=SEARCH, text=_text(given.get("query")))
        if isinstance(name, str) and name in _RUNS_CODE:
            return Activity(kind=CODE, text=_text(given.get(_RUNS_CODE[name])))
    if kind == "web_search_tool_result":
        found = content if isinstance(content, list) else []
        sources = tuple(
            {"url": _text(one.get("url")), "title": _text(one.get("title"))}
            for one in found
            if isinstance(one, dict)
        )
        return Activity(kind=SEARCH, is_result=True, sources=sources)
    if kind in ("code_execution_tool_result", "bash_code_execution_tool_result"):
        output = content.get("stdout") if isinstance(content, dict) else None
        return Activity(kind=CODE, is_result=True, output=_text(output))
    return None


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""


class ActivityWriter:
    """Writes the activities of one answer. A result without a use of its own belongs to the last one."""

    def __init__(self, context: AnswerContext) -> None:
        self._seed = context.seed
        self._count = 0

    def blocks(self, activity: Activity) -> list[Block]:
        if activity.is_result:
            return [self._result(activity)] if self._count else []
        self._count += 1
        field = "query" if activity.kind == SEARCH else "code"
        use: Block = {
            "type": "server_tool_use",
            "id": self._id,
            "name": activity.kind,
            "input": {field: activity.text},
        }
        has_result = activity.kind == SEARCH or activity.output is not None
        return [use, self._result(activity)] if has_result else [use]

    @property
    def _id(self) -> str:
        return f"{OWN_ID}{self._seed}_{self._count}"

    def _result(self, activity: Activity) -> Block:
        if activity.kind == SEARCH:
            found = [
                {"type": "web_search_result", **source, "encrypted_content": "", "page_age": None}
                for source in activity.sources
            ]
            return {"type": "web_search_tool_result", "tool_use_id": self._id, "content": found}
        ran = {
            "type": "code_execution_result",
            "stdout": activity.output or "",
            "stderr": "",
            "return_code": 0,
            "content": [],
        }
        return {"type": "code_execution_tool_result", "tool_use_id": self._id, "content": ran}


def is_own(block: Json) -> bool:
    """Whether this gateway wrote the block."""
    if not isinstance(block, dict):
        return False
    identity = block.get("id") if block.get("type") == "server_tool_use" else block.get("tool_use_id")
    return isinstance(identity, str) and identity.startswith(OWN_ID)
