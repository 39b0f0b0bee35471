"""Why a request would go where it goes: the decision, everybody who was left out, and what would be sent.

``manage.py route``, ``POST /v0/management/route/explain`` and the admin's page ask ``explain_route`` and show
its ``Answer``. It calls what the hot path calls (``routing.core.explain``, ``routing.outgoing``) and sends
nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Protocol, TypeVar

import msgspec

from providers.adapters.base import Operation
from providers.errors import ClientError, GatewayError
from providers.translation.passthrough import ParsedBody
from providers.values import CredentialEntry
from routing.core import limits, rounds
from routing.core.affinity import session_keys
from routing.core.explain import Explanation, explain
from routing.core.query import RouteQuery
from routing.core.resolve import Candidate, Resolution
from routing.core.state import RoutingState
from routing.core.table import ClientEntry, Rejection, RoutingTable
from routing.demand import bound, query_for, speaks
from routing.outgoing import Ask
from routing.preview import Question, Sent, sample_of, sent_to

T = TypeVar("T")
SEED = "0" * 32
MOST_REQUESTS = 50
"""So many candidates are shown with what would be sent to them; a request seldom tries more than three."""


class Routing(Protocol):
    """A table and the state that goes with it: those of this process, or read from the database."""

    @property
    def table(self) -> RoutingTable: ...
    @property
    def state(self) -> RoutingState: ...
    def look(self, work: Callable[[], T]) -> T:
        """``work()``, run where the state may be read."""


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate, in the order in which they would be tried."""

    provider: str
    credential: str
    credential_id: int
    fingerprint: str
    upstream_model: str
    priority: int
    weight: int
    why: str
    in_first_round: bool
    """False for those that ``max-retry-credentials`` leaves to later rounds."""
    sent: Sent | None = None


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """Who is no candidate. ``until`` is RFC 3339, for what ends by itself."""

    provider: str
    credential: str
    credential_id: int
    model: str
    reason: str
    detail: str
    until: str = ""
    left_s: int | None = None


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """What the client would get instead of an answer."""

    status: int
    code: str
    message: str
    retry_after_s: float | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    model: str
    route_model: str = ""
    """The registered id that the name led to."""
    suffix: str = ""
    client_key: str = ""
    strategy: str = ""
    bound_by: str = ""
    verdict: str
    """The decision in one sentence."""
    candidates: tuple[Choice, ...] = ()
    rejected: tuple[Left, ...] = ()
    error: Refused | None = None
    similar: tuple[str, ...] = ()
    fallbacks: dict[str, tuple[str, ...]] = {}
    state: str = ""
    """Whose cooldowns, turns and limits were looked at, for a person."""


def find_client(table: RoutingTable, digest: Callable[[str], str], text: str) -> ClientEntry | None:
    """The client key that ``text`` is, or names by its number or its label."""
    text = text.strip()
    if not text:
        return None
    found = table.clients.get(digest(text))
    if found is not None:
        return found
    for entry in table.clients.values():
        if text in (str(entry.id), f"#{entry.id}", entry.label):
            return entry
    return None


def explain_route(routing: Routing, question: Question, now: float, *, source: str = "") -> Answer:
    """The whole answer. Raises ClientError for a sample body that the gateway would refuse itself."""
    parsed = sample_of(question)
    decision = routing.look(lambda: _decide(routing, question, parsed, now))
    resolution, table = decision.explanation.resolution, decision.table
    names = _names(table)
    answer = Answer(
        model=question.model,
        client_key=question.client.label,
        state=source,
        verdict=decision.verdict,
        rejected=tuple(_left(rejection, names, now) for rejection in decision.explanation.rejections),
        error=decision.error,
        similar=decision.explanation.similar,
    )
    if resolution is None:
        return answer
    fallbacks = table.settings.fallbacks.get(resolution.route_model)
    return msgspec.structs.replace(
        answer,
        route_model=resolution.route_model,
        suffix=resolution.suffix,
        strategy=resolution.strategy.value,
        bound_by=resolution.bound_by,
        candidates=tuple(_choices(decision, resolution, question, parsed, now)),
        fallbacks=msgspec.to_builtins(fallbacks) if fallbacks is not None else {},
    )


