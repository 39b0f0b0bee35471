"""Images through the Responses API: a request of ``/images/generations`` as a call of its
``image_generation`` tool, and the calls in its answer as the Images API's answer.

Source: https://platform.openai.com/docs/guides/tools-image-generation and /docs/api-reference/images (2025).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from providers.errors import ClientError, UpstreamProtocolError
from providers.translation.model import Usage

MOST = 10
"""Images of one request, as the Images API has it."""
_OPTIONS = ("size", "quality", "background", "output_format", "output_compression", "moderation")


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a client asks of ``/images/generations``, as far as the tool can do it."""

    prompt: str
    count: int
    options: dict[str, Any]
    is_stream: bool
    dropped: tuple[str, ...] = ()


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """One image: base64, and the prompt that the model made of the client's."""

    data: str
    revised_prompt: str = ""


def decode_request(value: dict[str, Any]) -> Asked:
    """Raises ClientError."""
    prompt = value.get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        raise ClientError("The field `prompt` is missing.", param="prompt")
    count = value.get("n")
    if count is None:
        count = 1
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= MOST:
        raise ClientError(f"`n` must be a whole number from 1 to {MOST}.", param="n")
    options = {name: value[name] for name in _OPTIONS if value.get(name) is not None}
    known = {"model", "prompt", "n", "stream", "user", "response_format", *_OPTIONS}
    return Asked(
        prompt=prompt,
        count=count,
        options=options,
        is_stream=value.get("stream") is True,
        dropped=tuple(name for name in value if name not in known and value[name] is not None),
    )


def encode_request(asked: Asked, base_model: str, image_model: str) -> bytes:
    """A Responses request whose only way to answer is one image."""
    content = [{"type": "input_text", "text": asked.prompt}]
    tool = {"type": "image_generation", "model": image_model, **asked.options}
    return msgspec.json.encode(
        {
            "model": base_model,
            "instructions": "",
            "input": [{"type": "message", "role": "user", "content": content}],
            "tools": [tool],
            "tool_choice": {"type": "image_generation"},
            "stream": True,
            "store": False,
        }
    )


def decode_answer(events: Iterable[bytes | str]) -> tuple[Made, Usage | None]:
    """The image in the events of a stream, or in one object that is the whole answer. Raises
    UpstreamProtocolError when there is none."""
    made: Made | None = None
    usage: Usage | None = None
    said = ""
    for event in events:
        try:
            value = msgspec.json.decode(event)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        if not isinstance(value, dict):
            continue
        nested = value.get("response")
        response = nested if isinstance(nested, dict) else value
        output = response.get("output")
        items = [value.get("item"), *(output if isinstance(output, list) else ())]
        made = next((found for item in items if (found := _made(item)) is not None), made)
        usage = _usage(response.get("usage")) or usage
        error = response.get("error")
        said = str(error.get("message", ""))[:300] if isinstance(error, dict) else said
    if made is None:
        raise UpstreamProtocolError("the model made no image" + (f": {said}" if said else ""))
    return made, usage


def _made(item: Any) -> Made | None:
    if not isinstance(item, dict) or item.get("type") != "image_generation_call":
        return None
    data, revised = item.get("result"), item.get("revised_prompt")
    if not isinstance(data, str) or not data:
        return None
    return Made(data=data, revised_prompt=revised if isinstance(revised, str) else "")


def _usage(value: Any) -> Usage | None:
    if not isinstance(value, dict):
        return None
    sent, made = value.get("input_tokens"), value.get("output_tokens")
    if not isinstance(sent, int) or not isinstance(made, int):
        return None
    return Usage(input_total=sent, output_total=made)


def encode_answer(asked: Asked, images: list[Made], usage: Usage | None, now: int) -> bytes:
    """The Images API's answer; for a client that wants a stream, its last event of each image."""
    told = _told(usage)
    if asked.is_stream:
        return b"".join(_event(asked, image, told, now) for image in images)
    data = [
        {"b64_json": image.data, **({"revised_prompt": image.revised_prompt} if image.revised_prompt else {})}
        for image in images
    ]
    return msgspec.json.encode({"created": now, "data": data, **asked.options, **told})


def _event(asked: Asked, image: Made, told: dict[str, Any], now: int) -> bytes:
    name = "image_generation.completed"
    body = {"type": name, "b64_json": image.data, "created_at": now, **asked.options, **told}
    return b"event: " + name.encode() + b"\ndata: " + msgspec.json.encode(body) + b"\n\n"


def _told(usage: Usage | None) -> dict[str, Any]:
    if usage is None:
        return {}
    sent, made = usage.input_total or 0, usage.output_total or 0
    return {"usage": {"input_tokens": sent, "output_tokens": made, "total_tokens": sent + made}}
