"""Whole Chat Completions answers, decoded to the neutral answer and encoded from it."""

from __future__ import annotations

from providers.errors import UpstreamProtocolError
from providers.translation.audio import Sound
from providers.translation.codec import AnswerContext
from providers.translation.codecs.openai.errors import reported_error
from providers.translation.codecs.openai.fields import moment
from providers.translation.codecs.openai.messages import call_signature
from providers.translation.codecs.openai.outcome import (
    audio_delta,
    audio_skeleton,
    block_text,
    decode_annotations,
    decode_images,
    decode_stop,
    decode_usage,
    encode_audio,
    encode_citation,
    encode_image,
    encode_stop,
    encode_usage,
    failure_of,
)
from providers.translation.codecs.openai.tools import custom_names, is_legacy
from providers.translation.json_text import dumps
from providers.translation.media import as_markdown
from providers.translation.model import (
    Candidate,
    Ext,
    Json,
    Media,
    Part,
    Reasoning,
    RefusalText,
    Response,
    StopKind,
    Text,
    ToolCall,
)
from providers.values import Format

_TYPED_KEYS = frozenset({"id", "object", "created", "model", "choices", "usage", "service_tier"})


# --- decoding ----------------------------------------------------------------------------------


def decode_response(body: Json, context: AnswerContext) -> Response:
    """The neutral answer. Raises UpstreamProtocolError when ``body`` is no ``chat.completion``."""
    if not isinstance(body, dict):
        raise UpstreamProtocolError("the upstream's answer is not a JSON object")
    if (info := reported_error(body)) is not None:
        raise UpstreamProtocolError(
            f"the upstream answered 200 with an error: {info.message}", code=info.code
        )
    choices = body.get("choices")
    if not isinstance(choices, list) or not choices:
        raise UpstreamProtocolError("the upstream's answer holds no choices")
    raw = {key: value for key, value in body.items() if key not in _TYPED_KEYS and value is not None}
    created = body.get("created")
    ext: Ext = {Format.OPENAI: raw} if raw else {}
    return Response(
        id=_text_of(body.get("id")),
        model=_text_of(body.get("model")) or context.model,
        candidates=tuple(_candidate(choice, place, context) for place, choice in enumerate(choices)),
        usage=decode_usage(body.get("usage")),
        created=moment(created),
        service_tier=_text_of(body.get("service_tier")) or None,
        ext=ext,
    )


def _candidate(choice: Json, place: int, context: AnswerContext) -> Candidate:
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict):
        raise UpstreamProtocolError(f"choice {place} of the upstream's answer holds no message")
    index = choice.get("index")
    index = index if isinstance(index, int) else place
    parts = _parts(message, index, context)
    logprobs = choice.get("logprobs")
    tokens = logprobs.get("content") if isinstance(logprobs, dict) else None
    return Candidate(
        index=index,
        parts=tuple(parts),
        stop=decode_stop(
            choice.get("finish_reason"),
            has_calls=any(isinstance(part, ToolCall) for part in parts),
            has_refusal=any(isinstance(part, RefusalText) for part in parts),
        ),
        logprobs=tokens if isinstance(tokens, list) else None,
    )


def _parts(message: dict[str, Json], candidate: int, context: AnswerContext) -> list[Part]:
    parts: list[Part] = []
    if thought := _text_of(message.get("reasoning_content")) or _text_of(message.get("reasoning")):
        parts.append(Reasoning(text=thought))
    if text := content_text(message.get("content")):
        parts.append(Text(text=text, citations=decode_annotations(message.get("annotations"), text)))
    if refusal := _text_of(message.get("refusal")):
        parts.append(RefusalText(text=refusal))
    parts.extend(decode_images(message.get("images")))
    audio = message.get("audio")
    if isinstance(audio, dict):
        sound = Sound(audio_skeleton(audio, context))
        sound.add(audio_delta(audio, candidate, len(parts)))
        parts.append(sound.whole())
    listed = message.get("tool_calls")
    items: list[Json] = list(listed) if isinstance(listed, list) else []
    if isinstance(legacy := message.get("function_call"), dict):
        items.append({"function": legacy})
    for place, item in enumerate(items):
        parts.append(_call(item, generated_call_id(context, candidate, place), context))
    return parts


def _call(item: Json, fallback_id: str, context: AnswerContext) -> ToolCall:
    custom = item.get("custom") if isinstance(item, dict) else None
    function = (
        custom if isinstance(custom, dict) else item.get("function") if isinstance(item, dict) else None
    )
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(function, dict) or not isinstance(name, str) or not name:
        raise UpstreamProtocolError("the upstream sent a tool call without a name")
    is_custom = function is custom
    return ToolCall(
        id=_text_of(item.get("id")) or fallback_id,
        name=context.names.restore(name),
        arguments=answer_arguments(function.get("input" if is_custom else "arguments")),
        kind="custom" if is_custom else "function",
        signature=call_signature(item),
    )


def generated_call_id(context: AnswerContext, candidate: int, place: int) -> str:
    """For upstreams that leave ids out; unique by the context's seed, the same whole or streamed."""
    return f"call_{context.seed}_{candidate}_{place}"


def answer_arguments(value: Json) -> str:
    """Some servers send the object itself instead of its text."""
    if value is None:
        return ""
    return value if isinstance(value, str) else dumps(value)


