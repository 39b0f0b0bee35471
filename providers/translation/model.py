"""The neutral model that every codec decodes to and encodes from.

One request, one answer and one list of stream events, rich enough for the four formats; no module
knows two of them. Values are frozen. Each node has ``ext``: raw fields of one format that have no
typed home; an encoder merges only its own format's ``ext`` and reports the rest as dropped.
Absent is None, which is not the same as 0 or "".
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any, TypeAlias

import msgspec

from providers.values import Format

Json: TypeAlias = Any
"""A decoded JSON value: dict, list, str, int, float, bool or None."""

Ext: TypeAlias = dict[Format, dict[str, Json]]


def names_in(fields: dict[str, Json]) -> Iterator[str]:
    """What to call raw fields that are lost: of an object of settings (``generationConfig``) those inside."""
    for name, value in fields.items():
        if name.endswith("Config") and isinstance(value, dict):
            yield from (f"{name}.{inner}" for inner in value)
        else:
            yield name


class Node(msgspec.Struct, frozen=True, kw_only=True):
    ext: Ext = msgspec.field(default_factory=dict)


# --- parts -----------------------------------------------------------------------------------


class CacheMark(msgspec.Struct, frozen=True):
    """Cache everything up to here. ``ttl`` is ``5m``, ``1h`` or None for the provider's default."""

    ttl: str | None = None


class Signature(msgspec.Struct, frozen=True):
    """Opaque reasoning state: bytes to us. ``issuer`` is who can read it; never sent to another.

    ``value`` is the exact text seen on the wire.
    """

    value: str
    issuer: Format


class Original(msgspec.Struct, frozen=True):
    """What a part was before it was put into words that every format knows: ``raw`` in ``format``.

    An encoder of that format writes it back; for the others nothing is lost that they could hold.
    """

    format: Format
    raw: dict[str, Json]


class Part(Node, frozen=True, kw_only=True):
    cache: CacheMark | None = None
    original: Original | None = None


class Text(Part, frozen=True, kw_only=True):
    text: str
    citations: tuple[dict[str, Json], ...] = ()
    """Neutral: ``{"url", "title", "start", "end", "text"}``, offsets in characters of this part."""
    signature: Signature | None = None
    """Gemini may sign plain text."""


class RefusalText(Part, frozen=True, kw_only=True):
    text: str


class Media(Part, frozen=True, kw_only=True):
    """An image, audio, video or document: exactly one of ``data``, ``url``, ``file_id``, ``text`` is set."""

    kind: str
    """``image``, ``audio``, ``video`` or ``document``."""
    mime: str | None = None
    data: str | None = None
    """Base64 (standard alphabet), without a data-URL head."""
    url: str | None = None
    file_id: str | None = None
    text: str | None = None
    """Plain-text document."""
    filename: str | None = None
    title: str | None = None
    detail: str | None = None
    """``low``, ``high``, ``auto`` or ``original``."""
    audio_format: str | None = None
    """``wav``, ``mp3``."""
    transcript: str | None = None
    """The words of generated audio."""
    expires_at: int | None = None
    """Unix seconds until which the vendor knows generated audio by its id."""


class Reasoning(Part, frozen=True, kw_only=True):
    """A visible thought and the opaque state that belongs to it. ``redacted`` has no text."""

    text: str = ""
    is_summary: bool = False
    signature: Signature | None = None
    redacted: Signature | None = None
    item_id: str | None = None


class ToolCall(Part, frozen=True, kw_only=True):
    """``arguments`` is the JSON text exactly as sent ("" means no arguments)."""

    id: str
    name: str
    arguments: str = ""
    kind: str = "function"
    """``function`` or ``custom`` (free-form ``arguments`` text)."""
    item_id: str | None = None
    signature: Signature | None = None

    def value(self) -> Json:
        """The arguments as a JSON object; what is not an object is wrapped as ``{"input": …}``.

        Blank text is ``{}``. Never raises: invalid JSON is wrapped as text.
        """
        if self.kind == "custom":
            return {"input": self.arguments}
        if not self.arguments.strip():
            return {}
        try:
            value = msgspec.json.decode(self.arguments)
        except (msgspec.DecodeError, RecursionError):
            return {"input": self.arguments}
        if value is None:
            return {}
        return value if isinstance(value, dict) else {"input": value}


class ToolResult(Part, frozen=True, kw_only=True):
    call_id: str
    name: str | None = None
    parts: tuple[Part, ...] = ()
    value: Json = None
    """A structured result (Gemini ``response``), when the client sent an object and no parts."""
    is_error: bool = False
    kind: str = "function"


class Activity(msgspec.Struct, frozen=True, kw_only=True):
    """What a tool did that its vendor runs, as far as more than one vendor can tell of it."""

    kind: str
    """``web_search`` or ``code_execution``."""
    text: str = ""
    """What was searched for, or the code that ran."""
    is_result: bool = False
    """The outcome of an activity told before."""
    sources: tuple[dict[str, str], ...] = ()
    """``url`` and ``title`` of what a search found."""
    output: str | None = None
    """What the code printed, None when that is not told here."""


