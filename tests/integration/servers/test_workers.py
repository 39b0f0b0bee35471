"""Several processes on one socket: started, replaced, stopped."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.integration.servers.conftest import ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="watches processes through /proc")


class Supervised:
    """A supervisor process and what its workers write."""

    def __init__(self, server, count, *extra):
        command = [
            sys.executable,
            "-m",
            "tests.integration.servers.supervise_application",
            server,
            str(count),
        ]
        self.process = subprocess.Popen(
            [*command, *extra], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def next_worker(self):
        """The process id and port of the next worker that listens."""
        assert self.process.stdout is not None
        event = json.loads(self.process.stdout.readline())
        return event["pid"], event["port"]

    def stop(self, timeout=10):
        self.process.send_signal(signal.SIGTERM)
        return self.finish(timeout)

    def finish(self, timeout=10):
        _, errors = self.process.communicate(timeout=timeout)
        return self.process.returncode, errors


@pytest.fixture
def supervise():
    started = []

    def start(*arguments):
        started.append(Supervised(*arguments))
        return started[-1]

    yield start
    for supervised in started:
        if supervised.process.poll() is None:
            supervised.process.kill()
        supervised.process.communicate()


def gone(pid, within_s=5.0):
    """Whether the process ended; one that nobody has waited for yet counts as ended."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def test_workers_share_one_port_and_drain_together(supervise, server):
    supervised = supervise(server, 2)
    (first, port), (second, same_port) = supervised.next_worker(), supervised.next_worker()
    assert first != second
    assert port == same_port
    assert supervised.stop() == (0, "")
    assert gone(first)
    assert gone(second)


def test_a_crashed_worker_is_replaced(supervise):
    supervised = supervise("daphne", 2)
    (first, port), (second, _) = supervised.next_worker(), supervised.next_worker()
    os.kill(first, signal.SIGKILL)
    replacement, same_port = supervised.next_worker()
    assert replacement not in (first, second)
    assert port == same_port
    status, errors = supervised.stop()
    assert status == 0
    assert "ended with status -9" in errors


def test_workers_end_when_their_parent_is_killed(supervise):
    supervised = supervise("daphne", 1)
    worker, _ = supervised.next_worker()
    supervised.process.kill()
    assert gone(worker)


def test_the_parent_gives_up_on_a_worker_that_never_settles(supervise):
    supervised = supervise("daphne", 2, "--crash")
    status, errors = supervised.finish(timeout=20)
    assert status == 1
    assert "keeps failing" in errors
