"""Google's Gemini API by API key.

Sources: https://ai.google.dev/api/generate-content, /api/models, /gemini-api/docs/troubleshooting (v1beta);
google/rpc/error_details.proto for RetryInfo, QuotaFailure and ErrorInfo.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote

import msgspec

from providers.adapters import limits, model_lists, refusals
from providers.adapters.auth import Auth, HeaderKey
from providers.adapters.base import Adapter, Call, CatalogueModel, Operation, UpstreamRequest
from providers.adapters.gemini_models import GEMINI_CATALOGUE, GEMINI_FAMILIES, GEMINI_MAPPINGS
from providers.adapters.headers import USER_AGENT, call_headers, custom_headers, merge_headers
from providers.translation.codec import Capabilities
from providers.values import CredentialEntry, Features, Format, Refusal, RefusalKind

_KEY_REFUSED = (
    "api_key_invalid",
    "api key not valid",
    "api key expired",
    "api_key_expired",
    "api key not found",
)
_WINDOWS = ("quotaresetdelay", "perday", "quota will reset")
"""``perday`` stands in the ``quotaId`` of a QuotaFailure (GenerateRequestsPerDayPerProjectPerModel)."""
_PLACE_REFUSED = ("user location is not supported", "free tier is not available", "enable billing")


class Gemini(Adapter):
    key = "gemini"
    name = "Google Gemini"
    speaks = Format.GEMINI
    counts_tokens = (Format.GEMINI,)
    base_url = "https://generativelanguage.googleapis.com"
    auth: Auth = HeaderKey("x-goog-api-key")
    key_hint = "Begins with AIza; made at aistudio.google.com, Get API key."
    environment: tuple[str, ...] = ("GEMINI_API_KEY", "GOOGLE_API_KEY")
    owned_by = "google"
    features = Features(vision=True, multimodal=True, code_generation=False, max_tokens=1_000_000)
    default_mappings: tuple[tuple[str, str], ...] = GEMINI_MAPPINGS
    catalogue = GEMINI_CATALOGUE
    has_embeddings = True
    has_interactions = True
    """Whether Google's other endpoints are where ``:generateContent`` is."""

    def request(self, call: Call) -> UpstreamRequest:
        action = "streamGenerateContent?alt=sse" if call.stream else "generateContent"
        if call.operation is Operation.COUNT:
            action = "countTokens"
        accept = "text/event-stream" if call.stream else "application/json"
        return UpstreamRequest(
            method="POST",
            url=f"{self.base_of(call.credential)}/v1beta/{resource_of(call.model)}:{action}",
            headers=merge_headers(
                {"content-type": "application/json", "accept": accept},
                self._common_headers(call.credential),
                call_headers(call.headers),
                custom_headers(call.credential, dict(call.client_headers)),
            ),
            body=call.body,
        )

    def models_request(self, credential: CredentialEntry) -> UpstreamRequest | None:
        return UpstreamRequest(
            method="GET",
            url=f"{self.base_of(credential)}/v1beta/models?pageSize=1000",
            headers=merge_headers(
                {"accept": "application/json"},
                self._common_headers(credential),
                custom_headers(credential, {}),
            ),
        )

    def read_models(self, body: bytes) -> tuple[CatalogueModel, ...]:
        models = {}
        for entry in model_lists.entries(body, "models"):
            model_id = model_lists.text_of(entry.get("name")).removeprefix("models/")
            methods = entry.get("supportedGenerationMethods")
            if not model_id or (isinstance(methods, list) and "generateContent" not in methods):
                continue
            models[model_id] = CatalogueModel(
                id=model_id,
                display_name=model_lists.text_of(entry.get("displayName")),
                context_length=model_lists.count_of(entry.get("inputTokenLimit")),
                max_output_tokens=model_lists.count_of(entry.get("outputTokenLimit")),
                owned_by=self.owned_by,
            )
        return tuple(models.values())

    def classify(self, status: int, headers: dict[str, str], body: bytes, now: float) -> Refusal:
        detail = refusals.read_detail(body)
        if status == 400 and any(mark in detail.text for mark in _KEY_REFUSED):
            # Google says 400 INVALID_ARGUMENT to a key that it does not know.
            return refusals.refusal(RefusalKind.UNAUTHORIZED, detail, status, headers, now)
        if status == 400 and any(mark in detail.text for mark in _PLACE_REFUSED):
            return refusals.refusal(RefusalKind.PAYMENT, detail, status, headers, now)
        found = refusals.classify(detail, status, headers, now)
        if found.kind not in (RefusalKind.QUOTA, RefusalKind.TRANSIENT):
            return found
        return msgspec.structs.replace(
            found,
            retry_after_s=found.retry_after_s or body_wait_s(detail),
            names_quota_window=found.kind is RefusalKind.QUOTA and _names_window(detail),
        )

    def capabilities(self, model: str) -> Capabilities:
        for pattern, abilities in GEMINI_FAMILIES:
            if re.search(pattern, model):
                return abilities
        return Capabilities()

    def signed(
        self, credential: CredentialEntry, own: tuple[tuple[str, str], ...], client: Mapping[str, str]
    ) -> tuple[tuple[str, str], ...]:
        """The headers of a call beside generation: ``own`` ones, the key, and the custom ones."""
        return merge_headers(
            {"accept": "application/json"},
            self._common_headers(credential),
            call_headers(own),
            custom_headers(credential, client),
        )

    def _common_headers(self, credential: CredentialEntry) -> dict[str, str]:
        plain = {"accept-encoding": "identity", "user-agent": USER_AGENT}
        return plain | self.auth.headers(credential.secret)

    def base_of(self, credential: CredentialEntry) -> str:
        """Without a trailing version, which people copy from SDK settings."""
        base = credential.base_url.rstrip("/") or self.base_url
        return base.removesuffix("/v1beta").removesuffix("/v1")


def _names_window(detail: refusals.Detail) -> bool:
    """Whether the wait is that to the end of a quota: ``quotaResetDelay``, a quota per day, or in words."""
    return any(mark in detail.text for mark in _WINDOWS)


def resource_of(model: str) -> str:
    """``models/{model}``, or the resource itself for a tuned model; no model leaves its path segment."""
    collection, found, name = model.partition("/")
    if not found or collection not in ("models", "tunedModels"):
        collection, name = "models", model
    return f"{collection}/{quote(name, safe='')}"


def body_wait_s(detail: refusals.Detail) -> float | None:
    """``RetryInfo.retryDelay``, else ``ErrorInfo.metadata.quotaResetDelay``, else the text of the message."""
    entries = list(error_details(detail.body))
    for entry in entries:
        if isinstance(delay := entry.get("retryDelay"), str):
            return limits.duration_s(delay)
    for entry in entries:
        metadata = entry.get("metadata")
        if isinstance(metadata, dict) and isinstance(delay := metadata.get("quotaResetDelay"), str):
            return limits.duration_s(delay)
    return limits.text_wait_s(detail.message)


def error_details(body: object) -> Iterator[dict[str, object]]:
    """The objects of a Google error's ``details`` (google.rpc.ErrorInfo, RetryInfo, …)."""
    error = body.get("error") if isinstance(body, dict) else None
    details = error.get("details") if isinstance(error, dict) else None
    if isinstance(details, list):
        yield from (entry for entry in details if isinstance(entry, dict))
