"""What a channel is: the data sheet of one kind of login, and the flows that it offers. Pure.

Every vendor address, client id and scope is an entry of ``defaults`` and may be replaced by a setting, so
that a company proxy or a test server can stand in. The registry is one explicit list, ``registry.py``.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from oauth.flows.base import Flow, Grant, Quota


class LoginMethod(msgspec.Struct, frozen=True, kw_only=True):
    """One way to log in: ``key`` (``builder-id``, ``idc``, ``device``, ``code``, ``cookie``, ``import``).

    ``fields`` are what the person types first: (name, label, is secret). ``is_import`` methods need no
    vendor page.
    """

    key: str
    name: str
    fields: tuple[tuple[str, str, bool], ...] = ()
    is_import: bool = False


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What the vendor's terms mean for such an account, in our words, and where the terms are."""

    text: str
    url: str


class LoginAsk(msgspec.Struct, frozen=True, kw_only=True):
    """What a login starts from. ``values`` are the method's fields; ``seed`` is 32 random bytes or more as
    hex, from which the flow takes ``state`` and verifier; ``redirect_uri`` "" means the channel's own."""

    method: str
    seed: str
    now: float
    values: Mapping[str, str] = {}
    redirect_uri: str = ""


class Channel:
    """Base of every channel's sheet. Subclasses are data first."""

    key: str
    """``kiro``; the ``type`` in credential files and the key of aliases and exclusions."""
    name: str
    provider_key: str
    """Of the provider row that its credentials belong to."""
    adapter: str
    """Key into ``providers.adapters.registry``."""
    file_type: str = ""
    """``type`` in credential files where it is not ``key`` (gemini-cli: ``gemini``)."""
    methods: tuple[LoginMethod, ...] = ()
    terms: Terms
    defaults: dict[str, str] = {}
    """Addresses, client ids, scopes and ports by name. Settings named CLIPROXY_OAUTH_<CHANNEL>_<NAME> win."""
    required_settings: tuple[tuple[str, str], ...] = ()
    """Names without a default that a login needs (client secrets), and where the vendor publishes each."""
    callback_path: str = ""
    """On the channel's local port and on this server, for authorization-code methods."""
    refresh_lead_s: float | None = None
    """How long before the end a token is refreshed; None where nothing is refreshed."""
    quota_every_s: float | None = None
    """How often the quota is read; None where the vendor reports none."""
    names: tuple[str, ...] = ()
    """Other names that links, commands and the management API use for it (``copilot``, ``openai``)."""
    identity_keys: tuple[str, ...] = ("email",)
    """The facts in ``Grant.account`` that together tell one account from another: a second login with the
    same values renews the credential of the first."""
    quotas_from_headers: bool = False
    """``quotas_in`` finds something in answers to model calls."""

    def identity(self, grant: Grant) -> str:
        """Whose login it is; "" where the vendor does not say."""
        values = [grant.account.get(key, "") for key in self.identity_keys]
        return "|".join(values) if any(values) else ""

    def method_name(self, key: str) -> str:
        """What the method ``key`` is called; the key itself when it is none of these."""
        return next((method.name for method in self.methods if method.key == key), key)

    def can_refresh(self, grant: Grant) -> bool:
        """Whether ``refresh`` has what it needs."""
        return bool(grant.refresh_token)

    def is_complete(self, grant: Grant) -> bool:
        """Whether a refresh has nothing to learn beside new tokens: what is not complete is due at once."""
        return True

    def lead_s(self, grant: Grant) -> float | None:
        """``refresh_lead_s``, for a channel whose logins differ."""
        return self.refresh_lead_s

    def quotas_in(
        self, headers: Mapping[str, str], settings: Mapping[str, str], now: float
    ) -> tuple[Quota, ...]:
        """What the headers (lower-case names) of an answer to a model call tell of allowances."""
        return ()

    def login(self, ask: LoginAsk, settings: Mapping[str, str]) -> Flow[Grant]:
        """Raises (from the generator) OAuthError."""
        raise NotImplementedError

    def refresh(self, grant: Grant, settings: Mapping[str, str], now: float) -> Flow[Grant]:
        """Raises RefreshRejected or RefreshUnavailable."""
        raise NotImplementedError

    def read_quota(self, grant: Grant, settings: Mapping[str, str], now: float) -> Flow[tuple[Quota, ...]]:
        raise NotImplementedError

    def from_file(self, content: Mapping[str, object]) -> Grant:
        """A credential file of this channel as a grant. Raises OAuthError that says what is missing."""
        raise NotImplementedError

    def to_file(self, grant: Grant) -> dict[str, object]:
        """The same shape back, for export."""
        raise NotImplementedError

    def rewritten(self, content: Mapping[str, object], grant: Grant) -> dict[str, object]:
        """``content``, a file that ``from_file`` read, with the tokens of ``grant``; all else stays."""
        raise NotImplementedError

    def file_name(self, grant: Grant) -> str:
        """``kiro-someone.json``: the name that CLIProxyAPI would give."""
        raise NotImplementedError
