"""MiniMax. Source: https://platform.minimax.io/docs. Newer addresses of the same protocol are
https://api.minimax.io/v1 and, in China, https://api.minimaxi.com/v1; a base URL ending in ``/anthropic`` is
spoken to in Anthropic's format. A login may name its own host (``resource_url``, unconfirmed)."""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec

from providers.adapters import refusals
from providers.adapters.base import Call, UpstreamRequest
from providers.adapters.openai_compatible import OpenAICompatible
from providers.translation.codec import Capabilities
from providers.values import CredentialEntry, Format, Refusal

_ANTHROPIC = "/anthropic"
"""The end of the base URL at which MiniMax answers as Anthropic does (its own documentation)."""

_STATUS_OF = {
    1000: 500,
    1001: 408,
    1002: 429,
    1004: 401,
    1008: 402,
    1013: 500,
    1026: 400,
    1027: 400,
    1039: 429,
    2013: 400,
    2049: 401,
    2056: 429,
}
"""MiniMax's own codes in ``base_resp.status_code``; 1026 and 1027 are its content filter."""


class MiniMax(OpenAICompatible):
    """Business errors come with HTTP 200 and ``base_resp.status_code`` other than 0."""

    key = "minimax"
    name = "MiniMax"
    base_url = "https://api.minimax.chat/v1"
    login_base_url = "https://api.minimax.io/v1"
    key_hint = "Made at platform.minimax.io, API keys."
    environment = ("MINIMAX_API_KEY",)
    open_ended = True
    abilities = Capabilities(legacy_max_tokens=True, developer_role=False)

    def formats(self, credential: CredentialEntry, model: str = "") -> tuple[Format, ...]:
        return (Format.CLAUDE,) if self.base_of(credential).endswith(_ANTHROPIC) else (Format.OPENAI,)

    def request(self, call: Call) -> UpstreamRequest:
        base = self.base_of(call.credential)
        if not base.endswith(_ANTHROPIC):
            return super().request(call)
        headers = (("anthropic-version", "2023-06-01"), *call.headers)
        made = super().request(msgspec.structs.replace(call, headers=headers))
        return msgspec.structs.replace(made, url=f"{base}/v1/messages")

    def base_of(self, credential: CredentialEntry) -> str:
        base = super().base_of(credential)
        named = credential.account.get("resource_url", "").strip().rstrip("/")
        if base != self.login_base_url or not named:
            return base
        url = named if "://" in named else f"https://{named}"
        return url if urlsplit(url).path else f"{url}/v1"

    def classify(self, status: int, headers: dict[str, str], body: bytes, now: float) -> Refusal:
        detail = refusals.read_detail(body)
        outcome = detail.body.get("base_resp") if isinstance(detail.body, dict) else None
        if isinstance(outcome, dict) and isinstance(number := outcome.get("status_code"), int) and number:
            status = _STATUS_OF.get(number, status if status >= 400 else 502)
            message = refusals.safe_excerpt(str(outcome.get("status_msg") or detail.message))
            filtered = "content_filter" if number in (1026, 1027) else detail.code
            detail = refusals.Detail(
                message=message, code=filtered, type=detail.type, body=detail.body, text=detail.text
            )
        return refusals.classify(detail, status, headers, now)
