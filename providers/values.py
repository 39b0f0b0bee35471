"""Frozen values that several layers share: formats, refusal kinds, a credential as the hot path sees it.

Pure: no Django, no I/O, no clock. This module knows no provider by name and no wire format in detail.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Format(StrEnum):
    """A wire protocol. One codec under ``providers/translation/codecs/`` knows each."""

    OPENAI = "openai"
    """Chat Completions, ``POST /v1/chat/completions``."""
    RESPONSES = "responses"
    """OpenAI Responses, ``POST /v1/responses``."""
    CLAUDE = "claude"
    """Anthropic Messages, ``POST /v1/messages``."""
    GEMINI = "gemini"
    """Google ``models/{m}:generateContent``."""


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

    def __repr__(self) -> str:
        return f"CredentialEntry({self.provider_key}#{self.id} {self.fingerprint})"
