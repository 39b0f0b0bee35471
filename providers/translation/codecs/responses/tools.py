"""Tools and the choice among them, both ways: flat definitions, namespaces, tools that OpenAI runs.

A ``namespace`` groups tools; its members become tools named ``<namespace>__<name>``, which any format can
hold, and are grouped again on the way back. A tool that OpenAI runs keeps its raw definition in ``ext``.
"""

from __future__ import annotations

import msgspec

from providers.translation.codec import Untranslatable
from providers.translation.codecs.openai.fields import (
    as_list,
    as_object,
    cache_mark,
    missing,
    optional_bool,
    optional_object,
    optional_string,
    required_string,
    unsupported,
    wrong_type,
)
from providers.translation.codecs.openai.tools import decode_grammar, flat_grammar
from providers.translation.codecs.responses import mcp
from providers.translation.model import Ext, Json, Request, Tool, ToolChoice
from providers.translation.names import NameMap
from providers.translation.web_search import approximate, lost, options_of
from providers.values import Format

Block = dict[str, Json]

_MODES = {"auto": "auto", "none": "none", "required": "required", "any": "required"}
CLIENT_KINDS = ("function", "custom")
_KINDS = {
    "web_search": "web_search",
    "web_search_2025_08_26": "web_search",
    "web_search_preview": "web_search",
    "web_search_preview_2025_03_11": "web_search",
    "code_interpreter": "code_execution",
}
"""Types of tools that OpenAI runs, and the neutral kind; others are a kind of their own."""

_SERVER_TOOLS: dict[str, Block] = {
    "web_search": {"type": "web_search"},
    "url_context": {"type": "web_search"},
    "code_execution": {"type": "code_interpreter", "container": {"type": "auto"}},
    "image_generation": {"type": "image_generation"},
}
"""Counterparts of other formats' tools. Web search opens pages too, so it stands for fetching."""

_ONCE = ("web_search", "code_interpreter", "image_generation")
"""One of each is enough: page fetching of another vendor is part of web search here."""

_CHOICE_TYPES = {"web_search": "web_search_preview", "code_execution": "code_interpreter"}
"""``tool_choice`` knows web search under its old name only (SDK type ``ToolChoiceTypes``)."""

_FUNCTION_KEYS = frozenset(
    {"type", "function", "name", "description", "parameters", "strict", "cache_control"}
)
_CUSTOM_KEYS = frozenset({"type", "custom", "name", "description", "format", "cache_control"})
NAMESPACE_DESCRIPTION = "namespace_description"


def full_name(namespace: str | None, name: str) -> str:
    return f"{namespace}__{name}" if namespace else name


# --- decoding ----------------------------------------------------------------------------------


def decode_tools(items: Json, path: str = "tools") -> tuple[Tool, ...]:
    if items is None:
        return ()
    tools: list[Tool] = []
    for index, item in enumerate(as_list(items, path)):
        where = f"{path}[{index}]"
        tools.extend(_tools(as_object(item, where), where))
    return tuple(tools)


def _tools(item: Block, path: str) -> list[Tool]:
    kind = optional_string(item, "type", f"{path}.") or "function"
    if kind == "function":
        return [_function(item, path)]
    if kind == "custom":
        return [_custom(item, path)]
    if kind == "namespace":
        return _namespace(item, path)
    return [_server_tool(item, kind, path)]


def _function(item: Block, path: str) -> Tool:
    nested = optional_object(item, "function", f"{path}.")  # the Chat Completions form, sent by mistake
    source, where = (item, path) if nested is None else (nested, f"{path}.function")
    return Tool(
        name=required_string(source, "name", f"{where}."),
        description=optional_string(source, "description", f"{where}."),
        schema=optional_object(source, "parameters", f"{where}."),
        strict=optional_bool(source, "strict", f"{where}."),
        cache=cache_mark(item, f"{path}."),
        ext=_rest(item, _FUNCTION_KEYS),
    )


def _custom(item: Block, path: str) -> Tool:
    nested = optional_object(item, "custom", f"{path}.")
    source, where = (item, path) if nested is None else (nested, f"{path}.custom")
    return Tool(
        name=required_string(source, "name", f"{where}."),
        kind="custom",
        description=optional_string(source, "description", f"{where}."),
        grammar=decode_grammar(source, f"{where}."),
        cache=cache_mark(item, f"{path}."),
        ext=_rest(item, _CUSTOM_KEYS),
    )


