"""Servers in processes of their own, and a client that is no better than a socket."""

import contextlib
import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


class Running:
    """A server process that listens."""

    def __init__(self, server, **options):
        command = [sys.executable, "-m", "tests.integration.servers.serve_application", server]
        self.process = subprocess.Popen(
            [*command, json.dumps({"host": "127.0.0.1", "port": 0, **options})],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=[options["fd"]] if "fd" in options else [],
        )
        assert self.process.stdout is not None
        self.events = [self.process.stdout.readline().strip() for _ in range(2)]
        if not self.events[1].startswith("listening"):
            raise AssertionError(self.process.communicate()[1])
        self.host: str
        _, self.host, port = self.events[1].split()
        self.port = int(port)

    def connect(self, timeout=10, receive_buffer=None):
        connection = socket.socket()
        if receive_buffer is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.settimeout(timeout)
        connection.connect((self.host, self.port))
        return connection

    def get(self, path):
        client = http.client.HTTPConnection(self.host, self.port, timeout=10)
        with contextlib.closing(client):
            client.request("GET", path)
            return json.loads(client.getresponse().read())

    def settled(self, counter):
        """A counter of ``/state`` once it stands still."""
        value, before = self.get("/state")[counter], None
        while value != before:
            time.sleep(0.3)
            before, value = value, self.get("/state")[counter]
        return value

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def finish(self, timeout=10):
        """Wait for the end: exit status and what was written on standard error."""
        rest, errors = self.process.communicate(timeout=timeout)
        self.events += rest.split("\n")[:-1]
        return self.process.returncode, errors


@pytest.fixture
def serve():
    """Start servers that end with the test."""
    started = []

    def start(server, **options):
        running = Running(server, **options)
        started.append(running)
        return running

    yield start
    for running in started:
        if running.process.poll() is None:
            running.process.kill()
        running.process.communicate()


@pytest.fixture(params=["daphne", "uvicorn"])
def server(request):
    return request.param


def read_all(connection):
    """Everything until the server closes."""
    parts = []
    while data := connection.recv(65536):
        parts.append(data)
    return b"".join(parts)


def read_until(connection, ending):
    """Everything up to and with ``ending``."""
    data = b""
    while not data.endswith(ending):
        more = connection.recv(65536)
        assert more, f"closed after {data!r}"
        data += more
    return data


def dechunk(raw):
    """Head and body of a chunked response, checked to be complete."""
    head, _, rest = raw.partition(b"\r\n\r\n")
    assert b"transfer-encoding: chunked" in head.lower()
    parts: list[bytes] = []
    at = 0
    while True:
        line_end = rest.index(b"\r\n", at)
        size = int(rest[at:line_end], 16)
        at = line_end + 2 + size
        assert rest[at : at + 2] == b"\r\n"
        if size == 0:
            assert at + 2 == len(rest)
            return head, b"".join(parts)
        parts.append(rest[line_end + 2 : at])
        at += 2
