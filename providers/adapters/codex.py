"""Servers that speak the Responses API and nothing else: what Codex is pointed at, by API key; and Codex's
own backend at ChatGPT, by a login.

Source: https://platform.openai.com/docs/api-reference/responses. By key there is no common address: the base
URL is the operator's to give, up to and with its version (``https://host/v1``). The backend takes less than
the API does: ``chatgpt.py``.
"""

from __future__ import annotations

import msgspec

from providers.adapters import chatgpt, limits, refusals
from providers.adapters.base import Call, CatalogueModel, Operation, UpstreamRequest
from providers.adapters.openai import OPENAI_FAMILIES
from providers.adapters.openai_compatible import OpenAICompatible
from providers.adapters.response_events import ResponseRepair
from providers.adapters.tool_groups import NO_GROUPS, Grouped
from providers.translation.codec import Capabilities
from providers.values import CredentialEntry, Format, Refusal, RefusalKind

_NO_CAPACITY = ("selected model is at capacity", "model is at capacity. please try a different model")
_BAD_STATE = ("invalid signature in thinking block", "invalid_encrypted_content")
_ORIGINATOR = "cliproxy"


class Codex(OpenAICompatible):
    key = "codex"
    name = "Codex (Responses API)"
    speaks = Format.RESPONSES
    login_base_url = "https://chatgpt.com/backend-api/codex"
    needs_base_url = True
    key_hint = "The key of the server at the base URL."
    owned_by = "openai"
    open_ended = True
    reads_client_headers = True
    makes_images = True
    abilities = Capabilities()
    abilities_by_model = OPENAI_FAMILIES

    def payload_protocols(self, format_: Format) -> tuple[str, ...]:
        return ("codex", *super().payload_protocols(format_))

    def only_streams(self, credential: CredentialEntry, operation: Operation, model: str) -> bool:
        if operation is Operation.GENERATE and credential.channel:
            return True
        return super().only_streams(credential, operation, model)

    def known_models(self, credential: CredentialEntry) -> tuple[CatalogueModel, ...]:
        """By key everything that the largest plan has: what the server really has its own list adds."""
        plan = credential.account.get("plan") or credential.account.get("plan_type", "")
        return chatgpt.models_of(plan if credential.channel else "pro")

    def is_open(self, credential: CredentialEntry) -> bool:
        return self.open_ended and not credential.channel

    def capabilities(self, model: str) -> Capabilities:
        return chatgpt.ABILITIES.get(model) or super().capabilities(model)

    def keeps_state(self, credential: CredentialEntry) -> bool:
        return not credential.channel

    def searches(self, credential: CredentialEntry) -> bool:
        return bool(credential.channel or credential.options.get("alpha-search"))

    def request(self, call: Call) -> UpstreamRequest:
        credential = call.credential
        if not credential.channel:
            return super().request(call)
        body, dropped, conversation = chatgpt.restricted(call.body, call.operation)
        sent = dict(call.client_headers)
        own = {name: sent[name] for name in chatgpt.CLIENT_HEADERS if name in sent}
        own |= {"session-id": conversation}
        asked = super().request(
            msgspec.structs.replace(call, body=body, headers=(*call.headers, *own.items()))
        )
        return msgspec.structs.replace(asked, dropped=dropped)

    def unwrapper(self, credential: CredentialEntry, grouped: Grouped = NO_GROUPS) -> ResponseRepair:
        return ResponseRepair(holds=bool(credential.options.get("codex-stream-buffering")))

    def models_request(self, credential: CredentialEntry) -> UpstreamRequest | None:
        """The backend's models are known by plan."""
        return None if credential.channel else super().models_request(credential)

    def classify(self, status: int, headers: dict[str, str], body: bytes, now: float) -> Refusal:
        detail = refusals.read_detail(body)
        if "usage_limit_reached" in (detail.type, detail.code):
            wait = _until_reset(detail, now)
            limit = refusals.refusal(RefusalKind.QUOTA, detail, 429, headers, now)
            return msgspec.structs.replace(
                limit,
                code="usage_limit_reached",
                retry_after_s=wait or limit.retry_after_s,
                names_quota_window=wait is not None,
                credential_wide=True,
            )
        if any(mark in detail.text for mark in _NO_CAPACITY):
            return refusals.refusal(RefusalKind.QUOTA, detail, 429, headers, now)
        if any(mark in detail.text for mark in _BAD_STATE):
            bad = refusals.refusal(RefusalKind.REQUEST, detail, 400, headers, now)
            return msgspec.structs.replace(bad, code="thinking_signature_invalid")
        return refusals.classify(detail, status, headers, now)

    def _common_headers(self, credential: CredentialEntry) -> dict[str, str]:
        common = super()._common_headers(credential)
        if not credential.channel:
            return common
        account = credential.account.get("account_id", "")
        common |= {"originator": _ORIGINATOR}
        return common | {"chatgpt-account-id": account} if account else common


def _until_reset(detail: refusals.Detail, now: float) -> float | None:
    """``resets_at`` (Unix seconds) when it lies ahead, else ``resets_in_seconds``."""
    body = detail.body if isinstance(detail.body, dict) else {}
    nested = body.get("error")
    raw = nested if isinstance(nested, dict) else body
    at, after = raw.get("resets_at"), raw.get("resets_in_seconds")
    wait = limits.wait_until(str(at), now) if isinstance(at, int | float) else None
    if not wait and isinstance(after, int | float):
        wait = limits.duration_s(str(after))
    return wait or None
