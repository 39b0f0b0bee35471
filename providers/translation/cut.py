"""A passing stream that broke inside an event of which the client already has the beginning.

Bytes pass as they come, so half an event may be out when the upstream is cut. What was sent cannot be taken
back, and an error behind it would not be read: clients fail at the JSON of the broken event first. So the
event is completed, and becomes the error. Members that come twice are legal JSON (RFC 8259, section 4), and
the parsers of the SDKs take the last one.
"""

from __future__ import annotations

import re

import msgspec

from providers.translation.json_text import dump_bytes
from providers.translation.model import Json
from providers.translation.sse import frame

_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)|[\[\]{}:,]|[^\s\[\]{}:,"]+', re.DOTALL)
_WHOLE_TEXT = re.compile(rb"(?:[^\\]+|\\[^u]|\\u[0-9a-fA-F]{4})*", re.DOTALL)
_HIGH_SURROGATE = re.compile(rb"(?:^|[^\\])(?:\\\\)*\\u[dD][89abAB][0-9a-fA-F]{2}\Z")
_WORDS = (b"true", b"false", b"null")
_DATA, _LINE = b"data:", b"data: "
_DONE = b"[DONE]"
_SILENT = (b":", b"id:", b"retry:")

# What the innermost container wants next.
_EMPTY, _COLON, _VALUE, _COMMA, _NEXT = range(5)


def data_of(event: bytes) -> bytes:
    """The data of an event, whole or not; several lines are joined."""
    lines = [line[len(_DATA) :].strip() for line in event.splitlines() if line.startswith(_DATA)]
    return b"\n".join(lines)


def is_whole(rest: bytes) -> bool:
    """Whether what stands behind the last blank line of a stream lacks at most a blank line of its own."""
    data = data_of(rest)
    if data:
        return _is_complete(data)
    return all(line.startswith(_SILENT) for line in rest.splitlines() if line.strip())


def behind(
    tail: bytes,
    error: dict[str, Json],
    name: str | None = None,
    *,
    apart: dict[str, Json] | None = None,
    is_torn: bool = False,
) -> bytes:
    """What to send when the stream broke after ``tail``: ``error``, as an event or as the end of that event.

    ``apart``: the members that make a begun event harmless, where an error is read only in an event of its
    own. ``is_torn``: how ``tail`` began is not known.
    """
    event = frame(dump_bytes(error), name)
    if not tail:
        return event
    # A client that saw CR may still wait for its LF.
    line_end = b"" if tail.endswith(b"\n") else b"\n"
    data = data_of(tail)
    begun = None if is_torn or _is_complete(data) else members_so_far(data)
    line = re.split(rb"[\r\n]", tail)[-1]
    if begun is not None:
        lead = b"" if line.startswith(_DATA) else line_end + _LINE
        if apart is not None:
            return lead + begun + dump_bytes(apart)[1:] + b"\n\n" + event
        return lead + begun + dump_bytes(error)[1:] + _ending(name)
    if data or is_torn:
        return line_end + b"\n" + event
    if line and _LINE.startswith(line):
        return _LINE[len(line) :] + dump_bytes(error) + _ending(name)
    return line_end + event


def members_so_far(data: bytes) -> bytes | None:
    """What must follow the beginning of a JSON object so that one more member may follow. None when
    ``data`` is the beginning of no object."""
    stack: list[bytes] = []
    wants: list[int] = []
    token = b""
    for token in _TOKEN.findall(data):
        if token in (b"{", b"["):
            if wants:
                wants[-1] = _COMMA
            stack.append(token)
            wants.append(_EMPTY)
        elif not stack:
            return None
        elif token in (b"}", b"]"):
            stack.pop()
            wants.pop()
        elif token == b":":
            wants[-1] = _VALUE
        elif token == b",":
            wants[-1] = _NEXT
        else:
            is_key = stack[-1] == b"{" and wants[-1] in (_EMPTY, _NEXT)
            wants[-1] = _COLON if is_key else _COMMA
    if not stack or stack[0] != b"{":
        return None
    out = _rest_of(token)
    while len(stack) > 1:
        bracket, want = stack.pop(), wants.pop()
        if want == _NEXT and bracket == b"{":
            out += b'"":null'
        elif want in (_VALUE, _NEXT):
            out += b"null"
        out += (b":null" if want == _COLON else b"") + (b"}" if bracket == b"{" else b"]")
    if wants[0] in (_EMPTY, _NEXT):
        return out
    return out + {_COLON: b":null,", _VALUE: b"null,"}.get(wants[0], b",")


def _ending(name: str | None) -> bytes:
    """A second ``event:`` line replaces the first."""
    return b"\n\n" if name is None else b"\nevent: " + name.encode() + b"\n\n"


def _is_complete(data: bytes) -> bool:
    if data == _DONE:
        return True
    try:
        msgspec.json.decode(data, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _rest_of(token: bytes) -> bytes:
    """What the last token of a text lacks."""
    if token[:1] == b'"':
        return _rest_of_text(token)
    if token in (b"{", b"}", b"[", b"]", b":", b","):
        return b""
    for word in _WORDS:
        if word.startswith(token):
            return word[len(token) :]
    return b"" if token[-1:].isdigit() else b"0"


def _rest_of_text(token: bytes) -> bytes:
    inner = token[1:]
    if inner.endswith(b'"') and (len(inner) - len(inner[:-1].rstrip(b"\\")) - 1) % 2 == 0:
        return b""
    whole = _WHOLE_TEXT.match(inner)
    assert whole is not None  # noqa: S101  (it matches the empty text)
    escape = inner[whole.end() :]
    wanted = b"\\udc00" if _HIGH_SURROGATE.search(inner[: whole.end()][-64:]) else b"\\u0000"
    out = b""
    if escape or wanted == b"\\udc00":
        out = wanted[len(escape) :]
        if wanted == b"\\u0000" and _HIGH_SURROGATE.search(escape + out):
            out += b"\\udc00"
    return out + _rest_of_character(inner) + b'"'


def _rest_of_character(text: bytes) -> bytes:
    """The bytes that make an unfinished UTF-8 character at the end of ``text`` a whole one."""
    for have in range(1, min(len(text), 3) + 1):
        lead = text[-have]
        if lead & 0xC0 == 0x80:
            continue
        missing = (2 if lead < 0xE0 else 3 if lead < 0xF0 else 4) - have
        if lead < 0xC0 or missing <= 0:
            return b""
        first = {0xE0: 0xA0, 0xF0: 0x90}.get(lead, 0x80) if have == 1 else 0x80
        return bytes([first]) + b"\x80" * (missing - 1)
    return b""
