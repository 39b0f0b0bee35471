"""``GET /v1/models``, ``/v1beta/models`` and one model: what this client key may ask for, in the shape that
the caller reads. OpenAI's by default, Anthropic's for a request with ``anthropic-version`` or of Claude Code,
Codex's for one with ``client_version``, Google's under ``/v1beta`` and for one with ``x-goog-api-key``, as
Google's newer SDKs ask under ``/v1``.

Shapes: OpenAI, Anthropic and Google API references (2026); Codex: its ``ModelInfo`` type (source, 2026).
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import msgspec

from providers.errors import ClientError
from providers.values import Format
from routing.core.provider_names import find_provider
from routing.core.resolve import UnknownModel, is_allowed, listed_models
from routing.core.state import RoutingState
from routing.core.table import ClientEntry, RegisteredModel, RoutingTable

ANTHROPIC_PAGE = 20
GOOGLE_PAGE = 50
MAX_PAGE = 1000
"""Both vendors' upper bound; their defaults above."""
CODEX_CONTEXT = 272_000
"""Assumed for a model whose size nobody told: Codex's own default for unknown models."""


class Shape(Enum):
    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    GOOGLE = "google"
    CODEX = "codex"


def shape_for(version: str, query: dict[str, str], dialect: Format) -> Shape:
    """``version`` is the first segment of the path."""
    if version == "v1beta":
        return Shape.GOOGLE
    if "client_version" in query:
        return Shape.CODEX
    if dialect is Format.GEMINI:
        return Shape.GOOGLE
    return Shape.ANTHROPIC if dialect is Format.CLAUDE else Shape.OPENAI


def model_list(
    table: RoutingTable,
    client: ClientEntry,
    shape: Shape,
    query: dict[str, str],
    state: RoutingState | None = None,
    now: float = 0.0,
) -> dict[str, Any]:
    """All models that somebody can serve (docs/routing.md, "Which ids are listed"), sorted by id, paged where
    the shape has pages; ``provider`` keeps those that this provider serves. Raises ClientError for a page
    that does not exist."""
    models = listed_models(table, client, state, now)
    if wanted := query.get("provider", ""):
        entry = find_provider(table.providers.values(), wanted)
        key = entry.key if entry is not None else wanted
        models = [
            model for model in models if any(offer.credential.provider_key == key for offer in model.offers)
        ]
    if shape is Shape.ANTHROPIC:
        return _anthropic_page(models, query)
    if shape is Shape.GOOGLE:
        return _google_page(models, query)
    if shape is Shape.CODEX:
        return {"models": [_codex(model, place) for place, model in enumerate(models)]}
    return {"object": "list", "data": [_openai(model) for model in models]}


def one_model(table: RoutingTable, client: ClientEntry, model_id: str, shape: Shape) -> dict[str, Any]:
    """Raises UnknownModel, also for a model that this key may not use: its existence is not told."""
    model = table.models.get(model_id)
    if model is None or not is_allowed(client, model_id):
        raise UnknownModel(f"The model `{model_id}` does not exist or is not offered here.")
    if shape is Shape.ANTHROPIC:
        return _anthropic(model)
    return _google(model) if shape is Shape.GOOGLE else _openai(model)


def etag(listed: dict[str, Any]) -> bytes:
    return b'"' + hashlib.sha256(msgspec.json.encode(listed)).hexdigest()[:32].encode() + b'"'


def _openai(model: RegisteredModel) -> dict[str, Any]:
    return {"id": model.id, "object": "model", "created": model.created, "owned_by": model.owned_by}


def _anthropic(model: RegisteredModel) -> dict[str, Any]:
    created = datetime.fromtimestamp(model.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    shown: dict[str, Any] = {
        "type": "model",
        "id": model.id,
        "display_name": model.display_name or model.id,
        "created_at": created,
    }
    if model.context_length is not None:
        shown["max_input_tokens"] = model.context_length
    if model.max_output_tokens is not None:
        shown["max_tokens"] = model.max_output_tokens
    return shown


def _anthropic_page(models: list[RegisteredModel], query: dict[str, str]) -> dict[str, Any]:
    limit = _whole(query, "limit", ANTHROPIC_PAGE)
    ids = [model.id for model in models]
    if after := query.get("after_id"):
        start = _place(ids, after, "after_id") + 1
        page, has_more = models[start : start + limit], len(models) > start + limit
    elif before := query.get("before_id"):
        end = _place(ids, before, "before_id")
        page, has_more = models[max(0, end - limit) : end], end > limit
    else:
        page, has_more = models[:limit], len(models) > limit
    return {
        "data": [_anthropic(model) for model in page],
        "has_more": has_more,
        "first_id": page[0].id if page else None,
        "last_id": page[-1].id if page else None,
    }


def _place(ids: list[str], wanted: str, param: str) -> int:
    try:
        return ids.index(wanted)
    except ValueError:
        raise ClientError(f"`{param}` names no model of this list.", param=param) from None


def _google(model: RegisteredModel) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "name": f"models/{model.id}",
        "version": "001",
        "displayName": model.display_name or model.id,
        "description": model.display_name or model.id,
        "supportedGenerationMethods": ["generateContent", "streamGenerateContent", "countTokens"],
    }
    if model.context_length is not None:
        shown["inputTokenLimit"] = model.context_length
    if model.max_output_tokens is not None:
        shown["outputTokenLimit"] = model.max_output_tokens
    return shown


def _google_page(models: list[RegisteredModel], query: dict[str, str]) -> dict[str, Any]:
    """The page token is the place in the list; Google's is opaque as well."""
    size = _whole(query, "pageSize", GOOGLE_PAGE)
    token = query.get("pageToken", "0")
    if not (token.isascii() and token.isdigit() and len(token) < 10):
        raise ClientError("`pageToken` is not one that this list gave out.", param="pageToken")
    start = int(token)
    page: dict[str, Any] = {"models": [_google(model) for model in models[start : start + size]]}
    if start + size < len(models):
        page["nextPageToken"] = str(start + size)
    return page


def _whole(query: dict[str, str], name: str, default: int) -> int:
    text = query.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MAX_PAGE):
        raise ClientError(f"`{name}` must be a whole number from 1 to {MAX_PAGE}.", param=name)
    return int(text)


def _codex(model: RegisteredModel, place: int) -> dict[str, Any]:
    """Only what every server can do is promised; Codex's types want all of these members."""
    return {
        "slug": model.id,
        "display_name": model.display_name or model.id,
        "description": model.owned_by or None,
        "default_reasoning_level": None,
        "supported_reasoning_levels": [],
        "shell_type": "shell_command",
        "visibility": "list",
        "minimal_client_version": "0.1.0",
        "supported_in_api": True,
        "priority": place,
        "upgrade": None,
        "base_instructions": "",
        "supports_reasoning_summaries": False,
        "support_verbosity": False,
        "default_verbosity": None,
        "apply_patch_tool_type": None,
        "truncation_policy": {"mode": "bytes", "limit": 10_000},
        "supports_parallel_tool_calls": True,
        "context_window": model.context_length or CODEX_CONTEXT,
        "reasoning_summary_format": "none",
        "experimental_supported_tools": [],
    }