def _namespace(item: Block, path: str) -> list[Tool]:
    namespace = required_string(item, "name", f"{path}.")
    about = optional_string(item, "description", f"{path}.")
    members: list[Tool] = []
    for index, raw in enumerate(as_list(item.get("tools"), f"{path}.tools")):
        where = f"{path}.tools[{index}]"
        member = as_object(raw, where)
        kind = optional_string(member, "type", f"{where}.") or "function"
        if kind not in CLIENT_KINDS:  # in particular no namespace within a namespace
            raise unsupported(f"{where}.type", kind, CLIENT_KINDS)
        tool = _function(member, where) if kind == "function" else _custom(member, where)
        ext = tool.ext
        if about and not members:
            ext = {Format.RESPONSES: {**ext.get(Format.RESPONSES, {}), NAMESPACE_DESCRIPTION: about}}
        name = full_name(namespace, tool.name)
        members.append(msgspec.structs.replace(tool, name=name, namespace=namespace, ext=ext))
    return members


def _server_tool(item: Block, kind: str, path: str) -> Tool:
    neutral = _KINDS.get(kind, kind)
    raw = {key: value for key, value in item.items() if key != "type" and value is not None}
    if kind != _SERVER_TOOLS.get(neutral, {}).get("type"):
        raw = {"type": kind, **raw}
    label = optional_string(item, "server_label", f"{path}.")
    return Tool(
        name=label or neutral,
        kind=neutral,
        search=options_of(raw) if neutral == "web_search" else None,
        mcp=mcp.decode(item) if kind == "mcp" else None,
        ext={Format.RESPONSES: raw} if raw else {},
    )


def _rest(item: Block, known: frozenset[str]) -> Ext:
    raw = {key: value for key, value in item.items() if key not in known and value is not None}
    return {Format.RESPONSES: raw} if raw else {}


def decode_choice(choice: Json) -> ToolChoice | None:
    if choice is None:
        return None
    if isinstance(choice, str):
        if choice not in _MODES:
            raise unsupported("tool_choice", choice, ("none", "auto", "required"))
        return ToolChoice(mode=_MODES[choice])
    if not isinstance(choice, dict):
        raise wrong_type("tool_choice", "a string or an object", choice)
    kind = optional_string(choice, "type", "tool_choice.") or "function"
    if kind == "allowed_tools":
        return _allowed(choice)
    if kind in _MODES:
        return ToolChoice(mode=_MODES[kind])
    return ToolChoice(mode="one", names=(_chosen_name(choice, kind, "tool_choice"),))


def _allowed(choice: Block) -> ToolChoice:
    path = "tool_choice"
    nested = optional_object(choice, "allowed_tools", f"{path}.")
    if nested is not None:
        choice, path = nested, f"{path}.allowed_tools"
    names = []
    for index, item in enumerate(as_list(choice.get("tools"), f"{path}.tools")):
        where = f"{path}.tools[{index}]"
        tool = as_object(item, where)
        names.append(_chosen_name(tool, optional_string(tool, "type", f"{where}.") or "function", where))
    mode = optional_string(choice, "mode", f"{path}.") or "auto"
    if mode not in ("auto", "required"):
        raise unsupported(f"{path}.mode", mode, ("auto", "required"))
    return ToolChoice(mode="allowed", names=tuple(names), required=mode == "required")


def _chosen_name(item: Block, kind: str, path: str) -> str:
    if kind not in CLIENT_KINDS:
        return optional_string(item, "server_label", f"{path}.") or _KINDS.get(kind, kind)
    nested = optional_object(item, kind, f"{path}.")
    source, where = (item, path) if nested is None else (nested, f"{path}.{kind}")
    if "name" not in source:
        raise missing(f"{where}.name")
    name = required_string(source, "name", f"{where}.")
    return full_name(optional_string(source, "namespace", f"{where}."), name)


# --- what an answer needs to know of the client's tools ----------------------------------------


class ClientTools:
    """The client's names: which tools are free-form, and which stand in a namespace."""

    __slots__ = ("_members", "customs")

    def __init__(self, request: Request | None) -> None:
        tools = request.tools if request is not None else ()
        self.customs = frozenset(tool.name for tool in tools if tool.kind == "custom")
        self._members = {tool.name: tool.namespace for tool in tools if tool.namespace is not None}

    def spelled(self, name: str) -> Block:
        """``name``, and ``namespace`` for a member of one."""
        namespace = self._members.get(name)
        if namespace is None:
            return {"name": name}
        return {"name": name.removeprefix(f"{namespace}__"), "namespace": namespace}


# --- encoding ----------------------------------------------------------------------------------


