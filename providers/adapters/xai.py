"""xAI by API key, over Chat Completions; by a login at x.ai, over the Responses API of Grok's own clients.

Sources: https://docs.x.ai/docs/api-reference, /docs/models. The host of the logins is undocumented; its
headers and what it refuses were learnt by CLIProxyAPI v7 (docs/protocols/providers.md, "xai").
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from providers.adapters import bodies, refusals, tool_groups
from providers.adapters.base import Call, CatalogueModel, Operation, UpstreamRequest
from providers.adapters.bodies import Members
from providers.adapters.openai_compatible import OpenAICompatible
from providers.adapters.response_events import ResponseRepair
from providers.adapters.tool_groups import NO_GROUPS, Grouped
from providers.errors import UpstreamRefused
from providers.translation.codec import Capabilities
from providers.translation.json_text import dumps
from providers.values import CredentialEntry, Format, Refusal, RefusalKind

_CLIENT_VERSION = "0.2.120"
"""The host refuses clients that it takes for too old; the option ``grok-client-version`` replaces it."""
_REFUSED = ("prompt_cache_retention", "safety_identifier", "stream_options", "stop")
_SHORT = ("stream", "store", "tools", "tool_choice", "max_output_tokens", "temperature", "top_p", "top_k")
_TRACES = frozenset({"x_user_search", "x_semantic_search", "x_keyword_search", "x_thread_fetch"})
_UNKNOWN_TOOLS = frozenset({"tool_search", "custom"})
"""Kinds of OpenAI's own: the host refuses them, and a function in their place would be answered as none."""
_DRAWING = re.compile(r"^grok-(?:4\.[6-9]|[5-9])")
"""Models that take the tool ``image_generation``."""

_FREE_TIER_SPENT = ("free-usage-exhausted", "included free usage")
_FREE_TIER_S = 24 * 3600.0
"""The free allowance is refilled once a day; the vendor names no moment."""


def _model(
    model_id: str, context: int, levels: tuple[str, ...] = (), *, longest: int = 65_536
) -> CatalogueModel:
    return CatalogueModel(
        id=model_id,
        context_length=context,
        max_output_tokens=longest,
        owned_by="xai",
        capabilities=Capabilities(
            developer_role=False,
            thinking="level" if levels else "none",
            thinking_levels=levels,
            thinking_zero="none" in levels,
        ),
    )


def _searching(call: Call) -> Call:
    """``call`` with xAI's own search among its tools, where it generates in the Responses format."""
    if call.format is not Format.RESPONSES or call.operation is not Operation.GENERATE:
        return call
    members = bodies.members_of(call.body)
    tools = bodies.value_of(members, "tools") or []
    if not members or not isinstance(tools, list) or any(_is_x_search(tool) for tool in tools):
        return call
    bodies.put(members, "tools", [*tools, {"type": "x_search"}])
    choice = bodies.value_of(members, "tool_choice")
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        allowed = [*(choice.get("tools") or []), {"type": "x_search"}]
        bodies.put(members, "tool_choice", {**choice, "tools": allowed})
    return msgspec.structs.replace(call, body=bodies.written(members))


def _is_x_search(tool: object) -> bool:
    return isinstance(tool, dict) and tool.get("type") == "x_search"


