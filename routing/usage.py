"""The ledger: every exchange is a line in a spool file before its last byte leaves, and a row soon after.

Each process appends to its own file, which it holds locked, and one writer thread batches lines into the
database. Lines are inserted by exchange id and a known id is ignored, so reading a file twice does no
harm: after a crash the file is simply read again, by whoever finds it unlocked.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import secrets
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from django.db import DataError, Error, IntegrityError, close_old_connections, connection, transaction

from routing.models import ClientKey, UsageRecord

logger = logging.getLogger("routing.usage")

ROTATE_BYTES = 8 * 1024 * 1024
"""A spool file that is wholly in the database and larger than this is replaced by a new one."""
BATCH_ROWS = 2000
READ_BYTES = 2 * 1024 * 1024
"""Read at once; a line is under 8 KiB, so this holds more than a batch of usual lines and at least one."""
ADOPT_EVERY = 10
"""Every so many flushes the writer looks for files that a dead process left."""


class UsageLine(msgspec.Struct, frozen=True, kw_only=True):
    """One exchange as spooled. Times: ``started_at`` Unix seconds, ``*_ms`` milliseconds. Tokens are
    canonical (input includes cached, output includes reasoning); None means the upstream did not say."""

    exchange_id: str
    request_id: str
    started_at: float
    client_key_id: int | None
    client_key_label: str
    client_format: str
    route_model: str
    status: int
    outcome: str
    duration_ms: float
    upstream_model: str = ""
    provider_key: str = ""
    credential_id: int | None = None
    credential_label: str = ""
    is_stream: bool = False
    error_code: str = ""
    attempts: list[dict[str, Any]] = []
    dropped: tuple[str, ...] = ()
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    first_byte_ms: float | None = None
    overhead_ms: float | None = None
    decision: dict[str, Any] = {}


ENCODER = msgspec.json.Encoder()
DECODER = msgspec.json.Decoder(UsageLine)
NUL, REPLACEMENT = b"\\u0000", b"\\ufffd"
"""PostgreSQL holds no NUL in any text, and a client may send one in a model name."""


class Spool:
    """This process's spool file. ``append`` is one ``write`` call, cheap enough for the hot path."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._open()

    def _open(self, first: bytes = b"") -> None:
        """Begin a file with ``first``. Raises OSError and changes nothing when that cannot be."""
        path = self._folder / f"usage-{os.getpid()}-{secrets.token_hex(4)}.jsonl"
        # Locked before it has its name, so that no other process can take it for a dead one's.
        draft = path.with_suffix(".new")
        handle = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            if os.write(handle, first) < len(first):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            draft.rename(path)
        except OSError:
            draft.unlink(missing_ok=True)
            os.close(handle)
            raise
        self._file, self.path, self._read_from = handle, path, 0

    def append(self, line: UsageLine) -> None:
        """Put ``line`` on disk. A full disk is logged and costs the record, not the request."""
        data = ENCODER.encode(line) + b"\n"
        if NUL in data:
            data = data.replace(NUL, REPLACEMENT)
        try:
            with self._lock:  # against the swap of files in ``done``
                written = os.write(self._file, data)
                if written < len(data):  # half a line would spoil the next one too
                    os.ftruncate(self._file, os.fstat(self._file).st_size - written)
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            logger.error("a usage record could not be spooled: %s", error.strerror)

    def pending(self) -> tuple[list[bytes], int]:
        """Up to BATCH_ROWS lines not yet written, and the offset behind them (for ``done``)."""
        data = os.pread(self._file, READ_BYTES, self._read_from)
        lines = data[: data.rfind(b"\n") + 1].split(b"\n")[:-1][:BATCH_ROWS]
        return lines, self._read_from + sum(map(len, lines)) + len(lines)

    def done(self, offset: int) -> None:
        """Everything before ``offset`` is in the database; start a new file when this one is long.

        Under load there are always lines behind ``offset``: the few go along into the new file.
        """
        self._read_from = offset
        if offset < ROTATE_BYTES:
            return
        with self._lock:
            old, path = self._file, self.path
            if os.fstat(old).st_size - offset >= READ_BYTES:
                return  # the database is far behind; later
            rest = os.pread(old, READ_BYTES, offset)
            try:
                self._open(rest)
            except OSError as error:
                logger.error("no new spool file could be begun: %s", error.strerror)
                return
            path.unlink(missing_ok=True)
            os.close(old)

    @property
    def backlog_bytes(self) -> int:
        """How much of the file the database does not have yet."""
        return max(os.fstat(self._file).st_size - self._read_from, 0)

    def close(self) -> None:
        """Remove the file when all of it was written; else leave it for the next start."""
        lines, _ = self.pending()
        if not lines:
            self.path.unlink(missing_ok=True)
        os.close(self._file)


def _is_whole(raw: bytes) -> bool:
    """Whether ``raw`` is a usage line; a crash may have torn the last one."""
    try:
        DECODER.decode(raw)
    except msgspec.DecodeError:
        logger.error("a damaged usage record of %d bytes was left out", len(raw))
        return False
    return True


