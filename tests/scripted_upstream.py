"""An upstream on loopback that plays a model with tools, in all four formats, for tests with real clients.

The script is in the prompt that ``errand`` writes: the model first has a file written, then has it read, with
whichever of the client's tools can do it, and ends with a text that repeats the mark found in the tool's
result. So a client that prints the mark has run two tools and sent both results back. The upstream keeps no
state: where a conversation stands is counted from its tool results. A request that a vendor would refuse is
answered 400 in the vendor's shape, and noted in ``problems``.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from tests import scripted_wire as wire
from tests.scripted_wire import Asked, Turn

FORMATS = ("openai", "responses", "claude", "gemini")
MODELS = {
    "openai": "gpt-4.1",
    "responses": "gpt-5.2",
    "claude": "claude-sonnet-4-5",
    "gemini": "gemini-3-pro-preview",
}
_ERRAND = re.compile(r"Write the word (MARK-\w+) into the file (\S+) and read it back")
_PAIR = re.compile(r"Write the word (MARK-\w+) into (\S+) and, at the same time, (MARK-\w+) into (\S+)\.")
_PICTURE = re.compile(r"Look at the picture (\S+) of (MARK-\w+)\.")
_MARK = re.compile(r"MARK-\w+")
_SLOW = "Count slowly"
_STRUCTURED = "Answer as JSON"
PLAIN = "A plain answer."
_GEMINI_PATH = re.compile(r"/v1beta/models/([^:/]+):(generateContent|streamGenerateContent)$")
PAUSE_S = 0.05

NO_THREADS = {
    "type": "error",
    "error": {
        "type": "invalid_request_error",
        "message": "This server holds no message threads.",
        "details": {"error_code": "thread_unsupported_request", "unsupported": ["thread"]},
    },
}
"""Anthropic's refusal of a ``thread``, upon which its SDKs' tool runners send the whole history instead."""


def patch(path: str, text: str) -> str:
    """What Codex's ``apply_patch`` reads."""
    return f"*** Begin Patch\n*** Add File: {path}\n+{text}\n*** End Patch"


WRITERS: dict[str, Callable[[str, str], Any]] = {
    "Write": lambda path, text: {"file_path": path, "content": text},
    "write_file": lambda path, text: {"file_path": path, "content": text},
    "apply_patch": patch,
    "exec_command": lambda path, text: {"cmd": f"printf %s {text} > {path}"},
    "shell_command": lambda path, text: {"command": f"printf %s {text} > {path}"},
    "shell": lambda path, text: {"command": ["sh", "-c", f"printf %s {text} > {path}"]},
    "write": lambda path, text: {"path": path, "text": text},
}
"""Arguments for a client's tool, by its name, the preferred first. A text is for a tool without a schema."""
READERS: dict[str, Callable[[str], Any]] = {
    "Read": lambda path: {"file_path": path},
    "read_file": lambda path: {"file_path": path},
    "exec_command": lambda path: {"cmd": f"cat {path}"},
    "shell_command": lambda path: {"command": f"cat {path}"},
    "shell": lambda path: {"command": ["sh", "-c", f"cat {path}"]},
    "read": lambda path: {"path": path},
}


def new_mark() -> str:
    """A word that no other test's conversation holds."""
    return f"MARK-{uuid.uuid4().hex[:12]}"


def errand(mark: str, path: Path) -> str:
    """The prompt that this upstream understands."""
    return f"Write the word {mark} into the file {path} and read it back. Then tell me what it says."


def pair_errand(marks: tuple[str, str], paths: tuple[Path, Path]) -> str:
    """Two files in one turn: the model calls twice at once, and waits for both results."""
    (first, second), (one, other) = marks, paths
    return f"Write the word {first} into {one} and, at the same time, {second} into {other}."


def picture_errand(mark: str, path: Path) -> str:
    """The model reads the picture with a tool, unless the client sent it along, and says that it saw it."""
    return f"Look at the picture {path} of {mark}."


