"""What is known of an exchange in the end: one spooled usage line and one log line."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Sequence
from typing import Any, Protocol

from providers.translation.counts import MOST_TOKENS
from providers.translation.model import Usage
from routing.core.resolve import Candidate, Resolution
from routing.core.table import ClientEntry, Rejection
from routing.usage import UsageLine

logger = logging.getLogger("routing.proxy")


class Ledger(Protocol):
    """Where lines go; ``routing.usage.Spool`` in service."""

    def append(self, line: UsageLine) -> None: ...


class Record:
    """Collects the facts of one exchange. ``write`` puts them down once; later calls do nothing."""

    __slots__ = (
        "attempts",
        "client",
        "client_format",
        "decision",
        "dropped",
        "duration_ms",
        "error_code",
        "exchange_id",
        "fallback",
        "first_byte_ms",
        "is_stream",
        "is_written",
        "outcome",
        "overhead_ms",
        "passed_over",
        "request_id",
        "route_model",
        "served_by",
        "started_at",
        "status",
        "usage",
    )

    def __init__(self, exchange_id: str, request_id: str, client_format: str, started_at: float) -> None:
        self.exchange_id = exchange_id
        self.request_id = request_id
        self.client_format = client_format
        self.started_at = started_at
        self.client: ClientEntry | None = None
        self.route_model = ""
        self.is_stream = False
        self.served_by: Candidate | None = None
        self.attempts: list[dict[str, Any]] = []
        self.dropped: tuple[str, ...] = ()
        self.fallback: tuple[str, str] | None = None
        """(the id asked in place of the client's, why)."""
        self.decision: Resolution | None = None
        self.passed_over: list[Rejection] = []
        """Candidates that a round left out: their retries were used up, or enough were tried."""
        """The first one: by what rule the candidates were ordered, and who was none."""
        self.usage: Usage | None = None
        self.first_byte_ms: float | None = None
        self.overhead_ms: float | None = None
        self.is_written = False
        self.status = 0
        """This and the next three are known once it is written."""
        self.outcome = ""
        self.error_code = ""
        self.duration_ms = 0.0

    def write(
        self, ledger: Ledger, *, status: int, outcome: str, duration_ms: float, error_code: str = ""
    ) -> None:
        if self.is_written:
            return
        self.is_written = True
        self.status, self.outcome, self.error_code = status, outcome, error_code
        self.duration_ms = duration_ms
        if self.usage is not None and self.usage.is_estimated and self.attempts:
            self.attempts[-1]["usage"] = "estimated"
        if self.client is not None:
            ledger.append(self._line(status, outcome, duration_ms, error_code))
        level = logging.INFO if status < 500 else logging.WARNING
        if logger.isEnabledFor(level):
            logger.handle(ExchangeLogged(self, level))

    def _line(self, status: int, outcome: str, duration_ms: float, error_code: str) -> UsageLine:
        client, usage, served = self.client, self.usage, self.served_by
        credential = served.credential if served else None
        return UsageLine(
            exchange_id=self.exchange_id,
            request_id=self.request_id,
            started_at=self.started_at,
            client_key_id=client.id if client else None,
            client_key_label=client.label if client else "",
            client_format=self.client_format,
            route_model=self.route_model[:300],
            upstream_model=served.model[:300] if served else "",
            provider_key=credential.provider_key if credential else "",
            credential_id=credential.id if credential and credential.id > 0 else None,
            credential_label=(credential.label or credential.fingerprint) if credential else "",
            is_stream=self.is_stream,
            status=status,
            outcome=outcome,
            error_code=error_code[:64],
            attempts=self.attempts,
            dropped=self.dropped,
            input_tokens=_kept(usage.input_total) if usage else None,
            output_tokens=_kept(usage.output_total) if usage else None,
            cached_tokens=_kept(usage.cache_read) if usage else None,
            reasoning_tokens=_kept(usage.reasoning) if usage else None,
            first_byte_ms=round(self.first_byte_ms, 2) if self.first_byte_ms is not None else None,
            overhead_ms=round(self.overhead_ms, 2) if self.overhead_ms is not None else None,
            decision=decision_of(self.decision, self.fallback, self.passed_over),
            duration_ms=round(duration_ms, 2),
        )

    def line(self) -> str:
        """What the log says of it, once it is written."""
        served, usage = self.served_by, self.usage
        # One expression and not ``fields``: every request has such a line.
        text = (
            f"exchange id={quoted(self.request_id)} key={self.client.id if self.client else '-'}"
            f" model={quoted(self.route_model[:200])} status={self.status} outcome={self.outcome}"
            f" attempts={len(self.attempts)} ms={self.duration_ms:.1f}"
        )
        if served is not None:
            text += f" provider={served.credential.provider_key} credential={served.credential.id}"
        if usage is not None:
            text += f" in={usage.input_total} out={usage.output_total}"
            if usage.is_estimated:
                text += " estimated=true"
        if self.error_code:
            text += f" error={quoted(self.error_code)}"
        return text


def _kept(tokens: int | None) -> int | None:
    """A count that the ledger can hold: a nonsensical one must not cost the record of the exchange."""
    return tokens if tokens is None or 0 <= tokens <= MOST_TOKENS else None


class ExchangeLogged(logging.LogRecord):
    """The log record of an exchange. Holds what the library's own constructor takes longer to find out than
    all the rest takes; the text is made by who writes it."""

    is_settled = True
    """See ``cliproxy_site/logs.py``."""

    def __init__(self, record: Record, level: int) -> None:
        created = time.time()
        self.__dict__.update(  # formatters read it so
            _LOGGED,
            exchange=record,
            levelno=level,
            levelname=logging.getLevelName(level),
            created=created,
            msecs=created % 1 * 1000,
        )

    def getMessage(self) -> str:
        exchange: Record = self.__dict__["exchange"]
        return exchange.line()


_LOGGED = vars(logging.LogRecord(logger.name, logging.INFO, __file__, 0, "exchange", (), None, "write"))
"""What is the same for all."""


MOST_REJECTIONS = 10
"""Kept of each exchange, what was so at that moment before what the configuration says anyway."""
OF_THE_MOMENT = frozenset({"cooling", "limit", "capability", "tried", "retry_limit"})


def decision_of(
    resolution: Resolution | None,
    fallback: tuple[str, str] | None,
    passed_over: Sequence[Rejection] = (),
) -> dict[str, Any]:
    """What the record's page tells of the decision, small enough for every line."""
    told: dict[str, Any] = {}
    if fallback is not None:
        told["fallback"] = list(fallback)
    rejections = tuple(dict.fromkeys(passed_over)) if passed_over else ()
    if resolution is not None:
        told["strategy"] = resolution.strategy.value
        if resolution.bound_by:
            told["bound_by"] = resolution.bound_by.partition(":")[0]
        rejections += resolution.rejections
    if rejections:
        kept = sorted(rejections, key=lambda one: one.reason not in OF_THE_MOMENT)
        told["rejected"] = [_rejection(one) for one in kept[:MOST_REJECTIONS]]
        told["rejected_count"] = len(kept)
    return told


def _rejection(rejection: Rejection) -> dict[str, Any]:
    told: dict[str, Any] = {
        "credential": rejection.credential_id,
        "provider": rejection.provider_key,
        "model": rejection.model[:100],
        "reason": rejection.reason,
    }
    if rejection.detail:
        told["detail"] = rejection.detail[:160]
    if rejection.until is not None:
        told["until"] = round(rejection.until, 1)
    return told


PLAIN = re.compile(r"[\w.:/@()+-]+")


def quoted(text: str) -> str:
    """``text`` as a value of a log line: in quotes unless it is one plain word."""
    return text if PLAIN.fullmatch(text) else json.dumps(text)
