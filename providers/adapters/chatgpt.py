"""What Codex's backend at ChatGPT takes of a Responses request, and which models each plan has.

Undocumented: read in the vendor's open-source client (openai/codex, codex-rs/core) and learnt from refusals
by CLIProxyAPI v7; docs/protocols/providers.md, "codex".
"""

from __future__ import annotations

import functools
import hashlib
import uuid
from typing import Any

import msgspec

from providers.adapters import bodies
from providers.adapters.base import CatalogueModel, Operation
from providers.adapters.bodies import Members
from providers.errors import UpstreamRefused
from providers.translation.codec import Capabilities
from providers.values import Refusal, RefusalKind

_REFUSED = (
    "max_output_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "truncation",
    "prompt_cache_options",
    "prompt_cache_retention",
    "context_management",
    "user",
    "generate",
    "safety_identifier",
    "background",
)
_STATE = ("previous_response_id", "conversation")
_ENCRYPTED = "reasoning.encrypted_content"
_LONGEST_ID = 64
_SHORT = frozenset({"store", "stream", "include", "stream_options"})

CLIENT_HEADERS = (
    "version",
    "x-codex-turn-metadata",
    "x-client-request-id",
    "x-codex-window-id",
    "thread-id",
    "x-codex-beta-features",
    "x-openai-internal-codex-responses-lite",
)
"""Of Codex itself, which the backend reads: sent on when the client sent them."""


def restricted(body: bytes, operation: Operation) -> tuple[bytes, tuple[str, ...], str]:
    """The body as the backend takes it, what was taken out, and the key of the conversation.

    Raises UpstreamRefused when it stands on an answer that the backend does not keep.
    """
    members = bodies.members_of(body)
    for name in _STATE:
        if bodies.value_of(members, name):
            raise _not_kept(name)
    dropped = bodies.drop(members, *_REFUSED, *_STATE)
    members = {key: value for key, value in members.items() if key not in _STATE}
    _set_input(members)
    if not isinstance(bodies.value_of(members, "instructions"), str):
        bodies.put(members, "instructions", "")
    if bodies.value_of(members, "service_tier") != "priority":
        dropped += bodies.drop(members, "service_tier")
    if not bodies.value_of(members, "tools"):
        bodies.drop(members, "tools", "parallel_tool_calls")
    elif "parallel_tool_calls" not in members:
        bodies.put(members, "parallel_tool_calls", True)
    key = bodies.value_of(members, "prompt_cache_key")
    if not isinstance(key, str) or not key:
        key = _conversation_of(members)
        bodies.put(members, "prompt_cache_key", key)
    if operation is Operation.COMPACT:
        bodies.drop(members, *_SHORT)
        return bodies.written(members), dropped, key
    bodies.put(members, "store", False)
    bodies.put(members, "stream", True)
    bodies.put(members, "include", [_ENCRYPTED])
    options = bodies.value_of(members, "stream_options")
    bodies.drop(members, "stream_options")
    if isinstance(options, dict) and (kept := options.get("reasoning_summary_delivery")) is not None:
        bodies.put(members, "stream_options", {"reasoning_summary_delivery": kept})
    return bodies.written(members), dropped, key


def _not_kept(name: str) -> UpstreamRefused:
    return UpstreamRefused(
        Refusal(
            kind=RefusalKind.REQUEST,
            status=400,
            message=f"`{name}` names what this upstream does not keep. Send the whole conversation instead.",
            code="previous_response_not_found",
            error_type="invalid_request_error",
            param=name,
        )
    )


def _set_input(members: Members) -> None:
    """Text as a message; ``system`` as ``developer``; no id that the backend would refuse."""
    given = bodies.value_of(members, "input")
    if isinstance(given, str):
        text = {"type": "input_text", "text": given}
        bodies.put(members, "input", [{"type": "message", "role": "user", "content": [text]}])
    elif isinstance(given, list):
        items = [kept for item in given if (kept := _item(item)) is not None]
        if items != given:
            bodies.put(members, "input", items)


def _item(item: Any) -> Any:
    if not isinstance(item, dict):
        return item
    item = dict(item)
    if item.get("role") == "system":
        item["role"] = "developer"
    identity = item.get("id")
    if isinstance(identity, str) and len(identity) > _LONGEST_ID:
        if item.get("type") == "reasoning":
            return None  # its state is bound to the id
        head = identity.partition("_")[0][:8]
        item["id"] = f"{head}_{hashlib.sha256(identity.encode()).hexdigest()[:40]}"
    content = item.get("content")
    if isinstance(content, list) and any(
        isinstance(part, dict) and "prompt_cache_breakpoint" in part for part in content
    ):
        item["content"] = [
            {key: value for key, value in part.items() if key != "prompt_cache_breakpoint"}
            if isinstance(part, dict)
            else part
            for part in content
        ]
    return item


def _conversation_of(members: Members) -> str:
    """The same for every request of one conversation: made of how it began."""
    first = bodies.value_of(members, "input")
    beginning = msgspec.json.encode(
        [bodies.value_of(members, "instructions"), first[:1] if isinstance(first, list) else first]
    )
    return str(uuid.UUID(bytes=hashlib.sha256(beginning).digest()[:16], version=4))


# --- models by plan ----------------------------------------------------------------------------

_FOUR = ("low", "medium", "high", "xhigh")
_FIVE = (*_FOUR, "max")
_FREE, _TEAM, _PLUS, _PRO = range(4)
_PLANS = {"free": _FREE, "team": _TEAM, "business": _TEAM, "go": _TEAM, "plus": _PLUS, "pro": _PRO}
"""Other plans are offered what ``pro`` has."""

_MODELS: tuple[tuple[str, tuple[str, ...], tuple[int, int, int, int]], ...] = (
    ("gpt-5.6-sol", _FIVE, (0, 372_000, 372_000, 921_000)),
    ("gpt-5.6-terra", _FIVE, (372_000, 372_000, 372_000, 921_000)),
    ("gpt-5.6-luna", _FIVE, (372_000, 372_000, 372_000, 921_000)),
    ("gpt-5.5", _FOUR, (272_000, 272_000, 272_000, 272_000)),
    ("gpt-5.4", _FOUR, (0, 1_050_000, 1_050_000, 1_050_000)),
    ("gpt-5.4-mini", _FOUR, (400_000, 400_000, 400_000, 400_000)),
    ("gpt-5.3-codex-spark", _FOUR, (0, 0, 128_000, 128_000)),
    ("codex-auto-review", _FOUR, (272_000, 272_000, 272_000, 272_000)),
)
"""Context by plan, 0 where the plan does not have the model (CLIProxyAPI's catalogue, 2026)."""


IMAGES = tuple(CatalogueModel(id=name, owned_by="openai") for name in ("gpt-image-1.5", "gpt-image-2"))
"""On every plan, and on image routes alone."""


@functools.lru_cache(maxsize=16)
def models_of(plan: str) -> tuple[CatalogueModel, ...]:
    tier = _PLANS.get(plan.strip().lower(), _PRO)
    chats = tuple(
        CatalogueModel(
            id=model_id,
            context_length=windows[tier],
            max_output_tokens=128_000,
            owned_by="openai",
            capabilities=_abilities(levels),
        )
        for model_id, levels, windows in _MODELS
        if windows[tier]
    )
    return chats + IMAGES


def _abilities(levels: tuple[str, ...]) -> Capabilities:
    return Capabilities(
        max_output_tokens=128_000, accepts_sampling=False, thinking="level", thinking_levels=levels
    )


ABILITIES = {model_id: _abilities(levels) for model_id, levels, _ in _MODELS}
