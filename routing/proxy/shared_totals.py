"""The totals of several processes on one socket, so that whichever answers ``/metrics`` tells of all.

Each worker writes its own totals into a file of the data folder when they have changed, about once a second,
and reads the others' when it is asked. What a worker counted stays when it dies, so counters never go back
while the parent runs; what is under way there does not.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from routing.proxy.metrics import Totals, merged

logger = logging.getLogger("routing.proxy")

INTERVAL_S = 1.0
ENCODER = msgspec.msgpack.Encoder()
DECODER = msgspec.msgpack.Decoder(Totals)


def prepare(folder: Path) -> None:
    """Empty ``folder`` before the first worker starts: what earlier runs counted has ended with them."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in folder.glob("*.totals"):
        path.unlink(missing_ok=True)


class SharedTotals:
    """One worker's part. ``folder`` None means that this process serves alone."""

    def __init__(self, own: Callable[[], Totals], version: Callable[[], object], folder: Path | None) -> None:
        self._own = own
        self._version = version
        self._folder = folder
        self._path = folder / f"{os.getpid()}.totals" if folder is not None else None
        self._written: object = None

    async def run(self) -> None:
        """Write changes until cancelled."""
        while self._path is not None:
            await asyncio.sleep(INTERVAL_S)
            self.write()

    def write(self) -> None:
        """A few kilobytes, so done here: handing them to a thread would cost more."""
        if self._path is None or self._version() == self._written:
            return
        self._written = self._version()
        draft = self._path.with_suffix(".new")
        try:
            draft.write_bytes(ENCODER.encode(self._own()))
            draft.replace(self._path)
        except OSError as error:
            logger.warning("the metrics could not be written for the other workers: %s", error.strerror)

    def all(self) -> tuple[Totals, int]:
        """The sum over every worker, and how many of them live."""
        parts, living = [self._own()], 1
        for path in sorted(self._folder.glob("*.totals")) if self._folder is not None else ():
            if path == self._path:
                continue
            try:
                part = DECODER.decode(path.read_bytes())
            except (OSError, msgspec.DecodeError):
                continue  # it is being replaced, or an older version wrote it
            if _is_alive(path):
                living += 1
            else:
                part.in_flight = part.backlog_bytes = 0
            parts.append(part)
        return merged(parts), living


def _is_alive(path: Path) -> bool:
    try:
        os.kill(int(path.stem), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True
