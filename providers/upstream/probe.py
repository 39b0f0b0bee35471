"""Does this credential work? The admin's "test now", health checks and ``manage.py doctor`` ask here.

A listing of the models costs nothing and comes first; where there is none, or where anybody may list, a
generation of one token decides. The outcome is told in words for a team admin and never holds a secret.
"""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import msgspec

from providers.adapters.addresses import check_base_url
from providers.adapters.base import Adapter, Call, CatalogueModel, Operation, UpstreamRequest
from providers.adapters.registry import adapter_for
from providers.errors import UpstreamError, UpstreamProtocolError, UpstreamTimeout, UpstreamUnreachable
from providers.masking import masked
from providers.upstream.client import UpstreamClient
from providers.upstream.timeouts import Timeouts
from providers.values import CredentialEntry, Format, Refusal, RefusalKind

_LIST_LIMIT = 16 * 1024 * 1024
_ERROR_LIMIT = 256 * 1024
_NO_LIST = frozenset({404, 405, 501})
_MESSAGE_LIMIT = 500
_SHORTEST_SECRET = 6
"""Shorter values are words such as "true": blotting them out would only make messages unreadable."""

_ANSWER_FIELD = {
    Format.OPENAI: "choices",
    Format.RESPONSES: "output",
    Format.CLAUDE: "content",
    Format.GEMINI: "candidates",
}
"""What an answer of each format cannot lack; without it a 200 is an error in disguise."""

_WORDS = {
    RefusalKind.UNAUTHORIZED: "The provider refused the key",
    RefusalKind.PAYMENT: "The provider refused for reasons of plan, billing or permission",
    RefusalKind.TERMINAL: "The account is disabled or its grant revoked",
    RefusalKind.QUOTA: "The key was accepted, but its allowance is spent at the moment",
    RefusalKind.NOT_FOUND: "The provider does not know this model or address",
    RefusalKind.MODEL_UNSUPPORTED: "This key may not use the model of the test",
    RefusalKind.CHALLENGE: "A bot check stands between the gateway and the provider",
    RefusalKind.TRANSIENT: "The provider has trouble of its own; try again later",
    RefusalKind.OTHER: "The provider gave an unexpected answer",
}


class ProbeResult(msgspec.Struct, frozen=True, kw_only=True):
    """``status`` is the upstream's last HTTP status, None when none came. ``models`` is what the provider
    listed, empty without a list. ``message`` is for people, at most 500 characters."""

    ok: bool
    latency_ms: int
    status: int | None
    models: tuple[CatalogueModel, ...] = ()
    message: str


class _Answer(msgspec.Struct, frozen=True):
    status: int
    headers: dict[str, str]
    body: bytes


async def probe(
    client: UpstreamClient, entry: CredentialEntry, model: str | None = None, *, may_generate: bool = True
) -> ProbeResult:
    """Ask the provider of ``entry`` once or twice. ``model`` is generated with where a list cannot tell;
    without it the adapter's own first model. ``may_generate`` False asks only what costs nothing, for looks
    that nobody asked for. Raises UnknownAdapter, nothing for a provider's fault."""
    adapter = adapter_for(entry.adapter)
    clock = asyncio.get_running_loop().time
    start = clock()
    status: int | None = None
    models: tuple[CatalogueModel, ...] = ()
    try:
        message = _fault_of_settings(adapter, entry)
        if message is None:
            status, models, message = await _ask(client, adapter, entry, model, may_generate=may_generate)
    except UpstreamError as error:
        message = _words_of_failure(error, entry)
    latency_ms = round((clock() - start) * 1000)
    ok = message is None
    if message is None:
        message = f"Works: {_counted(models)}answered in {latency_ms} ms."
    return ProbeResult(
        ok=ok, latency_ms=latency_ms, status=status, models=models, message=_without_secrets(message, entry)
    )


