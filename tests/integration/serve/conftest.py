"""What the tests of whole processes share: reading a gateway's ledger and its answers."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import httpx
import psycopg

from tests.processes import Gateway

QUESTION = [{"role": "user", "content": "Who are you?"}]


def rows(gateway: Gateway, query: str) -> list[tuple[Any, ...]]:
    """What ``query`` finds in the gateway's database, SQLite or PostgreSQL."""
    url = gateway.environment.get("DATABASE_URL", "")
    if url:
        with psycopg.connect(url) as connection:
            return connection.execute(query).fetchall()
    with closing(sqlite3.connect(gateway.data_dir / "gateway.sqlite3", timeout=10)) as connection:
        return connection.execute(query).fetchall()


def records_when(gateway: Gateway, is_enough: Any, query: str) -> list[tuple[Any, ...]]:
    """The rows once ``is_enough(rows)``; the writer needs a moment. Raises AssertionError after 10 s."""
    deadline = time.monotonic() + 10
    while not is_enough(found := rows(gateway, query)):
        assert time.monotonic() < deadline, f"only {len(found)} rows\n{gateway.log[-3000:]}"
        time.sleep(0.05)
    return found


def first_key(text: str) -> str:
    """The client key that a first run printed."""
    found = re.search(r"Client key\s+(cpx-\S+)", text)
    assert found, text
    return found[1]


def ask(port: int, key: str, path: str = "/v1/chat/completions", **fields: Any) -> httpx.Response:
    """The whole answer to a small chat request, of the demo unless ``model`` says otherwise."""
    with streaming(port, key, path, **fields) as answer:
        answer.read()
        return answer


@contextmanager
def streaming(
    port: int, key: str, path: str = "/v1/chat/completions", **fields: Any
) -> Iterator[httpx.Response]:
    """As ``ask``, with the body still to be read."""
    body = {"model": "demo", "messages": QUESTION, **fields}
    headers = {"authorization": f"Bearer {key}"}
    with (
        httpx.Client(trust_env=False, timeout=20) as client,
        client.stream("POST", f"http://127.0.0.1:{port}{path}", json=body, headers=headers) as answer,
    ):
        yield answer
