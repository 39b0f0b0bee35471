"""Signals, drain, exit status, listening sockets: both servers behave the same."""

import signal
import socket
import subprocess
import sys
import time

import pytest

from cliproxy_site.servers.sockets import bind
from tests.integration.servers.conftest import ROOT, dechunk, read_all, read_until

TICKS = b"GET /ticks?count=8&pause_ms=100 HTTP/1.1\r\nhost: gateway\r\n\r\n"
DEAF = b"GET /deaf HTTP/1.1\r\nhost: gateway\r\n\r\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_server_stops_at_once_and_exits_0(serve, server, number):
    running = serve(server)
    running.signal(number)
    assert running.finish(timeout=5) == (0, "")
    assert running.events == ["started", f"listening {running.host} {running.port}", "stopped"]


def test_an_idle_connection_is_closed_and_a_busy_one_is_not(serve, server):
    running = serve(server, keep_alive_s=1)
    with running.connect() as idle, running.connect() as busy:
        idle.sendall(b"GET /state HTTP/1.1\r\nhost: gateway\r\n\r\n")
        busy.sendall(b"GET /ticks?count=2&pause_ms=2000 HTTP/1.1\r\nhost: gateway\r\n\r\n")
        assert read_all(idle).endswith(b"}")
        assert read_until(busy, b"end\n\r\n0\r\n\r\n")


def test_an_open_stream_is_finished_before_the_exit(serve, server):
    running = serve(server)
    with running.connect() as connection, running.connect() as idle:
        idle.sendall(b"GET /state HTTP/1.1\r\nhost: gateway\r\n\r\n")
        read_until(idle, b"}")
        connection.sendall(TICKS)
        start = read_until(connection, b"tick 0\n\r\n")
        running.signal()
        assert idle.recv(1) == b""
        time.sleep(0.1)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((running.host, running.port))
        _, body = dechunk(start + read_all(connection))
    assert body.endswith(b"tick 7\nend\n")
    assert running.finish(timeout=5) == (0, "")
    assert running.events[-1] == "stopped"


def test_a_stuck_stream_ends_with_the_drain_timeout(serve, server):
    running = serve(server, drain_timeout_s=1.0)
    with running.connect() as connection:
        connection.sendall(DEAF)
        read_until(connection, b"waiting\r\n")
        before = time.monotonic()
        running.signal()
        assert read_all(connection) == b""
        status, _ = running.finish(timeout=8)
    assert status == 0
    assert 0.9 < time.monotonic() - before < 5
    assert running.events[-1] == "stopped"


def test_a_client_that_does_not_read_does_not_outlast_the_drain_timeout(serve, server):
    running = serve(server, drain_timeout_s=1.0)
    with running.connect(receive_buffer=64 * 1024) as connection:
        connection.sendall(b"GET /flood?chunks=40000&size=16384 HTTP/1.1\r\nhost: gateway\r\n\r\n")
        time.sleep(0.5)
        running.signal()
        assert running.finish(timeout=8)[0] == 0


def test_a_second_signal_does_not_wait(serve, server):
    running = serve(server, drain_timeout_s=60)
    with running.connect() as connection:
        connection.sendall(DEAF)
        read_until(connection, b"waiting\r\n")
        running.signal()
        time.sleep(0.7)
        assert running.process.poll() is None
        running.signal(signal.SIGINT)
        assert running.finish(timeout=5)[0] == 0
    assert running.events[-1] == "stopped"


def test_a_taken_port_is_one_sentence(server):
    with bind("127.0.0.1", 0) as holder:
        port = holder.getsockname()[1]
        command = [sys.executable, "-m", "tests.integration.servers.serve_application", server]
        options = f'{{"host": "127.0.0.1", "port": {port}}}'
        done = subprocess.run([*command, options], cwd=ROOT, capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == f"Port {port} on 127.0.0.1 is taken: another process already listens there.\n"


def test_a_server_listens_on_an_inherited_socket(serve, server):
    with bind("127.0.0.1", 0) as listener:
        running = serve(server, fd=listener.fileno())
        assert running.port == listener.getsockname()[1]
        assert running.get("/state")["sent"] == 0


@pytest.mark.skipif(not socket.has_ipv6, reason="this Python has no IPv6")
def test_a_server_listens_on_ipv6(serve, server):
    try:
        bind("::1", 0).close()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    running = serve(server, host="::1")
    with socket.create_connection(("::1", running.port), timeout=5) as connection:
        connection.sendall(b"GET /state HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n\r\n")
        assert b'"sent": 0' in read_all(connection)