def probe_now(entry: CredentialEntry, model: str | None = None, timeout_s: float = 20) -> ProbeResult:
    """``probe`` for a caller without an event loop, such as a Django view; blocks at most ``timeout_s``."""
    return asyncio.run(_probe_alone(entry, model, timeout_s))


async def _probe_alone(entry: CredentialEntry, model: str | None, timeout_s: float) -> ProbeResult:
    timeouts = Timeouts(connect_s=min(10.0, timeout_s), first_byte_s=timeout_s, idle_s=timeout_s)
    client = UpstreamClient(timeouts)
    try:
        async with asyncio.timeout(timeout_s):
            return await probe(client, entry, model)
    except TimeoutError:
        message = f"{_place(entry)} did not answer within {timeout_s:g} s."
        return ProbeResult(ok=False, latency_ms=round(timeout_s * 1000), status=None, message=message)
    finally:
        await client.close()


async def _ask(
    client: UpstreamClient, adapter: Adapter, entry: CredentialEntry, model: str | None, *, may_generate: bool
) -> tuple[int | None, tuple[CatalogueModel, ...], str | None]:
    """The last status, the listed models and, when something is wrong, what."""
    models: tuple[CatalogueModel, ...] = ()
    status: int | None = None
    listing = adapter.models_request(entry)
    if listing is not None:
        answer = await _fetch(client, adapter, entry, listing)
        status = answer.status
        if 200 <= status < 300:
            models = adapter.read_models(answer.body)
        elif status not in _NO_LIST:
            return status, (), _words_of(_classified(adapter, answer))
        if models and not adapter.public_list:
            return status, models, None
        key_check = adapter.key_request(entry)
        if key_check is not None:
            answer = await _fetch(client, adapter, entry, key_check)
            if answer.status not in _NO_LIST:
                refused = answer.status >= 400
                return answer.status, models, _words_of(_classified(adapter, answer)) if refused else None
    chosen = (model or _first_model(adapter, models)) if may_generate else None
    if chosen is None:
        return status, models, _WITHOUT_MODEL if status in _NO_LIST else None
    answer = await _fetch(client, adapter, entry, _generation(adapter, entry, chosen))
    if answer.status < 400 and _is_answer(adapter, entry, chosen, answer.body):
        return answer.status, models, None
    return answer.status, models, _words_of(_classified(adapter, answer))


_WITHOUT_MODEL = (
    "The address answers, but lists no models. Name a model of this provider, and test again: "
    "only then can the key be tried. If the address is wrong, the base URL is the place to look."
)


async def _fetch(
    client: UpstreamClient, adapter: Adapter, entry: CredentialEntry, request: UpstreamRequest
) -> _Answer:
    response = await client.open(request, proxy_url=entry.proxy_url, adapter=adapter)
    try:
        if 300 <= response.status < 400:
            raise UpstreamProtocolError(f"it redirects elsewhere ({response.status})")
        limit = _LIST_LIMIT if response.status < 400 else _ERROR_LIMIT
        return _Answer(response.status, response.headers, await response.read(limit))
    finally:
        await response.close()


def _is_answer(adapter: Adapter, entry: CredentialEntry, model: str, body: bytes) -> bool:
    """Whether a 200 holds an answer. A stream proves it by being one: errors come as JSON."""
    format_ = adapter.formats(entry, model)[0]
    if adapter.only_streams(entry, Operation.GENERATE, model):
        return bool(body) and not _object(body)
    return _ANSWER_FIELD[format_] in _object(body)


