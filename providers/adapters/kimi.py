"""Kimi's coding plan by a login at kimi.com: Chat Completions, and Messages for Anthropic's clients.

Source: MoonshotAI/kimi-cli (the vendor's open-source client: addresses, ``X-Msh-…`` headers) and CLIProxyAPI
v7 (names of models, what the API wants in a history); whether the headers are needed is unconfirmed.
"""

from __future__ import annotations

from typing import Any

import msgspec

from providers.adapters import bodies
from providers.adapters.base import Call, CatalogueModel, Operation, UpstreamRequest
from providers.adapters.bodies import Members
from providers.adapters.headers import USER_AGENT
from providers.adapters.openai_compatible import OpenAICompatible
from providers.translation.codec import Capabilities
from providers.values import CredentialEntry, Format

_PATHS = {
    (Format.OPENAI, Operation.GENERATE): "/v1/chat/completions",
    (Format.CLAUDE, Operation.GENERATE): "/v1/messages",
    (Format.CLAUDE, Operation.COUNT): "/v1/messages/count_tokens",
}
_NAMES = {"kimi-k2.7-code": "kimi-for-coding", "kimi-k2.7-code-highspeed": "kimi-for-coding-highspeed"}
_LONG_CONTEXT = "[1m]"
_NOT_TOLD = "(not kept)"
"""Thoughts that an earlier call of tools needs and that nobody kept."""
_PRODUCT, _, _VERSION = USER_AGENT.partition("/")


def _model(model_id: str, window: int, output: int, levels: tuple[str, ...], *, zero: bool) -> CatalogueModel:
    return CatalogueModel(
        id=model_id,
        context_length=window,
        max_output_tokens=output,
        owned_by="moonshot",
        capabilities=Capabilities(
            max_output_tokens=output,
            legacy_max_tokens=True,
            developer_role=False,
            reasoning_in_history=True,
            thinking="level" if levels else "none",
            thinking_levels=levels,
            thinking_zero=zero,
        ),
    )


_TWO, _THREE = ("low", "high"), ("low", "high", "max")


class Kimi(OpenAICompatible):
    key = "kimi"
    name = "Kimi (login)"
    base_url = "https://api.kimi.com/coding"
    also_speaks = (Format.CLAUDE,)
    counts_tokens = (Format.CLAUDE,)
    key_hint = "Connected by a Kimi login."
    needs_login = True
    owned_by = "moonshot"
    abilities = Capabilities(legacy_max_tokens=True, developer_role=False, reasoning_in_history=True)
    catalogue = (
        _model("kimi-k3", 1_048_576, 65_536, _THREE, zero=False),
        _model("kimi-k3-256k", 262_144, 65_536, _THREE, zero=False),
        _model("kimi-k2.7-code", 262_144, 65_536, _TWO, zero=False),
        _model("kimi-k2.7-code-highspeed", 262_144, 65_536, _TWO, zero=False),
        _model("kimi-k2.6", 262_144, 65_536, _TWO, zero=True),
        _model("kimi-k2.5", 262_144, 32_768, _TWO, zero=True),
        _model("kimi-k2-thinking", 131_072, 32_768, _TWO, zero=True),
        _model("kimi-k2", 131_072, 32_768, (), zero=True),
    )

    def request(self, call: Call) -> UpstreamRequest:
        format_ = call.format or self.speaks
        members = bodies.members_of(call.body)
        if members:
            bodies.put(members, "model", upstream_name(call.model))
            if format_ is Format.OPENAI:
                _chat(members, self.capabilities(call.model))
        headers = {"anthropic-version": "2023-06-01"} if format_ is Format.CLAUDE else {}
        made = super().request(
            msgspec.structs.replace(
                call,
                body=bodies.written(members) if members else call.body,
                headers=(*headers.items(), *call.headers),
            )
        )
        path = _PATHS.get((format_, call.operation), "/v1/chat/completions")
        return msgspec.structs.replace(made, url=self.base_of(call.credential) + path)

    def base_of(self, credential: CredentialEntry) -> str:
        return super().base_of(credential).removesuffix("/v1")

    def _models_url(self, credential: CredentialEntry) -> str:
        return f"{self.base_of(credential)}/v1/models"

    def _common_headers(self, credential: CredentialEntry) -> dict[str, str]:
        device = credential.account.get("device_id", "")
        told = {
            "x-msh-platform": _PRODUCT,
            "x-msh-version": _VERSION,
            "x-msh-device-name": "gateway",
            "x-msh-device-model": "gateway",
        }
        return super()._common_headers(credential) | told | ({"x-msh-device-id": device} if device else {})


def upstream_name(model: str) -> str:
    name = model.removesuffix(_LONG_CONTEXT)
    return _NAMES.get(name) or name.removeprefix("kimi-")


def _chat(members: Members, abilities: Capabilities) -> None:
    effort = bodies.value_of(members, "reasoning_effort")
    bodies.drop(members, "reasoning_effort")
    if abilities.thinking == "none":
        bodies.drop(members, "thinking")
    elif isinstance(effort, str) and "thinking" not in members:
        bodies.put(members, "thinking", _thinking(effort, abilities))
    messages = bodies.objects_of(members, "messages")
    if messages is not None:
        bodies.put(members, "messages", _history(messages))


def _thinking(effort: str, abilities: Capabilities) -> dict[str, str]:
    if effort == "none":
        if abilities.thinking_zero:
            return {"type": "disabled"}
        effort = abilities.thinking_levels[0] if abilities.thinking_levels else "low"
    return {"type": "enabled", "effort": effort}


def _history(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Messages as the API wants them: no empty one of the assistant, thoughts beside every call of tools,
    and every result with the id of its call."""
    kept: list[dict[str, Any]] = []
    thought = ""
    pending: list[str] = []
    for message in messages:
        role, calls = message.get("role"), message.get("tool_calls")
        if role == "assistant":
            own = message.get("reasoning_content")
            thought = own if isinstance(own, str) and own else thought
            if not message.get("content") and not calls:
                continue
            if calls:
                content = message.get("content")
                text = content if isinstance(content, str) else ""
                message = {**message, "reasoning_content": thought or text or _NOT_TOLD}
                pending = [str(call.get("id")) for call in calls if isinstance(call, dict)]
        elif role == "tool" and not message.get("tool_call_id"):
            identity = message.get("call_id") or (pending[0] if len(pending) == 1 else None)
            message = {key: value for key, value in message.items() if key != "call_id"}
            message |= {"tool_call_id": identity} if identity else {}
        kept.append(message)
    return kept
