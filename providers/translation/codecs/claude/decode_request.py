"""An Anthropic Messages request, decoded: ``POST /v1/messages`` and ``/v1/messages/count_tokens``.

Lenient: ``max_tokens`` may be missing, strings stand for one text block, null counts as absent. What has
no typed home is kept in ``ext`` for Anthropic alone. Source: the SDK's ``MessageCreateParams``.
"""

from __future__ import annotations

from providers.translation.codec import MalformedRequest
from providers.translation.codecs.claude import fields, mcp
from providers.translation.codecs.claude.decode_blocks import CallNames, decode_content
from providers.translation.codecs.claude.errors import THREAD_UNSUPPORTED
from providers.translation.model import (
    Instruction,
    Json,
    OutputConfig,
    Part,
    ReasoningConfig,
    Request,
    Role,
    Sampling,
    Text,
    Tool,
    ToolChoice,
    ToolResult,
    Turn,
)
from providers.translation.web_search import options_of

_TYPED = frozenset(
    {
        "model",
        "messages",
        "system",
        "stream",
        "max_tokens",
        "tools",
        "tool_choice",
        "thinking",
        "output_config",
        "output_format",
        "temperature",
        "top_p",
        "top_k",
        "stop_sequences",
        "metadata",
        mcp.SERVERS,
    }
)

_MARKED = frozenset({"cache_control"})

_TIERS = {"auto": "auto", "standard_only": "default"}

_EFFORTS = ("low", "medium", "high", "xhigh", "max")

_SHOW = {"summarized": "summary", "omitted": "none"}

_SERVER_TOOLS = (
    ("web_search_", "web_search"),
    ("web_fetch_", "url_context"),
    ("code_execution_", "code_execution"),
    ("computer_", "computer"),
    ("text_editor_", "text_editor"),
    ("tool_search_", "tool_search"),
    ("bash_", "bash"),
    ("memory_", "memory"),
)
"""The dated tool types (``web_search_20250305``) by their stem, and the neutral kind."""


def decode_request(body: Json) -> Request:
    """The neutral request. Raises MalformedRequest with the path of the field at fault."""
    root = fields.mapping(body, "body")
    _refuse_thread(root)
    turns, inner = _decode_messages(root.get("messages"))
    raw_tier = root.get("service_tier")
    tier = _TIERS.get(raw_tier) if isinstance(raw_tier, str) else None
    choice, parallel = _decode_choice(root.get("tool_choice"))
    user, metadata = _decode_metadata(root.get("metadata"))
    return Request(
        model=fields.text(root.get("model"), "model"),
        turns=turns,
        instructions=(*_decode_system(root.get("system")), *inner),
        stream=bool(fields.optional_flag(root.get("stream"), "stream")),
        include_usage=True,
        tools=_decode_tools(root.get("tools"), root.get(mcp.SERVERS)),
        tool_choice=choice,
        parallel=parallel,
        reasoning=_decode_reasoning(root),
        output=_decode_output(root),
        sampling=_decode_sampling(root),
        max_output_tokens=fields.optional_integer(root.get("max_tokens"), "max_tokens"),
        user=user,
        metadata=metadata,
        service_tier=tier,
        ext=fields.rest(root, _TYPED | {"service_tier"} if tier else _TYPED),
    )


def _refuse_thread(root: dict[str, Json]) -> None:
    """Only Anthropic holds the conversation; told so, its SDKs send the whole of it from then on.

    The first turn is refused as well: a later one would continue what nobody kept.
    """
    if root.get("thread") is not None:
        raise MalformedRequest(
            "thread: the upstream that serves this model holds no conversation; send the whole of it",
            param="thread",
            code=THREAD_UNSUPPORTED,
        )


def _decode_system(system: Json) -> tuple[Instruction, ...]:
    if system is None:
        return ()
    texts = _texts(system, "system")
    return (Instruction(parts=texts),) if texts else ()


