"""Tools and the choice among them, both ways, with the legacy ``functions`` form.

A tool that came as a legacy function is marked, so that its answer uses ``function_call`` too.
"""

from __future__ import annotations

from providers.translation.codec import Untranslatable
from providers.translation.codecs.openai.fields import (
    as_list,
    as_object,
    cache_mark,
    missing,
    optional_bool,
    optional_choice,
    optional_object,
    optional_string,
    required_string,
    unsupported,
    wrong_type,
)
from providers.translation.model import Json, Request, Tool, ToolChoice
from providers.translation.names import NameMap
from providers.translation.web_search import lost, options_of
from providers.values import Format

_SEARCH_TYPES = ("web_search", "web_search_preview")
_MODES = {"auto": "auto", "none": "none", "required": "required", "any": "required"}


# --- decoding ----------------------------------------------------------------------------------


def decode_tools(body: dict[str, Json]) -> tuple[Tool, ...]:
    tools: list[Tool] = []
    if (items := body.get("tools")) is not None:
        for index, item in enumerate(as_list(items, "tools")):
            path = f"tools[{index}]"
            tools.append(_tool(as_object(item, path), path))
    if (legacy := body.get("functions")) is not None:
        for index, item in enumerate(as_list(legacy, "functions")):
            path = f"functions[{index}]"
            tools.append(_function(as_object(item, path), path, is_legacy=True))
    if (search := optional_object(body, "web_search_options")) is not None:
        tools.append(_search(search))
    return tuple(tools)


def _search(options: dict[str, Json]) -> Tool:
    return Tool(
        name="web_search",
        kind="web_search",
        search=options_of(options),
        ext={Format.OPENAI: options} if options else {},
    )


def _tool(item: dict[str, Json], path: str) -> Tool:
    kind = optional_string(item, "type", f"{path}.") or "function"
    if kind in _SEARCH_TYPES:
        options = {key: value for key, value in item.items() if key != "type"}
        return _search(options)
    if kind == "custom":
        custom = as_object(item.get("custom"), f"{path}.custom")
        return Tool(
            name=required_string(custom, "name", f"{path}.custom."),
            kind="custom",
            description=optional_string(custom, "description", f"{path}.custom."),
            grammar=decode_grammar(custom, f"{path}.custom."),
            cache=cache_mark(item, f"{path}."),
        )
    if kind != "function":
        raise unsupported(f"{path}.type", kind, ("function", "custom"))
    if item.get("function") is None:
        if "name" not in item:
            raise missing(f"{path}.function")
        return _function(item, path)  # the flat form; Cursor sends it
    return _function(as_object(item["function"], f"{path}.function"), f"{path}.function", outer=item)


def _function(
    function: dict[str, Json], path: str, *, outer: dict[str, Json] | None = None, is_legacy: bool = False
) -> Tool:
    mark = cache_mark(function, f"{path}.") or (cache_mark(outer, f"{path}.") if outer else None)
    return Tool(
        name=required_string(function, "name", f"{path}."),
        description=optional_string(function, "description", f"{path}."),
        schema=optional_object(function, "parameters", f"{path}."),
        strict=optional_bool(function, "strict", f"{path}."),
        cache=mark,
        is_legacy=is_legacy,
    )


def decode_choice(body: dict[str, Json]) -> ToolChoice | None:
    choice, param = body.get("tool_choice"), "tool_choice"
    if choice is None:
        choice, param = body.get("function_call"), "function_call"
    if choice is None:
        return None
    if isinstance(choice, str):
        if choice not in _MODES:
            raise unsupported(param, choice, ("none", "auto", "required"))
        return ToolChoice(mode=_MODES[choice])
    if not isinstance(choice, dict):
        raise wrong_type(param, "a string or an object", choice)
    kind = optional_string(choice, "type", f"{param}.") or "function"
    if kind == "allowed_tools":
        return _allowed(choice, param)
    if kind in _MODES:
        return ToolChoice(mode=_MODES[kind])
    if kind not in ("function", "custom", *_SEARCH_TYPES):
        raise unsupported(f"{param}.type", kind, ("function", "custom", "allowed_tools"))
    return ToolChoice(mode="one", names=(_chosen_name(choice, kind, param),))


