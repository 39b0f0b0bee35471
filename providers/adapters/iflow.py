"""iFlow by a login or a browser cookie: Chat Completions with an API key that the login yields, and a
signature.

Source: the iFlow CLI's requests as CLIProxyAPIPlus describes them (2026); the vendor documents neither the
signature nor its errors inside a 200. The signed text begins with the user agent, so that one is fixed here;
a custom header replaces it (docs/protocols/iflow.md).
"""

from __future__ import annotations

import hashlib
import hmac
import re
import uuid
from typing import Any

import msgspec

from providers.adapters import bodies, refusals
from providers.adapters.base import Call, CatalogueModel, UpstreamRequest
from providers.adapters.headers import custom_headers, merge_headers
from providers.adapters.openai_compatible import OpenAICompatible
from providers.errors import UpstreamProtocolError
from providers.translation.codec import Capabilities
from providers.translation.passthrough import BAD_JSON, FIELDS
from providers.values import CredentialEntry, Refusal, RefusalKind

_SIGNED_AGENT = "iFlow-Cli"
"""Part of the signed text: the service refuses another one."""
_SWITCHED = re.compile(r"^(?:glm|qwen3-max-preview|deepseek-v3\.2|deepseek-v3\.1$)")
_THINKING = ("kimi-k2-thinking", "deepseek-r1", "qwen3-235b-a22b-thinking-2507", "minimax-m2")
_KEY_EXPIRED = 439
"""The vendor's own status for a key that has run out."""
_NO_TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "noop",
        "description": "Does nothing. Never call it.",
        "parameters": {"type": "object", "properties": {}},
    },
}


class IFlow(OpenAICompatible):
    key = "iflow"
    name = "iFlow (login)"
    base_url = "https://apis.iflow.cn/v1"
    key_hint = "Connected by an iFlow login, or an API key of iflow.cn."
    owned_by = "iflow"
    abilities = Capabilities(legacy_max_tokens=True, developer_role=False)
    abilities_by_model = (
        (
            r"^(?:glm|qwen3-max-preview|deepseek-v3\.[12]|minimax)",
            Capabilities(legacy_max_tokens=True, developer_role=False, reasoning_in_history=True),
        ),
        (
            r"thinking|deepseek-r1",
            Capabilities(
                legacy_max_tokens=True,
                developer_role=False,
                thinking="level",
                thinking_levels=("low", "medium", "high"),
            ),
        ),
        (r"", Capabilities(legacy_max_tokens=True, developer_role=False, thinking="none")),
    )
    catalogue = tuple(
        CatalogueModel(id=model_id)
        for model_id in (
            "tstars2.0",
            "qwen3-coder-plus",
            "qwen3-max",
            "qwen3-vl-plus",
            "qwen3-max-preview",
            "kimi-k2-0905",
            "kimi-k2",
            "kimi-k2-thinking",
            "glm-4.7",
            "glm-4.6",
            "deepseek-v3.2-chat",
            "deepseek-v3.2",
            "deepseek-v3.1",
            "deepseek-r1",
            "deepseek-v3",
            "qwen3-32b",
            "qwen3-235b-a22b-thinking-2507",
            "qwen3-235b-a22b-instruct",
            "qwen3-235b",
            "minimax-m2",
        )
    )

    def request(self, call: Call) -> UpstreamRequest:
        body = _edited(call.body, call.model, is_stream=call.stream)
        request = super().request(msgspec.structs.replace(call, body=body))
        return msgspec.structs.replace(request, headers=self._signed(request.headers, call))

    def models_request(self, credential: CredentialEntry) -> UpstreamRequest | None:
        return None

    def unwrapped(self, body: bytes) -> bytes:
        """Out of ``{"success": true, "data": {…}}``; an error inside a 200 as an error object."""
        try:
            fields = FIELDS.decode(body)
        except BAD_JSON as error:
            raise UpstreamProtocolError("the upstream's answer is not a JSON object") from error
        if "choices" in fields:
            return body
        data = fields.get("data")
        if data is not None and bytes(data).lstrip()[:1] == b"{":
            return bytes(data)
        if "status" in fields or "msg" in fields:
            return _as_error(fields)
        return body

    def classify(self, status: int, headers: dict[str, str], body: bytes, now: float) -> Refusal:
        detail = refusals.read_detail(body)
        vendor = _vendor_status(detail.body)
        if status == _KEY_EXPIRED or vendor == _KEY_EXPIRED or "expired" in detail.text:
            return refusals.refusal(RefusalKind.UNAUTHORIZED, detail, 401, headers, now)
        if vendor is not None and status in (200, 502):
            status = 401 if vendor in (401, 403) else 502 if vendor >= 500 else vendor
        return refusals.classify(detail, status, headers, now)

    def _signed(self, headers: tuple[tuple[str, str], ...], call: Call) -> tuple[tuple[str, str], ...]:
        agent = custom_headers(call.credential, dict(call.client_headers)).get("user-agent", _SIGNED_AGENT)
        session = f"session-{uuid.UUID(hex=(call.seed or '0').rjust(32, '0')[:32])}"
        moment = str(int(call.now * 1000))
        text = f"{agent}:{session}:{moment}"
        signed = {"user-agent": agent, "session-id": session, "x-iflow-timestamp": moment}
        if secret := call.credential.secret:
            digest = hmac.new(secret.encode(), text.encode(), hashlib.sha256)
            signed["x-iflow-signature"] = digest.hexdigest()
        return merge_headers(dict(headers), signed)


def _edited(body: bytes, model: str, *, is_stream: bool) -> bytes:
    """A family's own switches for thinking in place of ``reasoning_effort``; never an empty tool list."""
    fields: dict[str, Any] = dict(bodies.members_of(body))
    if not fields:
        return body
    effort = fields.get("reasoning_effort")
    level = msgspec.json.decode(effort) if effort is not None else None
    if _SWITCHED.match(model) and level is not None:
        del fields["reasoning_effort"]
        is_on = level != "none"
        switch: dict[str, Any] = {"enable_thinking": is_on}
        if model.startswith("glm") and is_on:
            switch["clear_thinking"] = False
        fields["chat_template_kwargs"] = switch
    elif model.startswith("minimax") and level is not None:
        for name in ("reasoning", "reasoning_effort", "variant"):
            fields.pop(name, None)
        fields["reasoning_split"] = level != "none"
    elif level is not None and model not in _THINKING:
        del fields["reasoning_effort"]
    if is_stream and "tools" in fields and bytes(fields["tools"]).strip() == b"[]":
        fields["tools"] = [_NO_TOOL]
    return msgspec.json.encode(fields)


def _vendor_status(body: object) -> int | None:
    if not isinstance(body, dict):
        return None
    error = body.get("error")
    holder = error if isinstance(error, dict) else body
    value = holder.get("status", holder.get("code"))
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 400 else None


def _as_error(fields: dict[str, msgspec.Raw]) -> bytes:
    told = {name: msgspec.json.decode(raw) for name, raw in fields.items()}
    words = next((told[name] for name in ("msg", "message", "body") if isinstance(told.get(name), str)), "")
    status = _vendor_status(told) or 502
    return msgspec.json.encode({"error": {"message": words, "type": "api_error", "status": status}})
