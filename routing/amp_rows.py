"""The rows of the ``ampcode`` provider -> AmpSettings. Runs off the event loop: it reads the database."""

from __future__ import annotations

import logging
from typing import Any

from providers import secrets
from providers.models import Credential, Provider
from providers.secrets import SecretsError
from routing.core.amp_settings import AmpMapping, AmpSettings

logger = logging.getLogger("routing.table")
ADAPTER = "ampcode"
CLIENT_KEYS = "client-keys"
"""The credential's option: digests of the client keys that it pays for; without it, it pays for all."""


def amp_settings() -> AmpSettings | None:
    """None without such a provider, or with a disabled one that has an address. One without an address only
    maps models."""
    provider = Provider.objects.filter(adapter=ADAPTER).order_by("-enabled", "id").first()
    if provider is None or (provider.base_url and not provider.enabled):
        return None
    key = ""
    key_by_client: dict[str, str] = {}
    for credential in Credential.objects.filter(provider=provider, enabled=True).order_by("id"):
        try:
            secret = secrets.reveal(credential.secret_token)
        except SecretsError as error:
            logger.error("credential %s of %s cannot be used: %s", credential.pk, provider.key, error)
            continue
        digests = credential.options.get(CLIENT_KEYS)
        if isinstance(digests, list):
            for digest in digests:
                key_by_client.setdefault(str(digest), secret)
        else:
            key = key or secret
    options = provider.options
    return AmpSettings(
        upstream_url=provider.base_url.rstrip("/"),
        key=key,
        key_by_client=key_by_client,
        is_local_only=options.get("restrict-management-to-localhost") is not False,
        mappings=tuple(_mapping(one) for one in options.get("model-mappings") or () if isinstance(one, dict)),
        forces_mappings=bool(options.get("force-model-mappings")),
        proxy_url=secrets.reveal(provider.proxy_token) if provider.proxy_token else "",
    )


def _mapping(one: dict[str, Any]) -> AmpMapping:
    params = one.get("params")
    return AmpMapping(
        source=str(one.get("from", "")),
        target=str(one.get("to", "")),
        is_regex=bool(one.get("regex")),
        params=params if isinstance(params, dict) else {},
    )
