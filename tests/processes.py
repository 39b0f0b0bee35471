"""The gateway and aimock as real processes on free loopback ports, for tests that speak to them over HTTP."""

from __future__ import annotations

import atexit
import functools
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg

from tests.requirements import AIMOCK

REPOSITORY = Path(__file__).resolve().parents[1]
CLIENT_KEY = "sk-test-client-key-0001"
READY_WITHIN_S = 30.0
STOPPED_WITHIN_S = 25.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Gateway:
    """One running gateway. ``key`` is a client key that it accepts."""

    port: int
    data_dir: Path
    config: Path | None
    log_path: Path
    process: subprocess.Popen[bytes]
    key: str = CLIENT_KEY
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def stop(self) -> int:
        """SIGTERM, then the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=STOPPED_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the gateway ignored SIGTERM\n{self.log[-4000:]}") from None

    def kill(self) -> None:
        """SIGKILL to the process and its workers."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def clean_environment(data_dir: Path, **extra: str) -> dict[str, str]:
    """This process's environment without anything that would steer a gateway, and ``extra``."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CLIPROXY_", "DJANGO_", "COV_"))
        and not name.endswith("_API_KEY")
        and name not in {"REDIS_URL", "SECRET_KEY", "DATABASE_URL"}
    }
    return {**kept, "CLIPROXY_DATA_DIR": str(data_dir), "PYTHONUNBUFFERED": "1", **extra}


@functools.cache
def migrated_database() -> Path:
    """An SQLite file with every table and no row of a first run, made once per test process."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
        cwd=REPOSITORY,
        env=clean_environment(folder),
        check=True,
    )
    return folder / "gateway.sqlite3"


def lay_out(data_dir: Path) -> None:
    """Put a migrated database into a new data folder: migrating takes longer than all the rest of a start."""
    if not data_dir.exists():
        data_dir.mkdir(mode=0o700)
        shutil.copyfile(migrated_database(), data_dir / "gateway.sqlite3")


def start_gateway(
    folder: Path,
    *,
    config: str | None = "",
    server: str = "daphne",
    arguments: tuple[str, ...] = (),
    environment: Mapping[str, str] | None = None,
) -> Gateway:
    """Start ``manage.py serve`` and wait for ``/health``.

    ``config`` is YAML for the blocks that the test wants; address and client key are put before it. None
    starts without a configuration file, on an empty data folder. Raises AssertionError with the log when it
    does not become ready.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if config is not None:
        lay_out(folder / "data")
    port = free_port()
    command = [sys.executable, "manage.py", "serve", "--port", str(port), "--server", server, *arguments]
    path = None
    if config is not None:
        path = folder / "config.yaml"
        path.write_text(
            f'host: 127.0.0.1\nport: {port}\napi-keys: ["{CLIENT_KEY}"]\n{config}', encoding="utf-8"
        )
        command += ["--config", str(path)]
    given = clean_environment(folder / "data", **(environment or {}))
    log = folder / "gateway.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env=given,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    gateway = Gateway(port, folder / "data", path, log, process, environment=given)
    try:
        wait_until_answering(port, "/health", process)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{gateway.log[-4000:]}") from None
    return gateway


def wait_until_answering(port: int, path: str, process: subprocess.Popen[bytes]) -> None:
    """Return once ``path`` answers 200. Raises AssertionError, and ends the process, when it does not."""
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(f"it exited with {process.returncode} before it was ready")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", path)
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        finally:
            connection.close()
        try:
            process.wait(0.03)
        except subprocess.TimeoutExpired:
            continue
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    raise AssertionError(f"{path} did not answer 200 within {READY_WITHIN_S:.0f} s")


@contextmanager
def own_database() -> Iterator[dict[str, str]]:
    """A ``DATABASE_URL`` of its own for one gateway when the run is on PostgreSQL, else nothing (SQLite)."""
    url = os.environ.get("DATABASE_URL", "")
    if not url.startswith("postgres"):
        yield {}
        return
    name = f"gateway_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    try:
        yield {"DATABASE_URL": urlunsplit(urlsplit(url)._replace(path=f"/{name}"))}
    finally:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@contextmanager
def running_gateways(folder: Path) -> Iterator[Callable[..., Gateway]]:
    """A ``start(name="gateway", **options)`` like ``start_gateway``, in a folder and database per name.

    At the end each gateway still running is stopped by SIGTERM and must exit with 0.
    """
    started: list[Gateway] = []
    databases: dict[str, dict[str, str]] = {}
    with ExitStack() as stack:

        def start(name: str = "gateway", **options: Any) -> Gateway:
            if name not in databases:
                databases[name] = stack.enter_context(own_database())
            environment = {**databases[name], **options.pop("environment", {})}
            gateway = start_gateway(folder / name, environment=environment, **options)
            started.append(gateway)
            return gateway

        try:
            yield start
        finally:
            codes = {
                gateway.log_path: gateway.stop() for gateway in started if gateway.process.poll() is None
            }
            for log, code in codes.items():
                assert code == 0, f"exit code {code} after SIGTERM\n{log.read_text()[-4000:]}"


@contextmanager
def running_aimock(folder: Path, fixtures: Path) -> Iterator[str]:
    """aimock with ``fixtures`` on a free port; yields its base URL."""
    port = free_port()
    command = ["node", str(AIMOCK), "-p", str(port), "-f", str(fixtures), "--log-level", "warn", "--strict"]
    with (folder / "aimock.log").open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        wait_until_answering(port, "/health", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=10)
