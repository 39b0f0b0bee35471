"""Form fields for what is stored sealed: keys, headers and proxy addresses go in and never come out.

A stored value is shown as a fingerprint or with ``••••`` in its place, and a form that comes back with an
error never repeats what was typed: the HTML of a page holds no secret, not even one sent a moment ago.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from providers.adapters.addresses import check_base_url

MASK = "••••"
HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""A token of RFC 9110 §5.6.2."""
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
PROXY_SCHEMES = frozenset({"http", "https", "socks5", "socks5h"})
NO_PROXY = frozenset({"direct", "none"})


class SecretInput(UnfoldAdminPasswordWidget):  # type: ignore[misc]  # unfold carries no types
    """A password input that never renders a value, and says so when one was sent but not kept."""

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__({"autocomplete": "new-password", "spellcheck": "false", **(attrs or {})})

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        if value:
            attrs = {**(attrs or {}), "placeholder": "Paste it again: it is never sent back"}
        return dict(super().get_context(name, None, attrs))


class SecretField(forms.CharField):
    """A key to paste. Empty means: keep what is stored."""

    widget = SecretInput

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 20_000)  # room for a service account's JSON
        super().__init__(**kwargs)

    def clean(self, value: Any) -> str:
        text = str(super().clean(value) or "")
        if CONTROL.search(text) or not text.isprintable():
            raise ValidationError("It holds control characters. Paste the key alone.", code="control")
        return text


def mask_headers(headers: dict[str, str]) -> str:
    """``headers`` as lines whose values cannot be read."""
    return "\n".join(f"{name}: {MASK}" for name in headers)


class HeadersInput(UnfoldAdminTextareaWidget):  # type: ignore[misc]  # unfold carries no types
    """Lines ``Name: value``; every value that is not the mask is left out when rendered."""

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__({"rows": 3, "spellcheck": "false", "autocomplete": "off", **(attrs or {})})

    def format_value(self, value: Any) -> str:
        lines = []
        for line in str(value or "").splitlines():
            name, colon, text = line.partition(":")
            kept = f" {MASK}" if text.strip() == MASK else ""
            # Without a colon the line is no header, and might be a bare secret.
            lines.append(f"{name}:{kept}" if colon else "")
        return "\n".join(line for line in lines if line)


class HeadersField(forms.CharField):
    """Custom headers. Cleans to a dict; a masked line keeps the value in ``stored``."""

    widget = HeadersInput

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("required", False)
        kwargs.setdefault("help_text", f"One “Name: value” a line. {MASK} stands for a stored value.")
        super().__init__(**kwargs)
        self.stored: dict[str, str] = {}

    def show(self, stored: dict[str, str]) -> str:
        """Remember ``stored`` for masked lines; returns what the form shows."""
        self.stored = {name.lower(): value for name, value in stored.items()}
        return mask_headers(stored)

    def clean(self, value: Any) -> dict[str, str]:
        headers: dict[str, str] = {}
        for number, line in enumerate(str(super().clean(value) or "").splitlines(), start=1):
            if line.strip():
                name, text = self._read(number, line)
                if name.lower() in {known.lower() for known in headers}:
                    raise ValidationError(f"Line {number} names {name} a second time.", code="twice")
                headers[name] = text
        return headers

    def _read(self, number: int, line: str) -> tuple[str, str]:
        name, colon, text = (part.strip() for part in line.partition(":"))
        if not colon or not HEADER_NAME.fullmatch(name):
            raise ValidationError(f"Line {number} does not read “Name: value”.", code="shape")
        if text == MASK:
            if name.lower() not in self.stored:
                raise ValidationError(
                    f"Line {number}: no value of {name} is stored; give it.", code="unknown"
                )
            return name, self.stored[name.lower()]
        if not text:
            raise ValidationError(f"Line {number}: give the value of {name}.", code="empty")
        if CONTROL.search(text):
            raise ValidationError(f"Line {number} holds control characters.", code="control")
        return name, text


def mask_proxy(url: str) -> str:
    """``url`` with user and password replaced by the mask."""
    scheme, separator, rest = url.partition("://")
    userinfo, at, host = rest.rpartition("@")
    return f"{scheme}{separator}{MASK}@{host}" if at and userinfo else url


class ProxyInput(UnfoldAdminTextInputWidget):  # type: ignore[misc]  # unfold carries no types
    """An address whose user and password are left out when rendered, unless they are the mask."""

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__({"spellcheck": "false", "autocomplete": "off", **(attrs or {})})

    def format_value(self, value: Any) -> str:
        text = str(value or "")
        scheme, separator, rest = text.rpartition("://")
        userinfo, at, host = rest.rpartition("@")
        if not at or userinfo == MASK:
            return text
        return f"{scheme}{separator}@{host}"


class ProxyField(forms.CharField):
    """``direct``, ``none`` or a proxy's URL. The masked form of ``stored`` keeps it."""

    widget = ProxyInput

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("required", False)
        kwargs.setdefault("max_length", 2_000)
        kwargs.setdefault(
            "help_text", "http, https, socks5 or socks5h URL; “direct” uses none. Empty inherits."
        )
        super().__init__(**kwargs)
        self.stored = ""

    def show(self, stored: str) -> str:
        """Remember ``stored`` for its masked form; returns what the form shows."""
        self.stored = stored
        return mask_proxy(stored)

    def clean(self, value: Any) -> str:
        text = str(super().clean(value) or "")
        if not text or text in NO_PROXY:
            return text
        if self.stored and text == mask_proxy(self.stored):
            return self.stored
        if MASK in text or "://@" in text:
            raise ValidationError("Give the user and the password again.", code="masked")
        try:
            parts = urlsplit(text)
            known = parts.scheme in PROXY_SCHEMES and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            known = False
        if not known:
            raise ValidationError("It is not the URL of an http, https or socks5 proxy.", code="url")
        return text


class BaseUrlInput(UnfoldAdminTextInputWidget):  # type: ignore[misc]  # unfold carries no types
    """An address; a user or a query is a secret in the wrong place and is left out when rendered."""

    def format_value(self, value: Any) -> str:
        scheme, separator, rest = str(value or "").partition("?")[0].rpartition("://")
        return f"{scheme}{separator}{rest.rpartition('@')[2]}"


class BaseUrlField(forms.CharField):
    """Where a provider is reached; "" means the vendor's own address. Cleans off a trailing slash."""

    widget = BaseUrlInput

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("required", False)
        kwargs.setdefault("max_length", 500)
        kwargs.setdefault("help_text", "Empty: the vendor's own address.")
        super().__init__(label="Base URL", **kwargs)

    def clean(self, value: Any) -> str:
        text = str(super().clean(value) or "").rstrip("/")
        if text:
            try:
                check_base_url(text)
            except ValueError as error:
                raise ValidationError(str(error), code="url") from error
        return text
