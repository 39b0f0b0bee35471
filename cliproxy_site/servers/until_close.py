"""Answers of unknown length to clients of HTTP/1.0, under uvicorn: their end is the end of the connection.

uvicorn sends them in chunks, which RFC 9112 (section 6.1) forbids and such clients take for the body.
"""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class UntilCloseProtocol(HttpToolsProtocol):
    """For one connection. uvicorn itself closes it behind an answer to HTTP/1.0."""

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        if self.scope["http_version"] == "1.0" and self.cycle is not None:
            self.cycle.chunked_encoding = False
            self.cycle.expected_content_length = _AnyLength()


class _AnyLength(int):
    """What uvicorn compares the length of a body with and counts down: never too short, never left over."""

    def __lt__(self, sent: int) -> bool:
        return False

    def __sub__(self, sent: int) -> _AnyLength:
        return self

    def __ne__(self, nothing: object) -> bool:
        return False

    __eq__ = int.__eq__
    __hash__ = int.__hash__
