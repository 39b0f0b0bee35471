"""Credential files: the keys that any of them may have, their spellings, and how names are made. Pure.

Facts from files that CLIProxyAPI writes and reads (its ``auth-dir``, v7) and from the vendors' own CLIs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from oauth.flows import wire

SNAKE = {
    "api-key": "api_key",
    "base-url": "base_url",
    "disable-cooling": "disable_cooling",
    "excluded-models": "excluded_models",
    "model-aliases": "model_aliases",
    "proxy-url": "proxy_url",
    "request-retry": "request_retry",
    "request-scoped-errors": "request_scoped_errors",
    "tool-prefix-disabled": "tool_prefix_disabled",
}
"""Kebab-case spellings; where a file has both, the snake_case one wins."""

SETTINGS = frozenset(
    {
        "disabled",
        "label",
        "note",
        "priority",
        "weight",
        "prefix",
        "proxy_url",
        "headers",
        "excluded_models",
        "model_aliases",
        "request_retry",
        "request_scoped_errors",
        "disable_cooling",
        "websockets",
        "base_url",
        "auth_kind",
    }
)
"""Keys of any credential file that are settings of the credential and no part of the login."""

EXPIRY = ("expired", "expire", "expires_at", "expiresAt", "expiry", "expires", "expiry_date")
REFRESHED = ("last_refresh", "lastRefresh", "last_refreshed_at", "lastRefreshedAt")


def normal(content: Mapping[str, object]) -> dict[str, object]:
    """``content`` with snake_case spellings."""
    found: dict[str, object] = {}
    for key, value in content.items():
        name = SNAKE.get(key, key)
        if name == key or name not in content:
            found[name] = value
    return found


def nested_token(content: Mapping[str, object]) -> dict[str, object]:
    """The object under ``token`` or ``Token``, {} without one."""
    return wire.inner(content, "token") or wire.inner(content, "Token")


def moment(content: Mapping[str, object], names: tuple[str, ...]) -> float | None:
    """The first readable time among ``names``, at the top level and then inside the nested token."""
    for fields in (content, nested_token(content)):
        for name in names:
            if (found := wire.moment_of(fields.get(name))) is not None:
                return found
    return None


def expiry(content: Mapping[str, object]) -> float | None:
    """When the access token ends; from ``timestamp`` (ms) and ``expires_in`` where no end is written."""
    found = moment(content, EXPIRY)
    if found is not None:
        return found
    issued, lifetime = wire.moment_of(content.get("timestamp")), wire.number(content, "expires_in")
    return issued + lifetime if issued is not None and lifetime else None


def token(content: Mapping[str, object], *names: str) -> str:
    """The first of ``names`` at the top level, then inside the nested token."""
    return wire.text(content, *names) or wire.text(nested_token(content), *names)


REGISTRATION = re.compile(r"[0-9A-Fa-f]{8,128}")
"""``clientIdHash`` of Kiro's token file: the name of a file beside it, and nothing that leads elsewhere."""


def registration_name(content: Mapping[str, object]) -> str:
    """The file that holds the client registration of Kiro's token file, "" where it needs none."""
    given = wire.text(content, "clientIdHash", "client_id_hash")
    if not REGISTRATION.fullmatch(given) or wire.text(content, "clientId", "client_id"):
        return ""
    return f"{given}.json"


def in_cli_file(
    content: Mapping[str, object], access: str, refresh: str, end: float | None
) -> dict[str, object]:
    """The flat file of Gemini CLI and Qwen Code (``expiry_date`` in ms) with new tokens."""
    fresh: dict[str, object] = {**content, "access_token": access, "refresh_token": refresh}
    if end is not None:
        fresh["expiry_date"] = int(end * 1000)
    return fresh


def name_part(words: str) -> str:
    """``words`` as part of a file name: nothing that leads out of a folder, nothing that a shell minds."""
    cleaned = re.sub(r"[^A-Za-z0-9@._+-]+", "-", words).strip(".-")
    return cleaned[:120] or "login"


def slug(words: str) -> str:
    """Lower case, every run of other characters a hyphen."""
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")
