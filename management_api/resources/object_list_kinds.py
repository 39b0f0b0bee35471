"""Which lists of keys the management API has, and what CLIProxyAPI lets a request do to each. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

_EVERY = frozenset(
    {
        "prefix",
        "base-url",
        "proxy-url",
        "headers",
        "excluded-models",
        "disable-cooling",
        "request-retry",
        "disabled",
    }
)
_KEYED = _EVERY | {"api-key", "weight"}
_RULES = frozenset({"request-scoped-errors"})
_MODELS = frozenset({"models"})

KINDS: dict[str, Any] = {
    "name": str,
    "api-key": str,
    "prefix": str,
    "base-url": str,
    "proxy-url": str,
    "headers": dict[str, str],
    "excluded-models": list[str],
    "models": list[dict[str, Any] | str],
    "api-key-entries": list[dict[str, Any] | str],
    "request-scoped-errors": list[dict[str, Any]],
    "request-retry": int,
    "priority": int,
    "disabled": bool,
    "websockets": bool,
    "alpha-search": bool,
    "rebuild-mid-system-message": bool,
    "support-prompt-cache-key": bool,
}
"""What a field is; ``weight`` and ``disable-cooling`` have errors of their own."""


class ObjectList(msgspec.Struct, frozen=True, kw_only=True):
    """One list. Its name is the key in the file, the path and the key of the answer."""

    name: str
    patchable: frozenset[str]
    match: str = "api-key"
    """The field by which a request names an entry."""
    needs: str = ""
    """Without this field PUT drops an entry, and PATCH removes it by setting the field to ""."""
    needs_error: str = ""
    """What PUT says instead of dropping it."""
    is_narrowed: bool = False
    """An entry needs a key or an address, and several of one key are told apart by the address."""
    never: frozenset[str] = frozenset()
    """Switches that are off whatever a request says."""

    @property
    def is_by_name(self) -> bool:
        return self.match == "name"


OBJECT_LISTS = (
    ObjectList(name="gemini-api-key", patchable=_KEYED | _RULES, is_narrowed=True),
    ObjectList(name="interactions-api-key", patchable=_KEYED | _RULES, is_narrowed=True),
    ObjectList(name="claude-api-key", patchable=_KEYED | _RULES | _MODELS | {"rebuild-mid-system-message"}),
    ObjectList(
        name="codex-api-key", patchable=_KEYED | _RULES | _MODELS | {"alpha-search"}, needs="base-url"
    ),
    ObjectList(
        name="xai-api-key",
        patchable=_KEYED | _RULES | _MODELS | {"priority", "websockets"},
        needs="base-url",
        never=frozenset({"alpha-search"}),
    ),
    ObjectList(
        name="vertex-api-key",
        patchable=_KEYED | _MODELS,
        needs="api-key",
        needs_error="vertex-api-key[{index}].api-key is required",
    ),
    ObjectList(
        name="openai-compatibility",
        match="name",
        patchable=_EVERY | _RULES | _MODELS | {"name", "api-key-entries", "support-prompt-cache-key"},
        needs="base-url",
    ),
)
