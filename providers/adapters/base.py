"""What an adapter is: the data sheet of one provider, and the few pure functions that read it.

An adapter states how a provider is addressed, signed and read. It opens no connection and keeps no
state: one instance serves every credential. ``providers/upstream`` sends what ``request`` builds.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Protocol

import msgspec

from providers.adapters.tool_groups import NO_GROUPS, Grouped
from providers.translation.codec import Capabilities
from providers.values import CredentialEntry, Features, Format, Refusal


class CatalogueModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model that a provider is known or found to serve. ``created`` is Unix seconds."""

    id: str
    display_name: str = ""
    context_length: int | None = None
    max_output_tokens: int | None = None
    created: int = 0
    owned_by: str = ""
    capabilities: Capabilities | None = None
    formats: tuple[Format, ...] = ()
    """The formats in which the vendor says that it can be addressed; empty where it does not say."""


class Operation(Enum):
    """What is asked of an upstream."""

    GENERATE = "generate"
    COUNT = "count"
    """How many tokens a request has."""
    COMPACT = "compact"
    """``/responses/compact``: a conversation made shorter by its vendor."""
    COMPLETE = "complete"
    """The legacy ``/completions``."""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt, before it is addressed and signed. ``body`` is in ``format``, which the adapter speaks."""

    credential: CredentialEntry
    model: str
    """The upstream model, without any suffix."""
    body: bytes
    stream: bool
    headers: tuple[tuple[str, str], ...] = ()
    """What the codec asks for (``anthropic-beta``), or client headers kept on a passthrough."""
    client_headers: tuple[tuple[str, str], ...] = ()
    """The client's own headers, lower-case names: read only for ``$Name`` values of custom headers."""
    format: Format | None = None
    """None means the one that the adapter speaks first."""
    operation: Operation = Operation.GENERATE
    query: str = ""
    """The client's own query on a passthrough, without its key: ``beta=true``."""
    now: float = 0.0
    """Unix seconds, for signatures that carry a time."""
    seed: str = ""
    """Random hex, 32 characters, one per exchange: where the vendor wants ids of the caller's making."""


class UpstreamRequest(msgspec.Struct, frozen=True, kw_only=True):
    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    """Names in lower case, each once."""
    body: bytes = b""
    via: str = ""
    """The connected page that carries it (``providers/upstream/relay.py``); "" for our own connections."""
    dropped: tuple[str, ...] = ()
    """What the adapter took out of the call's body because the vendor refuses it (as ``Encoded.dropped``)."""
    grouped: dict[str, tuple[str, str]] = {}
    """Tools that went up flat, with their groups and names in those: for the ``unwrapper``."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a web search found: ``text`` for the model, ``sources`` (``url``, ``title``) for the client."""

    text: str
    sources: tuple[dict[str, str], ...] = ()
    is_error: bool = False


class Unwrapper(Protocol):
    """Takes a vendor's envelope off a stream: bytes of the upstream in, events of the spoken format out.

    ``feed`` may hold back the beginning of an event; ``close`` gives what is left. Both raise
    UpstreamProtocolError for what is no envelope.
    """

    def feed(self, chunk: bytes) -> bytes: ...
    def close(self) -> bytes: ...


NO_CREDITS = "insufficient_credits"
"""Code of a refusal after ``Adapter.on_credit``: the account has none."""