def encode_tools(request: Request, names: NameMap, dropped: list[str]) -> Block:
    """``tools``, ``tool_choice`` and ``parallel_tool_calls``, as far as they apply: without tools the API
    refuses the other two. Raises Untranslatable when the client forces a tool that OpenAI does not have."""
    tools: list[Block] = []
    groups: dict[str, Block] = {}
    known: dict[str, Tool] = {}
    for index, tool in enumerate(request.tools):
        where = f"tools[{index}]"
        if tool.kind in CLIENT_KINDS:
            dropped.extend(
                f"{where}.{key}"
                for issuer, raw in tool.ext.items()
                if issuer is not Format.RESPONSES
                for key in raw
            )
        elif tool.mcp is not None and Format.RESPONSES not in tool.ext:
            dropped.extend(f"{where}.{key}" for key in tool.mcp.also)
        elif Format.RESPONSES not in tool.ext:
            kept = ("allowed_domains", "location", "size")
            dropped.extend(lost(tool, where, Format.RESPONSES, kept))
        if tool.cache is not None:
            dropped.append(f"{where}.cache_control")
        block = _encode_tool(tool, names)
        if block is None or tool.name in known:
            dropped.append(where)
            continue
        known[tool.name] = tool
        if tool.namespace is not None:
            _add_to_group(tool, block, tools, groups)
        elif block["type"] not in {one["type"] for one in tools} or block["type"] not in _ONCE:
            tools.append(block)
    choice = request.tool_choice
    _refuse_lost(request, known)
    if not tools:
        return {}
    body: Block = {"tools": tools}
    if (encoded := _encode_choice(choice, known, names)) is not None:
        body["tool_choice"] = encoded
    if request.parallel is not None:
        body["parallel_tool_calls"] = request.parallel
    return body


def _add_to_group(tool: Tool, block: Block, tools: list[Block], groups: dict[str, Block]) -> None:
    namespace = tool.namespace or ""
    group = groups.get(namespace)
    if group is None:
        group = {"type": "namespace", "name": namespace, "description": "", "tools": []}
        groups[namespace] = group
        tools.append(group)
    group["description"] = block.pop(NAMESPACE_DESCRIPTION, None) or group["description"]
    group["tools"].append({**block, "name": tool.name.removeprefix(f"{namespace}__")})


def _encode_tool(tool: Tool, names: NameMap) -> Block | None:
    """None for a tool of another vendor without a counterpart."""
    raw = tool.ext.get(Format.RESPONSES, {})
    if tool.kind not in CLIENT_KINDS:
        if tool.mcp is not None and tool.mcp.is_portable and not raw:
            return mcp.encode(tool, tool.mcp)
        block = _SERVER_TOOLS.get(tool.kind)
        if block is None and "type" not in raw:
            return None
        return {**(block or {}), **(raw or _search_options(tool))}
    block = {"type": tool.kind, "name": names.mangle(tool.name)}
    if tool.description is not None:
        block["description"] = tool.description
    if tool.kind == "custom":
        if tool.grammar is not None:
            block["format"] = flat_grammar(tool.grammar)
    else:
        block["parameters"] = tool.schema
        # The service's default is strict, which refuses most schemas that were not written for it.
        block["strict"] = bool(tool.strict)
    return {**block, **raw}


def _search_options(tool: Tool) -> Block:
    wanted = tool.search
    if wanted is None:
        return {}
    options: Block = {}
    if wanted.allowed_domains:
        options["filters"] = {"allowed_domains": list(wanted.allowed_domains)}
    if wanted.location is not None:
        options["user_location"] = approximate(wanted.location)
    if wanted.size is not None:
        options["search_context_size"] = wanted.size
    return options


def _refuse_lost(request: Request, known: dict[str, Tool]) -> None:
    """A forced tool that is not there any more would be silently another request."""
    choice = request.tool_choice
    if choice is None or not request.tools:
        return
    if choice.mode == "one":
        lost = {tool.name for tool in request.tools} - known.keys()
        is_lost = choice.names[:1] != () and choice.names[0] in lost
    else:
        is_lost = not known and (choice.mode == "required" or choice.required)
    if is_lost:
        raise Untranslatable(
            "tool_choice asks for a tool that the upstream's format does not have.", param="tool_choice"
        )


def _encode_choice(choice: ToolChoice | None, known: dict[str, Tool], names: NameMap) -> Json:
    if choice is None:
        return None
    if choice.mode in ("auto", "none", "required"):
        return choice.mode
    chosen = [_chosen(known[name], names) for name in choice.names if name in known]
    if choice.mode == "one":
        return chosen[0] if chosen else None
    if not chosen:
        return "none"
    return {"type": "allowed_tools", "mode": "required" if choice.required else "auto", "tools": chosen}


def _chosen(tool: Tool, names: NameMap) -> Block:
    if tool.kind not in CLIENT_KINDS:
        if tool.kind == "mcp":
            return {"type": "mcp", "server_label": tool.name}
        raw = tool.ext.get(Format.RESPONSES, {}).get("type")
        kind = raw if tool.kind == "web_search" and raw != "web_search_2025_08_26" else None
        return {"type": kind or _CHOICE_TYPES.get(tool.kind, tool.kind)}
    if tool.namespace is not None:
        short = tool.name.removeprefix(f"{tool.namespace}__")
        return {"type": tool.kind, "name": short, "namespace": tool.namespace}
    return {"type": tool.kind, "name": names.mangle(tool.name)}
