"""Log lines: one per event, readable by people and by machines, with secrets masked."""

from __future__ import annotations

import io
import logging
import re
import sys
import threading
import time

import pytest

from cliproxy_site import logs
from cliproxy_site.logs import LineFormatter, masked


def line(message, fields=None):
    record = logging.LogRecord("routing.proxy", logging.INFO, "f", 1, message, (), None)
    record.created, record.msecs = 1_767_323_045.678, 678.0
    if fields is not None:
        record.fields = fields
    return LineFormatter().format(record)


def test_a_line_has_time_level_name_message_and_fields():
    assert line("exchange", fields={"id": "a", "ms": 1.5, "n": 3, "none": None}) == (
        "2026-01-02T03:04:05.678Z INFO routing.proxy exchange id=a ms=1.5 n=3"
    )


def test_a_formatter_tells_each_second_anew():
    formatter = LineFormatter()
    times = []
    for second in (0, 1, 1, 61):
        record = logging.LogRecord("x", logging.INFO, "f", 1, "m", (), None)
        record.created, record.msecs = 1_767_323_040.0 + second, 0
        times.append(formatter.format(record)[:19])
    assert [time[-5:] for time in times] == ["04:00", "04:01", "04:01", "05:01"]


@pytest.mark.parametrize(("status", "is_fault"), [(403, False), (404, False), (500, True), (None, True)])
def test_a_refused_page_is_one_line_and_a_fault_has_its_traceback(status, is_fault):
    try:
        raise PermissionError("not for you")
    except PermissionError:
        record = logging.LogRecord("django.request", logging.WARNING, "f", 1, "m", (), sys.exc_info())
    if status:
        record.status_code = status
    assert ("PermissionError: not for you" in LineFormatter().format(record)) is is_fault


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a b", '"a b"'),
        ('a"b', '"a\\"b"'),
        ("a=b", '"a=b"'),
        ("a\nb", '"a\\nb"'),
        (["a"], '"[\\"a\\"]"'),
        (True, "true"),
    ],
)
def test_a_value_cannot_break_its_line(value, shown):
    text = line("m", fields={"v": value})
    assert text.endswith(f" v={shown}")
    assert "\n" not in text


@pytest.mark.parametrize("name", ["key", "auth_token", "token"])
@pytest.mark.parametrize("before", ["?", "?model=m&"])
def test_a_key_in_an_address_is_not_shown_at_all(name, before):
    shown = masked(f'"WebSocket /v1/realtime{before}{name}=team-a&x=1" [accepted]')
    assert shown == f'"WebSocket /v1/realtime{before}{name}=…&x=1" [accepted]'
    assert masked("exchange id=1 key=7 tokens=3") == "exchange id=1 key=7 tokens=3"


@pytest.mark.parametrize(
    "secret",
    [
        "sk-abcdef0123456789",
        "sk-ant-api03-abcdef_0123",
        "gsk_abcdef0123456789",
        "AIzaSyAbcdef0123456789",
        "cpx-abcdef0123456789",
        "Bearer abcdefgh.ijkl-mnop",
        "bearer ABCDEFGH0123==",
    ],
)
def test_what_looks_like_a_secret_is_masked(secret):
    shown = masked(f"x {secret} y")
    assert secret not in shown
    assert shown.startswith(f"x {secret[:4]}…")
    assert shown.endswith(" y")


def test_a_login_in_an_address_is_masked():
    assert "canary" not in masked("via socks5://user:canary@proxy.example:1080/")
    assert masked("http://127.0.0.1:8317/v1") == "http://127.0.0.1:8317/v1"


def test_arguments_and_tracebacks_are_masked_too():
    try:
        raise ValueError("sk-canary0123456789")
    except ValueError:
        record = logging.LogRecord(
            "x", logging.ERROR, "f", 1, "m %s", ("sk-canary-argument",), sys.exc_info()
        )
    shown = LineFormatter().format(record)
    assert "ValueError" in shown
    assert "canary" not in shown


