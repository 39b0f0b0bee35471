"""Calls with the token of a login: never with one that has ended, and once more with a fresh one after a 401.

Where tokens come from is passed in (``TokenSource``; ``oauth/refresh.py`` is behind the one that serves). A
key, which has no version, costs nothing here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeVar

import msgspec

from oauth.flows.errors import OAuthError, RefreshRejected
from providers.errors import UpstreamRefused
from providers.values import CredentialEntry, Refusal, RefusalKind
from routing.core.table import Candidate

T = TypeVar("T")


class TokenSource(Protocol):
    def current(self, entry: CredentialEntry) -> CredentialEntry:
        """``entry`` with the newest tokens that this process knows: they may be newer than the table."""

    def is_stale(self, entry: CredentialEntry) -> bool:
        """Whether a call with it is bound to fail."""

    async def renew(self, entry: CredentialEntry) -> CredentialEntry:
        """``entry`` with tokens newer than its own. Raises RefreshRejected, RefreshUnavailable."""

    def note_headers(self, entry: CredentialEntry, headers: Mapping[str, str]) -> None:
        """An answer's headers (lower-case names) may tell of allowances. Returns at once."""


class NoTokens:
    """Where nobody renews anything: a table of keys alone."""

    def current(self, entry: CredentialEntry) -> CredentialEntry:
        return entry

    def is_stale(self, entry: CredentialEntry) -> bool:
        return False

    async def renew(self, entry: CredentialEntry) -> CredentialEntry:
        raise RefreshRejected("Nothing renews this login.")

    def note_headers(self, entry: CredentialEntry, headers: Mapping[str, str]) -> None:
        return


def signed(
    tokens: TokenSource, candidate: Candidate, attempt: Callable[[Candidate], Awaitable[T]]
) -> Awaitable[T]:
    """``attempt`` with a token that holds; where the upstream refuses it, once more with a newer one.

    Raises what ``attempt`` raises, and UpstreamRefused where no token can be had.
    """
    return _signed(tokens, candidate, attempt) if candidate.credential.secret_version else attempt(candidate)


async def _signed(
    tokens: TokenSource, candidate: Candidate, attempt: Callable[[Candidate], Awaitable[T]]
) -> T:
    entry = tokens.current(candidate.credential)
    if tokens.is_stale(entry):
        entry = await _renewed(tokens, entry)
    if entry is not candidate.credential:
        candidate = msgspec.structs.replace(candidate, credential=entry)
    try:
        return await attempt(candidate)
    except UpstreamRefused as error:
        if error.refusal.kind is not RefusalKind.UNAUTHORIZED:
            raise
        entry = await _renewed(tokens, entry)
    return await attempt(msgspec.structs.replace(candidate, credential=entry))


async def _renewed(tokens: TokenSource, entry: CredentialEntry) -> CredentialEntry:
    try:
        return await tokens.renew(entry)
    except RefreshRejected as error:
        refusal = Refusal(kind=RefusalKind.TERMINAL, status=401, message=error.message, credential_wide=True)
        raise UpstreamRefused(refusal) from error
    except OAuthError as error:
        refusal = Refusal(
            kind=RefusalKind.TRANSIENT,
            status=503,
            message=error.message,
            retry_after_s=error.retry_after_s,
            credential_wide=True,
        )
        raise UpstreamRefused(refusal) from error
