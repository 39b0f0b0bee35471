"""What the login pages show, as plain values for their templates: no HTTP, no secret beyond the code."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import segno
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe

from oauth import attempts
from oauth.flows.channel import Channel, LoginMethod
from oauth.models import LoginAttempt

QR_LONGEST = 1200
"""Characters; a longer address makes a code that no phone reads off a screen."""
TEXT_FIELDS = ("content", "file", "cookie")
"""Fields of a method that take a text of many lines."""


def method_rows(channel: Channel, chosen: str, values: dict[str, str]) -> list[dict[str, Any]]:
    """The methods to choose from, each with its fields as last typed; secrets are never sent back."""
    return [
        {
            "key": method.key,
            "name": method.name,
            "is_chosen": method.key == chosen,
            "is_import": method.is_import,
            "fields": [
                {
                    "name": field_name(method, name),
                    "id": f"{method.key}-{name}",
                    "label": label,
                    "is_secret": is_secret,
                    "is_text": name in TEXT_FIELDS,
                    "value": "" if is_secret else values.get(field_name(method, name), ""),
                }
                for name, label, is_secret in method.fields
            ],
        }
        for method in channel.methods
    ]


def field_name(method: LoginMethod, name: str) -> str:
    """Two methods may have a field of the same name: all stand in one form."""
    return f"{method.key}.{name}"


def snapshot(attempt: LoginAttempt) -> dict[str, Any]:
    """The state of an attempt for the page that follows it. Holds no code, address or state."""
    return {
        "version": attempt.version,
        "status": attempt.status,
        "step": attempt.step if attempt.is_pending else "",
        "remaining_seconds": remaining_s(attempt),
        "expires_at": attempt.expires_at.isoformat(),
        "error": attempt.error,
        "error_code": attempt.error_code,
        "credential_url": credential_url(attempt),
    }


def remaining_s(attempt: LoginAttempt, now: datetime | None = None) -> int:
    if not attempt.is_pending:
        return 0
    return max(0, round((attempt.expires_at - (now or timezone.now())).total_seconds()))


def credential_url(attempt: LoginAttempt) -> str:
    """The admin page of the credential that the login made; "" while there is none."""
    if attempt.credential_id is None:
        return ""
    try:
        return reverse("admin:providers_credential_change", args=[attempt.credential_id])
    except NoReverseMatch:
        return ""


def panel(channel: Channel, attempt: LoginAttempt) -> dict[str, Any]:
    """Everything that the changing part of an attempt's page shows."""
    shown = attempts.shown_of(attempt) if attempt.is_pending else None
    method = next((method for method in channel.methods if method.key == attempt.method), None)
    link = ""
    if shown is not None:
        link = shown.page_url or shown.verification_url_complete or shown.verification_url
    return {
        "channel": channel,
        "attempt": attempt,
        "method_name": method.name if method is not None and len(channel.methods) > 1 else "",
        "shown": shown,
        "link": link if is_web_link(link) else "",
        "link_host": (urlsplit(link).hostname or "") if is_web_link(link) else "",
        "code_link": shown.verification_url
        if shown is not None and is_web_link(shown.verification_url)
        else "",
        "qr": qr_code(link),
        "remaining_seconds": remaining_s(attempt),
        "credential_url": credential_url(attempt),
        "is_interrupted": attempt.error_code == attempts.INTERRUPTED,
        "is_cancelled": attempt.error_code == attempts.CANCELLED,
    }


def is_web_link(url: str) -> bool:
    """The vendor names the address, so it is looked at before anybody is sent there."""
    return url.startswith(("https://", "http://")) and not any(mark in url for mark in " \t\r\n\"'<>")


def qr_code(link: str) -> SafeString:
    """``link`` as an inline SVG; "" when it is none or too long to be read off a screen."""
    if not is_web_link(link) or len(link) > QR_LONGEST:
        return mark_safe("")
    image = segno.make(link, error="m" if len(link) < 300 else "l", micro=False)
    svg = image.svg_inline(
        scale=4, border=3, dark="#0b1f24", light="#ffffff", svgclass="qr-image", omitsize=True
    )
    return mark_safe(svg)  # noqa: S308  (made by segno from numbers alone; the link is drawn, not written)
