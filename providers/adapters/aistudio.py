"""Google AI Studio through a page in somebody's browser, which carries the calls over a WebSocket.

The page is logged in and adds what authenticates; the gateway says only what is asked. What the page's own
client would not send is left out. Source: the relay protocol of CLIProxyAPI (2026),
docs/protocols/aistudio.md.
"""

from __future__ import annotations

from typing import Any

import msgspec

from providers.adapters.base import Call, Operation, UpstreamRequest
from providers.adapters.gemini import Gemini, resource_of
from providers.adapters.google_models import AISTUDIO_CATALOGUE
from providers.translation.codec import Capabilities
from providers.translation.codecs.gemini.code_assist import with_leading_user
from providers.values import CredentialEntry

RELAY = "relay"
"""The member of ``CredentialEntry.account`` that names the connected page."""
_CONFIG = frozenset({"maxOutputTokens", "responseMimeType", "responseJsonSchema", "responseSchema"})
_ONLY_FOR_ANSWERS = frozenset({"generationConfig", "tools", "safetySettings"})


class AIStudio(Gemini):
    key = "aistudio"
    name = "Google AI Studio (page in a browser)"
    key_hint = "A page of AI Studio connects to /v1/ws by itself."
    environment = ()
    default_mappings = ()
    needs_key = False
    needs_login = True
    has_interactions = False
    owned_by = "aistudio"
    catalogue = AISTUDIO_CATALOGUE

    def request(self, call: Call) -> UpstreamRequest:
        action = "streamGenerateContent?alt=sse" if call.stream else "generateContent"
        if call.operation is Operation.COUNT:
            action = "countTokens"
        body, dropped = _edited(call.body, call.operation)
        return UpstreamRequest(
            method="POST",
            url=f"{self.base_of(call.credential)}/v1beta/{resource_of(call.model)}:{action}",
            headers=(("content-type", "application/json"),),
            body=body,
            via=call.credential.account.get(RELAY, ""),
            dropped=dropped,
        )

    def models_request(self, credential: CredentialEntry) -> UpstreamRequest | None:
        return None

    def capabilities(self, model: str) -> Capabilities:
        known = next((entry.capabilities for entry in self.catalogue if entry.id == model), None)
        # No way to ask for a schema: the page's service answers in prose.
        return msgspec.structs.replace(known or super().capabilities(model), structured_output=False)


def _edited(body: bytes, operation: Operation) -> tuple[bytes, tuple[str, ...]]:
    """The body that the page takes, and what was left out of it."""
    dropped: list[str] = []
    fields: dict[str, Any] = msgspec.json.decode(body)
    kept = {name: value for name, value in fields.items() if name not in ("session_id", "model")}
    if operation is Operation.COUNT:
        kept = {name: value for name, value in kept.items() if name not in _ONLY_FOR_ANSWERS}
    if isinstance(config := kept.get("generationConfig"), dict):
        kept["generationConfig"] = {name: value for name, value in config.items() if name not in _CONFIG}
        dropped += [f"generationConfig.{name}" for name in config if name in _CONFIG]
    if "contents" in kept:
        kept["contents"] = with_leading_user(kept["contents"])
    return msgspec.json.encode(kept), tuple(dropped)
