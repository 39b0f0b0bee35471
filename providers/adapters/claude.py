"""Anthropic's Messages API by API key, at Anthropic or at a server that looks like it.

Sources: https://docs.anthropic.com/en/api/messages, /errors, /rate-limits, /models-list (API version
2023-06-01). The ``anthropic-ratelimit-unified-*`` headers are undocumented; they were learnt from answers to
subscription tokens (docs/protocols/providers.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

import msgspec

from providers.adapters import bodies, limits, model_lists, refusals
from providers.adapters.base import Adapter, Call, CatalogueModel, Operation, UpstreamRequest
from providers.adapters.claude_models import CLAUDE_FAMILIES, CLAUDE_IDS, CLAUDE_MAPPINGS, catalogue_of
from providers.adapters.headers import USER_AGENT, call_headers, custom_headers, merge_headers
from providers.translation.codec import Capabilities
from providers.values import CredentialEntry, Features, Format, Refusal, RefusalKind

_VERSION = "2023-06-01"
_FIRST_PARTY = "api.anthropic.com"
_LOGIN_TOKEN = "sk-ant-oat"  # noqa: S105  (the public beginning of a kind of token, no token)
_LOGIN_BETA = "oauth-2025-04-20"
_UNIFIED = "anthropic-ratelimit-unified-"


class Claude(Adapter):
    key = "claude"
    name = "Anthropic Claude"
    speaks = Format.CLAUDE
    counts_tokens = (Format.CLAUDE,)
    base_url = "https://api.anthropic.com"
    key_hint = "Begins with sk-ant-; made at console.anthropic.com, API keys."
    environment = ("ANTHROPIC_API_KEY",)
    owned_by = "anthropic"
    features = Features(vision=True, code_generation=True, max_tokens=200_000)
    default_mappings = CLAUDE_MAPPINGS
    catalogue = catalogue_of(CLAUDE_IDS)

    def request(self, call: Call) -> UpstreamRequest:
        accept = "text/event-stream" if call.stream else "application/json"
        asked = call_headers(call.headers)
        common = self._common_headers(call.credential)
        path = "/v1/messages/count_tokens" if call.operation is Operation.COUNT else "/v1/messages"
        query = f"?{call.query}" if call.query else ""
        betas = _joined(common.get("anthropic-beta", ""), asked.pop("anthropic-beta", ""))
        return UpstreamRequest(
            method="POST",
            url=f"{_base_of(call.credential, self.base_url)}{path}{query}",
            headers=merge_headers(
                {"content-type": "application/json", "accept": accept},
                common,
                asked,
                {"anthropic-beta": betas} if betas else {},
                custom_headers(call.credential, dict(call.client_headers)),
            ),
            body=_with_system_first(call) if _moves_system(call) else call.body,
        )

    def models_request(self, credential: CredentialEntry) -> UpstreamRequest | None:
        return UpstreamRequest(
            method="GET",
            url=f"{_base_of(credential, self.base_url)}/v1/models?limit=1000",
            headers=merge_headers(
                {"accept": "application/json"},
                self._common_headers(credential),
                custom_headers(credential, {}),
            ),
        )

    def read_models(self, body: bytes) -> tuple[CatalogueModel, ...]:
        models = {}
        for entry in model_lists.entries(body, "data"):
            if model_id := model_lists.text_of(entry.get("id")):
                models[model_id] = CatalogueModel(
                    id=model_id,
                    display_name=model_lists.text_of(entry.get("display_name")),
                    context_length=model_lists.count_of(entry.get("max_input_tokens")),
                    max_output_tokens=model_lists.count_of(entry.get("max_tokens")),
                    created=model_lists.unix_seconds(entry.get("created_at")),
                    owned_by=self.owned_by,
                )
        return tuple(models.values())

    def classify(self, status: int, headers: dict[str, str], body: bytes, now: float) -> Refusal:
        detail = refusals.read_detail(body)
        if status == 429 and "fast mode" in detail.text and "credit" in detail.text:
            # The account pays for fast mode separately; without ``speed: "fast"`` it would have answered.
            return refusals.refusal(RefusalKind.REQUEST, detail, status, headers, now)
        found = refusals.classify(detail, status, headers, now)
        return _with_window(found, headers, now) if found.kind is RefusalKind.QUOTA else found

    def capabilities(self, model: str) -> Capabilities:
        for pattern, abilities in CLAUDE_FAMILIES:
            if re.search(pattern, model):
                return abilities
        return Capabilities()

    def _common_headers(self, credential: CredentialEntry) -> dict[str, str]:
        plain = {
            "accept-encoding": "identity",
            "user-agent": USER_AGENT,
            "anthropic-version": _VERSION,
        }
        secret = credential.secret
        if not secret:
            return plain
        if credential.channel or secret.startswith(_LOGIN_TOKEN):
            return plain | {"authorization": f"Bearer {secret}", "anthropic-beta": _LOGIN_BETA}
        if urlsplit(_base_of(credential, self.base_url)).hostname == _FIRST_PARTY:
            return plain | {"x-api-key": secret}
        # Look-alikes read either header, and none refuses the other.
        return plain | {"x-api-key": secret, "authorization": f"Bearer {secret}"}


def _moves_system(call: Call) -> bool:
    return call.credential.options.get("rebuild-mid-system-message") is True and b'"system"' in call.body


def _with_system_first(call: Call) -> bytes:
    """The body with the system messages from inside the conversation behind the system prompt, for servers
    that know them only there (option ``rebuild-mid-system-message``)."""
    members = bodies.members_of(call.body)
    messages = bodies.objects_of(members, "messages")
    if messages is None:
        return call.body
    moved = [message for message in messages if message.get("role") == "system"]
    if not moved:
        return call.body
    system = bodies.value_of(members, "system")
    blocks = [
        block
        for content in (system, *(message.get("content") for message in moved))
        for block in _blocks(content)
    ]
    bodies.put(members, "system", blocks)
    bodies.put(members, "messages", [message for message in messages if message.get("role") != "system"])
    return bodies.written(members)


def _blocks(content: object) -> list[object]:
    """Content as blocks: a text is one of them."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return list(content) if isinstance(content, list) else []


