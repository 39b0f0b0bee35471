"""A request body between the socket and the application: in memory while small, on disk when large.

Daphne hands the application a body only when it is complete, so a slow upload of many megabytes
must not occupy memory; a chat request of a few kilobytes must not touch the disk.
"""

from __future__ import annotations

import tempfile
from typing import IO

IN_MEMORY = 1024 * 1024
PART = 256 * 1024


class RequestBody:
    """Bytes go in with ``add``, come out part by part with ``take``."""

    __slots__ = ("_parts", "_spool", "_untaken", "size")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._spool: IO[bytes] | None = None
        self._untaken = -1
        self.size = 0

    def add(self, data: bytes) -> None:
        self.size += len(data)
        if self._spool is not None:
            self._spool.write(data)
            return
        self._parts.append(data)
        if self.size > IN_MEMORY:
            # Unnamed, so that the bytes are gone with the process whatever happens.
            self._spool = tempfile.TemporaryFile()  # noqa: SIM115  closed in close(), which every path reaches
            self._spool.writelines(self._parts)
            self._parts.clear()

    def take(self) -> tuple[bytes, bool]:
        """The next part, and whether another follows. The first call ends the adding."""
        if self._spool is None:
            whole = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
            self._parts = []
            return whole, False
        if self._untaken < 0:
            self._spool.seek(0)
            self._untaken = self.size
        part = self._spool.read(PART)
        self._untaken -= len(part)
        more = self._untaken > 0
        if not more:
            self.close()
        return part, more

    def close(self) -> None:
        if self._spool is not None:
            self._spool.close()
            self._spool = None
        self._parts = []
