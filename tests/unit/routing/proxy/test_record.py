"""An exchange's facts become one line and one log line, once."""

from __future__ import annotations

import copy
import logging

import msgspec
import pytest

from providers.translation.counts import MOST_TOKENS
from providers.translation.model import Usage
from providers.values import CredentialEntry
from routing.core.resolve import Candidate, Resolution
from routing.core.table import ClientEntry, Rejection
from routing.proxy.record import Record, decision_of


class Lines:
    def __init__(self):
        self.written = []

    def append(self, line):
        self.written.append(line)


@pytest.fixture
def record():
    made = Record("e" * 32, "r-1", "openai", 5.0)
    made.client = ClientEntry(id=3, label="alice")
    made.route_model = "fast"
    return made


def candidate(**changes):
    values = {
        "id": 7,
        "provider_id": 1,
        "provider_key": "acme",
        "adapter": "x",
        "base_url": "",
        "secret": "canary",
    }
    return Candidate(credential=CredentialEntry(**{**values, **changes}), model="up", force_mapping=False)


def test_a_line_tells_who_asked_what_and_who_served_it(record):
    ledger = Lines()
    record.served_by = candidate(label="prod")
    record.usage = Usage(input_total=9, output_total=3, cache_read=4, reasoning=1)
    record.first_byte_ms = 1.23456
    record.write(ledger, status=200, outcome="ok", duration_ms=9.87654)
    (line,) = ledger.written
    assert (line.client_key_id, line.route_model, line.upstream_model) == (3, "fast", "up")
    assert (line.provider_key, line.credential_id, line.credential_label) == ("acme", 7, "prod")
    assert (line.input_tokens, line.output_tokens, line.cached_tokens, line.reasoning_tokens) == (9, 3, 4, 1)
    assert (line.first_byte_ms, line.duration_ms) == (1.23, 9.88)


def test_a_line_is_written_once(record):
    ledger = Lines()
    record.write(ledger, status=200, outcome="ok", duration_ms=1)
    record.write(ledger, status=499, outcome="client_gone", duration_ms=2)
    assert [line.outcome for line in ledger.written] == ["ok"]


def test_nobody_known_asked_so_nothing_is_recorded(record):
    ledger = Lines()
    record.client = None
    record.write(ledger, status=401, outcome="error", duration_ms=1)
    assert ledger.written == []


def test_long_names_are_cut_to_what_the_columns_hold(record):
    ledger = Lines()
    record.route_model = "m" * 1000
    record.write(ledger, status=404, outcome="error", duration_ms=1, error_code="c" * 100)
    assert (len(ledger.written[0].route_model), len(ledger.written[0].error_code)) == (300, 64)


def test_the_log_line_holds_no_secret_and_warns_of_failures(record, caplog):
    record.served_by = candidate()
    with caplog.at_level(logging.INFO, "routing.proxy"):
        record.write(Lines(), status=502, outcome="error", duration_ms=1, error_code="upstream_error")
    (entry,) = caplog.records
    assert entry.levelno == logging.WARNING
    assert "error=upstream_error" in entry.getMessage()
    assert "canary" not in entry.getMessage()


def test_the_log_line_can_be_told_later_and_by_any_formatter(record, caplog):
    record.usage = Usage(input_total=9, output_total=3, is_estimated=True)
    record.served_by = candidate(label="prod")
    with caplog.at_level(logging.INFO, "routing.proxy"):
        record.write(Lines(), status=200, outcome="ok", duration_ms=1.26)
    (entry,) = caplog.records
    assert (entry.name, entry.levelname, entry.exc_info, entry.args) == ("routing.proxy", "INFO", None, ())
    said = (
        "exchange id=r-1 key=3 model=fast status=200 outcome=ok attempts=0 ms=1.3 provider=acme credential=7"
        " in=9 out=3 estimated=true"
    )
    assert entry.getMessage() == said
    text = logging.Formatter("%(asctime)s.%(msecs)03d %(levelname)s:%(name)s:%(message)s").format(entry)
    assert text.endswith(f" INFO:routing.proxy:{said}")
    assert copy.copy(entry).getMessage() == said, "as a handler with a queue does"


def test_below_the_level_no_line_is_made(record, caplog):
    with caplog.at_level(logging.WARNING, "routing.proxy"):
        record.write(Lines(), status=200, outcome="ok", duration_ms=1)
    assert not caplog.records


def test_a_failure_is_told_though_only_warnings_are(record, caplog):
    with caplog.at_level(logging.WARNING, "routing.proxy"):
        record.write(Lines(), status=503, outcome="error", duration_ms=1)
    assert [entry.levelno for entry in caplog.records] == [logging.WARNING]


@pytest.mark.parametrize("nonsense", [-1, MOST_TOKENS + 1, 10**30])
def test_a_nonsensical_count_does_not_cost_the_record(record, nonsense):
    ledger = Lines()
    record.usage = Usage(input_total=nonsense, output_total=3, cache_read=nonsense, reasoning=nonsense)
    record.write(ledger, status=200, outcome="ok", duration_ms=1)
    (line,) = ledger.written
    told = (line.input_tokens, line.output_tokens, line.cached_tokens, line.reasoning_tokens)
    assert told == (None, 3, None, None)


def test_a_client_cannot_forge_a_log_line(record, caplog):
    record.request_id = "x outcome=ok\nforged"
    with caplog.at_level(logging.INFO, "routing.proxy"):
        record.write(Lines(), status=200, outcome="ok", duration_ms=1)
    (entry,) = caplog.records
    assert "\n" not in entry.getMessage()
    assert 'id="x outcome=ok\\nforged"' in entry.getMessage()


def test_the_decision_is_kept_small_and_what_was_so_then_comes_first():
    static = [
        Rejection(credential_id=n, provider_key="p", reason="disabled", detail="d" * 500) for n in range(30)
    ]
    cooling = Rejection(
        credential_id=99, provider_key="p", reason="cooling", detail="quota", model="m", until=12.34
    )
    resolution = Resolution(
        route_model="m",
        suffix="",
        candidates=(),
        rejections=(*static, cooling),
        bound_by="header:secret-session",
    )
    told = decision_of(resolution, ("large", "exhaustion"))
    assert told["strategy"] == "round-robin"
    assert told["bound_by"] == "header"
    assert told["fallback"] == ["large", "exhaustion"]
    assert told["rejected"][0] == {
        "credential": 99,
        "provider": "p",
        "model": "m",
        "reason": "cooling",
        "detail": "quota",
        "until": 12.3,
    }
    assert (len(told["rejected"]), told["rejected_count"]) == (10, 31)
    assert len(msgspec.json.encode(told)) < 3000


def test_nothing_decided_is_nothing_told(record):
    assert decision_of(None, None) == {}
    ledger = Lines()
    record.overhead_ms = 1.23456
    record.write(ledger, status=404, outcome="error", duration_ms=1)
    assert (ledger.written[0].decision, ledger.written[0].overhead_ms) == ({}, 1.23)
