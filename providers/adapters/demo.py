"""The built-in provider of a gateway that has no other yet: it answers in process, and only true things.

So the first curl line streams something on a machine without any key. It is no model: the text says what
answered, where a real provider is added, and which words arrived. Tools are left uncalled.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from providers.adapters import refusals
from providers.adapters.base import Adapter, Call, CatalogueModel, UpstreamRequest
from providers.translation.codec import Capabilities
from providers.translation.json_text import dump_bytes
from providers.translation.model import Json
from providers.values import CredentialEntry, Format, Refusal

_QUOTE_LIMIT = 280
_PIECE = re.compile(r"\s*\S+")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_ABILITIES = Capabilities(thinking="none", max_output_tokens=1_024, default_max_tokens=1_024)


class Demo(Adapter):
    key = "demo"
    name = "Demo (built in)"
    speaks = Format.OPENAI
    needs_key = False
    key_hint = "Needs no key."
    owned_by = "cliproxy"
    in_process = True
    catalogue = (
        CatalogueModel(
            id="demo",
            display_name="Demo: says what answered and where to add a provider",
            context_length=32_000,
            max_output_tokens=1_024,
            owned_by="cliproxy",
            capabilities=_ABILITIES,
        ),
    )

    def request(self, call: Call) -> UpstreamRequest:
        accept = "text/event-stream" if call.stream else "application/json"
        headers = (("content-type", "application/json"), ("accept", accept))
        return UpstreamRequest(
            method="POST", url="in-process://demo/chat/completions", headers=headers, body=call.body
        )

    def models_request(self, credential: CredentialEntry) -> UpstreamRequest | None:
        return None

    def read_models(self, body: bytes) -> tuple[CatalogueModel, ...]:
        return self.catalogue

    def classify(self, status: int, headers: dict[str, str], body: bytes, now: float) -> Refusal:
        return refusals.classify(refusals.read_detail(body), status, headers, now)

    def capabilities(self, model: str) -> Capabilities:
        return _ABILITIES

    def answer(self, body: bytes, now: int, seed: str) -> Iterator[tuple[float, bytes]]:
        """A chat completion to ``body``, streamed word by word at reading pace when it asks for a stream.

        Each word counts as one token, in the limit and in the usage alike.
        """
        asked = _read(body)
        words = _PIECE.findall(_text(asked))
        limit = min(_limit(asked), 1_024)
        reply = _Reply(
            head={"id": f"chatcmpl-demo-{seed}", "created": now, "model": str(asked.get("model") or "demo")},
            words=words[:limit],
            finish="length" if len(words) > limit else "stop",
            prompt_tokens=sum(len(_PIECE.findall(text)) for _, text in _turns(asked)),
        )
        if asked.get("stream") is not True:
            yield 0.0, reply.whole()
            return
        options = asked.get("stream_options")
        yield from reply.frames(isinstance(options, dict) and options.get("include_usage") is True)


class _Reply(msgspec.Struct, frozen=True):
    """What is said, apart from how it is sent."""

    head: dict[str, Json]
    words: list[str]
    finish: str
    prompt_tokens: int

    def whole(self) -> bytes:
        message = {"role": "assistant", "content": "".join(self.words), "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self.finish}
        return dump_bytes(
            {**self.head, "object": "chat.completion", "choices": [choice], "usage": self._usage()}
        )

    def frames(self, include_usage: bool) -> Iterator[tuple[float, bytes]]:
        yield 0.0, self._frame({"role": "assistant", "content": ""})
        for word in self.words:
            # Long words take longer to read: 34 to 60 ms a word.
            yield 0.03 + 0.002 * min(len(word) + 1, 15), self._frame({"content": word})
        yield 0.0, self._frame({}, self.finish)
        if include_usage:
            yield 0.0, _sse({**self._chunk_head(), "choices": [], "usage": self._usage()})
        yield 0.0, b"data: [DONE]\n\n"

    def _frame(self, delta: dict[str, Json], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return _sse({**self._chunk_head(), "choices": [choice]})

    def _chunk_head(self) -> dict[str, Json]:
        return {**self.head, "object": "chat.completion.chunk"}

    def _usage(self) -> dict[str, Json]:
        completion = len(self.words)
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": completion,
            "total_tokens": self.prompt_tokens + completion,
        }


def _sse(chunk: dict[str, Json]) -> bytes:
    return b"data: " + dump_bytes(chunk) + b"\n\n"


def _read(body: bytes) -> dict[str, Json]:
    try:
        decoded = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return decoded if isinstance(decoded, dict) else {}


def _turns(asked: dict[str, Json]) -> list[tuple[str, str]]:
    """Role and text of each message; images and other parts have no text."""
    messages = asked.get("messages")
    if not isinstance(messages, list):
        return []
    return [
        (str(turn.get("role")), _content(turn.get("content"))) for turn in messages if isinstance(turn, dict)
    ]


def _content(content: Json) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = (part.get("text") for part in parts if isinstance(part, dict))
    return " ".join(text for text in texts if isinstance(text, str))


def _limit(asked: dict[str, Json]) -> int:
    for name in ("max_completion_tokens", "max_tokens"):
        value = asked.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    return 1_024


def _text(asked: dict[str, Json]) -> str:
    turns = _turns(asked)
    said = next((text.strip() for role, text in reversed(turns) if role == "user" and text.strip()), "")
    last = _SENTENCE_END.split(said)[-1] if said else ""
    quote = last if len(last) <= _QUOTE_LIMIT else last[: _QUOTE_LIMIT - 1] + "…"
    tools = asked.get("tools")
    sentences = [
        "This is the demo provider built into your gateway; no language model wrote this.",
        f"Your request arrived: {_count(len(turns), 'message')}, "
        f"{'streamed' if asked.get('stream') is True else 'in one piece'}.",
        f"You said: “{quote}”" if quote else "It held no words of yours.",
    ]
    if isinstance(tools, list) and tools:
        sentences.append(f"It also offered {_count(len(tools), 'tool')}, which the demo never calls.")
    sentences.append(
        "As long as no real provider is configured, the demo is all that answers here. "
        "Add a provider and its key under /admin/, then ask for one of its models."
    )
    return " ".join(sentences)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
