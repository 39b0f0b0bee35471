"""Content parts of Responses messages and tool outputs, both ways.

``input_text``, ``input_image`` and ``input_file`` from the user, ``output_text`` and ``refusal`` from the
assistant. The forms of Chat Completions (``text``, ``image_url``) are read too: clients mix them up.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from providers.translation.codec import Untranslatable
from providers.translation.codecs.openai import inline
from providers.translation.codecs.openai.fields import (
    as_object,
    as_string,
    cache_mark,
    invalid,
    missing,
    optional_string,
    required_string,
    unsupported,
    wrong_type,
)
from providers.translation.codecs.responses.outcome import decode_annotations
from providers.translation.media import (
    data_url,
    held_by_google,
    is_data_url,
    mime_of_filename,
    named_file,
    normal_mime,
    sniff_mime,
)
from providers.translation.model import Ext, Json, Media, Part, RefusalText, Text
from providers.values import Format

TEXT_TYPES = ("input_text", "output_text", "text")
USER_TYPES = (*TEXT_TYPES, "input_image", "input_file", "input_audio")
ASSISTANT_TYPES = (*TEXT_TYPES, "refusal")

_MARK = "prompt_cache_breakpoint"
_DETAILS = ("low", "high", "auto", "original")
_SUFFIXES = {
    "application/pdf": "pdf",
    "text/plain": "txt",
    "text/markdown": "md",
    "text/csv": "csv",
    "text/html": "html",
    "application/json": "json",
    "application/xml": "xml",
}

Block = dict[str, Json]


# --- decoding ----------------------------------------------------------------------------------


def decode_content(content: Json, path: str, allowed: tuple[str, ...]) -> list[Part]:
    """The parts of a message or tool output: a string, or an array of parts. Empty texts are no parts."""
    if isinstance(content, str):
        return [Text(text=content)] if content else []
    if not isinstance(content, list):
        raise wrong_type(path, "a string or an array of content parts", content)
    parts: list[Part] = []
    for index, item in enumerate(content):
        where = f"{path}[{index}]"
        part = Text(text=item) if isinstance(item, str) else _part(as_object(item, where), where, allowed)
        if not (isinstance(part, Text) and not part.text):
            parts.append(part)
    return parts


def _part(item: Block, path: str, allowed: tuple[str, ...]) -> Part:
    kind = optional_string(item, "type", f"{path}.") or ("text" if "text" in item else "")
    kind = _SYNONYMS.get(kind, kind)
    if kind not in allowed:
        raise unsupported(f"{path}.type", kind, allowed)
    part = _READERS[kind](item, path)
    mark = cache_mark(item, f"{path}.")
    if mark is None:
        return part
    ext: Ext = {Format.RESPONSES: {_MARK: item[_MARK]}} if item.get(_MARK) else {}
    return msgspec.structs.replace(part, cache=mark, ext=ext)


def _text(item: Block, path: str) -> Part:
    if item.get("text") is None:
        raise missing(f"{path}.text")
    text = as_string(item["text"], f"{path}.text")
    return Text(text=text, citations=decode_annotations(item.get("annotations"), text))


def _refusal(item: Block, path: str) -> Part:
    return RefusalText(text=required_string(item, "refusal", f"{path}."))


def _image(item: Block, path: str) -> Part:
    detail = optional_string(item, "detail", f"{path}.")
    if file_id := optional_string(item, "file_id", f"{path}."):
        return Media(kind="image", file_id=file_id, detail=detail)
    source, param = item.get("image_url"), f"{path}.image_url"
    if isinstance(source, dict):
        detail = detail or optional_string(source, "detail", f"{param}.")
        source, param = source.get("url"), f"{param}.url"
    if source is None:
        raise missing(param)
    url = as_string(source, param).strip()
    if is_data_url(url):
        mime, data = inline.of_data_url(url, param)
        return Media(kind="image", mime=mime or sniff_mime(data) or "image/png", data=data, detail=detail)
    if "://" not in url:
        raise invalid(param, "it must be an http(s) URL or a base64 data URL")
    return Media(kind="image", url=url, detail=detail)


def _file(item: Block, path: str) -> Part:
    filename = optional_string(item, "filename", f"{path}.")
    if file_id := optional_string(item, "file_id", f"{path}."):
        return Media(kind="document", file_id=file_id, filename=filename)
    if url := optional_string(item, "file_url", f"{path}."):
        return Media(kind="document", url=url, filename=filename, mime=mime_of_filename(filename or url))
    param = f"{path}.file_data"
    text = required_string(item, "file_data", f"{path}.")
    mime, data = inline.of_text(text, param)
    mime = mime or sniff_mime(data, filename) or "application/octet-stream"
    major = mime.partition("/")[0]
    kind = major if major in ("image", "audio", "video") else "document"
    return Media(kind=kind, mime=mime, data=data, filename=filename)


def _audio(item: Block, path: str) -> Part:
    audio = as_object(item.get("input_audio"), f"{path}.input_audio")
    data = required_string(audio, "data", f"{path}.input_audio.")
    audio_format = required_string(audio, "format", f"{path}.input_audio.")
    _, data = inline.of_text(data, f"{path}.input_audio.data")
    return Media(kind="audio", mime=f"audio/{audio_format}", data=data, audio_format=audio_format)


_SYNONYMS = {"image_url": "input_image", "file": "input_file"}
_READERS: dict[str, Callable[[Block, str], Part]] = {
    "input_text": _text,
    "output_text": _text,
    "text": _text,
    "refusal": _refusal,
    "input_image": _image,
    "input_file": _file,
    "input_audio": _audio,
}


# --- encoding ----------------------------------------------------------------------------------


def encode_input(part: Part, path: str) -> Block | None:
    """An ``input_*`` part for a user message or a tool output; None for a part that has no such form.

    Raises Untranslatable for audio and video, which no Responses message can hold.
    """
    block: Block
    if isinstance(part, Text | RefusalText):
        block = {"type": "input_text", "text": part.text}
    elif isinstance(part, Media):
        block = _encode_media(part, path)
    else:
        return None
    return block | part.ext.get(Format.RESPONSES, {})


def _encode_media(media: Media, path: str) -> Block:
    if held_by_google(media.url):
        raise Untranslatable("This file is held by Google; send it inline.", param=path)
    if media.text is not None:
        title = media.title or media.filename
        return {"type": "input_text", "text": f"{title}\n\n{media.text}" if title else media.text}
    mime = normal_mime(media.mime) if media.mime else None
    if media.kind == "image" or (media.kind == "document" and mime and mime.startswith("image/")):
        return _encode_image(media)
    if media.kind == "document":
        return _encode_file(media, mime)
    raise Untranslatable(f"The upstream's format cannot carry {media.kind} input.", param=path)


def _encode_image(media: Media) -> Block:
    block: Block = {"type": "input_image"}
    if media.file_id is not None:
        block["file_id"] = media.file_id
    else:
        block["image_url"] = media.url or data_url(media.mime or "image/png", media.data or "")
    block["detail"] = media.detail if media.detail in _DETAILS else "auto"
    return block


def _encode_file(media: Media, mime: str | None) -> Block:
    if media.file_id is not None:
        return {"type": "input_file", "file_id": media.file_id}
    if media.url is not None:
        return {"type": "input_file", "file_url": media.url}
    mime = mime or sniff_mime(media.data or "", media.filename) or "application/pdf"
    # The service refuses inline data without a name.
    filename = media.filename or (named_file(media.title, mime) if media.title else None)
    filename = filename or f"document.{_SUFFIXES.get(mime, 'bin')}"
    return {"type": "input_file", "filename": filename, "file_data": data_url(mime, media.data or "")}
