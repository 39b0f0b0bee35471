"""Frozen values that several layers share: formats, refusal kinds, a credential as the hot path sees it.

Pure: no Django, no I/O, no clock. This module knows no provider by name and no wire format in detail.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Format(StrEnum):
    """A wire protocol. One codec under ``providers/translation/codecs/`` knows each. Clients speak the first
    four; the rest is spoken by upstreams alone."""

    OPENAI = "openai"
    """Chat Completions, ``POST /v1/chat/completions``."""
    RESPONSES = "responses"
    """OpenAI Responses, ``POST /v1/responses``."""
    CLAUDE = "claude"
    """Anthropic Messages, ``POST /v1/messages``."""
    GEMINI = "gemini"
    """Google ``models/{m}:generateContent``."""
    KIRO = "kiro"
    """AWS CodeWhisperer's ``generateAssistantResponse``, answered as ``vnd.amazon.eventstream``."""


class RefusalKind(StrEnum):
    """Why an upstream refused. An adapter classifies once; routing decides on kinds, never on text."""

    REQUEST = "request"
    """The request itself is at fault: no other credential would answer it either."""
    CONTEXT_LENGTH = "context_length"
    """As REQUEST: the conversation does not fit the model."""
    CONTENT_FILTER = "content_filter"
    """As REQUEST: the vendor's filter refused the content."""
    MODEL_UNSUPPORTED = "model_unsupported"
    """This credential may not use this model; another may."""
    UNAUTHORIZED = "unauthorized"
    """401: the key is wrong, expired or revoked."""
    PAYMENT = "payment"
    """402 and 403: plan, billing or permission."""
    NOT_FOUND = "not_found"
    """404: the model (or path) does not exist for this credential."""
    QUOTA = "quota"
    """429: an allowance is spent."""
    CHALLENGE = "challenge"
    """A bot challenge page stood in the way."""
    TRANSIENT = "transient"
    """408, 5xx, 529: worth another try."""
    TERMINAL = "terminal"
    """The account is disabled or the grant revoked: not retried, shown to the admin."""
    OTHER = "other"


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """An upstream's refusal, classified.

    ``retry_after_s`` is the delay that the upstream asked for, in seconds, None when it named none.
    ``names_quota_window`` lifts the 30 minute cap on it. ``credential_wide`` says that every model of
    the credential is affected. ``message`` is a safe excerpt of at most 500 characters.
    ``ladder`` stands for the usual steps of a spent quota where the upstream named no delay.
    """

    kind: RefusalKind
    status: int
    message: str = ""
    code: str | None = None
    error_type: str | None = None
    param: str | None = None
    retry_after_s: float | None = None
    names_quota_window: bool = False
    credential_wide: bool = False
    ladder: CoolingLadder | None = None


class RuleAction(StrEnum):
    """What a request-scoped error rule does (docs/routing.md)."""

    STOP = "stop"
    STOP_AND_COOLDOWN = "stop-and-cooldown"
    CONTINUE = "continue"
    CONTINUE_AND_COOLDOWN = "continue-and-cooldown"


class ErrorRule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A request-scoped error rule: the first whose status is equal and that finds a text decides.

    ``texts`` are case-sensitive substrings of the upstream's body, ``patterns`` regular expressions.
    """

    status: int
    action: RuleAction
    texts: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()


class Limits(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one credential, provider or client key may take; 0 means no limit.

    Requests and tokens per minute and per day (sliding windows), and requests at once. ``max_wait_s``
    holds where ``waits`` is set: how long a request may be held until the limit lets it pass.
    """

    rpm: int = 0
    tpm: int = 0
    rpd: int = 0
    tpd: int = 0
    concurrency: int = 0
    waits: bool = False
    max_wait_s: float = 30.0

    @property
    def is_set(self) -> bool:
        return bool(self.rpm or self.tpm or self.rpd or self.tpd or self.concurrency)


class Thinking(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the operator says that a model can do about thinking: a budget in tokens (``min`` to ``max``),
    named levels, or both; nothing of it means that it cannot think."""

    min: int | None = None
    max: int | None = None
    zero_allowed: bool = False
    """Thinking can be switched off."""
    dynamic_allowed: bool = False
    """The model may choose by itself."""
    levels: tuple[str, ...] = ()


class Features(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the operator says that a provider (or one model of it) can do; None means not said."""

    streaming: bool | None = None
    functions: bool | None = None
    vision: bool | None = None
    code_generation: bool | None = None
    multimodal: bool | None = None
    images: bool = False
    """Makes images and nothing else: usable on image routes only."""
    is_compat: bool = False
    """A look-alike of its vendor, which takes thinking without a signature back."""
    thinking: Thinking | None = None
    """None: as the vendor's model of that name."""
    max_tokens: int | None = None
    """Largest request in tokens (estimated), None or 0 for no bound."""


class CoolingLadder(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A provider's own ladder for transient faults: ``initial_s`` doubles up to ``max_s``."""

    initial_s: float = 1.0
    max_s: float = 60.0


class CredentialEntry(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One credential as the hot path sees it, with everything of its provider that a call needs.

    ``secret`` is plain text and lives in memory only; ``repr`` never shows it.
    """

    id: int
    provider_id: int
    provider_key: str
    """The provider's stable key, e.g. ``openrouter``; shown in ``x-cliproxy-provider``."""
    adapter: str
    """Key into ``providers.adapters.registry``."""
    base_url: str
    secret: str
    label: str = ""
    fingerprint: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    """Custom headers; they replace built-in ones. A value ``$Name`` copies the client's header."""
    proxy_url: str = ""
    """``""`` inherits, ``direct``/``none`` means no proxy, else http, https, socks5 or socks5h URL."""
    prefix: str = ""
    priority: int = 0
    weight: int = 1
    request_retry: int | None = None
    disable_cooling: bool | None = None
    options: dict[str, object] = msgspec.field(default_factory=dict)
    """Adapter-specific switches of the provider row, e.g. ``models-endpoint``."""
    channel: str = ""
    """The kind of login whose token ``secret`` is (``kiro``, ``codex``); "" for a key."""
    account: dict[str, str] = msgspec.field(default_factory=dict)
    """What a login knows of its account and an adapter needs: ``account_id``, ``project_id``,
    ``profile_arn``, ``region``, ``api_base``. Never a secret."""
    secret_version: int = 0
    """Of the login's tokens: rises when ``secret`` is renewed. 0 for a key."""
    secret_expires_at: float | None = None
    """When ``secret`` ends, in Unix seconds; None when nobody knows, or never."""
    error_rules: tuple[ErrorRule, ...] = ()
    limits: Limits | None = None
    """Of this credential alone."""
    provider_limits: Limits | None = None
    """Of its provider: all credentials of the provider count together."""
    features: Features | None = None
    """Of the whole provider, for the capability filter."""
    model_features: dict[str, Features] = msgspec.field(default_factory=dict)
    """By upstream model; what they leave open is taken from ``features``."""
    ladder: CoolingLadder | None = None
    websockets: bool = False
    """The upstream may be reached over a WebSocket."""
    model_formats: dict[str, tuple[Format, ...]] = msgspec.field(default_factory=dict)
    """By upstream model: the formats in which its vendor says that it can be addressed."""

    def __repr__(self) -> str:
        return f"CredentialEntry({self.provider_key}#{self.id} {self.fingerprint})"
