"""Everything that speaks Chat Completions: one class that does the work, vendors as sheets of attributes.

Source: https://platform.openai.com/docs/api-reference/chat; the vendors' differences are told in
docs/protocols/providers.md.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from providers.adapters import model_lists, refusals
from providers.adapters.auth import Auth, BearerKey
from providers.adapters.base import Adapter, Call, CatalogueModel, Operation, UpstreamRequest
from providers.adapters.headers import USER_AGENT, call_headers, custom_headers, merge_headers
from providers.translation.codec import Capabilities
from providers.values import CredentialEntry, Format, Refusal

ENDS_IN_VERSION = re.compile(r"/v\d+[a-z0-9]*$")


_PATHS: dict[tuple[Format | None, Operation], str] = {
    (Format.RESPONSES, Operation.GENERATE): "responses",
    (Format.RESPONSES, Operation.COUNT): "responses/input_tokens",
    (Format.RESPONSES, Operation.COMPACT): "responses/compact",
    (Format.OPENAI, Operation.COMPLETE): "completions",
}
"""Below the base URL; what is not here is a chat completion."""


class OpenAICompatible(Adapter):
    """Chat at ``{base}/chat/completions``, models at ``{base}/models`` or ``{base}/v1/models``.

    One that also speaks Responses is reached for it at ``{base}/responses``.
    """

    speaks = Format.OPENAI
    auth: Auth = BearerKey()
    abilities = Capabilities(legacy_max_tokens=True, developer_role=False)
    """What a model that nobody described can do. The older spellings are understood by every server."""
    legacy_models: str | None = None
    """A regular expression over the models that the legacy ``/completions`` serves."""
    abilities_by_model: tuple[tuple[str, Capabilities], ...] = ()
    """Regular expressions over the upstream model id, first match wins; before them, the catalogue."""

    def request(self, call: Call) -> UpstreamRequest:
        accept = "text/event-stream" if call.stream else "application/json"
        path = _PATHS.get((call.format or self.speaks, call.operation), "chat/completions")
        return UpstreamRequest(
            method="POST",
            url=f"{self.base_of(call.credential)}/{path}",
            headers=merge_headers(
                {"content-type": "application/json", "accept": accept},
                self._common_headers(call.credential),
                call_headers(call.headers),
                custom_headers(call.credential, dict(call.client_headers)),
            ),
            body=call.body,
        )

    def models_request(self, credential: CredentialEntry) -> UpstreamRequest | None:
        return self._get(self._models_url(credential), credential)

    def read_models(self, body: bytes) -> tuple[CatalogueModel, ...]:
        return model_lists.read_openai_list(body)

    def classify(self, status: int, headers: dict[str, str], body: bytes, now: float) -> Refusal:
        return refusals.classify(refusals.read_detail(body), status, headers, now)

    def completes(self, credential: CredentialEntry, model: str) -> bool | None:
        return self.legacy_models is not None and re.search(self.legacy_models, model) is not None

    def capabilities(self, model: str) -> Capabilities:
        for known in self.catalogue:
            if known.id == model and known.capabilities is not None:
                return known.capabilities
        for pattern, abilities in self.abilities_by_model:
            if re.search(pattern, model):
                return abilities
        return self.abilities

    def base_of(self, credential: CredentialEntry) -> str:
        """The credential's base URL. A beginning of the vendor's own (``https://openrouter.ai/api``, as older
        configuration files have it) stands for the whole of it."""
        base = super().base_of(credential)
        return self.base_url if self.base_url.startswith(f"{base}/") else base

    def _get(self, url: str, credential: CredentialEntry) -> UpstreamRequest:
        headers = merge_headers(
            {"accept": "application/json"}, self._common_headers(credential), custom_headers(credential, {})
        )
        return UpstreamRequest(method="GET", url=url, headers=headers)

    def _common_headers(self, credential: CredentialEntry) -> dict[str, str]:
        plain = {"accept-encoding": "identity", "user-agent": USER_AGENT}
        return plain | self.auth.headers(credential.secret)

    def _models_url(self, credential: CredentialEntry) -> str:
        base = self.base_of(credential)
        endpoint = credential.options.get("models-endpoint")
        if isinstance(endpoint, str) and (path := endpoint.strip()):
            if path.startswith(("http://", "https://")):
                return path
            if path.startswith("/"):
                return _origin(base) + path
            return f"{base}/{path}"
        return _default_models_url(base)


def _default_models_url(base: str) -> str:
    return f"{base}/models" if ENDS_IN_VERSION.search(base) else f"{base}/v1/models"


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
