"""Providers and the credentials with which they are called. Rows know no HTTP.

Secrets, proxy addresses and custom headers are encrypted at rest (``providers/secrets.py``); a row
carries only tokens and a fingerprint. ``origin`` says who owns a row: the database (admin, API) or the
configuration file, which alone may then change it.
"""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Lower

from providers import json_columns
from providers.values import CoolingLadder, ErrorRule, Features, Limits


class Origin(models.TextChoices):
    DATABASE = "database", "Database"
    FILE = "file", "config.yaml"


class Owned(models.Model):
    """Who owns the row. ``origin_key`` names the place in the file, e.g. ``claude-api-key[0]``."""

    origin = models.CharField(max_length=16, choices=Origin.choices, default=Origin.DATABASE, editable=False)
    origin_key = models.CharField(max_length=200, blank=True, default="", editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        abstract = True

    @property
    def is_from_file(self) -> bool:
        return self.origin == Origin.FILE


class CallRules(models.Model):
    """What a provider and a credential both may say of their calls. The JSON columns hold the values of
    ``providers/values.py`` and are read through ``providers/json_columns.py``."""

    error_rules = models.JSONField(
        default=list, blank=True, help_text="Request-scoped error rules, in order."
    )
    limits = models.JSONField(default=dict, blank=True, help_text="rpm, tpm, rpd, tpd, concurrency, waits.")
    model_features = models.JSONField(default=dict, blank=True)
    """Upstream model -> Features."""

    class Meta:
        abstract = True

    def clean(self) -> None:
        super().clean()
        json_columns.check(
            self, error_rules=list[ErrorRule], limits=Limits, model_features=dict[str, Features]
        )


class Provider(CallRules, Owned):
    """A vendor or service that serves models, as configured here."""

    key = models.SlugField(max_length=64, help_text="Stable id; shown to clients and never changed.")
    adapter = models.CharField("kind", max_length=64)
    name = models.CharField(max_length=100, blank=True)
    base_url = models.CharField(
        "base URL", max_length=500, blank=True, help_text="Empty: the vendor's own address."
    )
    enabled = models.BooleanField(default=True)
    prefix = models.CharField(max_length=64, blank=True)
    headers_token = models.TextField(blank=True, default="", editable=False)
    proxy_token = models.TextField(blank=True, default="", editable=False)
    priority = models.IntegerField(default=0, help_text="Higher is preferred.")
    disable_cooling = models.BooleanField(null=True, blank=True)
    request_retry = models.PositiveIntegerField(null=True, blank=True)
    features = models.JSONField(default=dict, blank=True)
    """What the operator says that the provider can do: Features."""
    ladder = models.JSONField(default=dict, blank=True)
    """CoolingLadder for transient faults; {} follows the gateway's."""
    websockets = models.BooleanField(
        "WebSockets", default=False, help_text="It may be reached over a WebSocket."
    )
    options = models.JSONField(default=dict, blank=True)
    discovered_models = models.JSONField(default=list, blank=True, editable=False)
    """List of CatalogueModel as JSON objects, from the provider's own model list."""
    discovered_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["key"]
        constraints = [
            models.UniqueConstraint(Lower("key"), name="provider_key_once"),
            models.CheckConstraint(condition=~models.Q(key=""), name="provider_key_given"),
            models.CheckConstraint(condition=~models.Q(prefix__contains="/"), name="provider_prefix_plain"),
        ]

    def __str__(self) -> str:
        return self.name or self.key

    def clean(self) -> None:
        super().clean()
        json_columns.check(self, features=Features, ladder=CoolingLadder)


class CredentialHealth(models.TextChoices):
    UNKNOWN = "unknown", "Not used yet"
    WORKING = "working", "Works"
    BROKEN = "broken", "Broken"


class Credential(CallRules, Owned):
    """One secret with which one provider is called. Empty overrides inherit the provider's value."""

    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="credentials")
    label = models.CharField(max_length=100, blank=True)
    kind = models.CharField(max_length=16, default="api_key", editable=False)
    """``api_key``, ``none`` (local servers); logins add ``oauth``, whose tokens live in ``oauth.models``."""
    secret_token = models.TextField(blank=True, default="", editable=False)
    fingerprint = models.CharField(max_length=64, blank=True, default="", editable=False)
    enabled = models.BooleanField(default=True)
    base_url = models.CharField("base URL", max_length=500, blank=True)
    prefix = models.CharField(max_length=64, blank=True)
    headers_token = models.TextField(blank=True, default="", editable=False)
    proxy_token = models.TextField(blank=True, default="", editable=False)
    priority = models.IntegerField(null=True, blank=True)
    weight = models.PositiveIntegerField(default=1)
    disable_cooling = models.BooleanField(null=True, blank=True)
    request_retry = models.PositiveIntegerField(null=True, blank=True)
    health = models.CharField(
        max_length=16, choices=CredentialHealth.choices, default=CredentialHealth.UNKNOWN, editable=False
    )
    health_message = models.CharField(max_length=500, blank=True, default="", editable=False)
    health_at = models.DateTimeField(null=True, blank=True, editable=False)
    latency_ms = models.PositiveIntegerField(null=True, blank=True, editable=False)
    websockets = models.BooleanField("WebSockets", null=True, blank=True)
    channel = models.CharField(max_length=64, blank=True, default="", editable=False)
    """The kind of login: ``codex``, ``kiro``; "" for a key."""
    account = models.JSONField(default=dict, blank=True, editable=False)
    """What the login knows of its account, text by text; never a secret."""
    options = models.JSONField(default=dict, blank=True)
    """What the file says of a login (``token-file``, ``region``) and adapter switches of this credential."""
    variant = models.PositiveSmallIntegerField(default=0, editable=False)
    """Tells entries of a file apart that have the same key, base URL and prefix, and another proxy, say."""
    cooldowns_cleared_at = models.DateTimeField(null=True, blank=True, editable=False)
    """Every process drops cooldowns of this credential that began before this moment."""

    class Meta:
        ordering = ["provider_id", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "fingerprint", "base_url", "prefix", "variant"],
                name="credential_once_per_provider",
            ),
            models.CheckConstraint(condition=models.Q(weight__lte=1_000_000), name="credential_weight_bound"),
            models.CheckConstraint(condition=~models.Q(prefix__contains="/"), name="credential_prefix_plain"),
        ]

    def __str__(self) -> str:
        return self.label or self.fingerprint or "no key"


class CredentialCooldown(models.Model):
    """A running cooldown as the admin sees it: a mirror, written by the processes that route."""

    credential = models.ForeignKey(Credential, on_delete=models.CASCADE, related_name="cooldowns")
    model = models.CharField(max_length=300, blank=True)
    """"" means every model of the credential."""
    cause = models.CharField(max_length=40)
    message = models.CharField(max_length=500, blank=True)
    status = models.PositiveSmallIntegerField(null=True)
    since = models.DateTimeField()
    until = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["credential", "model"], name="cooldown_once")]
        indexes = [models.Index(fields=["until"], name="cooldown_until")]

    def __str__(self) -> str:
        return f"{self.credential_id} {self.model or '*'} until {self.until:%H:%M:%S}"
