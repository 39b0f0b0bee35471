"""Start, watch and stop the measured processes; loopback only, everything bounded in time."""

from __future__ import annotations

import http.client
import json
import os
import resource
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
BENCH_DIR = REPOSITORY / ".bench"


def raise_open_files() -> None:
    """Thousands of sockets need more than the usual soft limit; children inherit it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Running:
    """A process tree in a session of its own, with its log in a file."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path = REPOSITORY,
    ):
        self.log = log
        self.started = time.monotonic()
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                cwd=cwd,
                env={**os.environ, **(env or {})},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def members(self) -> list[int]:
        """Every live process of the session, workers included."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                except OSError:
                    continue
                if int(fields[3]) == self.process.pid:
                    found.append(int(entry.name))
        return found

    def memory_mib(self, field: str = "VmRSS") -> float:
        """``VmRSS`` now or ``VmHWM`` at its peak, summed over the session."""
        total = 0
        for pid in self.members():
            try:
                status = Path(f"/proc/{pid}/status").read_text()
            except OSError:
                continue
            total += sum(int(line.split()[1]) for line in status.splitlines() if line.startswith(field))
        return total / 1024

    def settle(self, timeout_s: float = 60.0) -> None:
        """Wait until the processes rest, so that work left over from before is not measured."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            before = self.cpu_s()
            threading.Event().wait(0.15)
            if self.cpu_s() - before < 0.03:
                return

    def cpu_s(self) -> float:
        """User and system time of the whole session so far."""
        ticks = 0
        for pid in self.members():
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def wait_ready(self, port: int, path: str, timeout_s: float = 90.0) -> float:
        """Seconds from start until ``path`` answers below 500. Raises TimeoutError with the log's end."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
                connection.request("GET", path)
                if connection.getresponse().status < 500:
                    return time.monotonic() - self.started
            except OSError:
                threading.Event().wait(0.02)
            finally:
                connection.close()
        self.stop()
        raise TimeoutError(f"not ready: {' '.join(map(str, self.process.args))}\n{self.tail()}")  # type: ignore[arg-type]  # always a list here

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()


def ask(
    port: int, headers: Mapping[str, str], body: Mapping[str, Any], timeout_s: float = 60.0
) -> tuple[int, bytes]:
    """One chat completion, whole. Returns status and body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request(
            "POST",
            "/v1/chat/completions",
            body=json.dumps(body),
            headers={"content-type": "application/json", **headers},
        )
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def streamed_text(body: bytes) -> str:
    """The text of a chat completion, streamed or not. Raises ValueError when it is neither."""
    if not body.startswith(b"data:"):
        return str(json.loads(body)["choices"][0]["message"]["content"])
    pieces = []
    for line in body.splitlines():
        if line.startswith(b"data:") and line.strip() != b"data: [DONE]":
            for choice in json.loads(line[5:]).get("choices", []):
                pieces.append(choice.get("delta", {}).get("content") or "")
    return "".join(pieces)
