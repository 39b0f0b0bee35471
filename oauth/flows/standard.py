"""The usual channel, from data alone: flat credential files and the standard refresh (RFC 6749 section 6).

A channel that differs overrides the one method in which it differs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec

from oauth.flows import files, renewal, wire
from oauth.flows.base import Flow, Grant, HttpCall, Quota
from oauth.flows.channel import Channel, LoginAsk, LoginMethod
from oauth.flows.errors import OAuthError

FLAT = ("access_token", "refresh_token", "id_token")

IMPORT = LoginMethod(
    key="import",
    name="Import a credential file",
    fields=(("content", "Content of the file (JSON)", True),),
    is_import=True,
)


class StandardChannel(Channel):
    """Settings it reads: ``token_url``, ``client_id``, ``scope``."""

    account_keys: tuple[str, ...] = ("email",)
    """Keys of the credential file that are facts of the account, under the same name in ``Grant.account``."""
    private_keys: tuple[str, ...] = ()
    """As ``account_keys``, for secrets beside the tokens (``Grant.private``)."""
    own_keys: tuple[str, ...] = ()
    """Keys that the file derives from the grant and that need not be kept as unknown ones."""
    file_keys: tuple[str, ...] = FLAT
    """The token keys that the file always has, empty or not."""
    expiry_key: str = "expired"
    writes_last_refresh: bool = True
    is_refreshable: bool = True

    # --- login -----------------------------------------------------------------------------

    def login(self, ask: LoginAsk, settings: Mapping[str, str]) -> Flow[Grant]:
        if ask.method == "import":
            content = wire.object_from(ask.values.get("content", ""))
            if not content:
                raise OAuthError("This is no JSON object.", code="invalid_json", status=400)
            return (yield from self.completed(self.from_file(content), ask, settings))
        if ask.method and ask.method not in {method.key for method in self.methods}:
            raise OAuthError(
                f"{self.name} has no login method {ask.method!r}.", code="unknown_method", status=400
            )
        return (yield from self.log_in(ask, settings))

    def log_in(self, ask: LoginAsk, settings: Mapping[str, str]) -> Flow[Grant]:
        """Every method but ``import``; "" is the first one."""
        raise NotImplementedError

    def completed(self, grant: Grant, ask: LoginAsk, settings: Mapping[str, str]) -> Flow[Grant]:
        """An imported grant, renewed at once where it has ended: that proves it, too."""
        has_ended = grant.expires_at is not None and grant.expires_at <= ask.now
        if (has_ended or not grant.access_token) and self.can_refresh(grant):
            return (yield from self.refresh(grant, settings, ask.now))
        return grant

    # --- refresh ---------------------------------------------------------------------------

    def refresh_call(self, grant: Grant, settings: Mapping[str, str], now: float) -> HttpCall:
        return wire.form_post(
            settings["token_url"],
            {
                "grant_type": "refresh_token",
                "refresh_token": renewal.refresh_token_of(grant),
                "client_id": settings["client_id"],
            },
        )

    def refresh(self, grant: Grant, settings: Mapping[str, str], now: float) -> Flow[Grant]:
        answer = yield from renewal.send(self.refresh_call(grant, settings, now))
        return renewal.renewed(grant, renewal.tokens_of(answer), answer.at)

    def can_refresh(self, grant: Grant) -> bool:
        return self.is_refreshable and bool(grant.refresh_token)

    def read_quota(self, grant: Grant, settings: Mapping[str, str], now: float) -> Flow[tuple[Quota, ...]]:
        """Where the vendor reports none."""
        yield from ()
        return ()

    # --- files -----------------------------------------------------------------------------

    def from_file(self, content: Mapping[str, object]) -> Grant:
        content = files.normal(content)
        access = files.token(content, "access_token", "accessToken") or wire.text(content, "token", "api_key")
        refresh = files.token(content, "refresh_token", "refreshToken")
        account = {key: wire.text(content, key) for key in self.account_keys if wire.text(content, key)}
        private = {key: wire.text(content, key) for key in self.private_keys if wire.text(content, key)}
        grant = Grant(
            channel=self.key,
            access_token=access,
            refresh_token=refresh,
            id_token=files.token(content, "id_token", "idToken"),
            expires_at=files.expiry(content),
            refreshed_at=files.moment(content, files.REFRESHED) or wire.moment_of(content.get("timestamp")),
            method="file",
            label=wire.text(content, "label", "email"),
            account=account,
            private=private,
            file_extras={key: value for key, value in content.items() if key not in self._known()},
        )
        if not (access or self.can_refresh(grant)):
            raise OAuthError(
                f"The file holds no access token{' and no refresh token' if self.is_refreshable else ''}.",
                code="credential_incomplete",
                status=400,
            )
        return grant

    def _known(self) -> set[str]:
        return {
            "type",
            *FLAT,
            "accessToken",
            "refreshToken",
            *files.EXPIRY,
            *files.REFRESHED,
            "timestamp",
            "expires_in",
            *self.account_keys,
            *self.private_keys,
            *self.own_keys,
        }

    def to_file(self, grant: Grant) -> dict[str, object]:
        tokens = {name: getattr(grant, name) for name in FLAT}
        content: dict[str, object] = {"type": self.file_type or self.key}
        content |= {name: value for name, value in tokens.items() if value or name in self.file_keys}
        content |= {key: grant.account[key] for key in self.account_keys if key in grant.account}
        content |= {key: grant.private[key] for key in self.private_keys if key in grant.private}
        if grant.expires_at is not None:
            content[self.expiry_key] = wire.rfc3339(grant.expires_at)
        if self.writes_last_refresh and grant.refreshed_at is not None:
            content["last_refresh"] = wire.rfc3339(grant.refreshed_at)
        return {**grant.file_extras, **content}

    def rewritten(self, content: Mapping[str, object], grant: Grant) -> dict[str, object]:
        """``content``, a file that ``from_file`` read, with the tokens of ``grant``: its shape, its spelling
        and every key that is not of the tokens stay."""
        fresh = self.to_file(msgspec.structs.replace(grant, file_extras={}))
        fresh.pop("label", None)
        kept = dict(content)
        if "type" not in content:
            fresh.pop("type", None)
        for name, value in fresh.items():
            old = kept.get(name)
            kept[name] = (
                {**old, **value} if isinstance(old, Mapping) and isinstance(value, Mapping) else value
            )
        return kept

    def file_name(self, grant: Grant) -> str:
        return f"{self.key}-{files.name_part(self.account_name(grant))}.json"

    def account_name(self, grant: Grant) -> str:
        """What tells this account from others in a file name."""
        named = next((grant.account[key] for key in self.identity_keys if grant.account.get(key)), "")
        return grant.account.get("email") or named or grant.label or short_digest(grant)


def short_digest(grant: Grant) -> str:
    """Eight hex digits for an account of which nothing is known but its token."""
    return hashlib.sha256((grant.refresh_token or grant.access_token).encode()).hexdigest()[:8]
