"""Calls of OpenAI's other endpoints (images, audio, files, …), for every adapter that serves chat that way.

Where the chat endpoint is, its neighbours are; a vendor that lacks one answers 404 itself.
Source: https://platform.openai.com/docs/api-reference (2025).
"""

from __future__ import annotations

from collections.abc import Mapping

from providers.adapters.base import Adapter, Call, UpstreamRequest
from providers.adapters.openai_compatible import OpenAICompatible
from providers.values import CredentialEntry, Format

CHAT = "/chat/completions"
RESPONSES = "/responses"
SEARCH = "/alpha/search"
"""Codex's web search: undocumented, read in the vendor's open-source client and in CLIProxyAPI v7."""
PASSED = ("accept", "content-type", "openai-beta", "range")
"""Headers of the client that belong to the request itself and go up with it."""


def can_hold(adapter: Adapter) -> bool:
    """Whether objects of OpenAI's form (files, responses, …) that were made with this adapter can be asked
    for again."""
    return isinstance(adapter, OpenAICompatible) and not adapter.in_process


def can_relay(adapter: Adapter) -> bool:
    """Whether OpenAI's other endpoints may exist beside this adapter's chat endpoint."""
    speaks_chat = Format.OPENAI in (adapter.speaks, *adapter.also_speaks)
    return isinstance(adapter, OpenAICompatible) and speaks_chat and not adapter.in_process


def relay_request(
    adapter: Adapter,
    credential: CredentialEntry,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes = b"",
) -> UpstreamRequest:
    """One call, addressed and signed as the adapter does it for chat; only for one that ``can_relay``.

    ``path`` begins behind the base URL and may carry a query; ``headers`` are the client's, in lower case.
    """
    passed = tuple((name, headers[name]) for name in PASSED if name in headers)
    model = adapter.request(
        Call(
            credential=credential,
            model="",
            body=body,
            stream=False,
            headers=passed,
            client_headers=tuple(headers.items()) if credential.headers else (),
            format=Format.OPENAI,
        )
    )
    has_body = method == "POST"
    return UpstreamRequest(
        method=method,
        url=model.url.removesuffix(CHAT) + path,
        headers=tuple(pair for pair in model.headers if has_body or pair[0] != "content-type"),
        body=body,
    )


def search_request(
    adapter: Adapter,
    credential: CredentialEntry,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes = b"",
) -> UpstreamRequest:
    """As ``relay_request``, for what stands beside ``/responses``: ``SEARCH`` of an adapter that
    ``searches``, images of one that ``makes_images``."""
    call = Call(
        credential=credential,
        model="",
        body=b"{}",
        stream=False,
        headers=tuple((name, headers[name]) for name in PASSED if name in headers),
        client_headers=tuple(headers.items()),
        format=Format.RESPONSES,
    )
    request = adapter.request(call)
    url = request.url.removesuffix(RESPONSES) + path
    return UpstreamRequest(method=method, url=url, headers=request.headers, body=body)
