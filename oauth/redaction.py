"""What a vendor says in an error, without what we sent it: some quote the very token that they refuse."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, quote, urlsplit

import msgspec

from oauth.flows.base import HttpAnswer, HttpCall
from providers.masking import masked

SHORTEST_SECRET = 8
TELLING = re.compile(r"token|secret|code|cookie|assertion|key|verifier|password|authorization", re.IGNORECASE)
"""Names under which a secret may stand, in a form, an object, a query or a header."""
PLAIN = frozenset({"error_code", "status_code", "code_challenge_method", "token_type", "subject_token_type"})


class Secrets:
    """Collects what one flow sent and received; ``without`` takes it out of a text."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def add_call(self, call: HttpCall) -> None:
        for name, value in call.headers:
            if TELLING.search(name):
                self._add(value)
                self._add(value.rpartition(" ")[2])
        for name, value in (*parse_qsl(urlsplit(call.url).query), *_fields(call.body)):
            if TELLING.search(name) and name not in PLAIN:
                self._add(value)

    def add_answer(self, answer: HttpAnswer) -> None:
        if answer.status < 400:
            for name, value in _fields(answer.body):
                if TELLING.search(name) and name not in PLAIN:
                    self._add(value)

    def add(self, value: str) -> None:
        self._add(value)

    def without(self, text: str) -> str:
        for secret in sorted(self._known, key=len, reverse=True):
            text = masked(text, secret)
        return text

    def _add(self, value: str) -> None:
        if len(value) >= SHORTEST_SECRET:
            self._known |= {value, quote(value, safe="")}  # a form is quoted as it was sent, too


def _fields(body: bytes) -> Iterator[tuple[str, str]]:
    """Every text in a form or a JSON body, with the name under which it stands."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        yield from parse_qsl(body.decode("utf-8", errors="replace"))
        return
    yield from _texts("", value)


def _texts(name: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(str(key), inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(name, inner)