@dataclass
class Call:
    method: str
    path: str
    headers: dict[str, str]
    body: Any
    problems: list[str] = field(default_factory=list)
    was_cancelled: bool = False


def fitting(arguments: Any, schema: Any) -> Any:
    """A text, where the tool's free text was put into a schema on the way here, as its only property."""
    if isinstance(arguments, str) and schema is not None:
        return dict.fromkeys(schema["properties"], arguments)
    return arguments


def next_turn(asked: Asked) -> Turn:
    """The model's side of the errand."""
    if (pair := _PAIR.search(asked.prompt)) is not None:
        return _pair_turn(asked, *pair.groups())
    if (picture := _PICTURE.search(asked.prompt)) is not None:
        return _picture_turn(asked, *picture.groups())
    if _STRUCTURED in asked.prompt and (word := _MARK.search(asked.prompt)) is not None:
        return Turn(len(asked.results), json.dumps({"word": word[0]}), reasons=asked.wants_reasoning)
    told = _ERRAND.search(asked.prompt)
    number = len(asked.results)
    if told is None or not asked.tools:
        return Turn(number, PLAIN, reasons=asked.wants_reasoning)
    mark, path = told.groups()
    if number == 0:
        name = next((one for one in WRITERS if one in asked.tools), "")
        if not name:
            asked.problems.append(f"no tool to write a file with among {sorted(asked.tools)}")
            return Turn(number, "I cannot write.")
        arguments = fitting(WRITERS[name](path, mark), asked.tools[name])
        return Turn(number, "I write.", name, arguments, asked.wants_reasoning)
    if number == 1:
        name = next(one for one in READERS if one in asked.tools)
        return Turn(number, "", name, READERS[name](path), asked.wants_reasoning)
    found = _MARK.search(asked.results[-1])
    if found is None:
        asked.problems.append(f"the tool's result holds no mark: {asked.results!r:.400}")
        return Turn(number, "The file says nothing.")
    return Turn(number, f"The file says {found[0]}.", reasons=asked.wants_reasoning)


def _pair_turn(asked: Asked, first: str, one: str, second: str, other: str) -> Turn:
    number = len(asked.results)
    name = next((tool for tool in WRITERS if tool in asked.tools), "")
    if not name:
        return Turn(number, PLAIN, reasons=asked.wants_reasoning)
    if number == 0:
        calls = [
            fitting(WRITERS[name](path, mark), asked.tools[name])
            for path, mark in ((one, first), (other, second))
        ]
        twin = Turn(100, tool=name, arguments=calls[1])
        return Turn(0, "I write both.", name, calls[0], asked.wants_reasoning, twin)
    if number != 2:
        asked.problems.append(f"two calls were made at once, {number} results came back")
    return Turn(number, f"Both are written: {first} {second}.", reasons=asked.wants_reasoning)


def _picture_turn(asked: Asked, path: str, mark: str) -> Turn:
    number = len(asked.results)
    if asked.images:
        return Turn(number, f"I saw the picture of {mark}.", reasons=asked.wants_reasoning)
    name = next((tool for tool in READERS if tool in asked.tools), "")
    if number or not name:
        if name:
            asked.problems.append("no picture came back")
        return Turn(number, PLAIN, reasons=asked.wants_reasoning)
    return Turn(0, "I look.", name, READERS[name](path), asked.wants_reasoning)


