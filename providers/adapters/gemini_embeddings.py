"""Gemini's ``:embedContent`` and ``:batchEmbedContents``. Source: ai.google.dev/api/embeddings (2025)."""

from __future__ import annotations

import msgspec

from providers.adapters.base import Adapter, Call, UpstreamRequest
from providers.adapters.gemini import Gemini
from providers.values import CredentialEntry

BATCH = 100
"""Most texts in one call; the API refuses more."""


def can_embed(adapter: Adapter) -> bool:
    return isinstance(adapter, Gemini) and adapter.has_embeddings


def embeddings_request(
    adapter: Adapter,
    credential: CredentialEntry,
    model: str,
    body: bytes,
    headers: dict[str, str],
    *,
    action: str = "batchEmbedContents",
) -> UpstreamRequest:
    """One call, addressed and signed as the adapter does it for ``:generateContent``. ``headers`` are the
    client's, for ``$Name`` values of custom headers."""
    call = Call(
        credential=credential,
        model=model,
        body=body,
        stream=False,
        client_headers=tuple(headers.items()) if credential.headers else (),
    )
    request = adapter.request(call)
    url = request.url.removesuffix(":generateContent") + f":{action}"
    return msgspec.structs.replace(request, url=url)
