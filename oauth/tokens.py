"""Stores what a login gave: one credential per account, made or renewed, with its tokens sealed.

Synchronous; call it off the event loop. A second login of the same account renews the credential that is
there and keeps its id, its settings and its history.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import msgspec
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from oauth import schedule, timeline
from oauth.flows.base import Grant
from oauth.flows.channel import Channel
from oauth.flows.errors import OAuthError
from oauth.flows.registry import channel_for
from oauth.models import EventKind, OAuthToken, TokenStatus, seal_grant
from oauth.signals import logins_changed
from providers import secrets
from providers.models import Credential, CredentialHealth, Provider

LABEL_LENGTH = 100


def store_grant(
    grant: Grant,
    *,
    user: AbstractBaseUser | None = None,
    credential: Credential | None = None,
    file_path: str = "",
    file_digest: str = "",
) -> Credential:
    """``grant`` as a credential that routing uses from now on.

    ``credential`` names the one to log in again; without it the same account's is looked for, then a new one
    is made under the channel's provider. ``user`` stands in the timeline. ``file_path`` makes the credential
    file that holds the login its owner; what comes from a file is stored once: a login whose ``file_digest``
    is the same stays as it is, for by now its tokens may be newer than the file's.

    Raises UnknownChannel, OAuthError for an account that another credential has, SecretsError, DatabaseError.
    """
    channel = channel_for(grant.channel)
    store = _Store(channel, grant, user, file_path, file_digest)
    try:
        with transaction.atomic():
            return store.run(credential)
    except IntegrityError:
        # The same account was stored by another process between our look and our writing.
        with transaction.atomic():
            return store.run(credential)


class _Store:
    def __init__(
        self, channel: Channel, grant: Grant, user: AbstractBaseUser | None, file_path: str, file_digest: str
    ) -> None:
        self.channel = channel
        self.grant = grant
        self.user = user
        self.file_path = file_path
        self.file_digest = file_digest
        self.identity = channel.identity(grant)[:300]
        self.now = timezone.now()

    def run(self, credential: Credential | None) -> Credential:
        token = self._known(credential)
        self._refuse_others_account(token, credential)
        if token is not None:
            if self.file_digest and token.file_digest == self.file_digest:
                return token.credential  # another process stored the very same
            return self._renew(token)
        if credential is None:
            found = self._new_credential()
        else:
            found = credential
            Credential.objects.filter(pk=found.pk).update(
                kind="oauth",
                channel=found.channel or self.channel.key,
                account=self.grant.account,
                cooldowns_cleared_at=self.now,
            )
        OAuthToken.objects.create(credential=found, **self._columns())
        self._note(found.pk, "Connected")
        return found

    def _known(self, credential: Credential | None) -> OAuthToken | None:
        """The login to renew, locked. An account's is found by what the vendor tells of it."""
        rows = OAuthToken.objects.select_for_update(of=("self",)).select_related("credential__provider")
        rows = rows.filter(channel=self.channel.key)
        if credential is not None:
            return rows.filter(credential=credential).first()
        if self.file_path and (owned := rows.filter(file_path=self.file_path).first()):
            return owned
        if not self.identity:
            return None
        return rows.filter(identity=self.identity, file_path="").first() or (
            None if self.file_path else rows.filter(identity=self.identity).order_by("pk").first()
        )

    def _refuse_others_account(self, token: OAuthToken | None, credential: Credential | None) -> None:
        if credential is None or not self.identity or self.file_path:
            return
        others = OAuthToken.objects.filter(channel=self.channel.key, identity=self.identity, file_path="")
        other = others.exclude(credential=credential).select_related("credential").first()
        if other is not None and not (token is not None and token.file_path):
            raise OAuthError(
                f"This account is connected already, as credential {other.credential_id} "
                f"({other.credential.label}). Log in with the account of this credential.",
                code="account_taken",
                status=409,
            )

    def _renew(self, token: OAuthToken) -> Credential:
        if self.file_digest and self._same_tokens(token):
            # Only settings changed in the file (or we wrote the tokens there ourselves): a refresh that is
            # under way goes on, and the version, by which it knows its login, stays.
            OAuthToken.objects.filter(pk=token.pk, version=token.version).update(
                grant_token=seal_grant(self._with_newest_end(token)), file_digest=self.file_digest
            )
            return token.credential
        columns = self._columns(token)
        OAuthToken.objects.filter(pk=token.pk).update(**columns, version=F("version") + 1)
        credential = token.credential
        Credential.objects.filter(pk=credential.pk).update(
            kind="oauth",
            channel=credential.channel or self.channel.key,
            account=self.grant.account,
            label=credential.label or self._label(),
            health=CredentialHealth.UNKNOWN,
            health_message="",
            health_at=self.now,
            cooldowns_cleared_at=self.now,
        )
        logins_changed.send(sender=OAuthToken)
        self._note(credential.pk, "Logged in again")
        credential.refresh_from_db()
        return credential

    def _same_tokens(self, token: OAuthToken) -> bool:
        try:
            held = token.grant()
        except secrets.SecretsError:
            return False
        given = self.grant
        return (
            bool(given.refresh_token or given.access_token)
            and token.status != TokenStatus.LOGIN_NEEDED
            and given.refresh_token == held.refresh_token
            and given.access_token in (held.access_token, "")
            and given.private == held.private
        )

    def _with_newest_end(self, token: OAuthToken) -> Grant:
        """The file's other keys beside the tokens and facts that are known."""
        return msgspec.structs.replace(token.grant(), file_extras=self.grant.file_extras)

    def _columns(self, known: OAuthToken | None = None) -> dict[str, object]:
        grant, channel = self.grant, self.channel
        due = schedule.first_refresh(channel, grant, self.now.timestamp())
        columns: dict[str, object] = {
            "channel": channel.key,
            "identity": self.identity or (known.identity if known else ""),
            "method": grant.method[:32],
            "grant_token": seal_grant(grant),
            "account": grant.account,
            "expires_at": moment(grant.expires_at),
            "refreshed_at": moment(grant.refreshed_at),
            "status": TokenStatus.OK,
            "last_error": "",
            "failures": 0,
            "next_refresh_at": moment(due),
            "lease_owner": "",
            "lease_until": None,
            "connected_at": self.now,
        }
        if self.user is not None:
            columns["connected_by_id"] = self.user.pk
        if self.file_path:
            columns["file_path"] = self.file_path
        if self.file_digest:
            columns["file_digest"] = self.file_digest
        return columns

    def _new_credential(self) -> Credential:
        stamp = self.file_path if self.file_path else self.identity or uuid.uuid4().hex
        return Credential.objects.create(
            provider=provider_of(self.channel),
            kind="oauth",
            channel=self.channel.key,
            account=self.grant.account,
            label=self._label(),
            fingerprint=secrets.fingerprint(f"{self.channel.key}:{stamp}")[:8],
        )

    def _label(self) -> str:
        return (self.grant.label or self.identity.partition("|")[0] or self.channel.name)[:LABEL_LENGTH]

    def _method(self) -> str:
        name = self.channel.method_name(self.grant.method)
        return f"“{name}”" if name else "login"

    def _note(self, credential_id: int, what: str) -> None:
        how = "from a credential file" if self.file_path else f"by {self._method()}"
        timeline.note(
            credential_id, EventKind.LOGIN, f"{what} {how}: {self._label()}", at=self.now, user=self.user
        )


def provider_of(channel: Channel) -> Provider:
    """The provider row of a channel's credentials, made when it is not there. It may be the configuration
    file's (``github-copilot``): when the file drops it, it stays for its logins."""
    for key in (channel.provider_key, f"{channel.provider_key}-login"):
        provider = Provider.objects.filter(key__iexact=key).first()
        if provider is None:
            return Provider.objects.create(key=key, adapter=channel.adapter, name=channel.name)
        if provider.adapter == channel.adapter:
            return provider
    return Provider.objects.create(
        key=f"{channel.provider_key}-{uuid.uuid4().hex[:6]}", adapter=channel.adapter, name=channel.name
    )


def moment(seconds: float | None) -> datetime | None:
    """Unix seconds as a database column takes them; what no calendar holds is None."""
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
