"""What one candidate would be sent: the client's request in the upstream's format, for its model.

The hot path sends it, and ``manage.py route``, the explain endpoint and the admin's "Why?" show it: one
function, so that what is shown is what goes. Sends nothing, reads no database and knows no clock.
"""

from __future__ import annotations

import re

import msgspec

from providers.adapters.abilities import abilities_of
from providers.adapters.base import Call, Operation
from providers.adapters.registry import adapter_for
from providers.translation.codec import Encoded, MalformedRequest
from providers.translation.model import ReasoningConfig, Request
from providers.translation.passthrough import ParsedBody
from providers.translation.registry import CODECS, PASSTHROUGHS, UPSTREAM_CODECS
from providers.values import Format
from routing.core.payload import PayloadRules
from routing.core.payload_rules import IMAGE_TOOL, Subject, applied, rules_for, without_image_tool
from routing.core.resolve import Candidate, split_suffix

_MOST_NAMES, _NAME_LENGTH = 100, 200
"""Of what was dropped; nobody reads more."""
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f]")

_MOST_TOKENS = 10**9
"""Beyond any model; the encoders cut it to what theirs takes."""

LEVELS = frozenset({"minimal", "low", "medium", "high", "xhigh", "max"})


class Ask(msgspec.Struct, kw_only=True):
    """What the client wants, independent of who answers. ``request`` is decoded on first need and kept.

    ``format`` is the client's: that of the answer, and nearly always of the body (``parsed.format``).
    """

    parsed: ParsedBody
    suffix: str
    headers: dict[str, str]
    format: Format
    now: int
    seed: str
    operation: Operation = Operation.GENERATE
    query: str = ""
    payload: PayloadRules = PayloadRules()
    """The operator's rules about bodies."""
    strips_image_tool: bool = False
    """Whether the built-in tool that makes images is taken out."""
    request: Request | None = None

    def neutral(self) -> Request:
        """The request in the neutral model, the model name's suffix applied. Raises MalformedRequest."""
        if self.request is None:
            with bounded_depth:
                request = CODECS[self.parsed.format].decode_request(self.parsed.value())
            if self.suffix:
                # How much is thought; what is shown of it stays the client's affair.
                said = request.reasoning
                wanted = msgspec.structs.replace(
                    reasoning_of(self.suffix), show=said.show, encrypted=said.encrypted
                )
                request = msgspec.structs.replace(request, reasoning=wanted)
            self.request = request
        return self.request


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """One call, before the adapter addresses and signs it."""

    call: Call
    passes: bool
    """The bytes are the client's own, edited; nothing was translated."""
    encoded: Encoded | None = None
    """What the translation made, where there was one."""

    @property
    def dropped(self) -> tuple[str, ...]:
        """What the upstream's format has no place for."""
        return plain_names(self.encoded.dropped) if self.encoded is not None else ()


def plain_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """``names`` fit for a header and a row: the client chose the names of its unknown fields."""
    told = tuple(_UNPRINTABLE.sub("?", name)[:_NAME_LENGTH] for name in names[:_MOST_NAMES])
    more = len(names) - len(told)
    return (*told, f"({more} more)") if more else told


def format_for(ask: Ask, candidate: Candidate) -> Format:
    """The format of what goes up and comes back: the client's where the upstream speaks it."""
    adapter = adapter_for(candidate.credential.adapter)
    if ask.operation is Operation.COMPACT and adapter.compacts(candidate.credential, candidate.model):
        return ask.parsed.format
    formats = adapter.formats(candidate.credential, candidate.model)
    return ask.parsed.format if ask.parsed.format in formats else formats[0]


def passes(ask: Ask, format_: Format) -> bool:
    """Whether the bytes go as they are, but for the model's name."""
    return format_ is ask.parsed.format and format_ is ask.format


def streams(ask: Ask, candidate: Candidate) -> bool:
    """Whether the upstream is asked for a stream; some do nothing else, and some never."""
    credential = candidate.credential
    adapter = adapter_for(credential.adapter)
    return adapter.only_streams(credential, ask.operation, candidate.model) or (
        ask.parsed.stream and not adapter.never_streams
    )


