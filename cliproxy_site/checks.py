"""System checks: what is wrong with this deployment, in a sentence with the remedy, under a stable id.

providers.E001   a stored secret needs an encryption key that is not there
providers.E002   the encryption keys cannot be read
providers.W001   a provider is of a kind that this version does not know
cliproxy_site.W001  (--deploy) pages and cookies are served without TLS
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DatabaseError

from providers import secrets
from providers.adapters.registry import BY_KEY
from providers.models import Provider
from providers.sealed_columns import key_ids_in_use


def check_encryption_keys(
    app_configs: Iterable[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Every stored secret must be readable. Silent as long as there are no tables."""
    try:
        needed = key_ids_in_use()
    except DatabaseError:
        return []  # not migrated yet, or not reachable: whoever needs the database says so
    try:
        known = set(secrets.KEYRING.ids)
    except secrets.SecretsError as error:
        return [
            Error(str(error), hint="See CLIPROXY_ENCRYPTION_KEYS and the data folder.", id="providers.E002")
        ]
    return [
        Error(
            f"The encryption key {key_id} is missing; without it {', '.join(places)} cannot be read.",
            hint="Put it back into encryption_keys in the data folder, or into CLIPROXY_ENCRYPTION_KEYS. "
            "If it is lost for good, paste those secrets again in the admin.",
            id="providers.E001",
        )
        for key_id, places in sorted(needed.items())
        if key_id not in known
    ]


def check_provider_kinds(app_configs: Iterable[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """A provider whose kind is unknown is not routed to."""
    try:
        rows = list(Provider.objects.exclude(adapter__in=BY_KEY).values_list("key", "adapter")[:20])
    except DatabaseError:
        return []
    return [
        Warning(
            f"Provider {key!r} is of kind {kind!r}, which this version does not know.",
            hint="It is not routed to. Upgrade the gateway, or delete the provider.",
            id="providers.W001",
        )
        for key, kind in rows
    ]


def check_tls(app_configs: Iterable[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """One warning instead of Django's four (W004, W008, W012, W016; ``SILENCED_SYSTEM_CHECKS``), which all
    mean DJANGO_SECURE. W008, the redirect to https, also does not fit an API behind a proxy that ends TLS: a
    redirect after a client sent its key in clear would hide the mistake. DJANGO_SSL_REDIRECT turns it on.
    """
    if settings.SESSION_COOKIE_SECURE and settings.SECURE_HSTS_SECONDS:
        return []
    return [
        Warning(
            "Cookies and keys may travel without TLS.",
            hint="Behind a proxy that ends TLS set DJANGO_SECURE=true. On one machine alone, ignore this.",
            id="cliproxy_site.W001",
        )
    ]


def register_checks() -> None:
    """Called once, by the app's ``ready``."""
    register(check_encryption_keys, "cliproxy")
    register(check_provider_kinds, "cliproxy")
    register(check_tls, Tags.security, deploy=True)
