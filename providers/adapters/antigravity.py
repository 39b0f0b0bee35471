"""Antigravity's backend by a Google login: Code Assist with two hosts, and models of other vendors behind it.

The vendor documents none of it; what is here was learnt by others from watching the service, and the parts
that may move (hosts, ``userAgent``, ``User-Agent``) are options of the credential. Sources and marks:
docs/protocols/antigravity.md.
"""

from __future__ import annotations

import uuid
from typing import Any

import msgspec

from providers.adapters import limits, model_lists, refusals
from providers.adapters.base import NO_CREDITS, Call, CatalogueModel, Operation, UpstreamRequest
from providers.adapters.code_assist import CodeAssist, projects_of
from providers.adapters.gemini import body_wait_s, error_details
from providers.adapters.google_models import ANTIGRAVITY_CATALOGUE
from providers.adapters.headers import custom_headers, merge_headers
from providers.errors import UpstreamRefused
from providers.translation.codecs.gemini import code_assist
from providers.values import CredentialEntry, Format, Refusal, RefusalKind

HOSTS = ("https://daily-cloudcode-pa.googleapis.com", "https://cloudcode-pa.googleapis.com")
"""Asked in this order, unless the credential has an address of its own."""

_NO_CREDITS = "insufficient_g1_credits_balance"
_NO_CAPACITY = "no capacity available"
_SPENT = ("quota_exhausted", "quota exhausted", "exhausted your quota", _NO_CREDITS)
CREDITS = "enabled-credit-types"
"""Option of a credential: ``enabledCreditTypes`` of its calls."""
GOOGLE_ONE = ["GOOGLE_ONE_AI"]
_SHORT_REST_S = 5 * 60.0
"""A longer wait means that the window is spent, not that requests came too fast."""