class Unknown(Part, frozen=True, kw_only=True):
    """A part that only its own format understands."""

    raw: dict[str, Json]
    format: Format
    activity: Activity | None = None

    @property
    def label(self) -> str:
        """What to call it in a report: its type, or the one field that says what it is."""
        kind = self.raw.get("type")
        return kind if isinstance(kind, str) and kind else next(iter(self.raw), "part")


# --- request ---------------------------------------------------------------------------------


class Role(StrEnum):
    USER = "user"
    ASSISTANT = "assistant"


class Instruction(Node, frozen=True, kw_only=True):
    """A system or developer text. ``position`` None is the head; n stands before ``turns[n]``."""

    parts: tuple[Text, ...]
    role: str = "system"
    position: int | None = None


class Turn(Node, frozen=True, kw_only=True):
    """Consecutive parts of one author. Tool results are parts of a USER turn, results first."""

    role: Role
    parts: tuple[Part, ...]
    name: str | None = None


class WebSearch(msgspec.Struct, frozen=True, kw_only=True):
    """Options of a web search that more than one vendor knows (``web_search.py``)."""

    allowed_domains: tuple[str, ...] = ()
    blocked_domains: tuple[str, ...] = ()
    location: dict[str, Json] | None = None
    """``city``, ``region``, ``country``, ``timezone``, as far as told."""
    size: str | None = None
    """``low``, ``medium`` or ``high``."""
    max_uses: int | None = None


class McpServer(msgspec.Struct, frozen=True, kw_only=True):
    """A server of tools that the vendor calls by itself, without asking anybody.

    Only what every vendor means alike is told so: a server whose calls somebody must approve is none.
    """

    url: str
    token: str | None = None
    """For ``Authorization: Bearer``."""
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    allowed: tuple[str, ...] | None = None
    """The only tools of it that may be called; None for all."""
    is_portable: bool = True
    """Whether another vendor would keep to what was asked: it would not where single tools are denied."""
    original: Original | None = None
    """The server as its format defines it beside the tools."""
    also: tuple[str, ...] = ()
    """Names of what else its definition says, which only its own format knows."""


class Tool(Node, frozen=True, kw_only=True):
    name: str
    kind: str = "function"
    """``function``, ``custom``, or a server tool: ``web_search``, ``code_execution``, ``url_context`` …"""
    description: str | None = None
    schema: dict[str, Json] | None = None
    """JSON Schema of the arguments, as the client wrote it (Gemini's dialect already normalised)."""
    strict: bool | None = None
    grammar: dict[str, Json] | None = None
    cache: CacheMark | None = None
    namespace: str | None = None
    """The group that the tool was defined in (responses); ``name`` is then ``<namespace>__<its name>``."""
    search: WebSearch | None = None
    """For kind ``web_search``."""
    mcp: McpServer | None = None
    """For kind ``mcp``; ``name`` is the server's label."""
    is_legacy: bool = False
    """Defined in ``functions`` of Chat Completions: the answer calls it the old way."""


class ToolChoice(msgspec.Struct, frozen=True, kw_only=True):
    mode: str
    """``auto``, ``none``, ``required``, ``one`` (call ``names[0]``) or ``allowed`` (only ``names``)."""
    names: tuple[str, ...] = ()
    required: bool = False
    """With ``allowed``: must call one of them."""


class ReasoningConfig(msgspec.Struct, frozen=True, kw_only=True):
    mode: str | None = None
    """None (unset), ``off``, ``auto`` or ``on``."""
    effort: str | None = None
    """``minimal``, ``low``, ``medium``, ``high``, ``xhigh`` or ``max``."""
    budget: int | None = None
    """Tokens."""
    show: str | None = None
    """None (unset), ``none``, ``summary`` or ``full``."""
    encrypted: bool = False


class OutputConfig(msgspec.Struct, frozen=True, kw_only=True):
    kind: str = "text"
    """``text``, ``json`` or ``json_schema``."""
    name: str | None = None
    description: str | None = None
    schema: dict[str, Json] | None = None
    strict: bool | None = None
    verbosity: str | None = None
    modalities: tuple[str, ...] = ()
    voice: str | None = None
    """Of a spoken answer, in the client's vendor's name for it."""


class Sampling(msgspec.Struct, frozen=True, kw_only=True):
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    logit_bias: dict[str, float] | None = None
    stop: tuple[str, ...] = ()


class Request(Node, frozen=True, kw_only=True):
    model: str
    """As the client asked."""
    turns: tuple[Turn, ...]
    instructions: tuple[Instruction, ...] = ()
    stream: bool = False
    include_usage: bool = False
    """The client asked for usage in the stream (openai); other formats always set it."""
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel: bool | None = None
    reasoning: ReasoningConfig = ReasoningConfig()
    output: OutputConfig = OutputConfig()
    sampling: Sampling = Sampling()
    max_output_tokens: int | None = None
    n: int | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    cache_key: str | None = None
    user: str | None = None
    metadata: dict[str, str] | None = None
    service_tier: str | None = None
    """OpenAI's spelling: auto, default, flex, scale, priority."""
    store: bool | None = None


# --- answer ----------------------------------------------------------------------------------


