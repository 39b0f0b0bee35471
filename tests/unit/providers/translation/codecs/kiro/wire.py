"""Kiro's side of the wire for tests: messages of an event stream, made as AWS documents the encoding."""

from __future__ import annotations

import json
import struct
from typing import Any
from zlib import crc32


def text_header(name: str, value: str) -> bytes:
    raw = value.encode()
    return bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(raw)) + raw


def message(headers: bytes, payload: bytes) -> bytes:
    total = 16 + len(headers) + len(payload)
    prelude = struct.pack(">II", total, len(headers))
    body = prelude + struct.pack(">I", crc32(prelude)) + headers + payload
    return body + struct.pack(">I", crc32(body))


def event(name: str, /, **payload: Any) -> bytes:
    headers = (
        text_header(":event-type", name)
        + text_header(":content-type", "application/json")
        + text_header(":message-type", "event")
    )
    return message(headers, json.dumps(payload, ensure_ascii=False).encode())


def exception(name: str, /, **payload: Any) -> bytes:
    headers = text_header(":exception-type", name) + text_header(":message-type", "exception")
    return message(headers, json.dumps(payload).encode())


def said(text: str) -> bytes:
    return event("assistantResponseEvent", content=text)


METADATA = event(
    "metadataEvent",
    tokenUsage={
        "uncachedInputTokens": 100,
        "cacheReadInputTokens": 20,
        "outputTokens": 7,
        "totalTokens": 127,
    },
)
HELLO = (said("Hel"), said("lo, Wörld"), METADATA, event("messageStopEvent", stopReason="end_turn"))
CALL = (
    said("Looking."),
    event("toolUseEvent", toolUseId="tooluse_1", name="get_weather"),
    event("toolUseEvent", toolUseId="tooluse_1", name="get_weather", input='{"city":'),
    event("toolUseEvent", toolUseId="tooluse_1", name="get_weather", input=' "Paris"}'),
    event("toolUseEvent", toolUseId="tooluse_1", name="get_weather", stop=True),
    event("contextUsageEvent", contextUsagePercentage=1.5),
)