def write(raw_lines: list[bytes]) -> None:
    """Insert spooled lines by exchange id; those already there are left alone. Blocking.

    The database itself takes the lines apart, in one statement: done row by row in Python, 3,000 records a
    second cost a fifth of the process and, worse, kept the event loop waiting for the interpreter.

    A line that the database refuses for what it says (a negative count from an odd upstream) is left out
    with a logged error: it must not hold up all that follow. Raises Error for any other trouble.
    """
    if not raw_lines:
        return
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_statement(), [(b"[" + b",".join(raw_lines) + b"]").decode()])
    except (DataError, IntegrityError) as error:
        middle = len(raw_lines) // 2
        if middle == 0:
            reason = str(error).strip().partition("\n")[0]
            logger.error("a usage record was left out, the database refuses it: %s", reason)
            return
        write(raw_lines[:middle])
        write(raw_lines[middle:])
        return
    _touch_keys(raw_lines)


def _statement() -> str:
    """INSERT … SELECT from a JSON array of lines, in the words of the database in use."""
    columns = UsageLine.__struct_fields__
    names = ", ".join(columns)
    table = UsageRecord._meta.db_table
    if connection.vendor == "postgresql":
        types = {str(field.column): field.db_type(connection) for field in UsageRecord._meta.concrete_fields}
        shape = ", ".join(f"{name} {_postgres_type(name, types)}" for name in columns)
        values = ", ".join("to_timestamp(started_at)" if name == "started_at" else name for name in columns)
        source = f"jsonb_to_recordset(%s::jsonb) AS line({shape})"
    else:
        values = ", ".join(_sqlite_value(name) for name in columns)
        # With LIMIT the lines are taken out of the array once, and not once for each column; without WHERE,
        # SQLite reads ON as a join's.
        source = "(SELECT value FROM json_each(%s) LIMIT -1) AS line WHERE true"
    # The names come from our own classes, never from outside.
    return f"INSERT INTO {table} ({names}) SELECT {values} FROM {source} ON CONFLICT (exchange_id) DO NOTHING"  # noqa: S608


def _postgres_type(name: str, types: dict[str, str | None]) -> str:
    return "double precision" if name == "started_at" else str(types[name])


def _sqlite_value(name: str) -> str:
    path = f"json_extract(line.value, '$.{name}')"
    # Django's SQLite text form of a moment in UTC.
    return f"strftime('%%Y-%%m-%%d %%H:%%M:%%f', {path}, 'unixepoch')" if name == "started_at" else path


class _Used(msgspec.Struct):
    client_key_id: int | None
    started_at: float


_USED = msgspec.json.Decoder(_Used)


def _touch_keys(raw_lines: list[bytes]) -> None:
    """Note when each client key was last used; by ``update``, so that routing does not notice."""
    latest: dict[int, float] = {}
    for raw in raw_lines:
        used = _USED.decode(raw)
        if used.client_key_id is not None:
            latest[used.client_key_id] = max(latest.get(used.client_key_id, 0.0), used.started_at)
    for key_id, moment in latest.items():
        ClientKey.objects.filter(pk=key_id).update(last_used_at=datetime.fromtimestamp(moment, UTC))


class UsageWriter:
    """The one thread that moves spooled lines into the database."""

    def __init__(self, spool: Spool, interval_s: float) -> None:
        self._spool = spool
        self._interval_s = interval_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="usage-writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Write what is left and end the thread. Blocking."""
        self._stopping.set()
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            logger.error("the database did not take the last usage records in time; the next start will")
            return
        self._spool.close()

    def _run(self) -> None:
        rounds = 0
        while True:
            is_last = self._stopping.wait(self._interval_s)
            try:
                close_old_connections()
                if rounds % ADOPT_EVERY == 0:
                    adopt(self._spool.path.parent)
                while self._flush():
                    pass
            except Error as error:
                logger.error("usage records wait in the spool, the database refuses them: %s", error)
            except Exception:
                logger.exception("usage records wait in the spool")
            rounds += 1
            if is_last:
                connection.close()
                return

    def _flush(self) -> bool:
        """Write a batch. Returns whether it was a full one, so that more may wait; what came meanwhile can
        wait for the next round, which is cheaper than many small transactions."""
        lines, offset = self._spool.pending()
        write(lines)
        self._spool.done(offset)
        return len(lines) == BATCH_ROWS or sum(map(len, lines)) > READ_BYTES // 2


def adopt(folder: Path) -> int:
    """Write and remove the files of processes that died. Returns how many lines were read.

    A file is dead when its lock can be taken: the kernel drops a lock with its process.
    """
    adopted = 0
    for path in sorted(folder.glob("usage-*.jsonl")):
        try:
            handle = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            for batch in _batches(handle):
                write(batch)
                adopted += len(batch)
            path.unlink(missing_ok=True)
        finally:
            os.close(handle)
    if adopted:
        logger.info("adopted %d usage records that a stopped process had left", adopted)
    return adopted


def _batches(handle: int) -> Iterator[list[bytes]]:
    """The whole lines of an open file; its name may be gone, when its process has just written the rest."""
    batch: list[bytes] = []
    with open(handle, "rb", closefd=False) as file:
        for raw in file:
            if _is_whole(raw):
                batch.append(raw.rstrip(b"\n"))
            if len(batch) == BATCH_ROWS:
                yield batch
                batch = []
    if batch:
        yield batch