class XAI(OpenAICompatible):
    """Errors are often flat: ``{"code": "…", "error": "…"}``. 403 ``bad-credentials`` is a wrong key."""

    key = "xai"
    name = "xAI"
    base_url = "https://api.x.ai/v1"
    login_base_url = "https://cli-chat-proxy.grok.com/v1"
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
        _model("grok-build-0.1", 256_000, longest=256_000),
        _model("grok-4.20-multi-agent-0309", 2_000_000, ("low", "medium", "high")),
        _model("grok-composer-2.5-fast", 200_000, longest=32_768),
        _model("grok-3-mini", 131_072, ("low", "medium", "high"), longest=32_768),
        _model("grok-3-mini-fast", 131_072, ("low", "medium", "high"), longest=32_768),
    )

    def payload_protocols(self, format_: Format) -> tuple[str, ...]:
        names = super().payload_protocols(format_)
        return ("codex", *names) if format_ is Format.RESPONSES else names

    def formats(self, credential: CredentialEntry, model: str = "") -> tuple[Format, ...]:
        if credential.channel:
            return (Format.RESPONSES,)
        if credential.options.get("speaks-responses") is True:
            return (Format.OPENAI, Format.RESPONSES)
        return super().formats(credential, model)

    def only_streams(self, credential: CredentialEntry, operation: Operation, model: str) -> bool:
        return bool(credential.channel) and operation is Operation.GENERATE

    def base_of(self, credential: CredentialEntry) -> str:
        """A login is served at the chat host, unless its account says ``using_api``."""
        base = super().base_of(credential)
        if base != self.login_base_url:
            return base
        own = credential.account.get("base_url", "").rstrip("/")
        if own and own != self.base_url:
            return own
        return self.base_url if credential.account.get("using_api", "").lower() == "true" else base

    def keeps_state(self, credential: CredentialEntry) -> bool:
        return not credential.channel

    def request(self, call: Call) -> UpstreamRequest:
        credential = call.credential
        if credential.options.get("inject-x-search") is True:
            call = _searching(call)
        if not credential.channel:
            return super().request(call)
        if call.format is Format.OPENAI:  # no generation: images, videos and their like
            return self._at_api(super().request(call))
        members = bodies.members_of(call.body)
        grouped: dict[str, tuple[str, str]] = {}
        dropped = self._restricted(members, call, grouped)
        headers = list(call.headers)
        conversation = bodies.value_of(members, "prompt_cache_key")
        if isinstance(conversation, str) and conversation:
            headers.append(("x-grok-conv-id", conversation))
        made = super().request(
            msgspec.structs.replace(call, body=bodies.written(members), headers=tuple(headers))
        )
        if call.operation is Operation.COMPACT:
            made = self._at_api(made)
        return msgspec.structs.replace(made, dropped=dropped, grouped=grouped)

    def _at_api(self, made: UpstreamRequest) -> UpstreamRequest:
        """At the API, which takes the same token: the chat host only generates."""
        url = made.url.removeprefix(self.login_base_url)
        return made if url == made.url else msgspec.structs.replace(made, url=self.base_url + url)

    def unwrapper(self, credential: CredentialEntry, grouped: Grouped = NO_GROUPS) -> ResponseRepair | None:
        speaks_responses = bool(credential.channel) or credential.options.get("speaks-responses") is True
        return ResponseRepair(hides=_is_trace, grouped=grouped) if speaks_responses else None

    def models_request(self, credential: CredentialEntry) -> UpstreamRequest | None:
        """The chat host lists nothing."""
        is_chat_host = self.base_of(credential) == self.login_base_url
        return None if is_chat_host else super().models_request(credential)

    def _common_headers(self, credential: CredentialEntry) -> dict[str, str]:
        common = super()._common_headers(credential)
        if not credential.channel:
            return common
        version = credential.options.get("grok-client-version")
        return common | {
            "x-xai-token-auth": "xai-grok-cli",
            "x-authenticateresponse": "authenticate-response",
            "x-grok-client-version": version if isinstance(version, str) and version else _CLIENT_VERSION,
            "x-grok-client-identifier": "cliproxy",
        }

    def _restricted(
        self, members: Members, call: Call, grouped: dict[str, tuple[str, str]]
    ) -> tuple[str, ...]:
        """Take out what the host refuses; which fields those were. ``grouped`` learns the tools whose group
        was taken off them."""
        if bodies.value_of(members, "previous_response_id"):
            raise _not_kept()
        dropped = bodies.drop(members, *_REFUSED)
        if not isinstance(bodies.value_of(members, "instructions"), str):
            bodies.put(members, "instructions", "")
        if not self.capabilities(call.model).thinking_levels:
            reasoning = bodies.value_of(members, "reasoning")
            if isinstance(reasoning, dict) and "effort" in reasoning:
                dropped += ("reasoning.effort",)
                rest = {name: value for name, value in reasoning.items() if name != "effort"}
                bodies.put(members, "reasoning", rest or None)
        if bodies.value_of(members, "reasoning") in (None, {}):
            bodies.drop(members, "reasoning")
        if call.operation is Operation.COMPACT:
            bodies.drop(members, *_SHORT)
            return dropped
        _set_items(members)
        return dropped + _tools(members, call.model, grouped)

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


