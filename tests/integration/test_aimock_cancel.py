"""A client that leaves in the middle of a stream: the upstream request ends within a second.

aimock does not notice that its reader is gone, so a tap between it and the gateway does.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import openai
import pytest

from tests.integration.conftest import FORMATS, Aimock, aimock_config
from tests.integration.test_aimock_answers import asking
from tests.processes import Gateway, running_gateways

pytestmark = pytest.mark.parametrize("upstream", FORMATS)
CANCELLED_WITHIN_S = 1.0


class Tap:
    """Relays every connection to ``target`` and notes when the near side closes one."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.closed_at: list[float] = []
        self.closing = threading.Condition()
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def wait_for_closing(self, after: int, timeout_s: float) -> bool:
        """Whether more than ``after`` connections have been closed by the near side in time."""
        with self.closing:
            return self.closing.wait_for(lambda: len(self.closed_at) > after, timeout_s)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._relay, args=(near,), daemon=True).start()

    def _relay(self, near: socket.socket) -> None:
        with near, socket.create_connection(self._target) as far, contextlib.suppress(OSError):
            while True:
                readable, _, _ = select.select([near, far], [], [])
                for source in readable:
                    data = source.recv(65536)
                    if not data:
                        if source is near:
                            self._note_closing()
                        return
                    (far if source is near else near).sendall(data)

    def _note_closing(self) -> None:
        with self.closing:
            self.closed_at.append(time.monotonic())
            self.closing.notify_all()


@pytest.fixture(scope="module")
def tap(aimock: Aimock) -> Iterator[Tap]:
    address = urlsplit(aimock.url)
    assert address.hostname
    assert address.port
    relay = Tap((address.hostname, address.port))
    yield relay
    relay.close()


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def aimock_gateway(
    tap: Tap, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    with running_gateways(tmp_path_factory.mktemp(request.param)) as start:
        yield start(config=aimock_config(tap.url), server=request.param)


def test_leaving_a_stream_cancels_the_upstream_request(sdk: openai.OpenAI, tap: Tap, upstream):
    before = len(tap.closed_at)
    with sdk.chat.completions.create(**asking(upstream, "count slowly"), stream=True) as stream:
        for chunk in stream:
            if chunk.choices and "one" in (chunk.choices[0].delta.content or ""):
                break
        assert len(tap.closed_at) == before
    assert tap.wait_for_closing(before, CANCELLED_WITHIN_S)


def test_a_stream_read_to_its_end_keeps_the_upstream_connection(sdk: openai.OpenAI, tap: Tap, upstream):
    list(sdk.chat.completions.create(**asking(upstream, "say hello"), stream=True))
    before = len(tap.closed_at)
    list(sdk.chat.completions.create(**asking(upstream, "say hello"), stream=True))
    assert not tap.wait_for_closing(before, 0.2)


def test_the_gateway_serves_on_after_cancelled_streams(sdk: openai.OpenAI, upstream):
    for _ in range(3):
        with sdk.chat.completions.create(**asking(upstream, "count slowly"), stream=True) as stream:
            next(iter(stream))
    answer = sdk.chat.completions.create(**asking(upstream, "say hello"))
    assert answer.choices[0].message.content == "Hello from the far side, dear caller."
