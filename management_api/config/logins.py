"""Blocks of providers that are logged in to: ``kiro``, ``cursor``, ``github-copilot``, ``ampcode``. Pure.

They become providers whose credentials are logins: a token file (read and watched by ``oauth``), tokens in
the file itself, or, for ``github-copilot``, whatever login the gateway holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from management_api.config import parts
from management_api.config.fields import Fields
from management_api.config.keys import DISGUISE_ENTRY
from management_api.config.values import CredentialConfig, ProviderConfig

CURSOR_ADDRESS = "http://127.0.0.1:3000"
KIRO_TASK_TYPES = ("vibe", "dev", "chat")
KIRO_ENDPOINTS = {
    "codewhisperer": "codewhisperer",
    "ide": "codewhisperer",
    "amazonq": "amazonq",
    "q": "amazonq",
    "cli": "amazonq",
}


def read_logins(fields: Fields, environ: Mapping[str, str]) -> list[ProviderConfig]:
    read = (_kiro(fields), _cursor(fields), _copilot(fields), _ampcode(fields, environ))
    return [provider for provider in read if provider is not None]


def _block(
    fields: Fields, block: str, name: str, credentials: list[CredentialConfig]
) -> ProviderConfig | None:
    kept = parts.without_repeats(fields, credentials)
    if not kept:
        return None
    return ProviderConfig(
        origin_key=block,
        line=fields.line_of(block),
        key=block,
        adapter=block,
        name=name,
        credentials=kept,
    )


def _kiro(fields: Fields) -> ProviderConfig | None:
    found = []
    for entry in fields.mappings("kiro"):
        credential = CredentialConfig(
            **_login(entry, "kiro"),
            tokens=_texts(entry, "access-token", "refresh-token"),
            options=_kiro_options(entry),
        )
        entry.finish(DISGUISE_ENTRY)
        if credential.options.get("token-file") or credential.tokens:
            found.append(credential)
        elif "token-file" not in entry.failed:
            entry.warn("", "has neither token-file nor tokens and is left out")
    return _block(fields, "kiro", "Kiro", found)


def _kiro_options(entry: Fields) -> dict[str, Any]:
    options = _texts(entry, "token-file", "profile-arn", "start-url", "agent-task-type")
    options["region"] = entry.text("region", limit=64) or "us-east-1"
    task = options.get("agent-task-type", "")
    if task and task not in KIRO_TASK_TYPES:
        entry.warn("agent-task-type", f"is none of {', '.join(KIRO_TASK_TYPES)} and is ignored")
        del options["agent-task-type"]
    endpoint = entry.text("preferred-endpoint", limit=64).lower()
    if endpoint in KIRO_ENDPOINTS:
        options["preferred-endpoint"] = KIRO_ENDPOINTS[endpoint]
    elif endpoint:
        entry.warn("preferred-endpoint", f"is none of {', '.join(KIRO_ENDPOINTS)} and is ignored")
    return options


def _cursor(fields: Fields) -> ProviderConfig | None:
    found = []
    for entry in fields.mappings("cursor"):
        url = parts.address(entry, "cursor-api-url") or CURSOR_ADDRESS
        credential = CredentialConfig(
            **_login(entry, "cursor"),
            base_url=url,
            tokens=_texts(entry, "auth-token"),
            options=_texts(entry, "token-file"),
        )
        entry.finish(DISGUISE_ENTRY)
        if credential.options.get("token-file") or credential.tokens:
            found.append(credential)
        elif "token-file" not in entry.failed:
            entry.warn("", "has neither token-file nor auth-token and is left out")
    return _block(fields, "cursor", "Cursor", found)


def _login(entry: Fields, channel: str) -> dict[str, Any]:
    """What every login may say beside its tokens."""
    return {
        "origin_key": entry.where,
        "line": entry.line,
        "channel": channel,
        "label": entry.text("label", limit=100),
        "prefix": parts.prefix(entry),
        "proxy_url": parts.proxy_url(entry),
        "headers": parts.headers(entry),
        "enabled": not entry.flag("disabled"),
        "priority": entry.integer("priority"),
        "weight": parts.weight(entry),
        "models": parts.models(entry),
        "excluded_models": parts.patterns(entry),
    }


def _texts(entry: Fields, *keys: str) -> dict[str, str]:
    return {key: text for key in keys if (text := entry.text(key, limit=20_000))}


def _copilot(fields: Fields) -> ProviderConfig | None:
    """Its credentials are the logins of the channel; the block says under which prefix they answer.

    An entry with a ``name`` holds for the login of that name, one without for all.
    """
    accounts = []
    prefix = ""
    for entry in fields.mappings("github-copilot"):
        name, own = entry.text("name", limit=100), parts.prefix(entry)
        entry.finish(DISGUISE_ENTRY)
        prefix = prefix or own
        if name:
            accounts.append({"name": name, "prefix": own})
    if not fields.has("github-copilot") or fields.is_empty_list("github-copilot"):
        return None
    return ProviderConfig(
        origin_key="github-copilot",
        line=fields.line_of("github-copilot"),
        key="github-copilot",
        adapter="github-copilot",
        name="GitHub Copilot",
        prefix=prefix,
        options={"accounts": accounts} if accounts else {},
    )


def _ampcode(fields: Fields, environ: Mapping[str, str]) -> ProviderConfig | None:
    """``ampcode``, also written ``amp-code``, and the flat keys that came before it."""
    block = fields.mapping("ampcode") or fields.mapping("amp-code")
    source, start = (block, "") if block is not None else (fields, "amp-")
    url = parts.address(source, f"{start}upstream-url")
    api_key = source.text(f"{start}upstream-api-key") or environ.get("AMP_API_KEY", "").strip()
    is_local = source.flag(f"{start}restrict-management-to-localhost")
    options: dict[str, Any] = {
        "restrict-management-to-localhost": True if is_local is None else is_local,
        "model-mappings": _mappings(source, f"{start}model-mappings"),
        "force-model-mappings": bool(source.flag(f"{start}force-model-mappings")),
    }
    credentials = [
        CredentialConfig(origin_key="ampcode.upstream-api-key", line=source.line, api_key=api_key, channel="")
    ]
    if block is not None:
        credentials += _amp_keys(block)
        block.finish()
    fields.skip("ampcode", "amp-code", *(f"amp-{key}" for key in AMP_KEYS))
    if block is None and not url:
        return None
    return ProviderConfig(
        origin_key="ampcode",
        line=source.line,
        key="ampcode",
        adapter="ampcode",
        name="Amp",
        base_url=url,
        enabled=bool(url),
        options=options,
        credentials=tuple(credential for credential in credentials if credential.api_key),
    )


AMP_KEYS = (
    "upstream-url",
    "upstream-api-key",
    "restrict-management-to-localhost",
    "model-mappings",
    "force-model-mappings",
)


def _mappings(source: Fields, key: str) -> list[dict[str, Any]]:
    found = []
    for entry in source.mappings(key):
        mapping = {
            "from": entry.text("from", limit=300),
            "to": entry.text("to", limit=300),
            "regex": bool(entry.flag("regex")),
            "params": entry.plain("params") or {},
        }
        entry.finish()
        if mapping["from"] and mapping["to"]:
            found.append(mapping)
        else:
            entry.warn("", "needs from and to and is left out")
    return found


def _amp_keys(block: Fields) -> list[CredentialConfig]:
    """``upstream-api-keys``: each key of Amp with the client keys that use it."""
    found = []
    for entry in block.mappings("upstream-api-keys"):
        key = entry.text("upstream-api-key")
        clients = [text for _, _, text in entry.texts("api-keys")]
        entry.finish()
        if key and clients:
            found.append(
                CredentialConfig(
                    origin_key=entry.where,
                    line=entry.line,
                    api_key=key,
                    client_keys=tuple(clients),
                )
            )
        else:
            entry.warn("", "needs upstream-api-key and api-keys and is left out")
    return found
