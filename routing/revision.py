"""The number that tells every process its RoutingTable is old.

``bump`` runs in the transaction of the change, so nobody sees the number before the rows. Saves and
deletes of the watched models bump by signal; a ``QuerySet.update`` that routing should notice calls
``bump`` itself, and one that it need not notice (health, last use) just does not.
"""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models.signals import post_delete, post_save

from oauth.models import OAuthToken
from oauth.signals import logins_changed
from providers.models import Credential, Provider
from routing.models import (
    ChannelAlias,
    ChannelExclusion,
    ClientKey,
    ConfigRevision,
    GatewaySettings,
    ModelAlias,
    ModelExclusion,
)

WATCHED: tuple[type[models.Model], ...] = (
    Provider,
    Credential,
    ModelAlias,
    ModelExclusion,
    ChannelAlias,
    ChannelExclusion,
    ClientKey,
    GatewaySettings,
    OAuthToken,
)


def bump() -> None:
    """Raise the number by one. Safe under concurrency: the database does the addition."""
    if not ConfigRevision.objects.filter(pk=1).update(number=models.F("number") + 1):
        ConfigRevision.objects.get_or_create(pk=1, defaults={"number": 1})


def current() -> int:
    """The number now; 0 before the first change."""
    return ConfigRevision.objects.filter(pk=1).values_list("number", flat=True).first() or 0


def _on_change(sender: type[models.Model], raw: bool = False, **kwargs: Any) -> None:
    if not raw:
        bump()


def watch_models() -> None:
    for model in WATCHED:
        post_save.connect(_on_change, sender=model, dispatch_uid=f"revision-save-{model.__name__}")
        post_delete.connect(_on_change, sender=model, dispatch_uid=f"revision-delete-{model.__name__}")
    logins_changed.connect(_on_change, dispatch_uid="revision-logins")