def _base_of(credential: CredentialEntry, default: str) -> str:
    """Without a trailing ``/v1``, which people copy from SDK settings."""
    return (credential.base_url.rstrip("/") or default).removesuffix("/v1")


def _joined(*lists: str) -> str:
    """Comma lists as one, order kept, each value once."""
    values = (value.strip() for text in lists for value in text.split(","))
    return ",".join(dict.fromkeys(value for value in values if value))


def _with_window(found: Refusal, headers: Mapping[str, str], now: float) -> Refusal:
    """Add what the unified headers say of the spent window: its end, and whether all models share it."""
    status_of = {name: headers.get(f"{_UNIFIED}{name}-status", "").lower() for name in ("5h", "7d", "7d_oi")}
    overall = headers.get(f"{_UNIFIED}status", "").lower()
    model_only = status_of["5h"] == status_of["7d"] == "allowed" and status_of["7d_oi"] == "rejected"
    if model_only:
        return found
    waits = list(_window_waits(status_of, overall, headers, now))
    shared = "rejected" in (status_of["5h"], status_of["7d"], overall)
    if not waits:
        return msgspec.structs.replace(found, credential_wide=shared or found.credential_wide)
    return msgspec.structs.replace(
        found,
        retry_after_s=max(*waits, found.retry_after_s or 0.0),
        names_quota_window=True,
        credential_wide=shared or found.credential_wide,
    )


def _window_waits(
    status_of: Mapping[str, str], overall: str, headers: Mapping[str, str], now: float
) -> Iterator[float]:
    """Seconds to the end of each spent window that lies ahead."""
    any_rejected = overall == "rejected" or "rejected" in status_of.values()
    nothing_said = not overall and "allowed" not in (status_of["5h"], status_of["7d"])
    names = [f"{name}-reset" for name, status in status_of.items() if status == "rejected"]
    if any_rejected or nothing_said:
        names.append("reset")
    for name in names:
        wait = limits.wait_until(headers.get(_UNIFIED + name, ""), now)
        if wait:
            yield wait
