"""Finish reasons, usage, citations and media of an answer: the small maps that whole answers and streams
share, both ways.
"""

from __future__ import annotations

import msgspec

from providers.translation.audio import PCM_MIME, as_wav, joined
from providers.translation.codec import AnswerContext
from providers.translation.counts import Count, count_of
from providers.translation.media import data_url, is_data_url, parse_data_url, sniff_mime
from providers.translation.model import AudioDelta, ErrorInfo, Json, Media, Stop, StopKind, Usage
from providers.values import Format

# Besides OpenAI's five values, what compatible servers were seen to send.
_STOPS = {
    "stop": StopKind.END,
    "length": StopKind.LENGTH,
    "tool_calls": StopKind.TOOL_CALLS,
    "function_call": StopKind.TOOL_CALLS,
    "content_filter": StopKind.CONTENT_FILTER,
    "end_turn": StopKind.END,
    "eos": StopKind.END,
    "eos_token": StopKind.END,
    "max_tokens": StopKind.LENGTH,
    "tool_use": StopKind.TOOL_CALLS,
    "tool_call": StopKind.TOOL_CALLS,
    "safety": StopKind.CONTENT_FILTER,
    "error": StopKind.ERROR,
}

_FINISH = {
    StopKind.END: "stop",
    StopKind.STOP_SEQUENCE: "stop",
    StopKind.LENGTH: "length",
    StopKind.CONTEXT_WINDOW: "length",
    StopKind.TOOL_CALLS: "tool_calls",
    StopKind.CONTENT_FILTER: "content_filter",
    StopKind.REFUSAL: "content_filter",
    StopKind.PAUSE: "stop",
    StopKind.MALFORMED_CALL: "stop",
    StopKind.ERROR: "stop",
    StopKind.CANCELLED: "stop",
    StopKind.OTHER: "stop",
}

_FAILURES = (StopKind.MALFORMED_CALL, StopKind.ERROR)


def decode_stop(reason: Json, *, has_calls: bool, has_refusal: bool) -> Stop:
    """``reason`` may be missing or foreign. A call makes a plain stop TOOL_CALLS: some servers say
    ``stop`` after calls. A length stop stays, because the last call may be cut."""
    detail = reason if isinstance(reason, str) and reason else None
    kind = _STOPS.get(detail.lower(), StopKind.OTHER) if detail else StopKind.END
    if has_calls and kind in (StopKind.END, StopKind.OTHER):
        kind = StopKind.TOOL_CALLS
    elif not has_calls and kind is StopKind.TOOL_CALLS:
        kind = StopKind.END
    if has_refusal and kind is StopKind.END:
        kind = StopKind.REFUSAL
    return Stop(kind, detail=detail)


def encode_stop(stop: Stop | None, *, has_calls: bool, has_refusal: bool) -> str:
    """One of the published values, always."""
    kind = stop.kind if stop is not None else StopKind.END
    reason = _FINISH[kind]
    if kind is StopKind.REFUSAL and has_refusal:
        reason = "stop"
    if has_calls and reason == "stop":
        return "tool_calls"
    return "stop" if reason == "tool_calls" and not has_calls else reason


def failure_of(stop: Stop | None, *, has_content: bool) -> ErrorInfo | None:
    """An answer that ended in a failure and holds nothing is an error, not an empty success."""
    if stop is None or has_content or stop.kind not in _FAILURES:
        return None
    reason = stop.message or stop.detail or stop.kind.value
    return ErrorInfo(status=502, message=f"The model ended without an answer: {reason}", code=stop.kind.value)


def block_text(reason: str | None, message: str | None) -> str:
    """What a client reads when nothing else explains an empty, filtered answer."""
    return message or f"The request was blocked by the provider ({reason or 'content filter'})."


# --- usage -------------------------------------------------------------------------------------