# --- the decision ------------------------------------------------------------------------------


class _Decision(msgspec.Struct, frozen=True, kw_only=True):
    table: RoutingTable
    explanation: Explanation
    verdict: str
    error: Refused | None


def _decide(routing: Routing, question: Question, parsed: ParsedBody, now: float) -> _Decision:
    """All that looks at the state, in one go, in the order of the hot path: the client key, the model, what
    the request is bound to, who is free."""
    table, client = routing.table, question.client
    explanation = explain(table, routing.state, client, _query(table, question, parsed), now)
    verdict = _of_client(routing.state, client, now)
    if verdict is None and explanation.failure is not None:
        verdict = _refusal(_refused(explanation.failure))
    resolution = explanation.resolution
    if resolution is not None and parsed.bound_by:
        try:
            explanation = _bound(explanation, resolution, parsed)
        except ClientError as error:
            verdict = verdict or _refusal(_refused(error))
    if verdict is None:
        assert explanation.resolution is not None  # noqa: S101  (there is one where nothing failed)
        verdict = _verdict(table, explanation.resolution, now)
    return _Decision(table=table, explanation=explanation, verdict=verdict[0], error=verdict[1])


def _query(table: RoutingTable, question: Question, parsed: ParsedBody) -> RouteQuery:
    """What the hot path would read from the sample, and what the question says besides. Without a sample
    only headers tell of a conversation."""
    read = query_for(table, parsed, question.headers)
    keys = read.session_keys
    if question.body is None and keys:
        keys = session_keys(question.headers, {})
    return msgspec.structs.replace(
        read,
        needs_functions=read.needs_functions or question.tools,
        needs_vision=read.needs_vision or question.images,
        input_tokens=max(read.input_tokens, question.input_tokens),
        session_keys=keys,
    )


def _bound(explanation: Explanation, resolution: Resolution, parsed: ParsedBody) -> Explanation:
    """Without those that do not speak the format to which the request is bound. Raises ClientError when
    nobody is left."""
    kept = bound(resolution, parsed, parsed.bound_by)
    others = [one for one in resolution.candidates if not speaks(one, parsed)]
    left_out = tuple(
        Rejection(
            credential_id=one.credential.id,
            provider_key=one.credential.provider_key,
            reason="format",
            detail=f"`{parsed.bound_by}` needs an upstream that speaks the {parsed.format} format",
            model=one.model,
        )
        for one in others
    )
    order = tuple(
        text
        for one, text in zip(resolution.candidates, explanation.order, strict=True)
        if speaks(one, parsed)
    )
    return msgspec.structs.replace(
        explanation, resolution=kept, order=order, rejections=(*explanation.rejections, *left_out)
    )


Verdict = tuple[str, "Refused | None"]


def _refusal(error: Refused) -> Verdict:
    return f"The client gets {error.status} {error.code}: {error.message}", error


def _of_client(state: RoutingState, client: ClientEntry, now: float) -> Verdict | None:
    """What the client key itself decides, before any model is looked at."""
    if not client.enabled or (client.expires_at is not None and client.expires_at <= now):
        what = "has expired" if client.enabled else "is disabled"
        code = "api_key_expired" if client.enabled else "api_key_disabled"
        return _refusal(Refused(status=401, code=code, message=f"This client key {what}."))
    return _client_wait(state, client, now)


def _verdict(table: RoutingTable, resolution: Resolution, now: float) -> Verdict:
    """One sentence, and the error where the client would get one now."""
    settings = table.settings
    first = rounds.admitted(resolution.candidates, 0, settings)
    if first:
        return f"It goes to {_named(first[0])}.", None
    if (waking := rounds.first_to_wake(resolution)) is not None:
        return (
            f"Everybody rests for a passing fault, so it is tried with {_named(waking)}, whose rest ends "
            "first.",
            None,
        )
    wait = rounds.wait_before_round(resolution, 1, settings, now, has_tried=False)
    if wait is not None:
        return f"Nobody is free; the request waits {math.ceil(wait)} s for the first cooldown to end.", None
    error = _refused(rounds.nobody_free(resolution, now))
    fallbacks = settings.fallbacks.get(resolution.route_model)
    if fallbacks is not None and fallbacks.exhaustion:
        models = ", ".join(fallbacks.exhaustion)
        return f"Nobody is free ({error.code}), so its fallbacks are asked in turn: {models}.", None
    return _refusal(error)


