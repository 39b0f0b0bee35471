"""xAI by API key, over Chat Completions. Sources: https://docs.x.ai/docs/api-reference, /docs/models."""

from __future__ import annotations

from providers.adapters import refusals
from providers.adapters.base import CatalogueModel
from providers.adapters.openai_compatible import OpenAICompatible
from providers.translation.codec import Capabilities
from providers.values import Format, Refusal, RefusalKind

_FREE_TIER_SPENT = ("free-usage-exhausted", "included free usage")
_FREE_TIER_S = 24 * 3600.0
"""The free allowance is refilled once a day; the vendor names no moment."""


def _model(model_id: str, context: int, levels: tuple[str, ...] = ()) -> CatalogueModel:
    return CatalogueModel(
        id=model_id,
        context_length=context,
        max_output_tokens=65_536,
        owned_by="xai",
        capabilities=Capabilities(
            developer_role=False,
            thinking="level" if levels else "none",
            thinking_levels=levels,
            thinking_zero="none" in levels,
        ),
    )


class XAI(OpenAICompatible):
    """Errors are often flat: ``{"code": "…", "error": "…"}``. 403 ``bad-credentials`` is a wrong key."""

    key = "xai"
    name = "xAI"
    base_url = "https://api.x.ai/v1"
    key_hint = "Begins with xai-; made at console.x.ai, API keys."
    environment = ("XAI_API_KEY", "GROK_API_KEY")
    owned_by = "xai"
    abilities = Capabilities(developer_role=False)
    catalogue = (
        _model("grok-4.6", 500_000, ("low", "medium", "high", "xhigh")),
        _model("grok-4.5", 500_000, ("low", "medium", "high")),
        _model("grok-4.3", 1_000_000, ("none", "low", "medium", "high")),
        _model("grok-4.20-0309-reasoning", 2_000_000),
        _model("grok-4.20-0309-non-reasoning", 2_000_000),
        _model("grok-build-0.1", 256_000),
        _model("grok-3-mini", 131_072, ("low", "medium", "high")),
        _model("grok-3-mini-fast", 131_072, ("low", "medium", "high")),
    )

    def payload_protocols(self, format_: Format) -> tuple[str, ...]:
        names = super().payload_protocols(format_)
        return ("codex", *names) if format_ is Format.RESPONSES else names

    def classify(self, status: int, headers: dict[str, str], body: bytes, now: float) -> Refusal:
        detail = refusals.read_detail(body)
        if status in (400, 403) and any(
            mark in detail.text for mark in ("bad-credentials", "could not be validated", "incorrect api key")
        ):
            return refusals.refusal(RefusalKind.UNAUTHORIZED, detail, status, headers, now)
        if status == 429 and any(mark in detail.text for mark in _FREE_TIER_SPENT):
            return Refusal(
                kind=RefusalKind.QUOTA,
                status=status,
                message=detail.message,
                code="free-usage-exhausted",
                error_type="rate_limit_error",
                retry_after_s=_FREE_TIER_S,
                names_quota_window=True,
                credential_wide=True,
            )
        return refusals.classify(detail, status, headers, now)