def _allowed(choice: dict[str, Json], param: str) -> ToolChoice:
    path = f"{param}.allowed_tools"
    inner = choice.get("allowed_tools")
    allowed = choice if inner is None else as_object(inner, path)
    names = []
    for index, item in enumerate(as_list(allowed.get("tools"), f"{path}.tools")):
        where = f"{path}.tools[{index}]"
        tool = as_object(item, where)
        names.append(_chosen_name(tool, optional_string(tool, "type", f"{where}.") or "function", where))
    mode = optional_string(allowed, "mode", f"{path}.") or "auto"
    if mode not in ("auto", "required"):
        raise unsupported(f"{path}.mode", mode, ("auto", "required"))
    return ToolChoice(mode="allowed", names=tuple(names), required=mode == "required")


def _chosen_name(item: dict[str, Json], kind: str, path: str) -> str:
    if kind in _SEARCH_TYPES:
        return "web_search"
    nested = optional_object(item, kind, f"{path}.")
    if nested is not None:
        return required_string(nested, "name", f"{path}.{kind}.")
    if "name" in item:
        return required_string(item, "name", f"{path}.")
    raise missing(f"{path}.{kind}.name")


def is_legacy(request: Request | None) -> bool:
    """Whether the client spoke the legacy ``functions`` form, so that its answer must too."""
    return request is not None and any(tool.is_legacy for tool in request.tools)


def custom_names(request: Request | None) -> frozenset[str]:
    """Free-form tools of the client: their calls go back as ``custom``, even when the upstream only
    knew functions and wrapped the text."""
    if request is None:
        return frozenset()
    return frozenset(tool.name for tool in request.tools if tool.kind == "custom")


# --- encoding ----------------------------------------------------------------------------------


def encode_tools(request: Request, names: NameMap, dropped: list[str]) -> dict[str, Json]:
    """``tools``, ``tool_choice``, ``parallel_tool_calls`` and ``web_search_options``, as far as they apply.

    Without tools the API refuses the other two. Raises Untranslatable when the client forces a server
    tool that Chat Completions does not have.
    """
    body: dict[str, Json] = {}
    tools: list[Json] = []
    seen: set[str] = set()
    for index, tool in enumerate(request.tools):
        if tool.kind == "web_search":
            body["web_search_options"] = _search_options(tool)
            dropped.extend(lost(tool, f"tools[{index}]", Format.OPENAI, ("location", "size")))
        elif tool.kind not in ("function", "custom"):
            _refuse_if_forced(request.tool_choice, tool)
            dropped.append(f"tools[{index}]")
        elif tool.name in seen:
            dropped.append(f"tools[{index}]")
        else:
            seen.add(tool.name)
            if tool.cache is not None:
                dropped.append(f"tools[{index}].cache_control")
            dropped.extend(
                f"tools[{index}].{key}"
                for issuer, raw in tool.ext.items()
                if issuer is not Format.OPENAI
                for key in raw
            )
            tools.append(_encode_tool(tool, names))
    if tools:
        body["tools"] = tools
        choice = _encode_choice(request.tool_choice, request.tools, seen, names)
        if choice is None and request.tool_choice is not None:
            dropped.append("tool_choice")
        if choice is not None:
            body["tool_choice"] = choice
        if request.parallel is not None:
            body["parallel_tool_calls"] = request.parallel
    elif request.tools:
        _choose_without_tools(request.tool_choice, body, dropped)
    return body


