"""Logins: attempts at one, the tokens of a credential, what happened to them, and the allowances that vendors
report.

A Grant (``oauth/flows/base.py``) is sealed as a whole. ``version`` rises with every change of it; whoever
writes compares it first, so that a refresh never overwrites a login that was made meanwhile.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

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


class AttemptStatus(models.TextChoices):
    PENDING = "pending", "Waiting"
    SUCCESS = "success", "Connected"
    DENIED = "denied", "Refused"
    EXPIRED = "expired", "Expired"
    FAILED = "failed", "Failed"


class AttemptStep(models.TextChoices):
    """What a pending attempt waits for."""

    STARTING = "starting", "Asking the vendor"
    CODE = "code", "Waiting until the code is entered"
    PAGE = "page", "Waiting for the vendor's page"
    FINISHING = "finishing", "Fetching the tokens"


class LoginAttempt(models.Model):
    """One try at a login: begun by a person or a key, driven by one process, seen by all.

    The process that drives it renews ``alive_at``; when that is older than LEASE, the process is gone and
    the attempt with it. ``state`` is unguessable: it is looked up by its digest and stored sealed only.
    What a page shows (code, addresses) and what came back from the vendor's page are sealed too, and are
    emptied when the attempt ends.
    """

    LEASE = timedelta(seconds=30)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    channel = models.CharField(max_length=64)
    method = models.CharField(max_length=40)
    status = models.CharField(max_length=16, choices=AttemptStatus.choices, default=AttemptStatus.PENDING)
    step = models.CharField(max_length=16, choices=AttemptStep.choices, default=AttemptStep.STARTING)
    version = models.PositiveIntegerField(default=0)
    """Raised with every change that somebody may see: a page asks for no more than this number."""
    state_digest = models.CharField(max_length=64, unique=True)
    shown_token = models.TextField(blank=True, default="")
    """Sealed JSON of ``oauth.attempts.Shown``."""
    callback_token = models.TextField(blank=True, default="")
    """Sealed JSON of ``oauth.flows.base.Callback``, until the driver has taken it."""
    callback_at = models.DateTimeField(null=True, blank=True)
    """When the one callback was taken: a second one is refused."""
    begun_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    begun_with = models.CharField(max_length=80)
    """``page``, ``command`` or ``management key``."""
    terms_accepted_by = models.CharField(max_length=200)
    terms_accepted_at = models.DateTimeField()
    terms_digest = models.CharField(max_length=64)
    """Of the text that was accepted: when it changes, it is shown again."""
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    alive_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)
    renews = models.ForeignKey(Credential, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    """The credential that is to be logged in again; empty for whichever account it turns out to be."""
    credential = models.ForeignKey(
        Credential, on_delete=models.SET_NULL, null=True, blank=True, related_name="login_attempts"
    )
    """What the login made or renewed."""
    error_code = models.CharField(max_length=64, blank=True, default="")
    error = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        ordering = ["-created_at"]
        permissions = [("connect_account", "Can connect an account by a login")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=AttemptStatus.values), name="login_attempt_status_known"
            ),
            models.CheckConstraint(
                condition=models.Q(status=AttemptStatus.PENDING, finished_at__isnull=True)
                | (~models.Q(status=AttemptStatus.PENDING) & models.Q(finished_at__isnull=False)),
                name="login_attempt_finished_or_pending",
            ),
            models.CheckConstraint(condition=~models.Q(state_digest=""), name="login_attempt_state_given"),
            models.CheckConstraint(
                condition=~models.Q(terms_accepted_by=""), name="login_attempt_terms_accepted"
            ),
        ]
        indexes = [
            models.Index(fields=["begun_by", "channel", "status"], name="login_attempt_resumed"),
            models.Index(fields=["status", "alive_at"], name="login_attempt_alive"),
        ]

    def __str__(self) -> str:
        return f"{self.channel} login of {self.created_at:%Y-%m-%d %H:%M}"

    @property
    def is_pending(self) -> bool:
        return self.status == AttemptStatus.PENDING