def decode_usage(raw: Json) -> Usage | None:
    """OpenAI's fields, with DeepSeek's and Moonshot's spelling of cached tokens."""
    if not isinstance(raw, dict):
        return None
    prompt = _mapping(raw.get("prompt_tokens_details"))
    completion = _mapping(raw.get("completion_tokens_details"))
    cached = count_of(prompt.get("cached_tokens"))
    if cached is None:
        cached = count_of(raw.get("prompt_cache_hit_tokens"))
    if cached is None:
        cached = count_of(raw.get("cached_tokens"))
    usage = Usage(
        input_total=count_of(raw.get("prompt_tokens")),
        cache_read=cached,
        cache_write=count_of(prompt.get("cache_write_tokens")),
        output_total=count_of(raw.get("completion_tokens")),
        reasoning=count_of(completion.get("reasoning_tokens")),
        audio_in=count_of(prompt.get("audio_tokens")),
        audio_out=count_of(completion.get("audio_tokens")),
        total=count_of(raw.get("total_tokens")),
    )
    return None if usage == NOTHING_TOLD else usage


NOTHING_TOLD = Usage()


class _PromptDetails(msgspec.Struct):
    cached_tokens: Count = None
    cache_write_tokens: Count = None
    audio_tokens: Count = None


class _CompletionDetails(msgspec.Struct):
    reasoning_tokens: Count = None
    audio_tokens: Count = None


class PlainUsage(msgspec.Struct):
    """Usage as the specification has it, which nearly all is: several times cheaper than ``decode_usage``."""

    prompt_tokens: Count = None
    completion_tokens: Count = None
    total_tokens: Count = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None
    prompt_cache_hit_tokens: Count = None
    cached_tokens: Count = None

    def neutral(self) -> Usage | None:
        """The same as ``decode_usage`` makes of it."""
        prompt, completion = self.prompt_tokens_details, self.completion_tokens_details
        cached = prompt.cached_tokens if prompt is not None else None
        if cached is None:
            cached = self.prompt_cache_hit_tokens
        if cached is None:
            cached = self.cached_tokens
        usage = Usage(
            input_total=self.prompt_tokens,
            cache_read=cached,
            cache_write=prompt.cache_write_tokens if prompt is not None else None,
            output_total=self.completion_tokens,
            reasoning=completion.reasoning_tokens if completion is not None else None,
            audio_in=prompt.audio_tokens if prompt is not None else None,
            audio_out=completion.audio_tokens if completion is not None else None,
            total=self.total_tokens,
        )
        return None if usage == NOTHING_TOLD else usage


def encode_usage(usage: Usage) -> dict[str, Json]:
    prompt, completion = usage.input_total or 0, usage.output_total or 0
    body: dict[str, Json] = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": usage.total if usage.total is not None else prompt + completion,
    }
    written = usage.cache_write
    if written is None and (usage.cache_write_5m is not None or usage.cache_write_1h is not None):
        written = (usage.cache_write_5m or 0) + (usage.cache_write_1h or 0)
    prompt_details = {
        "cached_tokens": usage.cache_read,
        "cache_write_tokens": written,
        "audio_tokens": usage.audio_in,
    }
    completion_details = {"reasoning_tokens": usage.reasoning, "audio_tokens": usage.audio_out}
    for key, details in (
        ("prompt_tokens_details", prompt_details),
        ("completion_tokens_details", completion_details),
    ):
        known = {name: value for name, value in details.items() if value is not None}
        if known:
            body[key] = known
    return body


def _mapping(value: Json) -> dict[str, Json]:
    return value if isinstance(value, dict) else {}


# --- citations ---------------------------------------------------------------------------------


def decode_annotations(raw: Json, text: str) -> tuple[dict[str, Json], ...]:
    """Neutral citations of the URL annotations; other kinds have no neutral form."""
    if not isinstance(raw, list):
        return ()
    return tuple(citation for item in raw if (citation := decode_annotation(item, text)) is not None)


def decode_annotation(item: Json, text: str, before: int = 0) -> dict[str, Json] | None:
    """The neutral citation of one annotation. ``text`` begins ``before`` characters into the message."""
    if not isinstance(item, dict) or item.get("type") != "url_citation":
        return None
    source = item.get("url_citation")
    source = source if isinstance(source, dict) else item  # the flat form is seen too
    url = source.get("url")
    if not isinstance(url, str):
        return None
    start, end = count_of(source.get("start_index")), count_of(source.get("end_index"))
    if start is not None and end is not None and before <= start:
        start, end = start - before, end - before
    cited = text[start:end] if start is not None and end is not None and start < end <= len(text) else None
    title = source.get("title")
    return {
        "url": url,
        "title": title if isinstance(title, str) else None,
        "start": start,
        "end": end,
        "text": cited,
    }


