"""From rows to the values that the hot path and the probe call with: secrets opened, overrides applied."""

from __future__ import annotations

import msgspec

from providers import secrets
from providers.adapters.registry import adapter_for
from providers.json_columns import read
from providers.models import Credential, Provider
from providers.values import CoolingLadder, CredentialEntry, ErrorRule, Features, Format, Limits


class GatewayDefaults(msgspec.Struct, frozen=True, kw_only=True):
    """What holds where neither a credential nor its provider says otherwise."""

    proxy_url: str = ""
    base_urls: dict[str, str] = {}
    """Channel -> base URL of its logins (``oauth-upstream``)."""
    options: dict[str, object] = {}


def entry_of(credential: Credential, defaults: GatewayDefaults = GatewayDefaults()) -> CredentialEntry:  # noqa: B008  (a frozen value)
    """``credential`` (its provider loaded) as an immutable entry.

    A credential's own value wins over the provider's, that over ``defaults``; headers are merged by name.
    Raises SecretsError when a secret cannot be opened, UnknownAdapter for an unknown kind.
    """
    provider = credential.provider
    adapter = adapter_for(provider.adapter)
    headers = {name.lower(): value for name, value in secrets.reveal_headers(provider.headers_token).items()}
    headers |= {
        name.lower(): value for name, value in secrets.reveal_headers(credential.headers_token).items()
    }
    priority = credential.priority if credential.priority is not None else provider.priority
    retry = credential.request_retry if credential.request_retry is not None else provider.request_retry
    cooling = (
        credential.disable_cooling if credential.disable_cooling is not None else provider.disable_cooling
    )
    channel = credential.channel
    login = getattr(credential, "oauth_token", None) if credential.kind == "oauth" else None
    if login is not None:
        secret, channel = login.access_token, channel or login.channel
    elif credential.kind == "oauth":
        secret = ""  # the configuration gives tokens that nobody has read yet
    else:
        secret = secrets.reveal(credential.secret_token)
    return CredentialEntry(
        id=credential.pk,
        provider_id=provider.pk,
        provider_key=provider.key,
        adapter=provider.adapter,
        base_url=(
            credential.base_url or provider.base_url or defaults.base_urls.get(channel) or adapter.base_url
        ).rstrip("/"),
        secret=secret,
        secret_version=login.version if login is not None else 0,
        secret_expires_at=login.expires_at.timestamp() if login is not None and login.expires_at else None,
        label=credential.label,
        fingerprint=credential.fingerprint,
        headers=tuple(headers.items()),
        proxy_url=secrets.reveal(credential.proxy_token or provider.proxy_token) or defaults.proxy_url,
        prefix=credential.prefix or provider.prefix,
        priority=priority,
        weight=credential.weight,
        request_retry=retry,
        disable_cooling=cooling,
        options={**defaults.options, **provider.options, **credential.options},
        channel=channel,
        account={
            str(name): str(value)
            for name, value in (login.account if login is not None else credential.account).items()
        },
        error_rules=(
            *read(credential, "error_rules", tuple[ErrorRule, ...], ()),
            *read(provider, "error_rules", tuple[ErrorRule, ...], ()),
        ),
        limits=_limits(credential),
        provider_limits=_limits(provider),
        features=read(provider, "features", Features, None) if provider.features else None,
        model_features={
            **read(provider, "model_features", dict[str, Features], {}),
            **read(credential, "model_features", dict[str, Features], {}),
        },
        ladder=read(provider, "ladder", CoolingLadder, None) if provider.ladder else None,
        websockets=provider.websockets if credential.websockets is None else credential.websockets,
        model_formats=_model_formats(provider),
    )


def _limits(row: Credential | Provider) -> Limits | None:
    limits = read(row, "limits", Limits, Limits())
    return limits if limits.is_set else None


class _Listed(msgspec.Struct):
    """What counts here of a stored CatalogueModel."""

    id: str
    formats: tuple[Format, ...] = ()


def _model_formats(provider: Provider) -> dict[str, tuple[Format, ...]]:
    """What the vendor's model list says of formats; a damaged list says nothing."""
    try:
        listed = msgspec.convert(provider.discovered_models, list[_Listed])
    except msgspec.ValidationError:
        return {}
    return {model.id: model.formats for model in listed if model.formats}