class Antigravity(CodeAssist):
    key = "antigravity"
    name = "Antigravity (Google login)"
    base_url = HOSTS[0]
    key_hint = "Connected by a Google login."
    owned_by = "antigravity"
    catalogue = ANTIGRAVITY_CATALOGUE
    has_other_addresses = True

    def payload_protocols(self, format_: Format) -> tuple[str, ...]:
        return ("antigravity",)

    def only_streams(self, credential: CredentialEntry, operation: Operation, model: str) -> bool:
        is_answer = operation is Operation.GENERATE
        return is_answer and (
            "claude" in model or model.startswith(("gemini-3-pro", "gemini-3.1-flash-image"))
        )

    def request(self, call: Call) -> UpstreamRequest:
        if call.operation is not Operation.COUNT and not projects_of(call.credential)[0]:
            raise UpstreamRefused(
                Refusal(
                    kind=RefusalKind.PAYMENT,
                    status=400,
                    message="the Antigravity account has no project: connect it again in the admin",
                    code="missing_project",
                )
            )
        request = super().request(call)
        return msgspec.structs.replace(request, dropped=_left_out(call))

    def elsewhere(self, call: Call, tries: int, status: int | None, body: bytes) -> UpstreamRequest | None:
        if tries >= len(HOSTS) or self.base_of(call.credential) not in HOSTS:
            return None
        is_full = status == 503 and _NO_CAPACITY in body[:4096].decode("utf-8", "replace").lower()
        if status is not None and status != 429 and not is_full:
            return None
        return self._request_at(HOSTS[tries], call)

    def on_credit(self, credential: CredentialEntry, model: str) -> CredentialEntry | None:
        if "claude" not in model:
            return None
        return msgspec.structs.replace(credential, options={**credential.options, CREDITS: GOOGLE_ONE})

    def models_request(self, credential: CredentialEntry) -> UpstreamRequest | None:
        project = projects_of(credential)[0]
        return UpstreamRequest(
            method="POST",
            url=f"{self.base_of(credential)}/v1internal:fetchAvailableModels",
            headers=merge_headers(
                {"content-type": "application/json", "accept": "application/json"},
                self._common_headers(credential),
                custom_headers(credential, {}),
            ),
            body=msgspec.json.encode({"project": project} if project else {}),
        )

    def read_models(self, body: bytes) -> tuple[CatalogueModel, ...]:
        known = {model.id: model for model in self.catalogue}
        found = []
        for model_id, described in model_lists.mapping(body, "models").items():
            base = known.get(model_id) or CatalogueModel(id=model_id, owned_by=self.owned_by)
            title = described.get("displayName") if isinstance(described, dict) else None
            found.append(msgspec.structs.replace(base, display_name=model_lists.text_of(title)))
        return tuple(found)

    def classify(self, status: int, headers: dict[str, str], body: bytes, now: float) -> Refusal:
        found = super().classify(status, headers, body, now)
        detail = refusals.read_detail(body)
        wait = found.retry_after_s or body_wait_s(detail) or limits.text_wait_s(detail.message)
        if found.kind is not RefusalKind.QUOTA:
            return found
        reasons = {str(entry.get("reason", "")).lower() for entry in error_details(detail.body)}
        if _NO_CREDITS in reasons:
            found = msgspec.structs.replace(found, code=NO_CREDITS)
        is_spent = bool(reasons & set(_SPENT)) or any(mark in detail.text for mark in _SPENT)
        if "rate_limit_exceeded" in reasons and wait is not None and wait >= _SHORT_REST_S:
            is_spent = True
        return msgspec.structs.replace(found, retry_after_s=wait, names_quota_window=is_spent)

    def _common_headers(self, credential: CredentialEntry) -> dict[str, str]:
        common = super()._common_headers(credential)
        agent = credential.account.get("user_agent", "")
        return common | {"user-agent": agent} if agent else common

    def _enveloped(self, call: Call, project: str) -> bytes:
        if call.operation is Operation.COUNT:
            return super()._enveloped(call, project)
        body = msgspec.json.decode(call.body)
        is_image = "image" in call.model
        outer: dict[str, Any] = {
            "project": project,
            "model": call.model,
            "userAgent": "antigravity",
            "requestType": "image_gen" if is_image else "agent",
        }
        if credits := call.credential.options.get(CREDITS):
            outer["enabledCreditTypes"] = credits
        unique = uuid.UUID(hex=(call.seed or "0").rjust(32, "0")[:32])
        if not is_image:
            outer["requestId"] = f"agent-{unique}"
        else:
            outer["requestId"] = f"image_gen/{int(call.now * 1000)}/{unique}/12"
        if _is_search_alone(body):
            outer["requestType"] = "web_search"
            del outer["requestId"]
        return msgspec.json.encode({**outer, "request": self._inside(body, call.model)})

    def _inside(self, body: dict[str, Any], model: str) -> dict[str, Any]:
        dropped = ("model", "safetySettings", "stream", "safety_settings")
        inside = code_assist.with_plain_schemas(
            {name: value for name, value in body.items() if name not in dropped}
        )
        inside["sessionId"] = code_assist.session_number(body.get("contents"))
        if "claude" in model:
            return self._for_claude(inside, model)
        contents = code_assist.with_answers_in_order(inside.get("contents"))
        inside["contents"] = code_assist.with_leading_user(contents)
        config = inside.get("generationConfig")
        if isinstance(config, dict) and "maxOutputTokens" in config:
            inside["generationConfig"] = {
                name: value for name, value in config.items() if name != "maxOutputTokens"
            }
        return inside

    def _for_claude(self, inside: dict[str, Any], model: str) -> dict[str, Any]:
        """Calls are validated against their schema, and thinking stays below the limit of the answer."""
        if inside.get("tools"):
            inside["toolConfig"] = {"functionCallingConfig": {"mode": "VALIDATED"}}
        config = inside.get("generationConfig")
        if not isinstance(config, dict):
            return inside
        config = dict(config)
        can = self.capabilities(model)
        limit = config.get("maxOutputTokens")
        if isinstance(limit, int) and can.max_output_tokens:
            config["maxOutputTokens"] = limit = min(limit, can.max_output_tokens)
        thinking = config.get("thinkingConfig")
        budget = thinking.get("thinkingBudget") if isinstance(thinking, dict) else None
        if isinstance(budget, int) and budget > 0 and isinstance(limit, int) and budget >= limit:
            if limit - 1 < (can.thinking_min or 1):
                del config["thinkingConfig"]
            else:
                config["thinkingConfig"] = {**(thinking or {}), "thinkingBudget": limit - 1}
        inside["generationConfig"] = config
        return inside


def _left_out(call: Call) -> tuple[str, ...]:
    """What the backend does not take, of what the client asked."""
    if call.operation is Operation.COUNT:
        return ()
    body = msgspec.json.decode(call.body)
    dropped = ["safetySettings"] if "safetySettings" in body or "safety_settings" in body else []
    config = body.get("generationConfig")
    if "claude" not in call.model and isinstance(config, dict) and "maxOutputTokens" in config:
        dropped.append("generationConfig.maxOutputTokens")
    return tuple(dropped)


def _is_search_alone(body: dict[str, Any]) -> bool:
    tools = body.get("tools")
    return (
        isinstance(tools, list)
        and bool(tools)
        and all(isinstance(tool, dict) and set(tool) <= {"googleSearch", "google_search"} for tool in tools)
    )