class StopKind(StrEnum):
    END = "end"
    STOP_SEQUENCE = "stop_sequence"
    LENGTH = "length"
    CONTEXT_WINDOW = "context_window"
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"
    REFUSAL = "refusal"
    PAUSE = "pause"
    MALFORMED_CALL = "malformed_call"
    ERROR = "error"
    CANCELLED = "cancelled"
    OTHER = "other"


class Stop(msgspec.Struct, frozen=True):
    """Why generation ended. ``detail`` is the upstream's own spelling, ``sequence`` the stop text hit,
    ``message`` a human explanation (Gemini ``finishMessage``, Claude ``stop_details``)."""

    kind: StopKind
    detail: str | None = None
    sequence: str | None = None
    message: str | None = None


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Canonical usage. ``input_total`` includes cached tokens, ``output_total`` includes reasoning."""

    input_total: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    cache_write_5m: int | None = None
    cache_write_1h: int | None = None
    output_total: int | None = None
    reasoning: int | None = None
    audio_in: int | None = None
    audio_out: int | None = None
    total: int | None = None
    is_estimated: bool | None = None
    """True when a number is the gateway's own guess, because the upstream gave none."""

    def merged(self, later: Usage) -> Usage:
        """Numbers in a stream are cumulative: ``later`` wins where it says something. Never adds."""
        fields = {
            name: new if (new := getattr(later, name)) is not None else getattr(self, name)
            for name in self.__struct_fields__
        }
        return Usage(**fields)


class Candidate(Node, frozen=True, kw_only=True):
    """One alternative of an answer."""

    index: int = 0
    parts: tuple[Part, ...] = ()
    stop: Stop | None = None
    logprobs: Json = None
    """OpenAI's shape: list of ``{token, logprob, bytes, top_logprobs}``."""


class Response(Node, frozen=True, kw_only=True):
    id: str
    model: str
    """The upstream's name for itself."""
    candidates: tuple[Candidate, ...]
    usage: Usage | None = None
    created: int | None = None
    """Unix seconds; None when the upstream did not say."""
    service_tier: str | None = None
    block_reason: str | None = None
    """Gemini: the prompt was blocked; there are no candidates then."""


# --- stream events ---------------------------------------------------------------------------


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Part ``i`` counts the parts of candidate ``candidate`` in order of first appearance, from 0."""

    candidate: int = 0


class Start(Event, frozen=True, kw_only=True):
    id: str | None = None
    model: str | None = None
    created: int | None = None
    usage: Usage | None = None
    service_tier: str | None = None


class PartStart(Event, frozen=True, kw_only=True):
    """``part`` is a skeleton: a Text, RefusalText, Reasoning, ToolCall (id and name set, and the signature
    where it is known), Media (whole, but for audio that grows) or Unknown (whole)."""

    i: int
    part: Part


class TextDelta(Event, frozen=True, kw_only=True):
    """For a Text or RefusalText part."""

    i: int
    text: str
    logprobs: Json = None


class ReasoningDelta(Event, frozen=True, kw_only=True):
    i: int
    text: str


class SignatureDelta(Event, frozen=True, kw_only=True):
    """The whole opaque value of part ``i``; sent once, before its PartStop."""

    i: int
    signature: Signature


class ArgumentsDelta(Event, frozen=True, kw_only=True):
    """JSON text to append. An upstream that sends whole objects sends one delta."""

    i: int
    text: str


class AudioDelta(Event, frozen=True, kw_only=True):
    """For a Media part of kind ``audio``: sound to append (base64 of its own) and the words of it."""

    i: int
    data: str = ""
    transcript: str = ""
    expires_at: int | None = None


class CitationDelta(Event, frozen=True, kw_only=True):
    i: int
    citation: dict[str, Json]


class PartStop(Event, frozen=True, kw_only=True):
    i: int


class UsageUpdate(Event, frozen=True, kw_only=True):
    """Cumulative; see ``Usage.merged``."""

    usage: Usage
    service_tier: str | None = None
    """Where the upstream tells only at the end which one it was."""


class Stopped(Event, frozen=True, kw_only=True):
    """Candidate ``candidate`` ended. At most once per candidate; usage may still follow."""

    stop: Stop


class Heartbeat(Event, frozen=True, kw_only=True):
    pass


class StreamError(Event, frozen=True, kw_only=True):
    """The upstream reported an error inside the stream. Nothing but it may follow."""

    info: ErrorInfo
    raw: dict[str, Json] | None = None
    """The error object as the upstream spelled it, for the adapter: it may name the end of a quota."""


class End(Event, frozen=True, kw_only=True):
    """The upstream finished properly. Emitted exactly once, or never when the stream was cut."""


class UnknownEvent(Event, frozen=True, kw_only=True):
    raw: dict[str, Json]
    format: Format


class ErrorInfo(msgspec.Struct, frozen=True, kw_only=True):
    """An error in neutral form. ``status`` is HTTP; ``type`` and ``code`` in OpenAI's spelling."""

    status: int
    message: str
    type: str = "server_error"
    code: str | None = None
    param: str | None = None
    retry_after_s: float | None = None