def prepare(ask: Ask, candidate: Candidate, now: float, format_: Format | None = None) -> Outgoing:
    """``ask`` for ``candidate``, in ``format_`` or the one that suits best.

    Raises ClientError when that format cannot carry it.
    """
    credential = candidate.credential
    adapter = adapter_for(credential.adapter)
    format_ = format_ or format_for(ask, candidate)
    is_passed, is_stream = passes(ask, format_), streams(ask, candidate)
    capabilities = abilities_of(adapter, candidate.model, candidate.features)
    is_switched = is_stream is not ask.parsed.stream
    encoded: Encoded | None = None
    if is_passed:
        with bounded_depth:
            body = PASSTHROUGHS[format_].edited(
                ask.parsed,
                candidate.model,
                capabilities,
                reasoning_of(ask.suffix) if ask.suffix else None,
                is_stream if is_switched else None,
            )
        headers = PASSTHROUGHS[format_].client_headers(ask.headers)
    else:
        request = ask.neutral()
        if is_switched:
            request = msgspec.structs.replace(request, stream=is_stream)
        with bounded_depth:
            encoded = UPSTREAM_CODECS[format_].encode_request(request, candidate.model, capabilities)
            body = msgspec.json.encode(encoded.body)
        headers = tuple(encoded.headers.items())
    reads_headers = bool(credential.headers) or adapter.reads_client_headers
    call = Call(
        credential=credential,
        model=candidate.model,
        body=ruled(body, ask, candidate, format_),
        stream=is_stream,
        headers=headers,
        client_headers=tuple(ask.headers.items()) if reads_headers else (),
        format=format_,
        operation=ask.operation,
        query=ask.query if is_passed else "",
        now=now,
        seed=ask.seed,
    )
    return Outgoing(call=call, passes=is_passed, encoded=encoded)


class _BoundedDepth:
    """JSON that can just be read may be too deep to be walked: schemas take several steps per level."""

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, RecursionError):
            raise MalformedRequest("The request is nested too deeply.") from error


bounded_depth = _BoundedDepth()


def ruled(body: bytes, ask: Ask, candidate: Candidate, format_: Format) -> bytes:
    """``body`` as the operator's rules want it; the same bytes where none holds."""
    has_image_tool = ask.strips_image_tool and IMAGE_TOOL.encode() in body
    rules = _rules_for(ask, candidate, format_) if ask.payload else ask.payload
    if not (rules or has_image_tool):
        return body
    value = msgspec.json.decode(body)
    if not isinstance(value, dict):
        return body
    if has_image_tool:
        value = without_image_tool(value)
    return msgspec.json.encode(applied(rules, value) if rules else value)


def _rules_for(ask: Ask, candidate: Candidate, format_: Format) -> PayloadRules:
    protocols = adapter_for(candidate.credential.adapter).payload_protocols(format_)
    if not protocols or ask.operation is Operation.COUNT:  # counters refuse what is no part of the prompt
        return PayloadRules()
    asked = ask.parsed.model
    bare = split_suffix(asked)[0] if ask.suffix else asked
    subject = Subject(
        models=(candidate.model, bare, asked),
        protocols=protocols,
        from_protocol=ask.parsed.format.value,
        headers=ask.headers,
    )
    return rules_for(ask.payload, subject)


def reasoning_of(suffix: str) -> ReasoningConfig:
    """What ``model(suffix)`` asks for: a level, a number of tokens, ``none`` or ``auto``."""
    value = suffix.strip().lower()
    if value in LEVELS:
        return ReasoningConfig(mode="on", effort=value)
    if value == "none" or value == "0":
        return ReasoningConfig(mode="off")
    if value.isascii() and value.isdigit():
        return ReasoningConfig(mode="on", budget=int(value) if len(value) < 10 else _MOST_TOKENS)
    return ReasoningConfig(mode="auto")
