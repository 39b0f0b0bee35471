"""``daphne`` and ``uvicorn`` by their own commands, without ``manage.py serve`` around them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.integration.serve.conftest import ask, first_key, records_when, streaming
from tests.processes import REPOSITORY, clean_environment, free_port, own_database, wait_until_answering

APPLICATION = "cliproxy_site.asgi:application"


def command(server: str, port: int) -> list[str]:
    program = [os.fspath(Path(sys.executable).with_name(server)), APPLICATION]
    return program + (["-p", str(port)] if server == "daphne" else ["--port", str(port)])


@contextmanager
def plain(server, environment, log):
    """The server's own command in its own process; yields (port, process)."""
    port = free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command(server, port), cwd=REPOSITORY, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield port, process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(15)


@pytest.mark.parametrize("server", ["daphne", "uvicorn"])
def test_a_plain_server_streams_and_records_once_serve_has_set_up(start_gateway, tmp_path, server):
    first = start_gateway(config=None)
    key = first_key(first.log)
    assert first.stop() == 0
    config = tmp_path / "config.yaml"
    config.write_text("request-retry: 1\n")  # watched by a thread that must not outlast the server
    environment = first.environment | {"CLIPROXY_CONFIG": str(config)}
    with plain(server, environment, tmp_path / "plain.log") as (port, process):
        wait_until_answering(port, "/health", process)
        with streaming(port, key, stream=True, max_tokens=5) as answer:
            lines = [line for line in answer.iter_lines() if line]
        assert lines[-1] == "data: [DONE]"
        found = records_when(first, bool, "SELECT outcome, output_tokens FROM routing_usagerecord")
        assert found == [("ok", 5)]
        assert httpx.get(f"http://127.0.0.1:{port}/admin/login/", trust_env=False).status_code == 200
    assert process.returncode in (0, -signal.SIGTERM)  # uvicorn ends by the signal, once it is done
    log = (tmp_path / "plain.log").read_text()
    assert "configuration applied" in log
    assert "Traceback" not in log


def test_plain_daphne_on_a_new_data_folder_says_what_to_do(tmp_path):
    with own_database() as database:
        environment = clean_environment(tmp_path / "data", **database)
        with plain("daphne", environment, tmp_path / "plain.log") as (port, process):
            wait_until_open(port, process)
            answers = [ask(port, "any"), httpx.get(f"http://127.0.0.1:{port}/admin/", trust_env=False)]
            for answer in answers:
                assert answer.status_code == 503
                assert answer.headers["retry-after"] == "5"
                assert answer.json()["error"]["code"] == "not_ready"
    log = (tmp_path / "plain.log").read_text()
    assert "Traceback" not in log
    assert "start `python manage.py serve` once, or run `python manage.py migrate`" in log


def test_plain_uvicorn_on_a_new_data_folder_does_not_start(tmp_path):
    with own_database() as database:
        done = subprocess.run(
            command("uvicorn", free_port()),
            cwd=REPOSITORY,
            env=clean_environment(tmp_path / "data", **database),
            capture_output=True,
            text=True,
            timeout=30,
        )
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert "start `python manage.py serve` once, or run `python manage.py migrate`" in done.stderr


def wait_until_open(port, process):
    """Return once somebody answers on ``port``, whatever it says."""
    for _ in range(300):
        try:
            httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False)
        except httpx.TransportError:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.05)
        else:
            return
    raise AssertionError("nobody answers")
