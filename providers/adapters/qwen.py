"""Qwen by a login at chat.qwen.ai, as Qwen Code uses it: Chat Completions at the host that the login named.

Source: QwenLM/qwen-code, ``packages/core/src/qwen`` (2025): ``resource_url`` of the token answer, the
``X-DashScope-*`` headers. That a request without tools may end in stray tokens is an observation of others.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import msgspec

from providers.adapters import refusals
from providers.adapters.base import Call, CatalogueModel, UpstreamRequest
from providers.adapters.headers import USER_AGENT
from providers.adapters.openai_compatible import OpenAICompatible
from providers.translation.codec import Capabilities
from providers.translation.passthrough import FIELDS
from providers.values import CredentialEntry, Refusal, RefusalKind

_DAY_S = 24 * 3600.0
_SPENT = ("insufficient_quota", "free allocated quota exceeded", "allocated quota exceeded")

IDLE_TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "do_not_call_me",
        "description": "Does nothing. Never call it.",
        "parameters": {"type": "object", "properties": {}},
    },
}
"""Sent where a stream has no tools: without one the model lets stray tokens slip into its text."""


class Qwen(OpenAICompatible):
    key = "qwen"
    name = "Qwen (login)"
    base_url = "https://portal.qwen.ai/v1"
    key_hint = "Connected by a Qwen login."
    needs_login = True
    owned_by = "qwen"
    abilities = Capabilities(legacy_max_tokens=True, developer_role=False)
    catalogue = (
        CatalogueModel(id="qwen3-coder-plus", context_length=1_000_000, max_output_tokens=65_536),
        CatalogueModel(id="qwen3-coder-flash", context_length=1_000_000, max_output_tokens=65_536),
        CatalogueModel(id="vision-model", context_length=128_000, max_output_tokens=8_192),
    )

    def request(self, call: Call) -> UpstreamRequest:
        if call.stream:
            call = msgspec.structs.replace(call, body=_with_idle_tool(call.body))
        return super().request(call)

    def models_request(self, credential: CredentialEntry) -> UpstreamRequest | None:
        return None

    def base_of(self, credential: CredentialEntry) -> str:
        """The credential's own address, else the host that the token answer named, with or without scheme."""
        base = super().base_of(credential)
        if base != self.base_url:
            return base
        named = credential.account.get("resource_url", "").strip().rstrip("/")
        if not named:
            return base
        url = named if "://" in named else f"https://{named}"
        return url if urlsplit(url).path.endswith("/v1") else f"{url}/v1"

    def classify(self, status: int, headers: dict[str, str], body: bytes, now: float) -> Refusal:
        detail = refusals.read_detail(body)
        found = refusals.classify(detail, status, headers, now)
        if status in (403, 429) and any(mark in detail.text for mark in _SPENT):
            # The allowance comes back once a day; no header says when.
            return msgspec.structs.replace(
                found,
                kind=RefusalKind.QUOTA,
                retry_after_s=found.retry_after_s if status == 429 and _is_long(found) else _DAY_S,
                names_quota_window=True,
                credential_wide=True,
            )
        return found

    def _common_headers(self, credential: CredentialEntry) -> dict[str, str]:
        return super()._common_headers(credential) | {
            "x-dashscope-authtype": "qwen-oauth",
            "x-dashscope-cachecontrol": "enable",
            "x-dashscope-useragent": USER_AGENT,
        }


def _is_long(found: Refusal) -> bool:
    return found.retry_after_s is not None and found.retry_after_s > refusals.NO_SENSE_SOON_S


def _with_idle_tool(body: bytes) -> bytes:
    fields = FIELDS.decode(body)
    tools = fields.get("tools")
    if tools is not None and bytes(tools).strip() not in (b"null", b"[]"):
        return body
    return msgspec.json.encode({**fields, "tools": [IDLE_TOOL]})
