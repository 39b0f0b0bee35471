"""What a login or a refresh is: a generator that yields steps and is sent what came of them. Pure.

One asynchronous driver (``oauth/driver.py``) turns steps into HTTP calls, waits and pages; a test sends
answers by hand. A flow ends by returning its result or by raising one of ``oauth.flows.errors``.

    def refresh(grant: Grant, settings: ChannelSettings, now: float) -> Flow[Grant]:
        answer = yield HttpCall(method="POST", url=settings["token_url"], body=form(...))
        ...
        return renewed
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeAlias, TypeVar

import msgspec

T = TypeVar("T")


class HttpCall(msgspec.Struct, frozen=True, kw_only=True):
    """Answered by an HttpAnswer. Where the network fails, the driver throws ``errors.NetworkTrouble`` into
    the flow at this ``yield``. ``repr`` shows neither headers nor body: they hold secrets."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def __repr__(self) -> str:
        return f"HttpCall({self.method} {self.url.partition('?')[0]})"


class HttpAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """``headers`` have lower-case names; ``at`` is when it arrived, in Unix seconds: the flow's clock."""

    status: int
    headers: dict[str, str]
    body: bytes
    at: float

    def __repr__(self) -> str:
        return f"HttpAnswer({self.status}, {len(self.body)} bytes)"


class Wait(msgspec.Struct, frozen=True, kw_only=True):
    """Answered by None after ``seconds``."""

    seconds: float


class ShowCode(msgspec.Struct, frozen=True, kw_only=True):
    """A device flow's code is ready for the person. Answered by None at once."""

    user_code: str
    verification_url: str
    verification_url_complete: str = ""
    expires_in_s: float
    interval_s: float = 5.0


class SlowedDown(msgspec.Struct, frozen=True, kw_only=True):
    """The vendor asked for a longer poll interval: shown, answered by None at once."""

    interval_s: float


class Renewed(msgspec.Struct, frozen=True, kw_only=True):
    """A refresh has its new tokens and more to ask: they are kept before it goes on. Answered by None.

    For refreshes of several calls. The old refresh token may be spent by now, so that whatever happens to
    the rest (a time-out, the end of the process), ``grant`` is what the refresh gave."""

    grant: Grant


class OpenPage(msgspec.Struct, frozen=True, kw_only=True):
    """The person must open ``url`` and come back to ``redirect_uri``. Answered by a Callback; the driver
    throws ``errors.LoginExpired`` into the flow when none came within ``expires_in_s``."""

    url: str
    state: str
    redirect_uri: str
    expires_in_s: float = 300.0


class Callback(msgspec.Struct, frozen=True, kw_only=True):
    """What the vendor's page sent the browser back with. The flow checks ``state`` itself."""

    code: str = ""
    state: str = ""
    error: str = ""
    error_description: str = ""

    def __repr__(self) -> str:
        return f"Callback(error={self.error!r})"


Step: TypeAlias = HttpCall | Wait | ShowCode | SlowedDown | OpenPage | Renewed
Answer: TypeAlias = HttpAnswer | Callback | None
Flow: TypeAlias = Generator[Step, Answer, T]


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """What a login gave: the tokens, and whose they are. Sealed as a whole when stored.

    ``access_token`` is what model calls are signed with. ``account`` are facts that an adapter or the admin
    may see (``email``, ``account_id``, ``project_id``, ``profile_arn``, ``region``, ``plan``,
    ``api_base``); ``private`` are the channel's further secrets (a GitHub token, an issued client secret,
    a private key). ``expires_at`` is Unix seconds, None when the vendor named no end.
    """

    channel: str
    access_token: str
    refresh_token: str = ""
    id_token: str = ""
    expires_at: float | None = None
    refreshed_at: float | None = None
    method: str = ""
    label: str = ""
    account: dict[str, str] = {}
    private: dict[str, str] = {}
    file_extras: dict[str, object] = {}
    """Unknown keys of an imported credential file, kept for its export."""

    def __repr__(self) -> str:
        return f"Grant({self.channel} {self.label!r})"


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """One allowance as the vendor reports it: ``name`` (``5h``, ``weekly``, ``premium_interactions``),
    amounts in ``unit``; None where not reported. ``used_percent`` 0 to 100. ``resets_at`` Unix seconds."""

    name: str
    limit: float | None = None
    used: float | None = None
    remaining: float | None = None
    used_percent: float | None = None
    resets_at: float | None = None
    unit: str = ""
    is_exhausted: bool = False
    model: str = ""
    """The one upstream model that it holds for; "" for all."""
    spares: tuple[str, ...] = ()
    """Upstream models (patterns) that go on when it is exhausted, because they do not draw on it."""