def _texts(content: Json, param: str) -> tuple[Text, ...]:
    parts = decode_content(content, param, {})
    texts = tuple(part for part in parts if isinstance(part, Text))
    if len(texts) != len(parts):
        raise fields.malformed(param, "only text blocks are allowed in a system prompt")
    return texts


def _decode_messages(messages: Json) -> tuple[tuple[Turn, ...], list[Instruction]]:
    """The turns, and the instructions that stood between them.

    Consecutive messages of the user become one turn, as Anthropic itself reads them; those of the
    assistant stay apart, because other formats would run their texts into each other.
    """
    raw = fields.sequence(messages, "messages")
    if not raw:
        raise fields.malformed("messages", "at least one message is required")
    turns: list[Turn] = []
    instructions: list[Instruction] = []
    call_names: CallNames = {}
    may_merge = False
    for n, item in enumerate(raw):
        message = fields.mapping(item, f"messages[{n}]")
        path = f"messages[{n}].content"
        role = message.get("role")
        if role == "system":
            texts = _texts(message.get("content"), path)
            if texts:
                instructions.append(Instruction(parts=texts, position=len(turns)))
            may_merge = False
            continue
        if role not in ("user", "assistant"):
            raise fields.malformed(f"messages[{n}].role", f"unknown role {role!r}")
        parts = decode_content(message.get("content"), path, call_names)
        if not parts:
            continue
        if may_merge and role == "user" and turns and turns[-1].role is Role.USER:
            parts = [*turns.pop().parts, *parts]
        turns.append(Turn(role=Role(role), parts=_results_first(parts)))
        may_merge = True
    return tuple(turns), instructions


def _results_first(parts: list[Part]) -> tuple[Part, ...]:
    return tuple(sorted(parts, key=lambda part: not isinstance(part, ToolResult)))


def _decode_tools(tools: Json, mcp_servers: Json) -> tuple[Tool, ...]:
    servers = mcp.decode_servers(mcp_servers)
    decoded = [
        _decode_tool(fields.mapping(item, f"tools[{n}]"), servers, f"tools[{n}]")
        for n, item in enumerate(fields.optional_sequence(tools, "tools"))
    ]
    named = {tool.name for tool in decoded if tool.kind == "mcp"}
    decoded += [mcp.server_alone(name, server) for name, server in servers.items() if name not in named]
    return tuple(decoded)


def _decode_tool(raw: dict[str, Json], servers: dict[str, dict[str, Json]], param: str) -> Tool:
    kind = fields.optional_text(raw.get("type"), f"{param}.type")
    if kind == mcp.TOOLSET:
        name, server = mcp.decode_toolset(raw, servers, param)
        mark = fields.cache_mark(raw, param)
        return Tool(name=name, kind="mcp", mcp=server, cache=mark, ext=fields.rest(raw, _MARKED))
    if kind not in (None, "custom"):
        return _decode_server_tool(raw, kind, param)
    schema = raw.get("input_schema")
    known = frozenset({"type", "name", "description", "input_schema", "strict", "cache_control"})
    return Tool(
        name=fields.text(raw.get("name"), f"{param}.name"),
        description=fields.optional_text(raw.get("description"), f"{param}.description"),
        schema=None if schema is None else fields.mapping(schema, f"{param}.input_schema"),
        strict=fields.optional_flag(raw.get("strict"), f"{param}.strict"),
        cache=fields.cache_mark(raw, param),
        ext=fields.rest(raw, known),
    )


def _decode_server_tool(raw: dict[str, Json], kind: str, param: str) -> Tool:
    """A tool that Anthropic defines: everything but the mark stays raw, dated type and name included."""
    stem = next((neutral for prefix, neutral in _SERVER_TOOLS if kind.startswith(prefix)), kind)
    return Tool(
        name=fields.optional_text(raw.get("name"), f"{param}.name") or stem,
        kind=stem,
        search=options_of(raw) if stem == "web_search" else None,
        cache=fields.cache_mark(raw, param),
        ext=fields.rest(raw, _MARKED),
    )


