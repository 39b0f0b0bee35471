"""Which paths are Amp's, and which of the gateway's own endpoints one of them stands for. Pure.

Source: the routes of CLIProxyAPI's ``ampcode`` module (2026), docs/protocols/ampcode.md.
"""

from __future__ import annotations

import re

_PROVIDER = re.compile(r"^/api/provider/([^/]+)(/.*)?$")
_VERTEX = re.compile(r"^/v1beta1/publishers/google/models/(.+:\w+)$")
_CONTROL = re.compile(r"^/api/(?:internal|user|auth|meta|ads|telemetry|threads|otel|tab)(?:/|$)")
_ROOT_READS = re.compile(r"^/(?:threads|docs|settings)(?:/|$)|^/(?:threads|news)\.rss$")
_ROOT_AUTH = re.compile(r"^/auth(?:/|$)")
_OPENAI = ("/chat/completions", "/completions", "/responses", "/models")


def is_amps(path: str, method: str) -> bool:
    """Whether the proxy answers ``path`` for Amp. Claude Code's ``/api/hello`` is none of these."""
    return _PROVIDER.match(path) is not None or is_control(path, method)


def is_control(path: str, method: str) -> bool:
    """A path of Amp's control plane."""
    if _CONTROL.match(path) or _ROOT_AUTH.match(path):
        return True
    return _ROOT_READS.match(path) is not None and method in ("GET", "HEAD")


def is_page(path: str) -> bool:
    """A page for a browser, which shows no client key."""
    return not path.startswith("/api/")


def provider_path(path: str) -> tuple[str, str] | None:
    """(provider, our own path) of ``/api/provider/{provider}/…``; None for everything else.

    A path below ``google/v1beta1`` that names no model keeps its form: Amp itself answers it.
    """
    found = _PROVIDER.match(path)
    if found is None:
        return None
    provider, rest = found[1].lower(), found[2] or "/"
    if vertex := _VERTEX.match(rest):
        return provider, f"/v1beta/models/{vertex[1]}"
    if rest.startswith(("/v1/", "/v1beta/")):
        return provider, rest
    if rest in _OPENAI or rest.startswith("/models/"):
        return provider, f"/v1{rest}"
    return provider, rest
