"""A whole file: a Document becomes a GatewayConfig and problems.

Pure: no Django, no files; the environment comes in. What is read where: the gateway's own settings in
``settings``, lists of keys in ``blocks``, logins in ``logins`` and ``channels``, the ``providers:`` map in
``provider_map``. Keys, defaults and rules: docs/configuration.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from management_api.config import channels, document, parts
from management_api.config.blocks import read_blocks
from management_api.config.document import Document
from management_api.config.fields import Fields, Reader, Unseal
from management_api.config.keys import DISGUISE_TOP, GONE_TOP
from management_api.config.logins import read_logins
from management_api.config.problems import ConfigRefused, Findings, Problem, errors
from management_api.config.provider_map import read_map
from management_api.config.settings import read_settings
from management_api.config.values import (
    ClientKeyConfig,
    GatewayConfig,
    ProviderConfig,
    TlsConfig,
)


def read(
    file: Document, environ: Mapping[str, str], unseal: Unseal | None = None
) -> tuple[GatewayConfig, list[Problem]]:
    """What ``file`` says, and every problem by line. With an error among them, do not apply it.

    ``unseal`` opens what an export has sealed (``${sealed:…}``); it raises ValueError for what it cannot.
    """
    findings = Findings(file.source)
    fields = Fields(file.root, "", 1, Reader(findings, environ, unseal))
    host = fields.text("host") if fields.has("host") else None
    port = fields.integer("port", 0, 65535) or None
    config = GatewayConfig(
        host=environ.get("CLIPROXY_HOST", "").strip() or host,
        port=_port_override(environ, findings) or port,
        tls=_tls(fields),
        settings=read_settings(fields, environ, findings),
        client_keys=_client_keys(fields, environ),
        providers=_providers(fields, environ),
        channel_aliases=channels.aliases(fields),
        channel_exclusions=channels.exclusions(fields),
        keeps_secrets=fields.text("secrets").lower() == "kept",
        content_hash=file.content_hash,
    )
    _refuse_newer_layout(fields)
    fields.finish(DISGUISE_TOP, GONE_TOP)
    return config, findings.in_order()


LAYOUT = 8
"""From this ``config-version`` on CLIProxyAPI's file has other blocks (``server``, ``client``, ``upstream``,
``oauth``): read as this layout it would say next to nothing, and applying it would delete what is there."""


def _refuse_newer_layout(fields: Fields) -> None:
    version = fields.integer("config-version")
    if version is not None and version >= LAYOUT:
        fields.error(
            "config-version",
            f"layout {version} cannot be read; use the one of CLIProxyAPI 7, without config-version",
        )


def accept(
    content: bytes, source: str, environ: Mapping[str, str], unseal: Unseal | None = None
) -> tuple[GatewayConfig, list[Problem]]:
    """The configuration in ``content`` and its warnings. Raises ConfigRefused with every error."""
    config, problems = read(document.parse(content, source), environ, unseal)
    if errors(problems):
        raise ConfigRefused(problems)
    return config, problems


def _port_override(environ: Mapping[str, str], findings: Findings) -> int | None:
    given = environ.get("CLIPROXY_PORT", "").strip()
    if not given:
        return None
    if given.isascii() and given.isdigit() and len(given) <= 5 and 1 <= int(given) <= 65535:
        return int(given)
    findings.warn("the environment variable CLIPROXY_PORT is not a port (1 to 65535) and is ignored")
    return None


def _tls(fields: Fields) -> TlsConfig | None:
    block = fields.mapping("tls")
    if block is None:
        return None
    enabled = block.flag("enable")
    cert, key = block.text("cert", limit=500), block.text("key", limit=500)
    block.finish()
    if not enabled:
        return None
    if not cert or not key:
        block.error("enable", "needs the files cert and key")
        return None
    return TlsConfig(cert=cert, key=key)


def _client_keys(fields: Fields, environ: Mapping[str, str]) -> tuple[ClientKeyConfig, ...]:
    """``api-keys``, each once; ``CLIPROXY_API_KEYS`` replaces the list."""
    listed = [_client_key(entry) for entry in fields.mappings_or_names("api-keys", "api-key")]
    listed += _keys_of_old_block(fields, is_needed=not listed)
    override = [part.strip() for part in environ.get("CLIPROXY_API_KEYS", "").split(",") if part.strip()]
    if override:
        return tuple(
            ClientKeyConfig(origin_key=f"CLIPROXY_API_KEYS[{index}]", key=key)
            for index, key in enumerate(dict.fromkeys(override))
        )
    found: dict[str, ClientKeyConfig] = {}
    for client_key in listed:
        if client_key is None:
            continue
        identity = client_key.key or client_key.digest
        if identity in found:
            first = found[identity].origin_key
            fields.warn_at(client_key.line, client_key.origin_key, f"repeats {first} and is ignored")
            continue
        found[identity] = client_key
    return tuple(found.values())


def _client_key(entry: Fields) -> ClientKeyConfig | None:
    """A bare key, or a mapping that says more of it; None with a warning for a blank one."""
    found = ClientKeyConfig(
        origin_key=entry.where,
        line=entry.line,
        key=entry.text("api-key"),
        digest=entry.text("digest", limit=64),
        fingerprint=entry.text("fingerprint", limit=32),
        note=entry.text("name", limit=200),
        enabled=not entry.flag("disabled"),
        allowed_models=parts.patterns(entry, "allowed-models"),
        limits=parts.limits(entry),
        expires_at=_moment(entry, "expires-at"),
        keeps_responses_days=entry.integer("keep-responses-days", 0, 3650) or 0,
    )
    entry.finish()
    if found.key or (found.digest and found.fingerprint):
        return found
    if "api-key" not in entry.failed:
        entry.warn("", "is empty and ignored")
    return None


def _moment(entry: Fields, key: str) -> datetime | None:
    """A date or a moment in ISO 8601; without a zone, UTC."""
    text = entry.text(key)
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        entry.error(key, "must be a date or time such as 2027-01-31 or 2027-01-31T12:00:00Z")
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _keys_of_old_block(fields: Fields, *, is_needed: bool) -> list[ClientKeyConfig | None]:
    """Client keys as the first releases of CLIProxyAPI had them: ``auth.providers[].api-keys``. They count
    only where ``api-keys`` has none, as there."""
    block = fields.mapping("auth")
    if block is None:
        return []
    found: list[ClientKeyConfig | None] = []
    for provider in block.mappings("providers"):
        provider.skip("name", "type", "sdk", "config")
        found += [_client_key(entry) for entry in provider.mappings_or_names("api-keys", "api-key")]
        provider.finish()
    block.finish()
    return found if is_needed else []


def _providers(fields: Fields, environ: Mapping[str, str]) -> tuple[ProviderConfig, ...]:
    """Every provider, each under a key of its own."""
    listed = read_blocks(fields, environ)
    taken = {provider.key for provider in listed}
    logins = [provider for provider in read_logins(fields, environ) if provider.key not in taken]
    taken |= {provider.key for provider in logins}
    return (*listed, *logins, *read_map(fields, environ, taken))
