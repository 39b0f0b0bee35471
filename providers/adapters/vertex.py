"""Gemini on Vertex AI: by API key, or by a service account's access token for one project and location.

Sources: https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference and
/docs/image/generate-images (Imagen's ``:predict``). With a key the model stands under ``publishers/google``
(express mode), with a service account under its project.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import msgspec

from providers.adapters.base import Call, Operation, UpstreamRequest
from providers.adapters.gemini import Gemini
from providers.adapters.google_models import VERTEX_CATALOGUE
from providers.adapters.headers import call_headers, custom_headers, merge_headers
from providers.errors import ClientError
from providers.translation.codec import Capabilities
from providers.translation.codecs.gemini import imagen
from providers.values import CredentialEntry

_LOCATION = re.compile(r"[a-z0-9-]{1,40}")
DEFAULT_LOCATION = "us-central1"
_ONLY_FOR_ANSWERS = ("tools", "generationConfig", "safetySettings", "toolConfig")


class Vertex(Gemini):
    key = "vertex"
    name = "Google Vertex AI"
    counts_tokens = Gemini.counts_tokens
    base_url = "https://aiplatform.googleapis.com"
    key_hint = "An API key of Vertex AI (express mode); or connect a service account."
    environment = ()
    default_mappings = ()
    has_interactions = False
    owned_by = "google"
    catalogue = VERTEX_CATALOGUE

    def request(self, call: Call) -> UpstreamRequest:
        is_imagen = call.model.startswith("imagen-")
        action = "streamGenerateContent?alt=sse" if call.stream else "generateContent"
        body = call.body
        if call.operation is Operation.COUNT:
            action, body = "countTokens", _countable(body)
        elif is_imagen:
            action, body = "predict", imagen.predict_body(body)
        accept = "text/event-stream" if call.stream and not is_imagen else "application/json"
        return UpstreamRequest(
            method="POST",
            url=f"{self._resource_of(call.credential)}/publishers/google/models/{_segment(call.model)}:{action}",
            headers=merge_headers(
                {"content-type": "application/json", "accept": accept},
                self._common_headers(call.credential),
                call_headers(call.headers),
                custom_headers(call.credential, dict(call.client_headers)),
            ),
            body=body,
        )

    def models_request(self, credential: CredentialEntry) -> UpstreamRequest | None:
        return None

    def unwrapped(self, body: bytes) -> bytes:
        return imagen.as_generation(body)

    def capabilities(self, model: str) -> Capabilities:
        known = next((entry.capabilities for entry in self.catalogue if entry.id == model), None)
        # Vertex's Content has no ``id`` on calls and their answers, and refuses fields that it does not know.
        return msgspec.structs.replace(known or super().capabilities(model), call_ids=False)

    def _common_headers(self, credential: CredentialEntry) -> dict[str, str]:
        common = super()._common_headers(credential)
        if not credential.channel:
            return common
        common.pop("x-goog-api-key", None)
        return common | {"authorization": f"Bearer {credential.secret}"}

    def _resource_of(self, credential: CredentialEntry) -> str:
        """Up to ``/publishers``: with a service account below its project and location."""
        location = credential.account.get("location", "") or DEFAULT_LOCATION
        if not _LOCATION.fullmatch(location):
            raise ClientError("The Vertex credential names an impossible location.", code="bad_location")
        if not credential.channel:
            return f"{self.base_of(credential)}/v1"
        base = self.base_of(credential)
        if base == self.base_url and location != "global":
            base = f"https://{location}-aiplatform.googleapis.com"
        project = quote(credential.account.get("project_id", ""), safe="")
        return f"{base}/v1/projects/{project}/locations/{location}"


def _segment(model: str) -> str:
    return quote(model.removeprefix("models/"), safe="")


def _countable(body: bytes) -> bytes:
    fields: dict[str, Any] = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    return msgspec.json.encode({name: raw for name, raw in fields.items() if name not in _ONLY_FOR_ANSWERS})
