"""SIGTERM: nothing new is accepted, what is open is finished, the ledger is written, exit status 0."""

from __future__ import annotations

import signal
import socket
import time

import pytest

from tests.integration.serve.conftest import first_key, rows, streaming


def refuses(port: int) -> bool:
    """Whether nobody accepts on ``port`` any more; looks for 5 s."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionError:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("server", ["daphne", "uvicorn"])
@pytest.mark.parametrize("workers", [1, 2])
def test_an_open_stream_is_finished_and_recorded(start_gateway, server, workers):
    gateway = start_gateway(
        config=None,
        server=server,
        arguments=("--workers", str(workers)),
        environment={"CLIPROXY_USAGE_FLUSH_INTERVAL_S": "60"},
    )
    key = first_key(gateway.log)
    with streaming(gateway.port, key, stream=True, max_tokens=25) as answer:
        lines = answer.iter_lines()
        assert next(lines).startswith("data: {")
        gateway.process.send_signal(signal.SIGTERM)
        assert refuses(gateway.port)
        rest = [line for line in lines if line]
    assert rest[-1] == "data: [DONE]"
    assert len(rest) > 20
    assert gateway.stop() == 0
    found = rows(gateway, "SELECT outcome, output_tokens FROM routing_usagerecord")
    assert found == [("ok", 25)]
    assert not list((gateway.data_dir / "spool").iterdir())
    assert "Traceback" not in gateway.log
