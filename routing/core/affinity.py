"""Session keys: what tells, in a client's request, that it belongs to a conversation seen before.

The surest source that the request has wins; a second key lets a conversation be found again that another
source, or its first turn, was bound under. Sources and their order: docs/routing.md#session-affinity.
Pure, and never raises: a body that is odd in these places has no key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

Fields = Mapping[str, msgspec.Raw]
"""Top-level members of a body as raw JSON."""

MOST_BYTES = 256
"""Of a key that a client names."""
HASHED_BYTES = 100
"""Of each text of a conversation's beginning."""
MOST_METADATA = 16_384
FIRST_MESSAGES = 32
"""The beginning of a conversation is looked for in no more."""

_BAD = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_HEADERS_BEFORE_BODY = (("session-id", "codex"), ("session_id", "codex"), ("x-session-id", "header"))
_HEADERS_AFTER = (("x-session-affinity", "affinity"), ("x-client-request-id", "clientreq"))


def session_keys(headers: Mapping[str, str], fields: Fields, execution: str = "") -> tuple[str, ...]:
    """The keys of one request, the first the one to be bound under; () when nothing identifies it.

    ``headers`` have lower-case names. ``execution`` names the WebSocket session that the request came on.
    """
    user_id = _user_id(fields)
    for keys in _named(headers, fields, user_id, execution):
        found = tuple(key for key in keys if key)
        if found:
            return found
    return _keys_of_beginning(fields)


def _named(
    headers: Mapping[str, str], fields: Fields, user_id: str, execution: str
) -> Iterator[tuple[str, ...]]:
    yield (_key("claude", headers.get("x-claude-code-session-id", "")),)
    yield (_key("claude", claude_session(user_id)),)
    for name, source in _HEADERS_BEFORE_BODY + _HEADERS_AFTER:
        yield (_key(source, headers.get(name, "")),)
    yield (_key("session", _text(fields, "session_id")),)
    yield (_key("session", _text(fields, "sessionId")),)
    conversation = _conversation(fields)
    if cache_key := _key("pck", _text(fields, "prompt_cache_key")):
        yield cache_key, _key("conv", conversation)
    yield (_key("conv", conversation),)
    yield (_key("user", user_id),)
    yield (_key("conv", _text(fields, "conversation_id")),)
    yield (_key("execution", execution),)


def _key(source: str, text: str) -> str:
    """``source:text``, or "" for a text that cannot be a key."""
    text = text.strip()
    is_usable = bool(text) and text.isprintable() and len(text.encode("utf-8", "replace")) <= MOST_BYTES
    return f"{source}:{text}" if is_usable else ""


def claude_session(user_id: str) -> str:
    """The session in Claude Code's ``metadata.user_id``: JSON with ``session_id``, formerly a text that ends
    in ``_session_<id>``; "" when there is none."""
    if user_id.startswith("{"):
        try:
            session = msgspec.json.decode(user_id, type=dict[str, object]).get("session_id")
        except _BAD:
            return ""
        return session if isinstance(session, str) else ""
    return user_id.rpartition("_session_")[2] if "_session_" in user_id else ""


def _text(fields: Fields, name: str) -> str:
    raw = fields.get(name)
    if raw is None or len(bytes(raw)) > MOST_METADATA:
        return ""
    try:
        return msgspec.json.decode(raw, type=str)
    except _BAD:
        return ""


class _Metadata(msgspec.Struct):
    user_id: object = None


class _Named(msgspec.Struct):
    id: object = None


def _user_id(fields: Fields) -> str:
    raw = fields.get("metadata")
    if raw is None or len(bytes(raw)) > MOST_METADATA:
        return ""
    try:
        user_id = msgspec.json.decode(raw, type=_Metadata).user_id
    except _BAD:
        return ""
    return user_id if isinstance(user_id, str) else ""


def _conversation(fields: Fields) -> str:
    """``conversation`` as text, or its ``id``."""
    raw = fields.get("conversation")
    if raw is None or len(bytes(raw)) > MOST_METADATA:
        return ""
    try:
        value = msgspec.json.decode(raw, type=_Named | str)
    except _BAD:
        return ""
    if isinstance(value, str):
        return value
    return value.id if isinstance(value.id, str) else ""


# --- the beginning of a conversation -----------------------------------------------------------


class _Part(msgspec.Struct):
    text: object = None


class _Message(msgspec.Struct):
    role: object = None
    content: msgspec.Raw = msgspec.Raw()
    parts: msgspec.Raw = msgspec.Raw()


_MESSAGES = msgspec.json.Decoder(list[msgspec.Raw])
_MESSAGE = msgspec.json.Decoder(_Message)
_CONTENT = msgspec.json.Decoder(str | list[_Part])
_INSTRUCTION = msgspec.json.Decoder(_Message)
_ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "model": "assistant",
}


def _keys_of_beginning(fields: Fields) -> tuple[str, ...]:
    """A hash of the first system, user and assistant text, and one without the last, under which the first
    turn was bound; without a user's text none."""
    texts = _beginning(fields)
    user = texts.get("user", b"")
    if not user:
        return ()
    short = b"\0".join((texts.get("system", b""), user))
    keys = (f"msg:{fnv1a_64(short):016x}",)
    answer = texts.get("assistant", b"")
    return (f"msg:{fnv1a_64(short + bytes(1) + answer):016x}", *keys) if answer else keys


def _beginning(fields: Fields) -> dict[str, bytes]:
    texts: dict[str, bytes] = {}
    for name in ("system", "instructions"):
        if name in fields:
            _add(texts, "system", _content(fields[name]))
    for name in ("systemInstruction", "system_instruction"):
        if name in fields:
            _add(texts, "system", _parts(fields[name]))
    for name in ("messages", "input", "contents"):
        if name in fields:
            _read_messages(texts, fields[name])
    return texts


def _read_messages(texts: dict[str, bytes], raw: msgspec.Raw) -> None:
    try:
        listed = _MESSAGES.decode(raw)
    except _BAD:
        _add(texts, "user", _content(raw))  # Responses: ``input`` may be the text itself
        return
    for item in listed[:FIRST_MESSAGES]:
        try:
            message = _MESSAGE.decode(item)
        except _BAD:
            continue
        role = _ROLES.get(message.role) if isinstance(message.role, str) else None
        if role is not None and role not in texts:
            content = message.content if bytes(message.content) else message.parts
            _add(texts, role, _content(content))
        if "user" in texts and "assistant" in texts:
            return


def _add(texts: dict[str, bytes], role: str, text: str) -> None:
    if text and role not in texts:
        texts[role] = text[:HASHED_BYTES].encode("utf-8", "replace")[:HASHED_BYTES]


def _content(raw: msgspec.Raw) -> str:
    """A text, or the first text among parts."""
    try:
        value = _CONTENT.decode(raw)
    except _BAD:
        return ""
    if isinstance(value, str):
        return value
    return next((part.text for part in value if isinstance(part.text, str) and part.text), "")


def _parts(raw: msgspec.Raw) -> str:
    """The first text of Google's ``{"parts": [...]}``."""
    try:
        return _content(_INSTRUCTION.decode(raw).parts)
    except _BAD:
        return ""


def fnv1a_64(data: bytes) -> int:
    """Fowler-Noll-Vo 1a, 64 bits (draft-eastlake-fnv, section 6.3)."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value
