"""What a candidate would be sent for a question that a person asks: method, address, headers, and what the
translation of a sample body drops. Built by the hot path's own functions, never sent; secrets leave here as
fingerprints.
"""

from __future__ import annotations

from typing import Any

import msgspec

from providers import secrets
from providers.adapters.base import UpstreamRequest
from providers.adapters.registry import UnknownAdapter, adapter_for
from providers.errors import ClientError, GatewayError
from providers.secret_fields import mask_proxy
from providers.translation.codec import MalformedRequest
from providers.translation.model import Json
from providers.translation.passthrough import ParsedBody, UrlParts
from providers.translation.registry import PASSTHROUGHS
from providers.values import CredentialEntry, Format
from routing.core.resolve import Candidate
from routing.core.table import ClientEntry
from routing.outgoing import Ask, prepare

ANYBODY = ClientEntry(id=0, label="any client key")
"""Stands for a client key that may use every model and has no limits."""
SECRET_NAMES = ("authorization", "cookie", "key", "token", "secret", "signature", "password")
"""A header whose name holds one of these is never shown, whatever its value is made of."""
SHORTEST_SECRET = 6
"""Shorter values are placeholders of local servers; taking them out would mangle words."""
SAMPLES: dict[Format, dict[str, Any]] = {
    Format.OPENAI: {"messages": [{"role": "user", "content": "Hello"}]},
    Format.RESPONSES: {"input": "Hello"},
    Format.CLAUDE: {"max_tokens": 64, "messages": [{"role": "user", "content": "Hello"}]},
    Format.GEMINI: {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]},
}
"""What is asked where nobody gives a body: enough to be addressed and signed."""
CLIENT_FORMATS = tuple(format_.value for format_ in SAMPLES)


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What a person wants to know. ``body`` is a sample request in ``format``; its model is replaced."""

    model: str
    client: ClientEntry = ANYBODY
    format: Format = Format.OPENAI
    stream: bool = False
    tools: bool = False
    images: bool = False
    input_tokens: int = 0
    headers: dict[str, str] = {}
    """Of the client, names in lower case."""
    body: dict[str, Json] | None = None


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """What one candidate would be sent. With ``error`` nothing would: the client would get that text."""

    method: str = ""
    url: str = ""
    headers: dict[str, str] = {}
    format: str = ""
    passes: bool = False
    """The client's own bytes, with the model's name edited; else a translation."""
    stream: bool = False
    proxy: str = ""
    dropped: tuple[str, ...] = ()
    body: Json | None = None
    """Only where a sample was given."""
    error: str = ""


def sample_of(question: Question) -> ParsedBody:
    """The sample as the hot path would read it. Raises MalformedRequest."""
    body = dict(question.body) if question.body is not None else dict(SAMPLES[question.format])
    stream = question.stream or body.get("stream") is True
    url = None
    if question.format is Format.GEMINI:
        url = UrlParts(model=question.model, stream=stream)
        body.pop("stream", None)
    else:
        body["model"] = question.model
        if stream:
            body["stream"] = True
    try:
        raw = msgspec.json.encode(body)
    except (TypeError, RecursionError) as error:
        raise MalformedRequest("The sample body is no JSON.") from error
    return PASSTHROUGHS[question.format].parse(raw, url)


def sent_to(candidate: Candidate, ask: Ask, question: Question, now: float) -> Sent:
    credential = candidate.credential
    if candidate.suffix and candidate.suffix != ask.suffix:
        ask = msgspec.structs.replace(ask, suffix=candidate.suffix, request=None)
    try:
        adapter = adapter_for(credential.adapter)
        outgoing = prepare(ask, candidate, now)
        request = adapter.request(outgoing.call)
    except (GatewayError, UnknownAdapter) as error:
        return Sent(error=error.message if isinstance(error, GatewayError) else str(error))
    shown = Redaction(credential)
    return Sent(
        method=request.method,
        url=shown.text(request.url),
        headers=shown.headers(request),
        format=(outgoing.call.format or adapter.speaks).value,
        passes=outgoing.passes,
        stream=outgoing.call.stream,
        proxy=mask_proxy(credential.proxy_url),
        dropped=outgoing.dropped,
        body=shown.body(request.body) if question.body is not None else None,
    )


class Redaction:
    """What may be shown of a request to one credential: its secrets become ``[fingerprint]``."""

    def __init__(self, credential: CredentialEntry) -> None:
        self._own = dict(credential.headers)
        plain = [credential.secret, *(value for value in self._own.values() if not value.startswith("$"))]
        self._secrets = [value for value in plain if len(value) >= SHORTEST_SECRET]

    def text(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, f"[{secrets.fingerprint(secret)}]")
        return text

    def headers(self, request: UpstreamRequest) -> dict[str, str]:
        return {name: self._header(name, value) for name, value in request.headers}

    def _header(self, name: str, value: str) -> str:
        shown = self.text(value)
        is_secret = name in self._own or any(part in name for part in SECRET_NAMES)
        if shown != value or not is_secret:
            return shown
        return f"[{secrets.fingerprint(value)}]" if value else ""

    def body(self, body: bytes) -> Json:
        try:
            value: Json = msgspec.json.decode(self.text(body.decode()))
        except (msgspec.DecodeError, UnicodeDecodeError):
            return f"{len(body)} bytes that are no JSON"
        return value


def question_format(text: str) -> Format:
    """The client's format by its name, ``openai`` by default. Raises ClientError."""
    name = text.strip().lower() or Format.OPENAI.value
    if name not in CLIENT_FORMATS:
        raise ClientError(f"format must be one of {', '.join(CLIENT_FORMATS)}, not {text!r}.")
    return Format(name)
