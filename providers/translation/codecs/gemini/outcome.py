"""What stands around the parts of a Gemini answer: stop reason, usage, log probabilities, call ids.

Facts: https://ai.google.dev/api/generate-content#UsageMetadata and #LogprobsResult. Google counts thoughts
and the prompts of its own tools beside ``candidatesTokenCount`` and ``promptTokenCount``; the neutral
totals include them.
"""

from __future__ import annotations

import hashlib

import msgspec

from providers.translation.codec import AnswerContext
from providers.translation.codecs.gemini.fields import Fields, as_integer
from providers.translation.codecs.gemini.parts import STOP_KINDS, finish_reason
from providers.translation.counts import count_of
from providers.translation.model import Json, Stop, StopKind, ToolCall, Usage

UNSPECIFIED = (None, "", "FINISH_REASON_UNSPECIFIED")


def decode_stop(reason: str | None, message: str | None, *, has_calls: bool) -> Stop:
    """STOP after calls means that they shall be run; a whole answer without a reason has simply ended."""
    kind = StopKind.END if reason is None else STOP_KINDS.get(reason, StopKind.OTHER)
    if kind is StopKind.END and has_calls:
        kind = StopKind.TOOL_CALLS
    return Stop(kind, detail=reason, message=message)


def blocked_stop(reason: str, message: str | None) -> Stop:
    """For a prompt that was blocked: the answer ended before it began, with HTTP 200."""
    return Stop(StopKind.CONTENT_FILTER, detail=reason, message=message)


def encode_stop(stop: Stop | None) -> dict[str, Json]:
    if stop is None:
        return {}
    fields: dict[str, Json] = {"finishReason": finish_reason(stop.kind, stop.detail)}
    if stop.message:
        fields["finishMessage"] = stop.message
    return fields


def decode_usage(usage: Fields | None) -> Usage | None:
    if usage is None:
        return None
    prompt, tools = _told(usage, "promptTokenCount"), _told(usage, "toolUsePromptTokenCount")
    answer, thoughts = _told(usage, "candidatesTokenCount"), _told(usage, "thoughtsTokenCount")
    total = _told(usage, "totalTokenCount")
    input_total, output_total = _sum(prompt, tools), _sum(answer, thoughts)
    if output_total is None and total is not None and input_total is not None:
        # Proto3 JSON leaves zeros out: a blocked or empty answer names no output at all.
        output_total = max(total - input_total, 0)
    known = Usage(
        input_total=input_total,
        cache_read=_told(usage, "cachedContentTokenCount"),
        output_total=output_total,
        reasoning=thoughts,
        audio_in=_audio(usage.objects("promptTokensDetails")),
        audio_out=_audio(usage.objects("candidatesTokensDetails")),
        total=total,
    )
    return None if known == Usage() else known


def encode_usage(usage: Usage) -> dict[str, Json]:
    visible = usage.output_total
    if visible is not None and usage.reasoning is not None:
        visible = max(visible - usage.reasoning, 0)
    total = usage.total
    if total is None:
        total = _sum(usage.input_total, usage.output_total)
    counts: dict[str, Json] = {
        "promptTokenCount": usage.input_total,
        "candidatesTokenCount": visible,
        "totalTokenCount": total,
        "cachedContentTokenCount": usage.cache_read,
        "thoughtsTokenCount": usage.reasoning,
    }
    for name, count in (
        ("promptTokensDetails", usage.audio_in),
        ("candidatesTokensDetails", usage.audio_out),
    ):
        if count is not None:
            counts[name] = [{"modality": "AUDIO", "tokenCount": count}]
    return {name: count for name, count in counts.items() if count is not None}


def decode_logprobs(result: Fields | None) -> Json:
    """OpenAI's list, None without any. Both lists run in step, one entry per token."""
    if result is None:
        return None
    tops = result.objects("topCandidates")
    entries = []
    for index, chosen in enumerate(result.objects("chosenCandidates")):
        alternatives = tops[index].objects("candidates") if index < len(tops) else []
        entries.append({**_token(chosen), "top_logprobs": [_token(one) for one in alternatives]})
    return entries or None


def encode_logprobs(entries: Json) -> dict[str, Json]:
    if not isinstance(entries, list):
        return {}
    known = [entry for entry in entries if isinstance(entry, dict)]
    tops = [_objects(entry.get("top_logprobs")) for entry in known]
    result: dict[str, Json] = {"chosenCandidates": [_candidate(entry) for entry in known]}
    if any(tops):
        result["topCandidates"] = [{"candidates": [_candidate(one) for one in top]} for top in tops]
    return {"logprobsResult": result} if known else {}


def call_id(context: AnswerContext, response_id: str, candidate: int, position: int) -> str:
    """For a call that Google sent without one: unique in this answer, the same when it is read again."""
    source = f"{context.seed}:{response_id}:{candidate}:{position}"
    return "call_" + hashlib.sha256(source.encode()).hexdigest()[:24]


def is_custom(name: str, context: AnswerContext) -> bool:
    """Whether the client declared this tool as free-form, so that ``input`` must be unwrapped."""
    tools = context.request.tools if context.request else ()
    return any(tool.kind == "custom" and tool.name == name for tool in tools)


def arguments_value(call: ToolCall) -> dict[str, Json]:
    value = call.value()
    return value if isinstance(value, dict) else {}


def is_whole(call: ToolCall) -> bool:
    """False when the argument text was cut off: such a call must not look like one that can be run."""
    if call.kind == "custom" or not call.arguments.strip():
        return True
    try:
        msgspec.json.decode(call.arguments)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def is_limit(stop: Stop | None) -> bool:
    return stop is not None and stop.kind in (StopKind.LENGTH, StopKind.CONTEXT_WINDOW)


def _sum(first: int | None, second: int | None) -> int | None:
    if first is None and second is None:
        return None
    return (first or 0) + (second or 0)


def _told(counts: Fields, name: str) -> int | None:
    return count_of(as_integer(counts.take(name)))


def _audio(details: list[Fields]) -> int | None:
    for detail in details:
        if (detail.text("modality") or "").upper() == "AUDIO":
            return _told(detail, "tokenCount")
    return None


def _token(token: Fields) -> dict[str, Json]:
    text = token.text("token") or ""
    return {"token": text, "logprob": token.number("logProbability") or 0.0, "bytes": list(text.encode())}


def _candidate(entry: dict[str, Json]) -> dict[str, Json]:
    return {"token": entry.get("token"), "logProbability": entry.get("logprob")}


def _objects(value: Json) -> list[dict[str, Json]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
