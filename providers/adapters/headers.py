"""Request headers: the built-in ones, what the call brings, and the custom ones that win over both."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from providers.values import CredentialEntry

USER_AGENT = "cliproxy/0.1.0"
"""Says honestly who calls. The version is the project's; a test compares the two."""

_OWNED_BY_TRANSPORT = frozenset(
    {"connection", "content-length", "keep-alive", "te", "transfer-encoding", "upgrade"}
)
"""Framing belongs to the HTTP client (RFC 9110, 7.6.1): a custom value would corrupt the request."""

_NEVER_FROM_A_CALL = _OWNED_BY_TRANSPORT | {
    "accept-encoding",
    "authorization",
    "cookie",
    "host",
    "proxy-authorization",
    "x-api-key",
    "x-goog-api-key",
}
"""On a passthrough a call carries headers of the client, whose own key must not travel upstream."""


def call_headers(headers: Collection[tuple[str, str]]) -> dict[str, str]:
    """The headers of a call, in lower case, without those that sign or frame a request."""
    if not headers:
        return {}
    lowered = ((name.strip().lower(), value) for name, value in headers)
    return {
        name: value
        for name, value in lowered
        if name and name not in _NEVER_FROM_A_CALL and not _breaks_line(name + value)
    }


def custom_headers(credential: CredentialEntry, client_headers: Mapping[str, str]) -> dict[str, str]:
    """The credential's custom headers with ``$Name`` values resolved; names in lower case.

    ``$Name`` takes the value of that header from ``client_headers`` (lower-case names) and is left out when
    the client did not send it; so is a lone ``$``. Blank values, framing headers and values that would
    break out of their line are left out too.
    """
    resolved: dict[str, str] = {}
    for raw_name, raw_value in credential.headers:
        name, value = raw_name.strip().lower(), raw_value.strip()
        if value.startswith("$"):
            value = client_headers.get(value[1:].strip().lower(), "").strip()
        if name and value and name not in _OWNED_BY_TRANSPORT and not _breaks_line(name + value):
            resolved[name] = value
    return resolved


def merge_headers(*layers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """One header list, each name once and in lower case; a later layer wins over an earlier one."""
    merged: dict[str, str] = {}
    for layer in layers:
        for name, value in layer.items():
            merged[name.lower()] = value
    return tuple(merged.items())


def _breaks_line(text: str) -> bool:
    return any(character in text for character in "\r\n\0")