class ScriptedUpstream:
    """``url`` is its address, ``calls`` what it was sent, oldest first."""

    def __init__(self) -> None:
        self.url = ""
        self.calls: list[Call] = []
        self.changed = threading.Condition()

    @property
    def problems(self) -> list[str]:
        """What a vendor would have refused, of all calls so far."""
        return [f"{call.path}: {problem}" for call in self.calls for problem in call.problems]

    def about(self, text: str) -> list[Call]:
        """The calls whose body holds ``text``: one test's own, for the prompt holds its mark."""
        return [call for call in self.calls if text in json.dumps(call.body, ensure_ascii=False)]

    def wait_until(self, condition: Callable[[], bool], timeout_s: float = 5.0) -> bool:
        with self.changed:
            return self.changed.wait_for(condition, timeout_s)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        try:
            body = json.loads(raw) if raw else None
        except ValueError:
            body = raw.decode("utf-8", "replace")
        headers = {name.lower(): value for name, value in request.headers.items()}
        call = Call(request.method, request.path_qs, headers, body)
        with self.changed:
            self.calls.append(call)
            self.changed.notify_all()
        try:
            format_, asked = self._read(request, body)
        except (LookupError, TypeError, AttributeError) as error:  # a shape that no vendor knows
            call.problems = [f"unreadable: {error!r}"]
            raise web.HTTPBadRequest(text=call.problems[0]) from error
        if asked is None:
            return web.json_response(
                {"error": {"message": f"no {request.method} {request.path}"}}, status=404
            )
        if asked.wants_thread:
            return web.json_response(NO_THREADS, status=400)
        turn = next_turn(asked)
        call.problems = asked.problems
        if asked.problems:
            return web.json_response(_refusal(format_, "; ".join(asked.problems)), status=400)
        if not asked.streams:
            return web.json_response(getattr(wire, f"whole_{format_}")(asked, turn))
        pieces = getattr(wire, f"stream_{format_}")(asked, turn)
        slow = _SLOW in asked.prompt
        try:
            return await _stream(request, _slowly(pieces) if slow else _at_once(pieces))
        except (asyncio.CancelledError, ConnectionResetError):
            with self.changed:
                call.was_cancelled = True
                self.changed.notify_all()
            raise

    def _read(self, request: web.Request, body: Any) -> tuple[str, Asked | None]:
        path = request.path
        if request.method == "POST" and path.endswith("/chat/completions"):
            return "openai", wire.read_openai(body)
        if request.method == "POST" and path.endswith("/responses"):
            return "responses", wire.read_responses(body)
        if request.method == "POST" and path.endswith("/messages"):
            return "claude", wire.read_claude(body)
        if request.method == "POST" and (named := _GEMINI_PATH.search(path)):
            return "gemini", wire.read_gemini(body, named[1], named[2] == "streamGenerateContent")
        return "", None


def _refusal(format_: str, message: str) -> dict[str, Any]:
    if format_ == "claude":
        return {"type": "error", "error": {"type": "invalid_request_error", "message": message}}
    if format_ == "gemini":
        return {"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}}
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None}}


async def _at_once(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def _slowly(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The first half of the pieces; the rest never comes: for clients that leave."""
    held = list(pieces)
    for piece in held[: (len(held) + 1) // 2]:
        yield piece
        await asyncio.sleep(PAUSE_S)
    await asyncio.Event().wait()


async def _stream(request: web.Request, pieces: AsyncIterator[bytes]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    async for piece in pieces:
        await response.write(piece)
    await response.write_eof()
    return response


@contextmanager
def running_scripted_upstream() -> Iterator[ScriptedUpstream]:
    """One on a free port, in a thread with an event loop of its own."""
    upstream = ScriptedUpstream()
    loop = asyncio.new_event_loop()
    started = threading.Event()
    stopping = asyncio.Event()

    async def serve() -> None:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", upstream.answer)
        # handler_cancellation: a caller that hangs up cancels the answer, so that a test can see it.
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        upstream.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        started.set()
        await stopping.wait()
        await runner.cleanup()

    def run() -> None:
        try:
            loop.run_until_complete(serve())
        finally:
            loop.close()

    thread = threading.Thread(target=run, name="scripted upstream")
    thread.start()
    try:
        assert started.wait(10), "the scripted upstream did not start"
        yield upstream
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join(10)
