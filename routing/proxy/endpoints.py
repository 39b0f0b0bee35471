"""Which paths generate, in whose format, and what the URL says: a table, and a pattern for Gemini's.

Base URLs with a doubled or a missing version, or a slash too many, still find their endpoint.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qs

import msgspec

from providers.adapters.base import Operation
from providers.translation.passthrough import UrlParts
from providers.values import Format


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """``dialect`` is the format of the body, the answer and every error."""

    dialect: Format
    operation: Operation = Operation.GENERATE
    url: UrlParts | None = None
    is_completion: bool = False
    """The legacy ``/v1/completions``."""
    embeds: str = ""
    """Gemini's action for embeddings, "" for all else."""


CHAT = Endpoint(dialect=Format.OPENAI)

POSTS: dict[str, Endpoint] = {
    "/v1/chat/completions": CHAT,
    "/v1/messages": Endpoint(dialect=Format.CLAUDE),
    "/v1/responses": Endpoint(dialect=Format.RESPONSES),
    "/v1/completions": Endpoint(dialect=Format.OPENAI, is_completion=True),
    "/v1/messages/count_tokens": Endpoint(dialect=Format.CLAUDE, operation=Operation.COUNT),
    "/v1/responses/input_tokens": Endpoint(dialect=Format.RESPONSES, operation=Operation.COUNT),
    "/v1/responses/compact": Endpoint(dialect=Format.RESPONSES, operation=Operation.COMPACT),
}

_DOUBLED = re.compile(r"^(?:/v1(?:beta)?)+(?=/v1(?:beta)?(?:/|$))")
_UNVERSIONED = (
    "/chat/completions",
    "/completions",
    "/messages",
    "/responses",
    "/models",
    "/embeddings",
    "/rerank",
    "/moderations",
    "/images",
    "/audio",
)
_ELSEWHERE = (
    ("/backend-api/codex/", "/v1/"),
    ("/openai/v1/", "/v1/"),
    ("/v1beta/openai/", "/v1/"),
    ("/v1alpha/", "/v1beta/"),
)
"""Where other gateways, ChatGPT's backend and Google's OpenAI-compatible API have the same endpoints, and the
version in which Google's SDKs ask for previews."""
_GEMINI = re.compile(r"^/v1(?:beta)?/(?:models|tunedModels)/(.+):(\w+)$")

GEMINI_EMBEDDINGS = ("embedContent", "batchEmbedContents")
GEMINI_ACTIONS = ("generateContent", "streamGenerateContent", "countTokens", *GEMINI_EMBEDDINGS)


def without_doubled_slashes(path: str) -> str:
    return re.sub(r"/{2,}", "/", path) if "//" in path else path


def normal_path(path: str) -> str:
    path = without_doubled_slashes(path).rstrip("/") or "/"
    for prefix, own in _ELSEWHERE:
        if path.startswith(prefix):
            path = own + path.removeprefix(prefix)
    doubled = _DOUBLED.match(path)
    if doubled is not None:
        path = path[doubled.end() :]
    if path.startswith(_UNVERSIONED) and _is_segment(path):
        return "/v1" + path
    return path


def _is_segment(path: str) -> bool:
    return any(path == name or path.startswith((name + "/", name + ":")) for name in _UNVERSIONED)


def gemini_endpoint(path: str, query: str) -> Endpoint | None:
    """``/v1beta/models/{model}:{action}``; None for anything else."""
    found = _GEMINI.match(path)
    if found is None or found[2] not in GEMINI_ACTIONS:
        return None
    model, action = found[1], found[2]
    streams = action == "streamGenerateContent"
    given = parse_qs(query) if streams else {}
    alt = (given.get("alt") or given.get("$alt") or [""])[-1].lower()
    return Endpoint(
        dialect=Format.GEMINI,
        embeds=action if action in GEMINI_EMBEDDINGS else "",
        operation=Operation.COUNT if action == "countTokens" else Operation.GENERATE,
        url=UrlParts(
            model=model,
            stream=streams,
            is_array=streams and alt != "sse",
        ),
    )


def is_claude_code(headers: dict[str, str]) -> bool:
    return headers.get("user-agent", "").startswith("claude-cli")


def dialect_of(path: str, headers: dict[str, str]) -> Format:
    """Whose errors a path without an endpoint answers with."""
    if path.startswith(("/v1beta", "/v1alpha")) or "x-goog-api-key" in headers:
        return Format.GEMINI
    if path.startswith("/v1/messages") or "anthropic-version" in headers or is_claude_code(headers):
        return Format.CLAUDE
    if path.startswith("/v1/responses"):
        return Format.RESPONSES
    return Format.OPENAI