class Adapter:
    """Base of every provider's class. Subclasses are data first; override a method only for a quirk."""

    key: str
    """Stable id, also the config block's provider name: ``claude``, ``openrouter``."""
    name: str
    """For people: ``Anthropic Claude``."""
    speaks: Format
    also_speaks: tuple[Format, ...] = ()
    """More formats that it can be addressed in; a client of one of them passes through."""
    counts_tokens: tuple[Format, ...] = ()
    """The formats in which it counts tokens itself."""
    streams_only: bool = False
    """Always answers as a stream; whole answers are put together here. See ``only_streams``."""
    never_streams: bool = False
    """Always answers in one piece; streams are made of it here."""
    base_url: str = ""
    """Without a trailing slash; "" means the admin must give one (``needs_base_url``)."""
    login_base_url: str = ""
    """As ``base_url``, for credentials that a login gave; "" means the same."""
    needs_base_url: bool = False
    needs_key: bool = True
    needs_login: bool = False
    """Only a login gives its credentials: there is no key to paste."""
    key_hint: str = ""
    """What a key looks like and where the vendor hands it out, for the admin's form."""
    environment: tuple[str, ...] = ()
    """Usual environment names of the key; the first that is set wins (first run, design.md)."""
    owned_by: str = ""
    """``owned_by`` in ``/v1/models``; "" means the provider's own name."""
    catalogue: tuple[CatalogueModel, ...] = ()
    """Models known without asking. Used when the provider row lists none."""
    reads_client_headers: bool = False
    """``request`` looks at ``Call.client_headers``; else they are filled in for custom headers alone."""
    open_ended: bool = False
    """Serves ids that nobody listed: any id routes here when no registered id matches."""
    prefix_replaces_ids: bool = False
    """With a prefix, only ``prefix/id`` is offered; else ``id`` and ``prefix/id`` (docs/routing.md)."""
    public_list: bool = False
    """Anybody may list the models: a listing proves nothing about the key."""
    default_mappings: tuple[tuple[str, str], ...] = ()
    """Route model to upstream model, where the id that people use is not the vendor's own. They hold
    when the provider row lists no models; the route models stand in ``catalogue`` as well."""
    has_other_addresses: bool = False
    """Whether ``elsewhere`` may ever name another address."""
    features: Features = Features()
    """What the vendor's models can do in general, where the operator says nothing. For people who ask
    (``/v1/capabilities``); routing keeps nobody out by it."""
    mappings_yield: bool = False
    """A default mapping ends where the vendor's own list has the id."""
    mappings_are_aliases: bool = False
    """The default mappings are the built-in aliases of a channel: a list of the operator's own (even an empty
    one) takes their place."""
    search_tool: str = ""
    """The name under which its models call a web search that the caller has to run, by ``search_request``;
    "" where the vendor runs it, or there is none."""
    makes_images: bool = False
    """Answers OpenAI's ``/images/generations`` although it speaks the Responses format, beside it or through
    its ``image_generation`` tool."""
    in_process: bool = False
    """Answers without a network (``demo``), by ``answer``."""

    def completes(self, credential: CredentialEntry, model: str) -> bool | None:
        """Whether ``model`` is asked at the legacy ``/completions``: always, never, or (None) where chat
        cannot carry what the client wants; a server that lacks the endpoint answers 404 then."""
        return False

    def formats(self, credential: CredentialEntry, model: str = "") -> tuple[Format, ...]:
        """All formats that ``credential`` may be addressed in for the upstream model ``model``. A client of
        one of them passes through; every other client is translated to the first."""
        return (self.speaks, *self.also_speaks)

    def compacts(self, credential: CredentialEntry, model: str) -> bool:
        """Whether it has ``/responses/compact``."""
        return Format.RESPONSES in self.formats(credential, model)

    def only_streams(self, credential: CredentialEntry, operation: Operation, model: str) -> bool:
        """Whether ``credential`` is always answered with a stream when this is asked of ``model``."""
        return self.streams_only and operation is not Operation.COMPACT

    def base_of(self, credential: CredentialEntry) -> str:
        """The base URL in force, without a trailing slash; "" where one is missing."""
        base = credential.base_url.rstrip("/") or self.base_url
        return self.login_base_url if self.login_base_url and self._is_usual(credential, base) else base

    def _is_usual(self, credential: CredentialEntry, base: str) -> bool:
        """Whether ``credential`` is a login to which nobody gave an address of its own."""
        return bool(credential.channel) and base == self.base_url

    def known_models(self, credential: CredentialEntry) -> tuple[CatalogueModel, ...]:
        """What is known to be served to ``credential`` without asking."""
        return self.catalogue

    def is_open(self, credential: CredentialEntry) -> bool:
        """Whether ids that nobody listed may be asked of ``credential`` (see ``open_ended``)."""
        return self.open_ended

    def keeps_state(self, credential: CredentialEntry) -> bool:
        """Whether it honours a field that names what an earlier call left with it (``previous_response_id``)
        or what it is to do later (``background``)."""
        return True

    def searches(self, credential: CredentialEntry) -> bool:
        """Whether it answers Codex's ``/alpha/search`` beside its ``/responses``."""
        return False

    def other_format(self, call: Call, refusal: Refusal) -> Format | None:
        """The format in which ``call`` may succeed after ``refusal`` said that its own does not serve the
        model; None where none would help."""
        return None

    def request(self, call: Call) -> UpstreamRequest:
        """Address and sign one call."""
        raise NotImplementedError

    def elsewhere(self, call: Call, tries: int, status: int | None, body: bytes) -> UpstreamRequest | None:
        """The same call at another address of the vendor, after ``tries`` addresses failed; None when
        there is none or the failure would repeat there. ``status`` None means that the last one could not
        be reached; else ``body`` is its refusal."""
        return None

    def on_credit(self, credential: CredentialEntry, model: str) -> CredentialEntry | None:
        """``credential`` asked to pay with what the account bought beside its allowances, as a last resort;
        None where that cannot be said in a call for ``model``."""
        return None

    def search_request(self, credential: CredentialEntry, query: str, seed: str) -> UpstreamRequest:
        """Only with a ``search_tool``: the search itself."""
        raise NotImplementedError

    def read_search(self, status: int, body: bytes) -> Found:
        """The answer to ``search_request``, whatever it holds. Never raises."""
        raise NotImplementedError

    def unwrapped(self, body: bytes) -> bytes:
        """A whole answer without the vendor's envelope. Raises UpstreamProtocolError when it is none."""
        return body

    def unwrapper(self, credential: CredentialEntry, grouped: Grouped = NO_GROUPS) -> Unwrapper | None:
        """A new Unwrapper for one stream, or None where streams come bare. ``grouped`` is what the request
        for it said."""
        return None

    def payload_protocols(self, format_: Format) -> tuple[str, ...]:
        """The names under which the operator's payload rules know a call in ``format_``; () where no rule
        shall touch it."""
        return (format_.value,)

    def models_request(self, credential: CredentialEntry) -> UpstreamRequest | None:
        """The call that lists models, or None when the provider offers none."""
        raise NotImplementedError

    def key_request(self, credential: CredentialEntry) -> UpstreamRequest | None:
        """Where the list is public: a call that costs nothing and needs a working key, if there is one."""
        return None

    def read_models(self, body: bytes) -> tuple[CatalogueModel, ...]:
        """The answer to ``models_request``. Raises UpstreamProtocolError when it is not a list."""
        raise NotImplementedError

    def classify(self, status: int, headers: dict[str, str], body: bytes, now: float) -> Refusal:
        """A refusal (status >= 400, or an error inside a 200), classified once. ``headers`` has lower-case
        names; ``now`` is Unix seconds, for reset times. Never raises, whatever the body holds."""
        raise NotImplementedError

    def capabilities(self, model: str) -> Capabilities:
        """What ``model`` can do; the permissive default for an unknown one."""
        raise NotImplementedError

    def answer(self, body: bytes, now: int, seed: str) -> Iterator[tuple[float, bytes]]:
        """Only where ``in_process``: the pieces of the answer, each with the seconds to wait before it.
        ``now`` is Unix seconds, ``seed`` random hex for ids."""
        raise NotImplementedError
