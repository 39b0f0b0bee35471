from __future__ import annotations

import msgspec
import pytest

from oauth.flows.errors import RefreshRejected, RefreshUnavailable
from providers.errors import UpstreamRefused
from providers.values import CredentialEntry, Refusal, RefusalKind
from routing.core.cooldown import kind_of
from routing.core.table import Candidate
from routing.proxy.tokens import NoTokens, signed


def candidate(version: int = 1, secret: str = "old") -> Candidate:
    entry = CredentialEntry(
        id=1,
        provider_id=1,
        provider_key="qwen",
        adapter="qwen",
        base_url="",
        secret=secret,
        secret_version=version,
        channel="qwen" if version else "",
    )
    return Candidate(credential=entry, model="m")


class Source(NoTokens):
    def __init__(self, *, is_stale: bool = False, error: Exception | None = None) -> None:
        self._is_stale, self._error = is_stale, error
        self.renewals: list[str] = []

    def is_stale(self, entry: CredentialEntry) -> bool:
        return self._is_stale

    async def renew(self, entry: CredentialEntry) -> CredentialEntry:
        self.renewals.append(entry.secret)
        if self._error is not None:
            raise self._error
        return msgspec.structs.replace(entry, secret="new", secret_version=entry.secret_version + 1)


def upstream(accepts: str, kind: RefusalKind = RefusalKind.UNAUTHORIZED):
    seen: list[str] = []

    async def attempt(asked: Candidate) -> str:
        seen.append(asked.credential.secret)
        if asked.credential.secret != accepts:
            raise UpstreamRefused(Refusal(kind=kind, status=401, message="no"))
        return "answer"

    return attempt, seen


async def test_a_good_token_is_used_once():
    attempt, seen = upstream("old")
    assert await signed(Source(), candidate(), attempt) == "answer"
    assert seen == ["old"]


async def test_a_refused_token_is_renewed_and_the_call_repeated_once():
    attempt, seen = upstream("new")
    assert await signed(Source(), candidate(), attempt) == "answer"
    assert seen == ["old", "new"]


async def test_a_second_refusal_is_the_answer():
    attempt, seen = upstream("never")
    with pytest.raises(UpstreamRefused) as caught:
        await signed(Source(), candidate(), attempt)
    assert kind_of(caught.value) is RefusalKind.UNAUTHORIZED
    assert seen == ["old", "new"]


async def test_an_ended_token_is_never_sent():
    attempt, seen = upstream("new")
    assert await signed(Source(is_stale=True), candidate(), attempt) == "answer"
    assert seen == ["new"]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RefreshRejected("Log in again."), RefusalKind.TERMINAL),
        (RefreshUnavailable("Later.", retry_after_s=9), RefusalKind.TRANSIENT),
    ],
)
async def test_a_token_that_cannot_be_renewed_is_a_refusal_of_the_credential(error, kind):
    attempt, _ = upstream("new")
    with pytest.raises(UpstreamRefused) as caught:
        await signed(Source(error=error), candidate(), attempt)
    assert kind_of(caught.value) is kind
    assert caught.value.refusal.credential_wide
    assert caught.value.retry_after_s == error.retry_after_s


async def test_other_refusals_renew_nothing():
    source = Source()
    attempt, _ = upstream("new", RefusalKind.QUOTA)
    with pytest.raises(UpstreamRefused):
        await signed(source, candidate(), attempt)
    assert source.renewals == []


async def test_a_key_is_not_renewed():
    source = Source(is_stale=True)
    attempt, seen = upstream("new")
    with pytest.raises(UpstreamRefused):
        await signed(source, candidate(version=0), attempt)
    assert (source.renewals, seen) == ([], ["old"])
