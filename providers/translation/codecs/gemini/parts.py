"""Media and finish reasons, which requests and answers of the Gemini protocol share, and tool names.

Facts: https://ai.google.dev/api/caching#Part and https://ai.google.dev/api/generate-content#FinishReason,
as of google-genai 3.4.
"""

from __future__ import annotations

import base64
import re
from urllib.parse import urlsplit

from providers.translation.codecs.gemini.fields import Fields
from providers.translation.media import (
    is_data_url,
    mime_of_filename,
    normal_mime,
    parse_data_url,
    sniff_mime,
    standard_base64,
)
from providers.translation.model import Ext, Json, Media, StopKind
from providers.values import Format

ILLEGAL_IN_NAME = re.compile(r"[^A-Za-z0-9_.:\-]|^(?![A-Za-z_])")
"""A function name starts with a letter or underscore; the empty match stands before a first character
that may only follow. https://ai.google.dev/api/caching#FunctionDeclaration"""

NAME_LIMIT = 128

_DEFAULT_MIME = {"image": "image/png", "audio": "audio/wav", "video": "video/mp4"}

_DETAILS = {
    "MEDIA_RESOLUTION_LOW": "low",
    "MEDIA_RESOLUTION_HIGH": "high",
}
_RESOLUTIONS = {detail: level for level, detail in _DETAILS.items()}

_STOPS: dict[StopKind, tuple[str, ...]] = {
    StopKind.END: ("STOP",),
    StopKind.STOP_SEQUENCE: (),
    StopKind.TOOL_CALLS: (),
    StopKind.LENGTH: ("MAX_TOKENS",),
    StopKind.CONTENT_FILTER: (
        "SAFETY",
        "RECITATION",
        "LANGUAGE",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
        "MODEL_ARMOR",
    ),
    StopKind.PAUSE: ("CONTINUATION",),
    StopKind.MALFORMED_CALL: (
        "MALFORMED_FUNCTION_CALL",
        "UNEXPECTED_TOOL_CALL",
        "TOO_MANY_TOOL_CALLS",
        "MISSING_THOUGHT_SIGNATURE",
        "MALFORMED_RESPONSE",
    ),
    StopKind.OTHER: ("OTHER", "IMAGE_OTHER", "NO_IMAGE", "ESCALATION", "PUP_LIMITED_DISABLED"),
}

STOP_KINDS = {reason: kind for kind, reasons in _STOPS.items() for reason in reasons}

_DEFAULT_REASON = {
    StopKind.END: "STOP",
    StopKind.STOP_SEQUENCE: "STOP",
    StopKind.TOOL_CALLS: "STOP",
    StopKind.PAUSE: "STOP",
    StopKind.LENGTH: "MAX_TOKENS",
    StopKind.CONTEXT_WINDOW: "MAX_TOKENS",
    StopKind.CONTENT_FILTER: "SAFETY",
    StopKind.REFUSAL: "SAFETY",
}


def finish_reason(kind: StopKind, detail: str | None) -> str:
    """Google's spelling; the upstream's own when it was Google's and still says the same."""
    if detail is not None and STOP_KINDS.get(detail) is kind:
        return detail
    return _DEFAULT_REASON.get(kind, "OTHER")


def kind_of_mime(mime: str | None) -> str:
    head = (mime or "").partition("/")[0]
    return head if head in ("image", "audio", "video") else "document"


def decode_inline(blob: Fields, part: Fields) -> Media:
    """``inlineData``: SDKs send the URL-safe alphabet; the neutral model keeps the standard one."""
    data = blob.text("data")
    if data is None:
        raise blob.refuse("data", "is missing")
    try:
        data = standard_base64(data)
    except ValueError as error:
        raise blob.refuse("data", "is not valid base64") from error
    named = blob.text("mimeType")
    # The parameters of audio tell how its samples are to be read.
    mime = (
        (named if named.lower().startswith("audio/") and ";" in named else normal_mime(named))
        if named
        else None
    )
    mime = mime or sniff_mime(data)
    filename = blob.text("displayName")
    kind = kind_of_mime(mime)
    return Media(kind=kind, mime=mime, data=data, filename=filename, detail=_detail(part), ext=part.ext())


def decode_file(file: Fields, part: Fields) -> Media:
    uri = file.text("fileUri")
    if not uri:
        raise file.refuse("fileUri", "is missing")
    named = file.text("mimeType")
    mime = normal_mime(named) if named else mime_of_url(uri)
    filename = file.text("displayName")
    kind = "video" if mime is None and _is_youtube(uri) else kind_of_mime(mime)
    return Media(kind=kind, mime=mime, url=uri, filename=filename, detail=_detail(part), ext=part.ext())


def encode_media(media: Media) -> dict[str, Json] | None:
    """The part, None for a file id that Google does not know. Raises nothing."""
    if media.data is not None:
        return _inline(media.mime or sniff_mime(media.data, media.filename) or _default(media), media.data)
    if media.text is not None:
        return _inline(media.mime or "text/plain", base64.b64encode(media.text.encode()).decode())
    address = media.url or media.file_id or ""
    if is_data_url(address):
        try:
            mime, data = parse_data_url(address)
        except ValueError:
            return None
        return _inline(media.mime or mime or sniff_mime(data) or _default(media), data)
    if media.url is None and not address.startswith(("gs://", "https://", "files/")):
        return None
    file: dict[str, Json] = {"fileUri": address}
    if mime_type := media.mime or mime_of_url(address):
        file["mimeType"] = mime_type
    return {"fileData": file}


def resolution(detail: str | None) -> dict[str, Json] | None:
    """``mediaResolution`` of a part; ``auto`` and ``original`` leave it to the service."""
    level = _RESOLUTIONS.get(detail or "")
    return {"level": level} if level else None


def mime_of_url(url: str) -> str | None:
    try:
        return mime_of_filename(urlsplit(url).path)
    except ValueError:
        return None


def _is_youtube(url: str) -> bool:
    """A video by its page, which Google fetches itself."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    return host in ("youtu.be", "youtube.com") or host.endswith(".youtube.com")


def without(ext: Ext, *names: str) -> Ext:
    """``ext`` less some of Gemini's own fields."""
    own = {name: value for name, value in ext.get(Format.GEMINI, {}).items() if name not in names}
    return {Format.GEMINI: own} if own else {}


def _inline(mime: str, data: str) -> dict[str, Json]:
    return {"inlineData": {"mimeType": mime, "data": data}}


def _default(media: Media) -> str:
    if media.audio_format:
        return "audio/mp3" if media.audio_format == "mp3" else f"audio/{media.audio_format}"
    return _DEFAULT_MIME.get(media.kind, "application/pdf")


def _detail(part: Fields) -> str | None:
    """``mediaResolution`` low and high have a neutral word; every other level stays in ``ext``."""
    raw = part.raw_object("mediaResolution")
    if raw is None:
        return None
    detail = _DETAILS.get(str(raw.get("level", "")))
    if detail is None or len(raw) > 1:
        part.put_back("mediaResolution", raw)
    return detail
