"""GitHub Copilot, by the short-lived token that a GitHub login yields: chat, Responses or Messages by model.

GitHub documents Copilot for its editors alone; what is here was learnt from clients of the API, and
docs/protocols/github-copilot.md marks each fact. Which of the editor headers the API enforces is unconfirmed,
so that each can be set.
"""

from __future__ import annotations

import uuid
from typing import Any

import msgspec

from providers.adapters import bodies, model_lists, refusals
from providers.adapters.base import Call, CatalogueModel, Operation, UpstreamRequest
from providers.adapters.bodies import Members
from providers.adapters.copilot_models import COPILOT_CATALOGUE, COPILOT_FAMILIES, COPILOT_MAPPINGS
from providers.adapters.openai_compatible import OpenAICompatible
from providers.translation.codec import Capabilities
from providers.values import CredentialEntry, Format, Refusal, RefusalKind

_FORMAT_OF = {
    "/chat/completions": Format.OPENAI,
    "/responses": Format.RESPONSES,
    "/v1/messages": Format.CLAUDE,
}
_PATH_OF = {form: path for path, form in _FORMAT_OF.items()}
_WRONG_ENDPOINT = "unsupported_api_for_model"
_CHOICES = frozenset({"auto", "none", "required"})
_BUILT_IN = ("web_search", "web_page", "code_search", "file_search")
_IMAGES = frozenset({"image_url", "image", "input_image"})
_ASSISTANTS = frozenset({"function_call", "computer_call", "reasoning", "custom_tool_call"})
_TOOLS = frozenset({"function_call_output", "tool_result", "computer_call_output", "custom_tool_call_output"})
_EDITOR_HEADERS = (
    ("editor-version", "vscode/1.107.0"),
    ("editor-plugin-version", "copilot-chat/0.35.0"),
    ("copilot-integration-id", "vscode-chat"),
    ("openai-intent", "conversation-panel"),
    ("x-github-api-version", "2025-04-01"),
)
"""Without the first the API answers 400; the integration id must be a registered one."""


class GitHubCopilot(OpenAICompatible):
    key = "github-copilot"
    name = "GitHub Copilot"
    base_url = "https://api.githubcopilot.com"
    also_speaks = (Format.RESPONSES,)
    key_hint = "Connected by a GitHub login."
    needs_login = True
    owned_by = "github-copilot"
    catalogue = COPILOT_CATALOGUE
    default_mappings = COPILOT_MAPPINGS
    mappings_are_aliases = True
    abilities = Capabilities(legacy_max_tokens=True, developer_role=False)
    abilities_by_model = COPILOT_FAMILIES

    def formats(self, credential: CredentialEntry, model: str = "") -> tuple[Format, ...]:
        """What the vendor's list says of the model; else by its name."""
        listed = credential.model_formats.get(model)
        if listed:
            return listed
        return (Format.RESPONSES,) if "codex" in model else (Format.OPENAI, Format.RESPONSES)

    def other_format(self, call: Call, refusal: Refusal) -> Format | None:
        if refusal.code != _WRONG_ENDPOINT:
            return None
        return Format.OPENAI if call.format is Format.RESPONSES else Format.RESPONSES

    def request(self, call: Call) -> UpstreamRequest:
        format_ = call.format or self.speaks
        members = bodies.members_of(call.body)
        dropped: tuple[str, ...] = ()
        headers = {"x-initiator": _initiator(members, format_)}
        if _has_image(members, format_):
            headers["copilot-vision-request"] = "true"
        if format_ is Format.OPENAI and members:
            dropped = _chat(members)
        elif format_ is Format.RESPONSES and members:
            dropped = _responses(members)
        elif format_ is Format.CLAUDE:
            headers["anthropic-version"] = "2023-06-01"
        headers["x-request-id"] = str(uuid.UUID(hex=(call.seed or "0").rjust(32, "0")[:32]))
        body = bodies.written(members) if members else call.body
        made = super().request(
            msgspec.structs.replace(call, body=body, headers=(*call.headers, *headers.items()))
        )
        path = _PATH_OF.get(format_, "/chat/completions") if call.operation is Operation.GENERATE else ""
        url = self.base_of(call.credential) + path if path else made.url
        return msgspec.structs.replace(made, url=url, dropped=dropped)

    def base_of(self, credential: CredentialEntry) -> str:
        """An address of the credential's own, else the one that came with the token: it follows the plan."""
        base = super().base_of(credential)
        return credential.account.get("api_base", "").rstrip("/") or base if base == self.base_url else base

    def read_models(self, body: bytes) -> tuple[CatalogueModel, ...]:
        models = {}
        for entry in model_lists.entries(body, "data"):
            model_id = model_lists.text_of(entry.get("id"))
            if model_id and _is_chat(entry):
                models[model_id] = _listed(model_id, entry)
        return tuple(models.values())

    def classify(self, status: int, headers: dict[str, str], body: bytes, now: float) -> Refusal:
        detail = refusals.read_detail(body)
        found = refusals.classify(detail, status, headers, now)
        if detail.code == _WRONG_ENDPOINT:
            found = msgspec.structs.replace(found, kind=RefusalKind.MODEL_UNSUPPORTED, code=_WRONG_ENDPOINT)
        elif status == 429 and "quota_exceeded" in detail.text:
            # The month's premium requests: no header says when they are back, and other models go on.
            wait = found.retry_after_s or refusals.NO_SENSE_SOON_S
            found = msgspec.structs.replace(found, retry_after_s=wait, names_quota_window=True)
        return found

    def _models_url(self, credential: CredentialEntry) -> str:
        return f"{self.base_of(credential)}/models"

    def _common_headers(self, credential: CredentialEntry) -> dict[str, str]:
        editor = {name: _told(credential, name) or value for name, value in _EDITOR_HEADERS}
        return super()._common_headers(credential) | editor