def _decode_choice(raw: Json) -> tuple[ToolChoice | None, bool | None]:
    if raw is None:
        return None, None
    if isinstance(raw, str):
        raw = {"type": raw}
    choice = fields.mapping(raw, "tool_choice")
    disabled = fields.optional_flag(
        choice.get("disable_parallel_tool_use"), "tool_choice.disable_parallel_tool_use"
    )
    parallel = None if disabled is None else not disabled
    match choice.get("type"):
        case "auto":
            return ToolChoice(mode="auto"), parallel
        case "none":
            return ToolChoice(mode="none"), parallel
        case "any":
            return ToolChoice(mode="required"), parallel
        case "tool":
            name = fields.text(choice.get("name"), "tool_choice.name")
            return ToolChoice(mode="one", names=(name,)), parallel
    raise fields.malformed("tool_choice.type", f"unknown tool choice {choice.get('type')!r}")


def _decode_reasoning(root: dict[str, Json]) -> ReasoningConfig:
    """``thinking`` and ``output_config.effort`` together. Effort alone does not switch thinking on."""
    thinking = fields.optional_mapping(root.get("thinking"), "thinking")
    output = fields.optional_mapping(root.get("output_config"), "output_config")
    effort = fields.optional_text(output.get("effort"), "output_config.effort")
    if effort is not None and effort not in _EFFORTS:
        raise fields.malformed("output_config.effort", f"must be one of {', '.join(_EFFORTS)}")
    kind = thinking.get("type")
    display = thinking.get("display")
    show = _SHOW.get(display) if isinstance(display, str) else None
    match kind:
        case None:
            return ReasoningConfig(effort=effort)
        case "disabled":
            return ReasoningConfig(mode="off", effort=effort)
        case "enabled":
            budget = fields.optional_integer(thinking.get("budget_tokens"), "thinking.budget_tokens")
            return ReasoningConfig(mode="on", budget=budget, effort=effort, show=show)
        case "adaptive" | "between_tools":
            return ReasoningConfig(mode="auto", effort=effort, show=show)
    raise fields.malformed("thinking.type", f"unknown thinking type {kind!r}")


def _decode_output(root: dict[str, Json]) -> OutputConfig:
    """``output_config.format``, or ``output_format`` of the beta era."""
    config = fields.optional_mapping(root.get("output_config"), "output_config")
    raw, param = config.get("format"), "output_config.format"
    if raw is None:
        raw, param = root.get("output_format"), "output_format"
    if raw is None:
        return OutputConfig()
    wanted = fields.mapping(raw, param)
    if wanted.get("type") != "json_schema":
        raise fields.malformed(f"{param}.type", f"unknown output format {wanted.get('type')!r}")
    return OutputConfig(kind="json_schema", schema=fields.mapping(wanted.get("schema"), f"{param}.schema"))


def _decode_sampling(root: dict[str, Json]) -> Sampling:
    stops = fields.optional_sequence(root.get("stop_sequences"), "stop_sequences")
    return Sampling(
        temperature=fields.optional_number(root.get("temperature"), "temperature"),
        top_p=fields.optional_number(root.get("top_p"), "top_p"),
        top_k=fields.optional_integer(root.get("top_k"), "top_k"),
        stop=tuple(fields.text(stop, f"stop_sequences[{n}]") for n, stop in enumerate(stops)),
    )


def _decode_metadata(raw: Json) -> tuple[str | None, dict[str, str] | None]:
    metadata = fields.optional_mapping(raw, "metadata")
    user = fields.optional_text(metadata.get("user_id"), "metadata.user_id")
    others = {key: value for key, value in metadata.items() if key != "user_id" and isinstance(value, str)}
    return user, others or None
