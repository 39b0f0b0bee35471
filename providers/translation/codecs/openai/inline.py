"""Inline data of content parts, as the clients of both OpenAI formats send it; a fault names its field."""

from __future__ import annotations

from providers.translation.codecs.openai.fields import invalid
from providers.translation.media import is_data_url, parse_data_url, standard_base64


def of_data_url(url: str, param: str) -> tuple[str | None, str]:
    """Media type (None when missing) and base64 of a data URL."""
    try:
        mime, data = parse_data_url(url)
    except ValueError as error:
        raise invalid(param, str(error)) from error
    if not data:
        raise invalid(param, "the data URL holds no data")
    return mime, data


def of_text(text: str, param: str) -> tuple[str | None, str]:
    """The same of a data URL or of plain base64 without a head, which is seen in the field."""
    if is_data_url(text):
        return of_data_url(text, param)
    try:
        return None, standard_base64(text)
    except ValueError as error:
        raise invalid(param, "it must be a base64 data URL") from error