def content_text(value: Json) -> str:
    """Content is a string; some servers (Mistral) send a list of text parts."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(_text_of(item.get("text")) for item in value if isinstance(item, dict))
    return ""


def _text_of(value: Json) -> str:
    return value if isinstance(value, str) else ""


# --- encoding ----------------------------------------------------------------------------------


def encode_response(response: Response, context: AnswerContext) -> dict[str, Json]:
    """A ``chat.completion`` that the official SDK parses.

    Raises UpstreamProtocolError when an only candidate ended in a failure and holds nothing.
    """
    candidates = sorted(response.candidates, key=lambda candidate: candidate.index)
    if candidates:
        choices = [_choice(candidate, context) for candidate in candidates]
    else:
        choices = [_blocked_choice(response.block_reason)]
    body: dict[str, Json] = {
        "id": answer_id(response.id, context),
        "object": "chat.completion",
        "created": response.created or context.now,
        "model": context.model,
        "choices": choices,
    }
    if response.usage is not None:
        body["usage"] = encode_usage(response.usage)
    if response.service_tier is not None:
        body["service_tier"] = response.service_tier
    for key, value in response.ext.get(Format.OPENAI, {}).items():
        body.setdefault(key, value)
    return body


def answer_id(upstream_id: str | None, context: AnswerContext) -> str:
    known = upstream_id or context.seed
    return known if known.startswith("chatcmpl-") else f"chatcmpl-{known}"


def _blocked_choice(reason: str | None) -> dict[str, Json]:
    message = {"role": "assistant", "content": None, "refusal": block_text(reason, None)}
    return {"index": 0, "message": message, "logprobs": None, "finish_reason": "content_filter"}


def _choice(candidate: Candidate, context: AnswerContext) -> dict[str, Json]:
    message = _message(candidate, context)
    stop = candidate.stop
    has_calls = "tool_calls" in message or "function_call" in message
    failure = failure_of(stop, has_content=bool(candidate.parts))
    if failure is not None:
        raise UpstreamProtocolError(failure.message, code=failure.code)
    has_refusal = message["refusal"] is not None
    if stop is not None and stop.kind in (StopKind.CONTENT_FILTER, StopKind.REFUSAL) and not candidate.parts:
        message.update(content=None, refusal=block_text(stop.detail, stop.message))
    finish = encode_stop(stop, has_calls=has_calls, has_refusal=has_refusal)
    if finish == "tool_calls" and "function_call" in message:
        finish = "function_call"
    logprobs = {"content": candidate.logprobs, "refusal": None} if candidate.logprobs is not None else None
    return {"index": candidate.index, "message": message, "logprobs": logprobs, "finish_reason": finish}


def _message(candidate: Candidate, context: AnswerContext) -> dict[str, Json]:
    texts: list[str] = []
    refusals: list[str] = []
    thoughts: list[str] = []
    calls: list[ToolCall] = []
    images: list[Json] = []
    annotations: list[Json] = []
    sounds: list[Media] = []
    length = 0
    for part in candidate.parts:
        if isinstance(part, Text):
            found = (encode_citation(one, length, len(part.text)) for one in part.citations)
            annotations.extend(one for one in found if one is not None)
            texts.append(part.text)
            length += len(part.text)
        elif isinstance(part, RefusalText):
            refusals.append(part.text)
        elif isinstance(part, Reasoning) and part.text:
            thoughts.append(part.text)
        elif isinstance(part, ToolCall):
            calls.append(part)
        elif isinstance(part, Media) and part.kind == "audio" and (part.data or part.transcript):
            sounds.append(part)
        elif isinstance(part, Media) and (image := encode_image(part, len(images))) is not None:
            images.append(image)
        elif isinstance(part, Media) and (words := as_markdown(part)):
            texts.append(words)
            length += len(words)
    text = "".join(texts)
    bare = calls or refusals or sounds
    message: dict[str, Json] = {
        "role": "assistant",
        "content": None if bare and not text else text,
        "refusal": "".join(refusals) or None,
    }
    if thoughts:
        message["reasoning_content"] = "\n\n".join(thoughts)
    if annotations:
        message["annotations"] = annotations
    if images:
        message["images"] = images
    if sounds:
        message["audio"] = encode_audio(sounds, context)
    _put_calls(message, calls, context)
    return message


def _put_calls(message: dict[str, Json], calls: list[ToolCall], context: AnswerContext) -> None:
    if not calls:
        return
    if is_legacy(context.request):
        # The legacy form has room for one call.
        message["function_call"] = {"name": calls[0].name, "arguments": calls[0].arguments or "{}"}
        return
    customs = custom_names(context.request)
    message["tool_calls"] = [encode_call(call, customs) for call in calls]


def encode_call(call: ToolCall, customs: frozenset[str]) -> dict[str, Json]:
    """A call for the client. One of the client's free-form tools goes back as such, unwrapped."""
    if call.kind == "custom" or call.name in customs:
        text = call.arguments if call.kind == "custom" else unwrapped_input(call)
        return {"id": call.id, "type": "custom", "custom": {"name": call.name, "input": text}}
    arguments = call.arguments if call.arguments.strip() else "{}"
    item: dict[str, Json] = {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": arguments},
    }
    if call.signature is not None and call.signature.issuer is Format.GEMINI:
        item["extra_content"] = {"google": {"thought_signature": call.signature.value}}
    return item


def unwrapped_input(call: ToolCall) -> str:
    """The text of a free-form call that went through a format which only knows objects."""
    text = call.value().get("input", "")
    return text if isinstance(text, str) else dumps(text)
