"""The legacy ``/v1/completions`` on top of chat: its request as chat requests, chat answers as its own.

Every prompt becomes one user turn of a request of its own. A ``suffix`` (fill in the middle) has no chat
form; an instruction carries its meaning. Facts: OpenAI API reference, "Completions (legacy)" (2026).
"""

from __future__ import annotations

from typing import Any

import msgspec

from providers.errors import UpstreamProtocolError
from providers.translation.codec import MalformedRequest
from providers.translation.json_text import dump_bytes
from providers.translation.model import Json
from providers.translation.passthrough import BAD_JSON, ParsedBody, is_set
from providers.translation.sse import SseEvent, SseReader, frame

MAX_PROMPTS = 20
"""Each is a request of its own upstream. OpenAI allows more; nobody was seen to send more."""

_KEPT = (
    "model", "stream", "stream_options", "max_tokens", "temperature", "top_p", "n", "stop", "seed",
    "presence_penalty", "frequency_penalty", "logit_bias", "user",
)  # fmt: skip
_DROPPED = ("best_of", "logprobs")
_FINISHES = frozenset({"stop", "length", "content_filter"})
_MIDDLE = (
    "Continue the text. Reply with nothing but the words that belong between the text before and the text "
    "after the gap, without quoting either of them."
)
EMPTY_PROMPT = "Complete this:"
"""A chat needs something to answer; CLIProxyAPI sends these words."""
_LENGTH = 16
"""The endpoint's documented default for ``max_tokens``."""


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """A legacy request. ``chats`` are the bodies of the chat requests that answer it, in order of prompts."""

    chats: tuple[bytes, ...]
    prompts: tuple[str, ...]
    echo: bool
    per_prompt: int
    """Alternatives to each prompt (``n``)."""
    include_usage: bool
    dropped: tuple[str, ...]


def read_completion(body: bytes) -> Completion:
    """Raises MalformedRequest, also for prompts in tokens: they belong to one model's vocabulary."""
    try:
        fields = msgspec.json.decode(body)
    except BAD_JSON as error:
        raise MalformedRequest(f"The request body is not a JSON object: {error}.") from error
    if not isinstance(fields, dict):
        raise MalformedRequest("The request body is not a JSON object.")
    prompts = _prompts(fields.get("prompt"))
    suffix = fields.get("suffix")
    if suffix is not None and not isinstance(suffix, str):
        raise MalformedRequest("The field `suffix` must be a string.", param="suffix")
    shared = {key: fields[key] for key in _KEPT if fields.get(key) is not None}
    shared.setdefault("max_tokens", _LENGTH)
    wants = fields.get("n")
    options = fields.get("stream_options")
    return Completion(
        chats=tuple(dump_bytes({**shared, "messages": _messages(prompt, suffix)}) for prompt in prompts),
        prompts=prompts,
        echo=fields.get("echo") is True,
        per_prompt=wants if isinstance(wants, int) and wants > 0 else 1,
        include_usage=isinstance(options, dict) and options.get("include_usage") is True,
        dropped=tuple(key for key in _DROPPED if fields.get(key) not in (None, 1)),
    )


def is_beyond_chat(body: ParsedBody) -> bool:
    """Whether a legacy request holds what a chat request cannot: a gap to fill, tokens, log probabilities."""
    fields = body.fields
    wants = is_set(fields, "suffix") or is_set(fields, "logprobs")
    if not wants and bytes(fields.get("best_of", b"1")).strip() not in (b"1", b"null"):
        wants = True
    return wants or bytes(fields.get("prompt", b"")).lstrip(b"[ \t\r\n")[:1].isdigit()


def is_legacy_answer(body: bytes) -> bool:
    """Whether an answer, or the first event of a stream, is a completion: some servers answer everything
    with a chat completion."""
    return b'"text_completion"' in body or (b'"text"' in body and b'"delta"' not in body[:4096])


def _prompts(value: Json) -> tuple[str, ...]:
    if value is None:
        value = ""  # the endpoint's documented default is the beginning of a new text
    prompts = [value] if isinstance(value, str) else value
    if isinstance(prompts, list) and prompts and all(isinstance(prompt, str) for prompt in prompts):
        if len(prompts) > MAX_PROMPTS:
            raise MalformedRequest(f"At most {MAX_PROMPTS} prompts are taken.", param="prompt")
        return tuple(prompts)
    if isinstance(prompts, list) and prompts:
        raise MalformedRequest("Prompts in tokens cannot be translated; send text.", param="prompt")
    raise MalformedRequest("The field `prompt` must be a string or a list of strings.", param="prompt")


