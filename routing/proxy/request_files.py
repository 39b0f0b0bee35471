"""A file for each request, for operators who look into what a client really sends: ``request-log`` of the
configuration file, off unless asked for. Failed requests leave a short file also without it, with no body.

Only what client and gateway say to each other is written, with every credential among the headers taken out.
Files lie in ``logs/`` of the data folder with mode 0600, are bounded each and together, and are written by
one thread: a slow disk costs a request nothing, and what it cannot keep up with is dropped.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from routing.core.table import RouteSettings
from routing.proxy.record import Record
from routing.proxy.wire import Message, Receive, Scope, Send

logger = logging.getLogger("routing.proxy")

BODY_LIMIT = 1024 * 1024
"""Of a request or an answer; the rest is only counted."""
WAITING_LIMIT = 64
"""Files that wait for the disk."""
USUAL_TOTAL_MB = 512
"""Of all request files, where ``logs-max-total-size-mb`` sets no bound."""
MOST_FILES = 5_000
MIB = 1024 * 1024
PRUNED_EVERY = 32
"""Files; looking through the folder for each would take longer than writing them."""
ERROR = "error-"
FAILED = frozenset({"error", "cut"})
"""Outcomes that leave a file without being asked."""

_SECRET = re.compile(r"auth|key|token|secret|cookie|password|credential|signature", re.IGNORECASE)
"""Of header and query names whose values are never written."""
_HARMLESS = frozenset({"www-authenticate", "x-cliproxy-provider", "sec-websocket-key"})
_TEXT = re.compile(r"json|text|event-stream|xml|x-www-form-urlencoded", re.IGNORECASE)
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Part:
    """One side of the conversation: its headers and the beginning of its body."""

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.size = 0
        self._kept: list[bytes] = []
        self._room = BODY_LIMIT

    def add(self, chunk: bytes) -> None:
        self.size += len(chunk)
        if self._room > 0 and chunk:
            self._kept.append(chunk[: self._room])
            self._room -= len(self._kept[-1])

    def text(self) -> str:
        kind = next((value for name, value in self.headers if name.lower() == b"content-type"), b"")
        if not self.size:
            return ""
        if kind and not _TEXT.search(kind.decode("latin-1")):
            return f"({self.size} bytes of {kind.decode('latin-1')})"
        kept = b"".join(self._kept)
        rest = self.size - len(kept)
        return kept.decode("utf-8", "replace") + (f"\n({rest} more bytes)" if rest else "")


class Capture:
    """What passes between a client and the gateway in one exchange."""

    def __init__(self, scope: Scope) -> None:
        self.asked, self.answered = Part(), Part()
        self.asked.headers = list(scope["headers"])

    def receiving(self, receive: Receive) -> Receive:
        async def heard() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                self.asked.add(message.get("body", b""))
            return message

        return heard

    def sending(self, send: Send) -> Send:
        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.answered.headers = list(message.get("headers", ()))
            elif message["type"] == "http.response.body":
                self.answered.add(message.get("body", b""))
            await send(message)

        return told


class RequestFiles:
    """The folder of them. Belongs to one event loop; ``close`` at the end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="request-files")
        self._places = threading.Semaphore(WAITING_LIMIT)
        self._is_dropping = False
        self._written = 0

    def note(self, scope: Scope, record: Record, capture: Capture | None, settings: RouteSettings) -> None:
        """Write the file of an exchange that is over. Returns at once and raises nothing."""
        if not self._places.acquire(blocking=False):
            if not self._is_dropping:
                logger.warning("request files are left out: the disk does not keep up")
            self._is_dropping = True
            return
        self._executor.submit(self._write, dict(scope), record, capture, settings)

    def close(self) -> None:
        self._executor.shutdown(wait=True)

    def _write(
        self, scope: dict[str, Any], record: Record, capture: Capture | None, settings: RouteSettings
    ) -> None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = self._folder / name_of(scope["path"], record, is_error=capture is None)
            text = rendered(scope, record, capture).encode("utf-8", "replace")
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(text)
            self._is_dropping = False
            if capture is None or self._written % PRUNED_EVERY == 0:
                prune(self._folder, settings)
            self._written += 1
        except OSError as error:
            logger.warning("a request file was not written: %s", error.strerror or type(error).__name__)
        except Exception:
            logger.exception("a request file was not written")
        finally:
            self._places.release()