def encode_citation(citation: dict[str, Json], offset: int, length: int) -> dict[str, Json] | None:
    """The annotation for a citation of a text that begins ``offset`` characters into the message.

    A citation without a span covers its text so far (``length`` characters). One without a URL has no
    form here.
    """
    url = citation.get("url")
    if not isinstance(url, str) or not url:
        return None
    start, end = citation.get("start"), citation.get("end")
    if not isinstance(start, int) or not isinstance(end, int):
        start, end = 0, length
    return {
        "type": "url_citation",
        "url_citation": {
            "start_index": offset + start,
            "end_index": offset + end,
            "title": citation.get("title") or "",
            "url": url,
        },
    }


# --- images in answers -------------------------------------------------------------------------


def decode_images(raw: Json) -> list[Media]:
    """``images[]`` beside ``content``: a vendors' extension (OpenRouter) for generated images."""
    found: list[Media] = []
    for item in raw if isinstance(raw, list) else []:
        source = item.get("image_url") if isinstance(item, dict) else None
        url = source.get("url") if isinstance(source, dict) else source
        if not isinstance(url, str) or not url:
            continue
        if not is_data_url(url):
            found.append(Media(kind="image", url=url))
            continue
        try:
            mime, data = parse_data_url(url)
        except ValueError:
            continue
        found.append(Media(kind="image", mime=mime or sniff_mime(data) or "image/png", data=data))
    return found


def encode_image(media: Media, index: int) -> dict[str, Json] | None:
    if media.kind != "image":
        return None
    url = media.url if media.url is not None else data_url(media.mime, media.data or "")
    return {"type": "image_url", "image_url": {"url": url}, "index": index}


# --- audio in answers --------------------------------------------------------------------------

_AUDIO_MIMES = {
    "wav": "audio/wav", "mp3": "audio/mp3", "flac": "audio/flac", "opus": "audio/ogg", "aac": "audio/aac",
    "pcm16": PCM_MIME,
}  # fmt: skip


def audio_format(context: AnswerContext) -> str | None:
    """The format of sound that the request asked for, in this format's words."""
    own = context.request.ext.get(Format.OPENAI, {}) if context.request is not None else {}
    asked = own.get("audio")
    name = asked.get("format") if isinstance(asked, dict) else None
    return name if isinstance(name, str) else None


def audio_skeleton(raw: dict[str, Json], context: AnswerContext) -> Media:
    """The sound of an answer, before any of it was heard."""
    name = audio_format(context) or "pcm16"
    identity = raw.get("id")
    known = isinstance(identity, str) and identity
    return Media(
        kind="audio",
        mime=_AUDIO_MIMES.get(name, f"audio/{name}"),
        data="",
        audio_format=name,
        ext={Format.OPENAI: {"id": identity}} if known else {},
    )


def audio_delta(raw: dict[str, Json], candidate: int, i: int) -> AudioDelta:
    data, words = raw.get("data"), raw.get("transcript")
    return AudioDelta(
        candidate=candidate,
        i=i,
        data=data if isinstance(data, str) else "",
        transcript=words if isinstance(words, str) else "",
        expires_at=count_of(raw.get("expires_at")),
    )


def audio_id(media: Media, context: AnswerContext) -> str:
    known = media.ext.get(Format.OPENAI, {}).get("id")
    return known if isinstance(known, str) else f"audio_{context.seed}"


def encode_audio(sounds: list[Media], context: AnswerContext) -> dict[str, Json]:
    """``message.audio``: a message has one. A vendor that keeps no audio has none to refer to later, so
    what it made expires at once."""
    first = sounds[0]
    if audio_format(context) == "wav":
        data = as_wav(first) if len(sounds) == 1 else joined([as_wav(sound) for sound in sounds])
    else:
        data = joined([sound.data or "" for sound in sounds])
    return {
        "id": audio_id(first, context),
        "data": data,
        "expires_at": first.expires_at if first.expires_at is not None else context.now,
        "transcript": "".join(sound.transcript or "" for sound in sounds),
    }
