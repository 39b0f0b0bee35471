"""Logins as credential files again: the name and shape that CLIProxyAPI gives them, secrets and all."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

from oauth import credential_files
from oauth.flows.registry import channel_for
from oauth.models import OAuthToken, QuotaReading
from providers import secrets
from routing.models import ChannelAlias, ChannelExclusion


def exported(token: OAuthToken) -> tuple[str, dict[str, Any]]:
    """Name and content. Raises SecretsError, UnknownChannel."""
    channel = channel_for(token.channel)
    grant = token.grant()
    credential = token.credential
    content: dict[str, Any] = dict(channel.to_file(grant))
    label = credential.label if credential.label != grant.label else content.get("label")
    aliases = ChannelAlias.objects.filter(credential=credential).order_by("position", "id")
    exclusions = ChannelExclusion.objects.filter(credential=credential).order_by("pattern")
    settings: dict[str, Any] = {
        "disabled": None if credential.enabled else True,
        "label": label,
        "prefix": credential.prefix,
        "proxy_url": secrets.reveal(credential.proxy_token),
        "headers": secrets.reveal_headers(credential.headers_token),
        "base_url": credential.base_url or grant.account.get("base_url"),
        "priority": credential.priority,
        "weight": credential.weight if credential.weight != 1 else None,
        "request_retry": credential.request_retry,
        "disable_cooling": credential.disable_cooling,
        "websockets": credential.websockets,
        "request_scoped_errors": [_rule(rule) for rule in credential.error_rules],
        "excluded_models": [exclusion.pattern for exclusion in exclusions],
        "model_aliases": [_alias(alias) for alias in aliases],
        "quota": _quota(token),
    }
    for key, value in settings.items():
        if value in (None, "", [], {}):
            content.pop(key, None)
        else:
            content[key] = value
    return channel.file_name(grant), content


def export_file(token: OAuthToken, folder: Path, *, force: bool = False) -> Path:
    """Write the file into ``folder``. Raises FileExistsError without ``force``, OSError, SecretsError."""
    name, content = exported(token)
    path = folder / name
    if path.exists() and not force:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    credential_files.write(path, content)
    return path


def _quota(token: OAuthToken) -> dict[str, Any]:
    """The allowance with numbers that is nearest to its end, as cliproxyapi++ describes one."""
    readings = QuotaReading.objects.filter(credential_id=token.credential_id, limit__isnull=False)
    row = readings.order_by("-used_percent").first()
    if row is None:
        return {}
    resets = {"reset": row.resets_at.isoformat().replace("+00:00", "Z")} if row.resets_at else {}
    return {"limit": row.limit, "used": row.used, "remaining": row.remaining, **resets}


def _rule(fields: dict[str, Any]) -> dict[str, Any]:
    named = {"match": fields.get("texts"), "match-regexr": fields.get("patterns")}
    return {
        "status": fields.get("status"),
        "action": fields.get("action"),
        **{name: value for name, value in named.items() if value},
    }


def _alias(alias: ChannelAlias) -> dict[str, Any]:
    more = {"display_name": alias.display_name, "force_mapping": alias.force_mapping}
    return {
        "name": alias.upstream_model,
        "alias": alias.alias,
        "fork": alias.fork,
        **{name: value for name, value in more.items() if value},
    }
