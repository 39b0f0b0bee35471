"""One usage record told as a story: what was asked, what happened step by step, who was left out, who paid.

Plain values for ``templates/admin/routing/usagerecord/page.html``; what an upstream said is escaped there.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from django.urls import NoReverseMatch, reverse

from providers.models import Credential, Provider
from providers.status import CAUSES
from routing import prices
from routing.models import UsageRecord

OUTCOMES = {
    "ok": ("OK", "success"),
    "error": ("Error", "danger"),
    "cut": ("Cut short", "warning"),
    "client_gone": ("Client left", "info"),
}
REASONS = {
    "cooling": "rests",
    "limit": "at its limit",
    "capability": "cannot do it",
    "format": "another format",
    "excluded": "excluded",
    "disabled": "switched off",
    "prefix": "other prefix",
    "weight": "weight 0",
    "not_allowed": "not for this key",
    "tried": "tried before",
    "retry_limit": "retries used up",
}
KINDS = {
    **CAUSES,
    "request": "the request was refused",
    "context_length": "the conversation did not fit",
    "content_filter": "the content was refused",
    "other": "refused",
}
"""What a failed attempt came to, by the kind of its refusal; other reasons are words already."""
CAUSES_OF_FALLBACK = {
    "context_length": "the conversation did not fit",
    "content_filter": "the content was refused",
    "exhaustion": "nobody could serve it",
}
FORMATS = {
    "openai": "OpenAI Chat Completions",
    "responses": "OpenAI Responses",
    "claude": "Anthropic Messages",
    "gemini": "Gemini generateContent",
}
NARROWEST = 0.6
"""Percent of the time line that even the shortest attempt is shown with."""


def milliseconds(value: Any) -> str:
    """``231 ms``, ``4.2 s``; "" for what was not measured."""
    if not isinstance(value, int | float):
        return ""
    return f"{value:,.0f} ms" if value < 10_000 else f"{value / 1000:,.1f} s"


def story_of(record: UsageRecord) -> dict[str, Any]:
    """Everything that the page shows. Two queries, for the names of credentials and providers."""
    attempts = [one for one in record.attempts if isinstance(one, dict)]
    decision = record.decision if isinstance(record.decision, dict) else {}
    rejected = [one for one in decision.get("rejected", ()) if isinstance(one, dict)]
    names = _Names(
        {one.get("credential") for one in (*attempts, *rejected)} | {record.credential_id},
        {one.get("provider") for one in (*attempts, *rejected)} | {record.provider_key},
    )
    word, variant = OUTCOMES.get(record.outcome, (record.outcome, ""))
    fallback = decision.get("fallback")
    return {
        "badge": f"{word} {record.status}",
        "variant": variant,
        "verdict": _verdict(record, names, attempts),
        "figures": [*_figures(record), *_cost(record, names)],
        "attempts": _attempts(record, attempts, names),
        "rejected": [_rejected(one, names) for one in rejected],
        "more_rejected": max(0, int(decision.get("rejected_count", 0)) - len(rejected)),
        "strategy": decision.get("strategy", ""),
        "bound_by": decision.get("bound_by", ""),
        "fallback": fallback[0] if fallback else "",
        "fallback_because": CAUSES_OF_FALLBACK.get(fallback[1], fallback[1]) if fallback else "",
        "dropped": [str(item) for item in record.dropped],
        "payer": _payer(record, names),
        "asked_by": record.client_key_label or "unknown",
        "asked_by_link": _link("routing_clientkey", record.client_key_id),
        "format": FORMATS.get(record.client_format, record.client_format),
        "why_link": why_link(record),
    }


def why_link(record: UsageRecord) -> str:
    """The page that tells where the same request would go now."""
    asked: dict[str, Any] = {"model": record.route_model, "format": record.client_format}
    if record.client_key_id is not None:
        asked["key"] = record.client_key_id
    if record.is_stream:
        asked["stream"] = "on"
    return f"{reverse('why')}?{urlencode(asked)}"


class _Names:
    """What credentials and providers are called now. What is gone keeps its number or key."""

    def __init__(self, credential_ids: set[Any], provider_keys: set[Any]) -> None:
        ids = [one for one in credential_ids if isinstance(one, int)]
        self._credentials = {
            row.pk: row.label or row.fingerprint or "no key" for row in Credential.objects.filter(pk__in=ids)
        }
        keys = [one for one in provider_keys if isinstance(one, str) and one]
        rows = list(Provider.objects.filter(key__in=keys))
        self._providers = {row.key: (row.pk, str(row)) for row in rows}
        self._adapters = {row.key: row.adapter for row in rows}

    def credential(self, credential_id: Any) -> tuple[str, str]:
        """(name, link)."""
        if credential_id is None:
            return "", ""
        name = self._credentials.get(credential_id)
        return name or f"credential {credential_id}", _link(
            "providers_credential", credential_id if name else None
        )

    def adapter(self, key: str) -> str:
        return self._adapters.get(key, "")

    def provider(self, key: Any) -> tuple[str, str]:
        pk, name = self._providers.get(str(key or ""), (None, str(key or "")))
        return name, _link("providers_provider", pk)


def _link(page: str, pk: Any) -> str:
    if pk is None:
        return ""
    try:
        return reverse(f"admin:{page}_change", args=[pk])
    except NoReverseMatch:
        return ""


def _verdict(record: UsageRecord, names: _Names, attempts: list[dict[str, Any]]) -> str:
    """One sentence."""
    failed = sum(1 for one in attempts if one.get("reason"))
    after = f" after {failed} failed attempt{'' if failed == 1 else 's'}" if failed else ""
    provider, _ = names.provider(record.provider_key)
    took = milliseconds(record.duration_ms)
    match record.outcome:
        case "ok":
            return f"{provider} answered as {record.upstream_model}{after}, in {took}."
        case "cut":
            return (
                f"{provider} began to answer as {record.upstream_model} and broke off; the client got a part."
            )
        case "client_gone":
            return f"The client left after {took}, before the answer was complete."
    if not attempts:
        return f"Nothing was sent: the client got {record.status} {record.error_code}."
    count = f"{failed} attempt{'' if failed == 1 else 's'}"
    return f"Nobody answered in {count}: the client got {record.status} {record.error_code}."


def _figures(record: UsageRecord) -> list[dict[str, str]]:
    """Cards: title, figure, detail."""
    cards = [
        {
            "title": "First byte after",
            "figure": milliseconds(record.first_byte_ms) or "never",
            "detail": f"{record.overhead_ms:.1f} ms of it the gateway's own"
            if record.overhead_ms is not None
            else "",
        },
        {"title": "Finished after", "figure": milliseconds(record.duration_ms), "detail": _speed(record)},
    ]
    if not record.attempts:
        return cards
    if record.input_tokens is None and record.output_tokens is None:
        return [*cards, {"title": "Tokens", "figure": "not told", "detail": "the upstream gave no usage"}]
    cached, reasoning = record.cached_tokens, record.reasoning_tokens
    return [
        *cards,
        {
            "title": "Tokens in",
            "figure": f"{record.input_tokens or 0:,}",
            "detail": f"{cached:,} of them cached" if cached else "none cached",
        },
        {
            "title": "Tokens out",
            "figure": f"{record.output_tokens or 0:,}",
            "detail": f"{reasoning:,} of them reasoning" if reasoning else "",
        },
    ]


def _cost(record: UsageRecord, names: _Names) -> list[dict[str, str]]:
    """What the payer owes, as far as a list price can tell: contracts, plans and free tiers are not known."""
    if record.input_tokens is None and record.output_tokens is None:
        return []
    cost = prices.cost_of(
        names.adapter(record.provider_key),
        record.upstream_model,
        record.input_tokens or 0,
        record.output_tokens or 0,
        record.cached_tokens or 0,
    )
    if cost is None:
        return [{"title": "Cost", "figure": "not known", "detail": "no list price for this model"}]
    return [{"title": "Cost", "figure": dollars(cost), "detail": "estimate by today's list price"}]


def dollars(amount: float) -> str:
    """``$1.25``, ``$0.0042``: two digits that say something, never less than cents."""
    if amount >= 0.01 or amount == 0:
        return f"${amount:,.2f}"
    return f"${amount:.2g}" if amount >= 0.0001 else "under $0.0001"


def _speed(record: UsageRecord) -> str:
    if not record.is_stream or not record.output_tokens or record.first_byte_ms is None:
        return "streamed" if record.is_stream else "in one piece"
    streaming_s = (record.duration_ms - record.first_byte_ms) / 1000
    return f"streamed, {record.output_tokens / streaming_s:,.0f} tokens/s" if streaming_s > 0 else "streamed"


def _attempts(record: UsageRecord, attempts: list[dict[str, Any]], names: _Names) -> list[dict[str, Any]]:
    """With the place of each on a time line of 100 percent. Records made before the beginnings were
    kept have none: there attempts are taken to follow one another."""
    whole = max(record.duration_ms, sum(_number(one.get("ms")) for one in attempts), 1.0)
    shown = []
    at = 0.0
    for number, one in enumerate(attempts, 1):
        at = _number(one.get("at"), at)
        spent = _number(one.get("ms"))
        is_last_and_answered = number == len(attempts) and record.outcome in ("ok", "cut", "client_gone")
        until = record.duration_ms if is_last_and_answered and not one.get("reason") else at + spent
        left = min(100 * at / whole, 100 - NARROWEST)
        credential, credential_link = names.credential(one.get("credential"))
        provider, provider_link = names.provider(one.get("provider"))
        kind, _, said = str(one.get("reason") or "").partition(": ")
        shown.append(
            {
                "number": number,
                "provider": provider,
                "provider_link": provider_link,
                "credential": credential,
                "credential_link": credential_link,
                "model": one.get("model", ""),
                "status": one.get("status"),
                "has_answered": not one.get("reason"),
                "kind": KINDS.get(kind, kind.replace("_", " ")),
                "said": said,
                "rule": one.get("rule", ""),
                "round": one.get("round", 0),
                "fallback": one.get("fallback", ""),
                "at": milliseconds(at),
                "took": milliseconds(spent),
                "left": f"{left:.2f}",
                "width": f"{max(min(100 * (until - at) / whole, 100 - left), NARROWEST):.2f}",
            }
        )
        at += spent
    return shown


def _number(value: Any, default: float = 0.0) -> float:
    return float(value) if isinstance(value, int | float) else default


def _rejected(one: dict[str, Any], names: _Names) -> dict[str, Any]:
    credential, credential_link = names.credential(one.get("credential"))
    provider, _ = names.provider(one.get("provider"))
    until = one.get("until")
    return {
        "provider": provider,
        "credential": credential,
        "credential_link": credential_link,
        "model": one.get("model", ""),
        "reason": REASONS.get(str(one.get("reason")), str(one.get("reason", "")).replace("_", " ")),
        "detail": one.get("detail", ""),
        "until": datetime.fromtimestamp(until, UTC) if isinstance(until, int | float) else None,
    }


def _payer(record: UsageRecord, names: _Names) -> dict[str, str]:
    """Whose account the answer was charged to."""
    if not record.provider_key:
        return {"name": "nobody", "credential": "", "credential_link": "", "provider_link": ""}
    provider, provider_link = names.provider(record.provider_key)
    _, credential_link = names.credential(record.credential_id)
    return {
        "name": provider,
        "provider_link": provider_link,
        "credential": record.credential_label or "no name",
        "credential_link": credential_link,
    }
