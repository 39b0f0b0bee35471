"""A credential file as a login and the settings beside it. No database.

Any file may carry settings of its credential (docs/logins.md, "Credential files"): what is not understood is
told in ``notes`` and left out, so that a file that works elsewhere is imported without a question.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from oauth.flows import files, wire
from oauth.flows.base import Grant
from oauth.flows.channel import Channel
from oauth.flows.errors import OAuthError
from oauth.flows.registry import BY_KEY, UnknownChannel, channel_for
from providers.adapters.addresses import check_base_url
from providers.values import ErrorRule, RuleAction

KEY_FILE_NAME = re.compile(r".+-api-key\.json", re.IGNORECASE)
"""``deepseek-api-key.json``: a key for a block of the configuration, and no credential by itself."""
PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")
MAX_PATTERNS = 1000


class NotACredential(OAuthError):
    """The file is none that this gateway reads: the message says why."""

    client_status = 400
    code: str | None = "not_a_credential"


class Alias(msgspec.Struct, frozen=True, kw_only=True):
    upstream_model: str
    alias: str
    fork: bool = False
    display_name: str = ""
    force_mapping: bool = False


class FileEntry(msgspec.Struct, frozen=True, kw_only=True):
    """``columns`` are columns of Credential by name, sealed ones in plain text."""

    channel: Channel
    grant: Grant
    columns: dict[str, Any]
    aliases: tuple[Alias, ...] = ()
    excluded: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def channel_of(content: Mapping[str, object], name: str = "") -> Channel:
    """The channel of a file: by its ``type``, else by a shape that only one program writes. Raises
    NotACredential."""
    kind = wire.text(content, "type").lower()
    if kind == "service_account":
        return BY_KEY["vertex"]
    if kind == "oauth_device_flow":
        return _by_token(content)
    if kind:
        try:
            return channel_for(kind)
        except UnknownChannel as error:
            raise NotACredential(f"Its type {kind!r} is none that this gateway knows.") from error
    if "claudeAiOauth" in content:
        return BY_KEY["claude"]
    if "OPENAI_API_KEY" in content or "id_token" in wire.inner(content, "tokens"):
        return BY_KEY["codex"]
    if "resource_url" in content and "expiry_date" in content:
        return BY_KEY["qwen"]
    if "expiry_date" in content and "googleapis.com" in wire.text(content, "scope"):
        return BY_KEY["gemini-cli"]
    if "kilocodeToken" in content:
        return BY_KEY["kilo"]
    if {"accessToken", "refreshToken"} <= content.keys() and (
        {"profileArn", "authMethod", "clientIdHash"} & content.keys()
    ):
        return BY_KEY["kiro"]
    if any(isinstance(value, Mapping) and "oauth_token" in value for value in content.values()):
        return BY_KEY["github-copilot"]
    raise NotACredential("It has no `type`, so nobody knows whose login it is.")


def _by_token(content: Mapping[str, object]) -> Channel:
    """``type: oauth_device_flow`` is how cliproxyapi++ describes a stored device login: whose it is stands in
    ``provider``, or in the way its tokens begin."""
    named = wire.text(content, "provider", "channel")
    if named:
        try:
            return channel_for(named)
        except UnknownChannel:
            pass
    if wire.text(content, "access_token").startswith(("ghu_", "gho_")):
        return BY_KEY["github-copilot"]
    if wire.text(content, "refresh_token").startswith("aor"):
        return BY_KEY["kiro"]
    raise NotACredential("It is a device login, but does not say whose (`provider`).")


def read_entry(content: Mapping[str, object], channel: Channel | None = None) -> FileEntry:
    """Raises OAuthError that says what is missing."""
    content = files.normal(content)
    channel = channel or channel_of(content)
    grant = channel.from_file(content)
    reader = _Settings(content)
    return FileEntry(
        channel=channel,
        grant=grant,
        columns=reader.columns(),
        aliases=reader.aliases(),
        excluded=reader.excluded(),
        notes=tuple(reader.notes),
    )


class _Settings:
    """The optional keys; collects notes on what it leaves out."""

    def __init__(self, content: Mapping[str, object]) -> None:
        self._content = content
        self.notes: list[str] = []

    def columns(self) -> dict[str, Any]:
        """All of them: what the file does not say has its default."""
        weight = self._whole("weight")
        return {
            "enabled": not self._flag("disabled"),
            "label": wire.text(self._content, "label")[:100],
            "prefix": self._prefix(),
            "proxy_token": self._proxy(),
            "headers_token": self._headers(),
            "base_url": self._base_url(),
            "priority": self._whole("priority"),
            "weight": min(max(weight, 0), 1_000_000) if weight is not None else 1,
            "request_retry": self._count("request_retry"),
            "disable_cooling": self._flag("disable_cooling"),
            "websockets": self._flag("websockets"),
            "error_rules": self._error_rules(),
        }

    def excluded(self) -> tuple[str, ...]:
        given = self._content.get("excluded_models")
        items = given.split(",") if isinstance(given, str) else given if isinstance(given, list) else []
        patterns = [item.strip().lower() for item in items if isinstance(item, str) and item.strip()]
        return tuple(dict.fromkeys(pattern[:300] for pattern in patterns))[:MAX_PATTERNS]

    def aliases(self) -> tuple[Alias, ...]:
        found: dict[str, Alias] = {}
        for item in self._objects("model_aliases"):
            name, alias = wire.text(item, "name")[:300], wire.text(item, "alias")[:300]
            if not name or not alias:
                self.notes.append("an entry of model_aliases lacks name or alias and is left out")
                continue
            found.setdefault(
                alias.lower(),
                Alias(
                    upstream_model=name,
                    alias=alias,
                    fork=item.get("fork") is True,
                    display_name=wire.text(item, "display_name", "display-name")[:200],
                    force_mapping=(item.get("force_mapping") or item.get("force-mapping")) is True,
                ),
            )
        return tuple(found.values())

    def _error_rules(self) -> list[dict[str, Any]]:
        found = []
        for item in self._objects("request_scoped_errors"):
            status = wire.number(item, "status")
            texts = _texts(item.get("match"))
            patterns = [*_texts(item.get("match-regexr")), *_texts(item.get("match-regex"))]
            patterns += [*_texts(item.get("match_regexr")), *_texts(item.get("match_regex"))]
            action = wire.text(item, "action").lower()
            if (
                not status
                or action not in set(RuleAction)
                or not (texts or patterns)
                or not _compile(patterns)
            ):
                self.notes.append("an entry of request_scoped_errors is no rule and is left out")
                continue
            rule = ErrorRule(
                status=int(status), action=RuleAction(action), texts=tuple(texts), patterns=tuple(patterns)
            )
            found.append(msgspec.to_builtins(rule))
        return found

    def _prefix(self) -> str:
        given = wire.text(self._content, "prefix").strip("/")
        if "/" in given or len(given) > 64 or any(character.isspace() for character in given):
            self.notes.append("prefix is no single path segment and is left out")
            return ""
        return given

    def _proxy(self) -> str:
        given = wire.text(self._content, "proxy_url")
        if given.lower() in ("", "direct", "none"):
            return given.lower()
        try:
            parts = urlsplit(given)
            valid = parts.scheme.lower() in PROXY_SCHEMES and bool(parts.hostname)
            _ = parts.port
        except ValueError:
            valid = False
        if not valid:
            self.notes.append("proxy_url is ignored, so that traffic does NOT go through it: it is no proxy")
            return ""
        return given

    def _base_url(self) -> str:
        given = wire.text(self._content, "base_url")
        if not given:
            return ""
        try:
            check_base_url(given)
        except ValueError as error:
            self.notes.append(f"base_url is ignored: {error}")
            return ""
        return given.rstrip("/")

    def _headers(self) -> dict[str, str]:
        given = self._content.get("headers")
        if not isinstance(given, Mapping):
            return {}
        return {str(name): value for name, value in given.items() if isinstance(value, str) and value.strip()}

    def _flag(self, name: str) -> bool | None:
        value = self._content.get(name)
        if isinstance(value, bool):
            return value
        words = wire.text(self._content, name).lower()
        return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}.get(words)

    def _whole(self, name: str) -> int | None:
        value = wire.number(self._content, name)
        if value is None:
            return None
        return int(min(max(value, -1_000_000), 1_000_000))

    def _count(self, name: str) -> int | None:
        value = self._whole(name)
        return value if value is not None and value >= 0 else None

    def _objects(self, name: str) -> list[dict[str, Any]]:
        return wire.objects(self._content, name)[:MAX_PATTERNS]


def _texts(value: object) -> list[str]:
    items = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return [item for item in items if isinstance(item, str) and item]


def _compile(patterns: list[str]) -> bool:
    try:
        for pattern in patterns:
            re.compile(pattern)
    except re.error:
        return False
    return True