def _not_kept() -> UpstreamRefused:
    return UpstreamRefused(
        Refusal(
            kind=RefusalKind.REQUEST,
            status=400,
            message="`previous_response_id` names what this upstream does not keep. Send it all instead.",
            code="previous_response_not_found",
            error_type="invalid_request_error",
            param="previous_response_id",
        )
    )


def _is_trace(item: dict[str, Any]) -> bool:
    """What xAI's search did, told as calls that no client made a tool for."""
    if item.get("type") != "custom_tool_call":
        return False
    return item.get("name") in _TRACES or str(item.get("call_id", "")).startswith("xs_call")


def _set_items(members: Members) -> None:
    """Earlier calls of custom tools as calls of functions, and no empty state of reasoning."""
    items = bodies.value_of(members, "input")
    if not isinstance(items, list):
        return
    known = [_item(item) if isinstance(item, dict) else item for item in items]
    if known != items:
        bodies.put(members, "input", known)


def _item(item: dict[str, Any]) -> dict[str, Any]:
    match item.get("type"):
        case "custom_tool_call":
            rest = {name: value for name, value in item.items() if name != "input"}
            arguments = dumps({"input": item.get("input") or ""})
            return tool_groups.ungrouped({**rest, "type": "function_call", "arguments": arguments})
        case "custom_tool_call_output":
            return {**item, "type": "function_call_output"}
        case "function_call":
            return tool_groups.ungrouped(item)
        case "reasoning":
            empty = [name for name in ("content", "encrypted_content") if name in item and item[name] is None]
            return {name: value for name, value in item.items() if name not in empty}
    return item


def _tools(members: Members, model: str, grouped: dict[str, tuple[str, str]]) -> tuple[str, ...]:
    """Only tools that the host knows, those of a group one by one; a choice without tools goes too."""
    tools = bodies.objects_of(members, "tools") or []
    kept: list[dict[str, Any]] = []
    dropped: list[str] = []
    for n, tool in enumerate(tools):
        kind = tool.get("type")
        if kind == "namespace" and (inside := tool_groups.members_of(tool)):
            grouped |= {flat["name"]: (tool["name"], name) for name, flat in inside}
            kept += [flat for _, flat in inside]
            continue
        if (
            kind == "namespace"
            or kind in _UNKNOWN_TOOLS
            or (kind == "image_generation" and not _DRAWING.match(model))
        ):
            dropped.append(f"tools[{n}]")
            continue
        if kind == "web_search":
            tool = {name: value for name, value in tool.items() if name != "external_web_access"}
        kept.append(tool)
    if kept != tools:
        bodies.put(members, "tools", kept)
    if not kept:
        bodies.drop(members, "tools", "tool_choice", "parallel_tool_calls")
    elif grouped and isinstance(choice := bodies.value_of(members, "tool_choice"), dict):
        bodies.put(members, "tool_choice", _choice(choice))
    return tuple(dropped)


def _choice(choice: dict[str, Any]) -> dict[str, Any]:
    """The choice of a tool, or among several, by the names that go up."""
    listed = choice.get("tools")
    if not isinstance(listed, list):
        return tool_groups.ungrouped(choice)
    return {
        **choice,
        "tools": [tool_groups.ungrouped(one) if isinstance(one, dict) else one for one in listed],
    }
