"""Logins: the tokens of a credential, what happened to them, and the allowances that vendors report.

A Grant (``oauth/flows/base.py``) is sealed as a whole. ``version`` rises with every change of it; whoever
writes compares it first, so that a refresh never overwrites a login that was made meanwhile.
"""

from __future__ import annotations

from datetime import datetime

import msgspec
from django.conf import settings
from django.db import models
from django.utils import timezone

from oauth.flows.base import Grant
from providers import secrets
from providers.models import Credential

DETAIL_LENGTH = 500


class TokenStatus(models.TextChoices):
    OK = "ok", "Works"
    EXPIRING = "expiring", "Ends soon and cannot be renewed"
    FAILING = "failing", "Could not be renewed yet"
    LOGIN_NEEDED = "login_needed", "Log in again"


class OAuthToken(models.Model):
    """The tokens of one credential. Written only by ``oauth/tokens.py`` and ``oauth/refresh.py``."""

    credential = models.OneToOneField(Credential, on_delete=models.CASCADE, related_name="oauth_token")
    channel = models.CharField(max_length=32)
    """Key into ``oauth.flows.registry``."""
    identity = models.CharField(max_length=300, blank=True, default="")
    """Whose login it is, by ``Channel.identity``; "" where the vendor does not say."""
    method = models.CharField(max_length=32, blank=True, default="")
    grant_token = models.TextField(editable=False)
    account = models.JSONField(default=dict, blank=True)
    """``Grant.account``: facts that may be shown and that adapters need. No secret."""
    expires_at = models.DateTimeField(null=True, blank=True)
    refreshed_at = models.DateTimeField(null=True, blank=True)
    version = models.PositiveBigIntegerField(default=1)
    status = models.CharField(max_length=16, choices=TokenStatus.choices, default=TokenStatus.OK)
    last_error = models.CharField(max_length=DETAIL_LENGTH, blank=True, default="")
    failures = models.PositiveIntegerField(default=0)
    """Refreshes that failed in a row."""
    next_refresh_at = models.DateTimeField(null=True, blank=True)
    """Empty where nothing will be refreshed by itself."""
    lease_owner = models.CharField(max_length=64, blank=True, default="")
    lease_until = models.DateTimeField(null=True, blank=True)
    """Until then only ``lease_owner`` may refresh."""
    quota_read_at = models.DateTimeField(null=True, blank=True)
    file_path = models.CharField(max_length=500, blank=True, default="")
    """The credential file that owns this login, as an absolute path; "" when the database does."""
    file_digest = models.CharField(max_length=64, blank=True, default="")
    """Of the file's content as last read or written by us: what differs was written by somebody else."""
    connected_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    connected_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = "login"
        ordering = ["channel", "credential_id"]
        constraints = [
            models.UniqueConstraint(
                fields=["channel", "identity"],
                condition=~models.Q(identity="") & models.Q(file_path=""),
                name="login_once_per_account",
            ),
            models.UniqueConstraint(
                fields=["file_path"], condition=~models.Q(file_path=""), name="login_once_per_file"
            ),
        ]
        indexes = [models.Index(fields=["next_refresh_at"], name="login_refresh_due")]

    def __str__(self) -> str:
        return f"{self.channel} {self.account.get('email', '') or self.identity}".strip()

    def grant(self) -> Grant:
        """The tokens. Raises SecretsError."""
        return msgspec.json.decode(secrets.reveal(self.grant_token), type=Grant)

    @property
    def access_token(self) -> str:
        """What model calls are signed with. Raises SecretsError."""
        return self.grant().access_token

    @property
    def is_ended(self) -> bool:
        """Nothing can be called with it any more, and only a new login helps."""
        if self.status != TokenStatus.LOGIN_NEEDED:
            return False
        return self.expires_at is None or self.expires_at <= timezone.now()


def seal_grant(grant: Grant) -> str:
    return secrets.seal(msgspec.json.encode(grant).decode())


class EventKind(models.TextChoices):
    LOGIN = "login", "Login"
    REFRESH = "refresh", "Refresh"
    FAILURE = "failure", "Failure"
    QUOTA = "quota", "Quota"
    COOLDOWN = "cooldown", "Cooldown"
    RESUMED = "resumed", "Back in use"
    EDIT = "edit", "Change"


class CredentialEvent(models.Model):
    """One line of a credential's timeline: what an admin reads when something is wrong."""

    credential = models.ForeignKey(Credential, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField(default=timezone.now)
    kind = models.CharField(max_length=16, choices=EventKind.choices)
    message = models.CharField(max_length=DETAIL_LENGTH)
    cause = models.CharField(max_length=40, blank=True, default="")
    """A stable code: a refusal kind (``quota``), an error code (``refresh_rejected``)."""
    model = models.CharField(max_length=300, blank=True, default="")
    until = models.DateTimeField(null=True, blank=True)
    """When a cooldown will end."""
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [
            models.Index(fields=["credential", "-at"], name="timeline_of_credential"),
            models.Index(fields=["at"], name="timeline_age"),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"


class QuotaReading(models.Model):
    """The latest reading of one allowance of one credential."""

    credential = models.ForeignKey(Credential, on_delete=models.CASCADE, related_name="quotas")
    name = models.CharField(max_length=100)
    model = models.CharField(max_length=300, blank=True, default="")
    """The one upstream model that it holds for; "" for all."""
    limit = models.FloatField(null=True)
    used = models.FloatField(null=True)
    remaining = models.FloatField(null=True)
    used_percent = models.FloatField(null=True)
    resets_at = models.DateTimeField(null=True)
    unit = models.CharField(max_length=40, blank=True, default="")
    is_exhausted = models.BooleanField(default=False)
    spares = models.JSONField(default=list, blank=True)
    """Patterns of upstream models that do not draw on it."""
    read_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["credential_id", "name", "model"]
        constraints = [
            models.UniqueConstraint(fields=["credential", "name", "model"], name="quota_once_per_allowance")
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.used_percent if self.used_percent is not None else '?'} %"

    def is_exhausted_at(self, now: datetime) -> bool:
        return self.is_exhausted and (self.resets_at is None or self.resets_at > now)