def _client_wait(state: RoutingState, client: ClientEntry, now: float) -> Verdict | None:
    """The client key's own limit, when it stands in the way."""
    claims = limits.client_claim(client.id, client.limits, 0)
    wait = limits.wait_s(state, claims, now)
    if not claims or wait <= 0 or client.limits is None:
        return None
    what = f"The client key is at its limit ({limits.words(client.limits)})"
    until = "until a request ends" if wait == math.inf else f"{math.ceil(wait)} s"
    if wait <= (longest := limits.longest_wait_s(claims)) or (wait == math.inf and longest > 0):
        return f"{what}; the request waits {until}.", None
    error = Refused(
        status=429,
        code="rate_limit_exceeded",
        message=f"{what}; it would have to wait {until}.",
        retry_after_s=None if wait == math.inf else wait,
    )
    return _refusal(error)


def _named(candidate: Candidate) -> str:
    credential = candidate.credential
    return f"{credential.provider_key}, credential {_name_of(credential)}, as {candidate.model}"


def _name_of(credential: CredentialEntry) -> str:
    return credential.label or credential.fingerprint or f"#{credential.id}"


def _refused(error: GatewayError) -> Refused:
    return Refused(
        status=error.client_status,
        code=error.code or error.error_type,
        message=error.message,
        retry_after_s=error.retry_after_s,
    )


def _names(table: RoutingTable) -> dict[int, str]:
    """What credentials are called; those of rejected offers are known by their number alone otherwise."""
    offered = (offer.credential for model in table.models.values() for offer in model.offers)
    opened = (offer.credential for offer in table.open_offers)
    prefixed = (offer.credential for offers in table.open_prefixes.values() for offer in offers)
    return {entry.id: _name_of(entry) for group in (offered, opened, prefixed) for entry in group}


def _left(rejection: Rejection, names: Mapping[int, str], now: float) -> Left:
    until = rejection.until
    return Left(
        provider=rejection.provider_key,
        credential=names.get(rejection.credential_id, f"#{rejection.credential_id}"),
        credential_id=rejection.credential_id,
        model=rejection.model,
        reason=rejection.reason,
        detail=rejection.detail,
        until=moment(until) if until is not None else "",
        left_s=max(0, math.ceil(until - now)) if until is not None else None,
    )


def moment(seconds: float) -> str:
    """Unix seconds as RFC 3339 in UTC, whole seconds."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _choices(
    decision: _Decision, resolution: Resolution, question: Question, parsed: ParsedBody, now: float
) -> list[Choice]:
    first = rounds.admitted(resolution.candidates, 0, decision.table.settings)
    ask = Ask(
        parsed=parsed,
        suffix=resolution.suffix,
        headers=question.headers,
        format=question.format,
        now=int(now),
        seed=SEED,
        operation=Operation.GENERATE,
        payload=decision.table.settings.payload,
        strips_image_tool=decision.table.settings.image_generation in ("off", "chat"),
    )
    choices = []
    for place, (candidate, why) in enumerate(
        zip(resolution.candidates, decision.explanation.order, strict=True)
    ):
        credential = candidate.credential
        choices.append(
            Choice(
                provider=credential.provider_key,
                credential=_name_of(credential),
                credential_id=credential.id,
                fingerprint=credential.fingerprint,
                upstream_model=candidate.model,
                priority=credential.priority,
                weight=credential.weight,
                why=why,
                in_first_round=candidate in first,
                sent=sent_to(candidate, ask, question, now) if place < MOST_REQUESTS else None,
            )
        )
    return choices