def prune(folder: Path, settings: RouteSettings) -> None:
    """Remove the oldest files above the bounds: of failed requests by number, of all by number and size."""
    found = []
    for path in folder.glob("*.log"):
        if path.name.startswith("main"):
            continue
        with contextlib.suppress(OSError):
            stat = path.stat()
            found.append((stat.st_mtime_ns, path, stat.st_size))
    found.sort(reverse=True)
    room = (settings.logs_max_total_size_mb or USUAL_TOTAL_MB) * MIB
    errors_left = settings.error_logs_max_files or len(found)
    for number, (_, path, size) in enumerate(found):
        room -= size
        is_error = path.name.startswith(ERROR)
        errors_left -= is_error
        if room < 0 or number >= MOST_FILES or (is_error and errors_left < 0):
            with contextlib.suppress(OSError):
                path.unlink()


def name_of(path: str, record: Record, *, is_error: bool) -> str:
    """``v1-messages-2026-11-28T105900-<request id>.log``; of a failed one with ``error-`` in front."""
    place = re.sub(r"[^A-Za-z0-9.]+", "-", path).strip("-.")[:80] or "root"
    moment = datetime.fromtimestamp(record.started_at, UTC).strftime("%Y-%m-%dT%H%M%S.%f")
    own = record.request_id if _ID.fullmatch(record.request_id) else record.exchange_id
    return f"{ERROR if is_error else ''}{place}-{moment}-{own}.log"


def rendered(scope: dict[str, Any], record: Record, capture: Capture | None) -> str:
    """The file's text: what was asked, who was tried, what was answered."""
    headers = capture.asked.headers if capture is not None else scope["headers"]
    moment = datetime.fromtimestamp(record.started_at, UTC).isoformat(timespec="milliseconds")
    lines = [
        "=== request ===",
        f"{moment} {scope['method']} {scope['path']}{_query(scope)}",
        f"request id: {record.request_id}",
        f"client key: {record.client.label if record.client is not None else '-'}",
        *_headers(headers),
        *_body(capture.asked if capture is not None else None),
        "",
        "=== attempts ===",
        *(_attempt(number, note) for number, note in enumerate(record.attempts, 1)),
        "",
        "=== answer ===",
        f"{record.status} {record.outcome}{f' {record.error_code}' if record.error_code else ''}"
        f" after {record.duration_ms:.0f} ms",
        *_headers(capture.answered.headers if capture is not None else []),
        *_body(capture.answered if capture is not None else None),
    ]
    return "\n".join(lines) + "\n"


def _query(scope: dict[str, Any]) -> str:
    pairs = parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
    shown = [(name, "[redacted]" if _SECRET.search(name) else value) for name, value in pairs]
    return f"?{urlencode(shown, safe='[]')}" if shown else ""


def _headers(headers: list[tuple[bytes, bytes]]) -> list[str]:
    found = []
    for raw_name, raw_value in headers:
        name = raw_name.decode("latin-1").lower()
        is_secret = name not in _HARMLESS and _SECRET.search(name)
        found.append(f"{name}: {'[redacted]' if is_secret else raw_value.decode('latin-1')}")
    return found


def _body(part: Part | None) -> list[str]:
    if part is None:
        return ["", "(the body is written with request-log: true)"]
    return ["", text] if (text := part.text()) else []


def _attempt(number: int, note: dict[str, Any]) -> str:
    said = " ".join(f"{name}={value}" for name, value in note.items() if value not in (None, ""))
    return f"{number}. {said}"
