"""Log files in the data folder instead of the standard output, switched while the gateway runs.

``main.log`` is the file in use; at its bound it is renamed after its last moment and a new one begins.
Several processes write into the same file and follow whoever renamed it: lines are appended in whole batches.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from cliproxy_site.logs import BatchHandler

NAME = "main.log"
FILE_LIMIT_BYTES = 10 * 1024 * 1024
MIB = 1024 * 1024


class LogFiles:
    """What a stream handler writes to. Raises nothing: a full disk must not end a request."""

    def __init__(self, folder: Path, total_limit_mb: int = 0, file_limit: int = FILE_LIMIT_BYTES) -> None:
        self._folder = folder
        self.total_limit_mb = total_limit_mb
        self._file_limit = file_limit
        self._file: IO[str] | None = None

    @property
    def _path(self) -> Path:
        return self._folder / NAME

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError, ValueError):
            file = self._opened()
            file.write(text)
            file.flush()
            if file.tell() >= self._file_limit:
                self._turn_over()
        return len(text)

    def flush(self) -> None:
        """Every ``write`` flushes."""

    def close(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None

    def _opened(self) -> IO[str]:
        """The file in use; opened anew when another process turned it over or somebody removed it."""
        if self._file is not None and not self._is_current(self._file):
            self.close()
        if self._file is None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._file = os.fdopen(handle, "a", encoding="utf-8")
        return self._file

    def _is_current(self, file: IO[str]) -> bool:
        try:
            return os.path.samestat(os.fstat(file.fileno()), self._path.stat())
        except OSError:
            return False

    def _turn_over(self) -> None:
        moment = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%S.%f")
        self._path.rename(self._path.with_name(f"main-{moment}.log"))
        self.close()
        self.prune()

    def prune(self) -> None:
        """Remove the oldest files above the total bound; never the one in use."""
        if self.total_limit_mb <= 0:
            return
        old = sorted(self._folder.glob("main-*.log"), reverse=True)  # names sort by moment
        room = self.total_limit_mb * MIB - (self._path.stat().st_size if self._path.exists() else 0)
        for path in old:
            with contextlib.suppress(OSError):
                room -= path.stat().st_size
                if room < 0:
                    path.unlink()


class LogSwitch:
    """Turns the root logger's batch handlers to files and back."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: LogFiles | None = None

    def follow(self, to_file: bool, total_limit_mb: int) -> None:
        """What the settings say now; cheap when nothing changed."""
        if to_file and self._files is None:
            self._files = LogFiles(self._folder, total_limit_mb)
            self._turn(self._files)
        elif not to_file and self._files is not None:
            self._turn(sys.stderr)
            self._files.close()
            self._files = None
        if self._files is not None and self._files.total_limit_mb != total_limit_mb:
            self._files.total_limit_mb = total_limit_mb
            self._files.prune()

    @staticmethod
    def _turn(stream: object) -> None:
        for handler in logging.getLogger().handlers:
            if isinstance(handler, BatchHandler):
                handler.setStream(stream)