def _generation(adapter: Adapter, entry: CredentialEntry, model: str) -> UpstreamRequest:
    upstream_model = dict(adapter.default_mappings).get(model, model)
    question = "Say ok."
    format_ = adapter.formats(entry, upstream_model)[0]
    streams = adapter.only_streams(entry, Operation.GENERATE, upstream_model)
    body: dict[str, object]
    match format_:
        case Format.OPENAI:
            # The newer models count their thinking against the limit and refuse one that leaves no answer.
            legacy = adapter.capabilities(upstream_model).legacy_max_tokens
            limit = {"max_tokens": 1} if legacy else {"max_completion_tokens": 16}
            body = {"model": upstream_model, "messages": [{"role": "user", "content": question}], **limit}
        case Format.RESPONSES:
            body = {"model": upstream_model, "input": question, "max_output_tokens": 16}
        case Format.CLAUDE:
            messages = [{"role": "user", "content": question}]
            body = {"model": upstream_model, "messages": messages, "max_tokens": 1}
        case Format.GEMINI:
            contents = [{"role": "user", "parts": [{"text": question}]}]
            body = {"contents": contents, "generationConfig": {"maxOutputTokens": 1}}
        case Format.KIRO:
            message = {"content": question, "modelId": "auto", "origin": "AI_EDITOR"}
            state = {
                "chatTriggerType": "MANUAL",
                "currentMessage": {"userInputMessage": message},
                "history": [],
            }
            body = {"conversationState": state}
    if streams and format_ in (Format.OPENAI, Format.RESPONSES, Format.CLAUDE):
        body["stream"] = True
    return adapter.request(
        Call(
            credential=entry,
            model=upstream_model,
            body=msgspec.json.encode(body),
            stream=streams,
            format=format_,
        )
    )


def _fault_of_settings(adapter: Adapter, entry: CredentialEntry) -> str | None:
    """What is wrong before anything is sent."""
    if adapter.in_process:
        return None
    base_url = adapter.base_of(entry)
    if not base_url:
        return "This kind of provider needs a base URL, and none is set."
    try:
        check_base_url(base_url)
    except ValueError as error:
        return str(error)
    if adapter.needs_key and not entry.secret and not entry.headers:
        return f"{adapter.name} needs a key, and this credential holds none."
    return None


def _first_model(adapter: Adapter, models: tuple[CatalogueModel, ...]) -> str | None:
    known = adapter.catalogue or models
    return known[0].id if known else None


def _classified(adapter: Adapter, answer: _Answer) -> Refusal:
    # No reset moment is shown here, so the wall clock is not asked.
    return adapter.classify(answer.status, answer.headers, answer.body, 0.0)


def _words_of(refusal: Refusal) -> str:
    words = _WORDS.get(refusal.kind, "The provider did not accept the test request")
    return f"{words} ({refusal.status}): {refusal.message}"


def _words_of_failure(error: UpstreamError, entry: CredentialEntry) -> str:
    place = _place(entry)
    match error:
        case UpstreamTimeout():
            return f"{place} took too long: {error.message}."
        case UpstreamUnreachable():
            return f"Nothing answers at {place} ({error.message.removeprefix('the upstream ')})."
        case UpstreamProtocolError():
            reason = error.message.rstrip(".")
            return f"What answers at {place} is not this kind of provider: {reason}. Check the base URL."
        case _:
            return f"{place}: {error.message}"


def _place(entry: CredentialEntry) -> str:
    """Scheme, host and port of the provider: all that an admin needs, and never a user name."""
    parts = urlsplit(entry.base_url or adapter_for(entry.adapter).base_url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts.netloc else "The provider"


def _counted(models: tuple[CatalogueModel, ...]) -> str:
    return f"{len(models)} {'model' if len(models) == 1 else 'models'} listed, " if models else ""


def _object(body: bytes) -> dict[str, object]:
    try:
        decoded = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return decoded if isinstance(decoded, dict) else {}


def _without_secrets(message: str, entry: CredentialEntry) -> str:
    """A provider may quote what it was sent: the key, a custom header's value, the proxy's password."""
    proxy_login = entry.proxy_url.rpartition("@")[0].rpartition("//")[2]
    secrets = (entry.secret, proxy_login, *(value for _, value in entry.headers))
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            message = masked(message, secret, "[secret]")
    return message if len(message) <= _MESSAGE_LIMIT else message[: _MESSAGE_LIMIT - 1] + "…"
