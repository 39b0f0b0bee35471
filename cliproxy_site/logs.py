"""Log lines: one per event, ``key=value`` pairs after the message, secrets masked as the last defence.

Code logs ``logger.info("exchange", extra={"fields": {...}})``; it never passes bodies or secrets. The
masking catches what a library or a mistake might still print. A record of which all is known for good says so
(``is_settled``), and becomes text where lines are written and not where they are logged.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
import threading
from collections import deque
from datetime import UTC, datetime

SECRET_SHAPES = re.compile(
    r"(sk-[A-Za-z0-9_\-]{6,}|gsk_[A-Za-z0-9]{6,}|AIza[A-Za-z0-9_\-]{10,}|cpx-[A-Za-z0-9_\-]{8,}"
    r"|(?i:bearer)\s+[A-Za-z0-9._~+/\-]{8,}=*|(?<=://)[^/\s:@]+:[^/\s@]+(?=@))"
    r"|(?P<in_query>(?:(?<=[?&]key=)|(?<=[?&]token=)|(?<=[?&]auth_token=))[^&\s\"']+)"
)
"""The last are keys of clients in an address, of any form: servers like to log addresses."""


SECRET_MARKS = ("sk-", "gsk_", "aiza", "cpx-", "bearer", "@", "?key=", "&key=", "token=")
"""A text without any of these holds no secret of a known shape: far cheaper to see than to search for."""

# What no line shows need not be looked up for each ("Optimization" in the logging documentation).
logging.logThreads = logging.logMultiprocessing = logging.logProcesses = False
logging._srcfile = None


def _mask(found: re.Match[str]) -> str:
    return "…" if found["in_query"] else found.group()[:4] + "…"


def masked(text: str) -> str:
    """``text`` with everything that looks like a secret replaced by its first four characters."""
    lowered = text.lower()
    for mark in SECRET_MARKS:  # a loop, as any() over a generator takes three times as long
        if mark in lowered:
            return SECRET_SHAPES.sub(_mask, text)
    return text


BATCH_S = 0.1
BATCH_LINES = 500
NEEDS_QUOTES = re.compile(r"[\s\"=]")


class LineFormatter(logging.Formatter):
    """``2026-01-02T03:04:05.678Z INFO routing.proxy exchange id=… model=…``

    On the path of every request, hence the remembered second and the plain conversions. From any thread.
    """

    def __init__(self) -> None:
        super().__init__()
        self._remembered = 0, ""  # one value: another thread must not see the second without its text

    def format(self, record: logging.LogRecord) -> str:
        second = int(record.created)
        known, prefix = self._remembered
        if second != known:
            prefix = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
            self._remembered = second, prefix
        line = f"{prefix}.{int(record.msecs):03d}Z {record.levelname} {record.name} {record.getMessage()}"
        fields = getattr(record, "fields", None)
        if fields:
            line += "".join(f" {name}={_value(value)}" for name, value in fields.items() if value is not None)
        # Django hands over the traceback of every page that it refuses (403, 404): no fault of the program.
        if record.exc_info and getattr(record, "status_code", 500) >= 500:
            line += "\n" + self.formatException(record.exc_info)
        return masked(line)


class BatchHandler(logging.StreamHandler):  # type: ignore[type-arg]  # not subscriptable at run time
    """Writes lines in batches: at once from WARNING up, else within BATCH_S of the first that waits.

    A line of its own for each request costs a system call each; a batch costs one for all. What a killed
    process loses is at most BATCH_S of lines below WARNING.
    """

    def __init__(self) -> None:
        super().__init__()
        self._waiting: deque[str | logging.LogRecord] = deque()
        self._has_lines = threading.Event()
        self._is_announced = False
        self._pause = threading.Event()  # never set: waiting on it is a pause
        self._flusher: threading.Thread | None = None

    def handle(self, record: logging.LogRecord) -> bool:
        """As in the library, but for its lock: a deque takes lines from any thread."""
        passed = self.filter(record)
        if passed:
            self.emit(record)
        return bool(passed)

    def emit(self, record: logging.LogRecord) -> None:
        waiting = self._waiting
        if getattr(record, "is_settled", False):
            waiting.append(record)
        elif (line := self._line(record)) is not None:
            waiting.append(line)
        if record.levelno >= logging.WARNING or len(waiting) >= BATCH_LINES:
            self.flush()
        elif not self._is_announced:
            self._is_announced = True
            self._has_lines.set()
            if self._flusher is None or not self._flusher.is_alive():
                self._flusher = threading.Thread(target=self._run, name="log-flusher", daemon=True)
                self._flusher.start()

    def _line(self, record: logging.LogRecord) -> str | None:
        try:
            return self.format(record)
        except Exception:  # noqa: BLE001  (as every handler of the standard library: a log line must not raise)
            self.handleError(record)
            return None

    def flush(self) -> None:
        with self.lock or contextlib.nullcontext():
            self._has_lines.clear()
            self._is_announced = False  # before the lines are taken: who comes now announces itself
            lines = []
            for _ in range(len(self._waiting)):
                entry = self._waiting.popleft()
                line = entry if isinstance(entry, str) else self._line(entry)
                if line is not None:
                    lines.append(line)
            # A reader that went away or a full disk costs the lines, and neither the request nor the flusher.
            with contextlib.suppress(OSError, ValueError):
                if lines:
                    self.stream.write("\n".join(lines) + "\n")
                super().flush()

    def _run(self) -> None:
        while self._has_lines.wait():
            self._pause.wait(BATCH_S)
            self.flush()


def _value(value: object) -> str:
    if type(value) is int or type(value) is float:
        return repr(value)
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return json.dumps(text) if NEEDS_QUOTES.search(text) else text
