"""Inline media as the formats spell it: data URLs, media types, and guesses when a type is missing.

RFC 2397 for ``data:`` URLs. Pure text work: nothing is fetched, and no image is decoded.
"""

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import unquote_to_bytes

from providers.translation.model import Media

_ALIASES = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-png": "image/png",
    "audio/x-wav": "audio/wav",
    "audio/wave": "audio/wav",
    "audio/vnd.wave": "audio/wav",
    "application/x-pdf": "application/pdf",
}

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"ID3", "audio/mp3"),
    (b"\xff\xfb", "audio/mp3"),
    (b"\xff\xf3", "audio/mp3"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"BM", "image/bmp"),
)

_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}

_SUFFIXES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "csv": "text/csv",
    "html": "text/html",
    "json": "application/json",
    "xml": "application/xml",
    "wav": "audio/wav",
    "mp3": "audio/mp3",
    "ogg": "audio/ogg",
    "flac": "audio/flac",
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "webm": "video/webm",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}

_TEXT_TYPES = frozenset({"application/json", "application/xml", "application/yaml", "application/x-yaml"})


def is_data_url(url: str) -> bool:
    return url[:5].lower() == "data:"


def parse_data_url(url: str) -> tuple[str | None, str]:
    """``(mime, base64)`` of ``data:[<mime>][;param]*[;base64],<data>``.

    ``mime`` is normalised and None when missing. The data comes back in the standard alphabet with
    padding, whatever the URL used (percent-encoding, the URL-safe alphabet, line breaks). Raises
    ValueError when ``url`` is no data URL or its payload is not base64.
    """
    if not is_data_url(url):
        raise ValueError("not a data URL")
    head, comma, payload = url[5:].partition(",")
    if not comma:
        raise ValueError("a data URL needs a comma before its data")
    fields = [field.strip() for field in head.split(";")]
    mime = normal_mime(fields[0]) if "/" in fields[0] else None
    if any(field.lower() == "base64" for field in fields):
        return mime, standard_base64(unquote_to_bytes(payload).decode("latin-1"))
    return mime, base64.b64encode(unquote_to_bytes(payload)).decode()


def standard_base64(text: str) -> str:
    """``text`` in the standard alphabet, padded, no white space. Raises ValueError if it is no base64."""
    if "-" in text or "_" in text:
        text = text.replace("-", "+").replace("_", "/")
    text = "".join(text.split())
    if missing := -len(text) % 4:
        text += "=" * missing
    try:
        # Only the alphabet and the padding are checked; the decoded bytes are not wanted.
        binascii.a2b_base64(text, strict_mode=True) if text else b""
    except binascii.Error as error:
        raise ValueError("the data is not valid base64") from error
    return text


def data_url(mime: str | None, data: str) -> str:
    """A base64 data URL; ``data`` is base64 already."""
    return f"data:{mime or 'application/octet-stream'};base64,{data}"


def as_markdown(part: Media) -> str:
    """Generated media where a format has no place for it: silence would lose it."""
    if part.text is not None:
        return part.text
    address = part.url or (data_url(part.mime, part.data) if part.data else part.file_id or "")
    link = f"{'!' if part.kind == 'image' else ''}[{part.title or part.filename or part.kind}]({address})"
    words = f"{part.transcript}\n\n" if part.transcript else ""
    return words + link if address else words.strip()


def normal_mime(mime: str) -> str:
    """Lower case, without parameters, common misspellings corrected (``image/jpg``)."""
    plain = mime.partition(";")[0].strip().lower()
    return _ALIASES.get(plain, plain)


def sniff_mime(base64_text: str, filename: str | None = None) -> str | None:
    """The media type by the first bytes, else by the file name's ending, else None."""
    try:
        head = base64.b64decode(base64_text[:32])
    except (binascii.Error, ValueError):
        head = b""
    for magic, mime in _MAGIC:
        if head.startswith(magic):
            return mime
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12])
    if head[4:8] == b"ftyp":
        return "image/heic" if head[8:12] in (b"heic", b"heix", b"mif1") else "video/mp4"
    return mime_of_filename(filename) if filename else None


def mime_of_filename(filename: str) -> str | None:
    return _SUFFIXES.get(filename.rpartition(".")[2].lower())


def held_by_google(url: str | None) -> bool:
    """Whether ``url`` names a file that only Google's own API can open."""
    if not url:
        return False
    return url.startswith(("gs://", "files/")) or _GOOGLE_FILE.match(url) is not None


def named_file(name: str, mime: str) -> str:
    """``name`` with an ending: OpenAI tells the kind of a file by it, and titles have none."""
    suffix = suffix_of(mime)
    return name if mime_of_filename(name) or suffix is None else f"{name}.{suffix}"


def suffix_of(mime: str) -> str | None:
    return next((suffix for suffix, known in _SUFFIXES.items() if known == mime), None)


_GOOGLE_FILE = re.compile(r"https://generativelanguage\.googleapis\.com/[^?#]*\bfiles/")


def inline_text(mime: str | None, data: str | None) -> str | None:
    """The text of an inline document of a textual type, None for others and for what is not UTF-8."""
    if data is None or mime is None or not (mime.startswith("text/") or mime in _TEXT_TYPES):
        return None
    try:
        return base64.b64decode(data).decode()
    except (binascii.Error, ValueError):
        return None
