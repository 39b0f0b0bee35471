"""Stop reasons, usage and service tiers, both ways.

Anthropic counts cached tokens beside ``input_tokens``; the neutral ``input_total`` includes them.
Source: the SDK's ``Usage``, ``MessageDeltaUsage`` and ``StopReason`` types (anthropic 2.11).
"""

from __future__ import annotations

from providers.translation.counts import count_of
from providers.translation.model import ErrorInfo, Json, Stop, StopKind, Usage

_STOP_KINDS = {
    "end_turn": StopKind.END,
    "stop_sequence": StopKind.STOP_SEQUENCE,
    "max_tokens": StopKind.LENGTH,
    "model_context_window_exceeded": StopKind.CONTEXT_WINDOW,
    "tool_use": StopKind.TOOL_CALLS,
    # A classifier stopped the model: to other formats that is a filter, not a polite refusal in words.
    "refusal": StopKind.CONTENT_FILTER,
    "pause_turn": StopKind.PAUSE,
}

_STOP_REASONS = {
    StopKind.END: "end_turn",
    StopKind.STOP_SEQUENCE: "stop_sequence",
    StopKind.LENGTH: "max_tokens",
    StopKind.CONTEXT_WINDOW: "model_context_window_exceeded",
    StopKind.TOOL_CALLS: "tool_use",
    StopKind.CONTENT_FILTER: "refusal",
    StopKind.REFUSAL: "refusal",
    StopKind.PAUSE: "pause_turn",
}

_ENDED = frozenset({StopKind.END, StopKind.STOP_SEQUENCE})

_TIERS = {"standard": "default", "priority": "priority"}
_TIERS_BACK = {neutral: own for own, neutral in _TIERS.items()}


def decode_stop(raw: dict[str, Json], *, has_calls: bool, is_answer: bool = False) -> Stop | None:
    """The stop in a message or a ``message_delta``'s ``delta``; None when it has no reason (yet).

    A call that the client must execute outranks a plain end: the turn is not over. A call that is the
    answer itself (``answer_tool``) is a plain end.
    """
    reason = raw.get("stop_reason")
    if not isinstance(reason, str) or not reason:
        return None
    kind = _STOP_KINDS.get(reason, StopKind.OTHER)
    if has_calls and kind in _ENDED:
        kind = StopKind.TOOL_CALLS
    if is_answer and not has_calls and kind is StopKind.TOOL_CALLS:
        kind = StopKind.END
    sequence, details = raw.get("stop_sequence"), raw.get("stop_details")
    explanation = details.get("explanation") if isinstance(details, dict) else None
    return Stop(
        kind=kind,
        detail=reason,
        sequence=sequence if isinstance(sequence, str) else None,
        message=explanation if isinstance(explanation, str) else None,
    )


def encode_stop(stop: Stop | None, *, has_calls: bool, has_refusal: bool) -> dict[str, Json]:
    """``stop_reason`` and ``stop_sequence``, and ``stop_details`` when there is an explanation."""
    kind = stop.kind if stop else StopKind.END
    if has_calls and kind in _ENDED:
        kind = StopKind.TOOL_CALLS
    elif has_refusal and kind is StopKind.END:
        kind = StopKind.REFUSAL
    sequence = stop.sequence if stop else None
    if kind is StopKind.STOP_SEQUENCE and sequence is None:
        kind = StopKind.END
    reason = _STOP_REASONS.get(kind, "end_turn")
    fields: dict[str, Json] = {
        "stop_reason": reason,
        "stop_sequence": sequence if reason == "stop_sequence" else None,
    }
    if reason == "refusal" and stop and (explanation := stop.message or _blocked_by(stop)):
        fields["stop_details"] = {"type": "refusal", "category": None, "explanation": explanation}
    return fields


def is_cut(stop: Stop | None) -> bool:
    """Whether a limit ended the answer, so that its last call may be cut."""
    return stop is not None and stop.kind in (StopKind.LENGTH, StopKind.CONTEXT_WINDOW)


def _blocked_by(stop: Stop) -> str | None:
    """Another vendor's reason in words; Anthropic's own says nothing more."""
    if stop.kind is not StopKind.CONTENT_FILTER or stop.detail is None or stop.detail in _STOP_KINDS:
        return None
    return f"The provider blocked this answer ({stop.detail})."


def failure_of(stop: Stop | None, *, has_content: bool) -> ErrorInfo | None:
    """An answer that ended in a failure and holds nothing is an error, not an empty success."""
    if stop is None or has_content or stop.kind not in (StopKind.MALFORMED_CALL, StopKind.ERROR):
        return None
    reason = stop.message or stop.detail or stop.kind.value
    return ErrorInfo(status=502, message=f"The model ended without an answer: {reason}", code=stop.kind.value)


def merge_raw_usage(earlier: dict[str, Json], later: Json) -> dict[str, Json]:
    """Cumulative usage of a stream in Anthropic's spelling. A null later does not erase a number."""
    if not isinstance(later, dict):
        return earlier
    return earlier | {key: value for key, value in later.items() if value is not None}


def decode_usage(raw: Json) -> Usage | None:
    """Usage in neutral form, None when ``raw`` says nothing."""
    if not isinstance(raw, dict):
        return None
    plain, read = _count(raw, "input_tokens"), _count(raw, "cache_read_input_tokens")
    written = _count(raw, "cache_creation_input_tokens")
    split, details = raw.get("cache_creation"), raw.get("output_tokens_details")
    known = [count for count in (plain, read, written) if count is not None]
    return Usage(
        input_total=sum(known) if known else None,
        cache_read=read,
        cache_write=written,
        cache_write_5m=_count(split, "ephemeral_5m_input_tokens"),
        cache_write_1h=_count(split, "ephemeral_1h_input_tokens"),
        output_total=_count(raw, "output_tokens"),
        reasoning=_count(details, "thinking_tokens"),
    )


def encode_usage(usage: Usage | None) -> dict[str, Json]:
    """Usage for a client. Its types require the two totals, so unknown numbers become 0."""
    usage = usage or Usage()
    cached = (usage.cache_read or 0) + (usage.cache_write or 0)
    fields: dict[str, Json] = {
        "input_tokens": max(0, (usage.input_total or 0) - cached),
        "output_tokens": usage.output_total or 0,
    }
    if usage.cache_write is not None:
        fields["cache_creation_input_tokens"] = usage.cache_write
    if usage.cache_read is not None:
        fields["cache_read_input_tokens"] = usage.cache_read
    if usage.cache_write_5m is not None or usage.cache_write_1h is not None:
        fields["cache_creation"] = {
            "ephemeral_5m_input_tokens": usage.cache_write_5m or 0,
            "ephemeral_1h_input_tokens": usage.cache_write_1h or 0,
        }
    if usage.reasoning is not None:
        fields["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    return fields


def decode_tier(raw_usage: Json) -> str | None:
    tier = raw_usage.get("service_tier") if isinstance(raw_usage, dict) else None
    return _TIERS.get(tier) if isinstance(tier, str) else None


def encode_tier(tier: str | None) -> str | None:
    return _TIERS_BACK.get(tier) if tier else None


def _count(raw: Json, key: str) -> int | None:
    return count_of(raw.get(key)) if isinstance(raw, dict) else None