def _choose_without_tools(choice: ToolChoice | None, body: dict[str, Json], dropped: list[str]) -> None:
    """Every tool was a server tool. Nothing can be chosen; whoever insists on a call learns so."""
    if choice is None or choice.mode in ("auto", "none"):
        return
    must_call = choice.mode == "required" or choice.required
    if must_call and "web_search_options" not in body:
        raise Untranslatable(
            "tool_choice asks for a tool that the upstream's format does not have.", param="tool_choice"
        )
    dropped.append("tool_choice")


def _search_options(tool: Tool) -> dict[str, Json]:
    wanted = tool.search
    options: dict[str, Json] = {}
    if wanted is not None and wanted.size is not None:
        options["search_context_size"] = wanted.size
    if wanted is not None and wanted.location is not None:
        options["user_location"] = {"type": "approximate", "approximate": wanted.location}
    return options


_GRAMMAR_KEYS = ("syntax", "definition")


def _refuse_if_forced(choice: ToolChoice | None, tool: Tool) -> None:
    if choice is not None and choice.mode == "one" and choice.names[:1] == (tool.name,):
        raise Untranslatable(
            f"The tool '{tool.name}' is forced, but the upstream's format has no such built-in tool.",
            param="tool_choice",
        )


def _encode_tool(tool: Tool, names: NameMap) -> dict[str, Json]:
    definition: dict[str, Json] = {"name": names.mangle(tool.name)}
    if tool.description is not None:
        definition["description"] = tool.description
    if tool.kind == "custom":
        if tool.grammar is not None:
            definition["format"] = _nested_grammar(tool.grammar)
        return {"type": "custom", "custom": definition}
    if tool.schema is not None:
        definition["parameters"] = tool.schema
    if tool.strict is not None:
        definition["strict"] = tool.strict
    return {"type": "function", "function": definition}


def decode_grammar(custom: dict[str, Json], path: str) -> dict[str, Json] | None:
    """``format`` of a free-form tool in the neutral form; None for free text."""
    grammar = flat_grammar(optional_object(custom, "format", path))
    if (
        grammar is None
        or optional_choice(grammar, "type", ("text", "grammar"), f"{path}format.") != "grammar"
    ):
        return None
    syntax = optional_choice(grammar, "syntax", ("lark", "regex"), f"{path}format.")
    if syntax is None:
        raise missing(f"{path}format.syntax")
    definition = required_string(grammar, "definition", f"{path}format.")
    return {"type": "grammar", "syntax": syntax, "definition": definition}


def flat_grammar(grammar: dict[str, Json] | None) -> dict[str, Json] | None:
    """The neutral form, ``{type, syntax, definition}``; chat nests the last two under ``grammar``."""
    nested = grammar.get("grammar") if grammar is not None else None
    if grammar is None or not isinstance(nested, dict):
        return grammar
    return {**{key: value for key, value in grammar.items() if key != "grammar"}, **nested}


def _nested_grammar(grammar: dict[str, Json]) -> dict[str, Json]:
    """``{type, grammar: {syntax, definition}}``; Responses has the last two beside ``type``."""
    if grammar.get("type") != "grammar" or "grammar" in grammar:
        return grammar
    return {"type": "grammar", "grammar": {key: grammar[key] for key in _GRAMMAR_KEYS if key in grammar}}


def _encode_choice(
    choice: ToolChoice | None, tools: tuple[Tool, ...], known: set[str], names: NameMap
) -> Json:
    if choice is None:
        return None
    if choice.mode in ("auto", "none", "required"):
        return choice.mode
    custom = {tool.name for tool in tools if tool.kind == "custom"}
    chosen: list[Json] = []
    for name in choice.names:
        if name in known:
            kind = "custom" if name in custom else "function"
            chosen.append({"type": kind, kind: {"name": names.mangle(name)}})
    if choice.mode == "one":
        return chosen[0] if chosen else None
    if not chosen:
        return "none"
    mode = "required" if choice.required else "auto"
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": chosen}}
