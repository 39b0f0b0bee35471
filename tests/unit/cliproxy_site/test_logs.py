"""Log lines: one per event, readable by people and by machines, with secrets masked."""

from __future__ import annotations

import io
import logging
import sys
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