class Writes(io.StringIO):
    """A stream that counts how often it is written to."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def write(self, text):
        self.count += 1
        return super().write(text)


def batching(stream):
    handler = logs.BatchHandler()
    handler.setStream(stream)
    return handler


def entry(level, text):
    return logging.LogRecord("x", level, __file__, 1, text, (), None)


def test_quiet_lines_wait_for_each_other_and_a_warning_takes_them_along():
    stream = Writes()
    handler = batching(stream)
    for number in range(3):
        handler.handle(entry(logging.INFO, f"line {number}"))
    assert stream.count == 0
    handler.handle(entry(logging.WARNING, "trouble"))
    assert stream.count == 1
    assert stream.getvalue() == "line 0\nline 1\nline 2\ntrouble\n"


def test_a_quiet_line_is_written_soon_though_nothing_follows():
    stream = Writes()
    handler = batching(stream)
    handler.handle(entry(logging.INFO, "alone"))
    deadline = time.monotonic() + 5
    while not stream.getvalue() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert stream.getvalue() == "alone\n"


def test_closing_writes_what_waits():
    stream = Writes()
    handler = batching(stream)
    handler.handle(entry(logging.INFO, "last"))
    handler.flush()
    assert stream.getvalue() == "last\n"


class Settled(logging.LogRecord):
    """A record whose text is made when it is written, and not when it is logged."""

    is_settled = True

    def __init__(self, text, level=logging.INFO):
        super().__init__("routing.proxy", level, __file__, 0, "exchange", (), None)
        self.created, self.msecs = 1_767_323_045.678, 678.0
        self.text = text
        self.written_by = None

    def getMessage(self):
        self.written_by = threading.current_thread()
        return self.text() if callable(self.text) else self.text


def test_a_settled_record_becomes_text_where_lines_are_written_in_its_place_among_the_others():
    stream = Writes()
    handler = batching(stream)
    handler.setFormatter(LineFormatter())
    record = Settled("exchange id=1")
    handler.handle(entry(logging.INFO, "before"))
    handler.handle(record)
    handler.handle(entry(logging.INFO, "after"))
    assert record.written_by is None
    handler.flush()
    lines = stream.getvalue().splitlines()
    assert [line.split(" ", 3)[3] for line in lines] == ["before", "exchange id=1", "after"]
    assert lines[1] == "2026-01-02T03:04:05.678Z INFO routing.proxy exchange id=1"


def test_a_settled_record_is_written_soon_by_the_flusher():
    stream = Writes()
    handler = batching(stream)
    record = Settled("alone")
    handler.handle(record)
    deadline = time.monotonic() + 5
    while not stream.getvalue() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert stream.getvalue() == "alone\n"
    assert record.written_by is not threading.current_thread()


def test_a_settled_warning_is_written_at_once_and_secrets_in_it_are_masked():
    stream = Writes()
    handler = batching(stream)
    handler.setFormatter(LineFormatter())
    handler.handle(Settled("exchange model=sk-canary0123456789", logging.WARNING))
    assert "exchange model=sk-c…" in stream.getvalue()
    assert "canary" not in stream.getvalue()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_settled_record_that_cannot_be_told_costs_no_other_line(monkeypatch):
    monkeypatch.setattr(logging, "raiseExceptions", False)
    stream = Writes()
    handler = batching(stream)
    handler.handle(Settled("first"))
    handler.handle(Settled(lambda: 1 / 0))
    handler.handle(Settled("last"))
    handler.flush()
    assert stream.getvalue() == "first\nlast\n"


def test_many_waiting_lines_are_written_without_waiting():
    stream = Writes()
    handler = batching(stream)
    for number in range(logs.BATCH_LINES + 1):
        handler.handle(Settled(f"line {number}"))
    assert stream.getvalue().count("\n") >= logs.BATCH_LINES


def test_a_filter_of_the_handler_holds_for_settled_records_too():
    stream = Writes()
    handler = batching(stream)
    handler.addFilter(lambda record: "no" not in record.text)
    assert handler.handle(Settled("yes"))
    assert not handler.handle(Settled("no"))
    handler.flush()
    assert stream.getvalue() == "yes\n"


def test_lines_of_many_threads_arrive_whole_once_and_with_their_own_time():
    """The formatter remembers a second and its text: what another thread formats must not come between."""
    stream = Writes()
    handler = batching(stream)
    handler.setFormatter(LineFormatter())
    each, threads_count = 2000, 4

    def log(thread):
        for number in range(each):
            record = Settled(f"{thread}-{number} second={number % 3}")
            record.is_settled = bool(number % 2)
            record.created, record.msecs = 1_767_323_040.0 + number % 3, 0.0
            handler.handle(record)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=log, args=(thread,)) for thread in range(threads_count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    handler.flush()
    lines = stream.getvalue().splitlines()
    shape = re.compile(r"2026-01-02T03:04:0(\d)\.000Z INFO routing\.proxy (\d+-\d+) second=\1")
    found = [shape.fullmatch(line) for line in lines]
    assert [line for line, match in zip(lines, found, strict=True) if match is None] == []
    names = [match[2] for match in found if match]
    assert len(set(names)) == len(names) == each * threads_count
    for number in range(threads_count):
        own = [int(name.split("-")[1]) for name in names if name.startswith(f"{number}-")]
        assert own == list(range(each)), "in order"


@pytest.mark.parametrize("trouble", [BrokenPipeError(32, "gone"), OSError(28, "full"), ValueError("closed")])
def test_a_stream_that_takes_nothing_costs_the_lines_and_not_the_caller(trouble):
    class Broken(Writes):
        def write(self, text):
            raise trouble

    broken, whole = Broken(), Writes()
    handler = batching(broken)
    handler.handle(entry(logging.INFO, "lost"))
    handler.handle(entry(logging.WARNING, "lost too"))
    handler.setStream(whole)
    handler.handle(entry(logging.WARNING, "told"))
    assert whole.getvalue() == "told\n"