def _messages(prompt: str, suffix: str | None) -> list[dict[str, Json]]:
    if not suffix:
        return [{"role": "user", "content": prompt or EMPTY_PROMPT}]
    text = f"Text before the gap:\n{prompt}\n\nText after the gap:\n{suffix}"
    return [{"role": "system", "content": _MIDDLE}, {"role": "user", "content": text}]


# --- answers -----------------------------------------------------------------------------------


def whole_answer(completion: Completion, answers: list[bytes]) -> bytes:
    """One ``text_completion`` out of the chat answers to every prompt. Raises UpstreamProtocolError."""
    choices: list[dict[str, Json]] = []
    usage: dict[str, int] = {}
    head: dict[str, Any] = {}
    for place, body in enumerate(answers):
        chat = _object(body)
        head = head or chat
        echoed = completion.prompts[place] if completion.echo else ""
        for choice in _objects(chat.get("choices")):
            message = choice.get("message")
            text = _text(message if isinstance(message, dict) else {})
            index = place * completion.per_prompt + _index(choice)
            choices.append(_choice(echoed + text, index, _finish(choice) or "stop"))
        _add(usage, chat.get("usage"))
    return dump_bytes({**_head(head), "choices": choices, **({"usage": usage} if usage else {})})


class CompletionStream:
    """Chat chunks of one prompt in, completion chunks out. Fed bytes at any cut."""

    def __init__(self, completion: Completion, place: int) -> None:
        self._completion = completion
        self._first = place * completion.per_prompt
        self._echo = completion.prompts[place] if completion.echo else ""
        self._reader = SseReader()

    def feed(self, chunk: bytes) -> bytes:
        return b"".join(self._event(event) for event in self._reader.feed(chunk))

    def close(self) -> bytes:
        return b"".join(self._event(event) for event in self._reader.close())

    def _event(self, event: SseEvent) -> bytes:
        if event.data.strip() == "[DONE]":
            return b""
        chunk = _object(event.data.encode())
        if chunk.get("error"):
            return frame(event.data.encode())
        choices = [self._choice(choice) for choice in _objects(chunk.get("choices"))]
        shown = [choice for choice in choices if choice is not None]
        usage = chunk.get("usage")
        if not shown and not isinstance(usage, dict):
            return b""
        body = {**_head(chunk), "choices": shown}
        return frame(dump_bytes({**body, "usage": usage} if self._completion.include_usage else body))

    def _choice(self, choice: dict[str, Any]) -> dict[str, Json] | None:
        delta = choice.get("delta")
        text, finish = _text(delta if isinstance(delta, dict) else {}), _finish(choice)
        if not text and finish is None:
            return None
        echoed, self._echo = self._echo, ""
        return _choice(echoed + text, self._first + _index(choice), finish)


DONE = b"data: [DONE]\n\n"


def _head(chat: dict[str, Any]) -> dict[str, Json]:
    answer_id = str(chat.get("id") or "")
    return {
        "id": "cmpl-" + answer_id.removeprefix("chatcmpl-"),
        "object": "text_completion",
        "created": chat.get("created") or 0,
        "model": chat.get("model") or "",
    }


def _choice(text: str, index: int, finish: str | None) -> dict[str, Json]:
    return {"text": text, "index": index, "logprobs": None, "finish_reason": finish}


def _finish(choice: dict[str, Any]) -> str | None:
    reason = choice.get("finish_reason")
    if not reason:
        return None
    return reason if reason in _FINISHES else "stop"


def _text(message: dict[str, Any]) -> str:
    text = message.get("content") or message.get("refusal")
    return text if isinstance(text, str) else ""


def _index(choice: dict[str, Any]) -> int:
    index = choice.get("index")
    return index if isinstance(index, int) else 0


def _add(total: dict[str, int], usage: Json) -> None:
    if not isinstance(usage, dict):
        return
    for key in ("prompt_tokens", "completion_tokens", "total_tokens"):
        if isinstance(usage.get(key), int):
            total[key] = total.get(key, 0) + usage[key]


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(body)
    except BAD_JSON as error:
        raise UpstreamProtocolError("the upstream's answer is not JSON") from error
    if not isinstance(value, dict):
        raise UpstreamProtocolError("the upstream's answer is not a JSON object")
    return value


def _objects(value: Json) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
