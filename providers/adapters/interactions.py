"""Gemini's Interactions: ``/v1/interactions`` and ``/v1beta/interactions`` of Google's API, by key.

Sources: https://ai.google.dev/api/interactions-api, and the types of the official ``google-genai`` SDK 3.4.
"""

from __future__ import annotations

from collections.abc import Mapping

from providers.adapters.base import Adapter, UpstreamRequest
from providers.adapters.gemini import Gemini
from providers.values import CredentialEntry

FIRST = "gemini-interactions"
"""The provider whose keys are asked before those of the others (config.yaml's ``interactions-api-key``)."""
PASSED = ("accept", "api-revision", "content-type")
"""Headers of the client that go up; the revision says in which shape it is answered."""


def can_interact(adapter: Adapter) -> bool:
    return isinstance(adapter, Gemini) and adapter.has_interactions


def interaction_request(
    adapter: Adapter,
    credential: CredentialEntry,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes = b"",
) -> UpstreamRequest:
    """One call; ``path`` begins with the version. Only for an adapter that ``can_interact``."""
    passed = tuple(
        (name, headers[name])
        for name in PASSED
        if name in headers and (name != "content-type" or method == "POST")
    )
    assert isinstance(adapter, Gemini)  # noqa: S101  (``can_interact`` looked)
    url = f"{adapter.base_of(credential)}{path}"
    return UpstreamRequest(
        method=method, url=url, headers=adapter.signed(credential, passed, headers), body=body
    )
