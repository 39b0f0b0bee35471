"""Generated sound: pieces of base64 that come one by one, joined or cut anew, and PCM as a WAV file.

Chat Completions and Gemini both stream raw samples (``pcm16``, ``audio/L16``: 16 bits, little endian, one
channel), each piece base64 of its own.
"""

from __future__ import annotations

import base64
import binascii
import struct

import msgspec

from providers.translation.model import AudioDelta, Media

PCM_RATE = 24_000
"""Samples a second, where nothing tells it: what both vendors send."""
PCM_MIME = f"audio/L16;codec=pcm;rate={PCM_RATE}"


class Cutter:
    """Base64 in, cut and padded anywhere; base64 out whose pieces can be put together as text."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: str) -> str:
        data = self._rest + _bytes(piece)
        end = len(data) - len(data) % 3
        self._rest = data[end:]
        return base64.b64encode(data[:end]).decode()

    def close(self) -> str:
        rest, self._rest = self._rest, b""
        return base64.b64encode(rest).decode()


class Sound:
    """An audio part as it grows."""

    __slots__ = ("_expires_at", "_pieces", "_skeleton", "_transcript")

    def __init__(self, skeleton: Media) -> None:
        self._skeleton = skeleton
        self._pieces = [skeleton.data] if skeleton.data else []
        self._transcript = [skeleton.transcript] if skeleton.transcript else []
        self._expires_at = skeleton.expires_at

    def add(self, delta: AudioDelta) -> None:
        if delta.data:
            self._pieces.append(delta.data)
        if delta.transcript:
            self._transcript.append(delta.transcript)
        self._expires_at = delta.expires_at or self._expires_at

    def whole(self) -> Media:
        return msgspec.structs.replace(
            self._skeleton,
            data=joined(self._pieces),
            transcript="".join(self._transcript) or None,
            expires_at=self._expires_at,
        )


def joined(pieces: list[str]) -> str:
    """One base64 text of several."""
    if len(pieces) == 1:
        return pieces[0]
    return base64.b64encode(b"".join(map(_bytes, pieces))).decode()


def is_pcm(media: Media) -> bool:
    return (media.mime or "").lower().partition(";")[0] in ("audio/l16", "audio/pcm", "audio/x-raw")


def as_wav(media: Media) -> str:
    """The samples of ``media`` as a WAV file, in base64. A file of another type is left as it is."""
    if not is_pcm(media):
        return media.data or ""
    samples, rate = _bytes(media.data or ""), _rate(media.mime or "")
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF", 36 + len(samples), b"WAVE", b"fmt ", 16, 1, 1, rate, rate * 2, 2, 16, b"data", len(samples),
    )  # fmt: skip
    return base64.b64encode(head + samples).decode()


def _rate(mime: str) -> int:
    for field in mime.split(";"):
        name, _, value = field.strip().partition("=")
        if name.lower() == "rate" and value.isdigit() and 0 < int(value) < 2**31:
            return int(value)
    return PCM_RATE


def _bytes(text: str) -> bytes:
    """What cannot be read is no sound: a broken piece is left out."""
    try:
        return base64.b64decode(text)
    except (binascii.Error, ValueError):
        return b""
