"""Log lines: one per event, ``key=value`` pairs after the message, secrets masked as the last defence.

Code logs ``logger.info("exchange", extra={"fields": {...}})``; it never passes bodies or secrets. The
masking catches what a library or a mistake might still print.
"""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime

SECRET_SHAPES = re.compile(
    r"(sk-[A-Za-z0-9_\-]{6,}|gsk_[A-Za-z0-9]{6,}|AIza[A-Za-z0-9_\-]{10,}|cpx-[A-Za-z0-9_\-]{8,}"
    r"|(?i:bearer)\s+[A-Za-z0-9._~+/\-]{8,}=*|(?<=://)[^/\s:@]+:[^/\s@]+(?=@))"
)


# What no line shows need not be looked up for each ("Optimization" in the logging documentation).
logging.logThreads = logging.logMultiprocessing = logging.logProcesses = False


def masked(text: str) -> str:
    """``text`` with everything that looks like a secret replaced by its first four characters."""
    return SECRET_SHAPES.sub(lambda found: found.group()[:4] + "…", text)


NEEDS_QUOTES = re.compile(r"[\s\"=]")


class LineFormatter(logging.Formatter):
    """``2026-01-02T03:04:05.678Z INFO routing.proxy exchange id=… model=…``

    On the path of every request, hence the remembered second and the plain conversions.
    """

    def __init__(self) -> None:
        super().__init__()
        self._second = 0
        self._prefix = ""

    def format(self, record: logging.LogRecord) -> str:
        second = int(record.created)
        if second != self._second:
            self._second = second
            self._prefix = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        line = (
            f"{self._prefix}.{int(record.msecs):03d}Z {record.levelname} {record.name} {record.getMessage()}"
        )
        fields = getattr(record, "fields", None)
        if fields:
            line += "".join(f" {name}={_value(value)}" for name, value in fields.items() if value is not None)
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return masked(line)


def _value(value: object) -> str:
    if type(value) is int or type(value) is float:
        return repr(value)
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return json.dumps(text) if NEEDS_QUOTES.search(text) else text