def _told(credential: CredentialEntry, name: str) -> str:
    value = credential.account.get(name.replace("-", "_")) or credential.options.get(name)
    return value.strip() if isinstance(value, str) else ""


# --- bodies ------------------------------------------------------------------------------------


def _chat(members: Members) -> tuple[str, ...]:
    dropped: tuple[str, ...] = ()
    model = bodies.value_of(members, "model")
    if isinstance(model, str) and model != model.lower():
        bodies.put(members, "model", model.lower())
    if tools := bodies.objects_of(members, "tools"):
        kept = [tool for tool in tools if tool.get("type") == "function"]
        dropped += tuple(f"tools[{n}]" for n, tool in enumerate(tools) if tool.get("type") != "function")
        if kept and dropped:
            bodies.put(members, "tools", kept)
        elif not kept:
            bodies.drop(members, "tools", "tool_choice")
    choice = bodies.value_of(members, "tool_choice")
    if choice is not None and not (isinstance(choice, str) and choice in _CHOICES):
        bodies.put(members, "tool_choice", "auto")
        dropped += ("tool_choice",)
    messages = bodies.objects_of(members, "messages")
    if messages and any(_joinable(message) for message in messages):
        bodies.put(members, "messages", [_joined(message) for message in messages])
    return dropped


def _joinable(message: dict[str, Any]) -> bool:
    content = message.get("content")
    return (
        message.get("role") == "assistant"
        and isinstance(content, list)
        and bool(content)
        and all(isinstance(part, dict) and part.get("type") == "text" for part in content)
    )


def _joined(message: dict[str, Any]) -> dict[str, Any]:
    """Claude models repeat themselves after an answer that comes in parts."""
    if not _joinable(message):
        return message
    return {**message, "content": "".join(str(part.get("text") or "") for part in message["content"])}


def _responses(members: Members) -> tuple[str, ...]:
    dropped = bodies.drop(members, "service_tier")
    tools = bodies.objects_of(members, "tools")
    if tools:
        kept = [tool for tool in tools if not str(tool.get("type", "")).startswith(_BUILT_IN)]
        if len(kept) != len(tools):
            dropped += tuple(f"tools[{n}]" for n, tool in enumerate(tools) if tool not in kept)
            bodies.put(members, "tools", kept)
        if not kept:
            bodies.drop(members, "tools", "tool_choice", "parallel_tool_calls")
    return dropped


def _items(members: Members, format_: Format) -> list[dict[str, Any]]:
    name = "input" if format_ is Format.RESPONSES else "messages"
    return bodies.objects_of(members, name) or []


def _initiator(members: Members, format_: Format) -> str:
    """Only what a person says counts as a premium request: an agent's next step must say that it is one."""
    items = _items(members, format_)
    if not items:
        return "user"
    last = items[-1]
    kind, role, content = last.get("type"), last.get("role"), last.get("content")
    is_result = isinstance(content, list) and any(
        isinstance(part, dict) and part.get("type") == "tool_result" for part in content
    )
    by_agent = role in ("assistant", "tool") or kind in _ASSISTANTS or kind in _TOOLS or is_result
    return "agent" if by_agent else "user"


def _has_image(members: Members, format_: Format) -> bool:
    for item in _items(members, format_):
        content = item.get("content")
        for part in content if isinstance(content, list) else []:
            if isinstance(part, dict) and part.get("type") in _IMAGES:
                return True
    return False


# --- the list of models ------------------------------------------------------------------------


def _is_chat(entry: dict[str, object]) -> bool:
    abilities, policy = entry.get("capabilities"), entry.get("policy")
    if isinstance(policy, dict) and policy.get("state") == "disabled":
        return False
    return not isinstance(abilities, dict) or abilities.get("type", "chat") == "chat"


def _listed(model_id: str, entry: dict[str, object]) -> CatalogueModel:
    abilities = entry.get("capabilities")
    found = abilities.get("limits") if isinstance(abilities, dict) else None
    limits: dict[str, object] = found if isinstance(found, dict) else {}
    endpoints = entry.get("supported_endpoints")
    spoken = [
        _FORMAT_OF[path]
        for path in (endpoints if isinstance(endpoints, list) else [])
        if isinstance(path, str) and path in _FORMAT_OF
    ]
    return CatalogueModel(
        id=model_id,
        display_name=model_lists.text_of(entry.get("name")),
        context_length=model_lists.count_of(limits.get("max_context_window_tokens"))
        or model_lists.count_of(limits.get("max_prompt_tokens")),
        max_output_tokens=model_lists.count_of(limits.get("max_output_tokens")),
        owned_by="github-copilot",
        formats=tuple(sorted(set(spoken), key=list(_PATH_OF).index)),
    )
