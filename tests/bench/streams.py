"""1,000 streams open at once on one gateway process: every byte right, memory per stream, start, idle memory.

The upstream (in this process) holds every stream after its first words until all are open, so that they are
open at the same moment, then finishes them. Each stream has a text of its own.

    python -m tests.bench.streams [--streams 1000] [--server daphne ...] [--no-docs]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.bench import report
from tests.bench.load import say
from tests.bench.processes import Running, free_port, raise_open_files, streamed_text
from tests.bench.targets import CLIENT_KEY, TARGETS

CHUNKS = 40
SETTLED_S = 1.0


def words(number: int) -> list[str]:
    return [f"{number}:{index} grüße " for index in range(CHUNKS)]


class Upstream:
    """An OpenAI-compatible server that streams ``words(number)``, half of them before ``release`` is set."""

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.waiting = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                if not head.startswith(b"POST "):  # the gateway asks which models there are
                    models = b'{"object":"list","data":[{"id":"stream-pass","object":"model"}]}'
                    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(models), models))
                    continue
                lines = [line.lower() for line in head.split(b"\r\n")]
                length = next(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
                body = json.loads(await reader.readexactly(length))
                await self.answer(writer, int(body["messages"][-1]["content"]))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def answer(self, writer: asyncio.StreamWriter, number: int) -> None:
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        text = words(number)
        for index, word in enumerate(text):
            if index == CHUNKS // 2:
                self.waiting += 1
                await self.release.wait()
            choice = {"index": 0, "delta": {"content": word}, "finish_reason": None}
            self.event(writer, self.chunk(number, [choice]))
            await writer.drain()
        self.event(writer, self.chunk(number, [{"index": 0, "delta": {}, "finish_reason": "stop"}]))
        self.event(writer, b"[DONE]")
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    @staticmethod
    def chunk(number: int, choices: list[dict[str, object]]) -> bytes:
        kind = "chat.completion.chunk"
        value = {"id": f"s{number}", "object": kind, "created": 1, "model": "stream-pass", "choices": choices}
        return json.dumps(value, ensure_ascii=False).encode()

    @staticmethod
    def event(writer: asyncio.StreamWriter, data: bytes) -> None:
        line = b"data: " + data + b"\n\n"
        writer.write(b"%x\r\n%s\r\n" % (len(line), line))


async def read_stream(port: int, number: int) -> str:
    """ "" when stream ``number`` arrived whole and right, else what was wrong."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    messages = [{"role": "user", "content": str(number)}]
    body = json.dumps({"model": "stream-pass", "stream": True, "messages": messages}).encode()
    writer.write(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
        b"content-type: application/json\r\nauthorization: Bearer %s\r\ncontent-length: %d\r\n\r\n%s"
        % (CLIENT_KEY.encode(), len(body), body)
    )
    head = await reader.readuntil(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n")[0]:
        return head.decode() + (await reader.read(500)).decode(errors="replace")
    received = b""
    if b"chunked" in head.lower():
        while size := int(await reader.readline(), 16):
            received += (await reader.readexactly(size + 2))[:-2]
    else:
        received = await reader.read()
    writer.close()
    text = streamed_text(received)
    if text != "".join(words(number)) or not received.rstrip().endswith(b"data: [DONE]"):
        return f"stream {number} differs: {received[-300:]!r}"
    return ""


@dataclass
class Held:
    server: str
    ready_s: float
    idle_mib: float
    streams: int
    open_mib: float
    after_mib: float
    wrong: list[str]

    @property
    def per_stream_kib(self) -> float:
        return (self.open_mib - self.idle_mib) * 1024 / self.streams


async def hold_streams(
    running: Running, port: int, upstream: Upstream, count: int
) -> tuple[float, list[str]]:
    """Memory with ``count`` streams open, and what was wrong with any of them."""
    async with asyncio.timeout(120):
        tasks = [asyncio.ensure_future(read_stream(port, number)) for number in range(count)]
        while upstream.waiting < count and not any(task.done() for task in tasks):
            await asyncio.sleep(0.05)
        await asyncio.sleep(SETTLED_S)
        memory = running.memory_mib()
        upstream.release.set()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
    return memory, [str(answer) for answer in answers if answer]


async def measure(server: str, count: int, folder: Path) -> Held:
    upstream = Upstream()
    listener = await asyncio.start_server(upstream.serve, "127.0.0.1", 0, backlog=4096)
    upstream_port = listener.sockets[0].getsockname()[1]
    port = free_port()
    target = next(target for target in TARGETS if target.name == f"gateway-{server}")
    loop = asyncio.get_running_loop()
    running = target.start("stream-pass", port, upstream_port, folder)
    await loop.run_in_executor(None, running.wait_ready, port, "/health")
    running.stop()  # the first start made the database; the second is the one that counts
    running = target.start("stream-pass", port, upstream_port, folder)
    try:
        ready_s = await loop.run_in_executor(None, running.wait_ready, port, "/health")
        await asyncio.sleep(SETTLED_S)
        idle = running.memory_mib()
        memory, wrong = await hold_streams(running, port, upstream, count)
        await asyncio.sleep(SETTLED_S)
        after = running.memory_mib()
    finally:
        await loop.run_in_executor(None, running.stop)
        listener.close()
    return Held(server, ready_s, idle, count, memory, after, wrong)


def render(rows: list[Held]) -> str:
    lines = [
        "| server | start to ready | idle memory | streams open at once | memory then | per stream "
        "| memory afterwards | wrong |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        lines.append(
            f"| {row.server} | {row.ready_s:.2f} s | {row.idle_mib:.0f} MiB | {row.streams:,} "
            f"| {row.open_mib:.0f} MiB | {row.per_stream_kib:.0f} KiB | {row.after_mib:.0f} MiB "
            f"| {len(row.wrong)} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--server", action="append", choices=["daphne", "uvicorn"])
    parser.add_argument("--no-docs", action="store_true", help="print only; leave docs/performance.md alone")
    options = parser.parse_args()
    raise_open_files()
    rows = []
    for server in options.server or ["daphne", "uvicorn"]:
        with tempfile.TemporaryDirectory(prefix="cliproxy-bench-") as name:
            rows.append(asyncio.run(measure(server, options.streams, Path(name))))
    text = render(rows)
    say(text)
    if not options.no_docs and not options.server:
        report.write_between_markers("streams", text)
    for row in rows:
        for problem in row.wrong[:5]:
            say(f"{row.server}: {problem}")
    sys.exit(any(row.wrong for row in rows))


if __name__ == "__main__":
    main()
