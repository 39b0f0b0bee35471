"""Tools and tool choice of a ``generateContent`` request.

Facts: https://ai.google.dev/api/caching#Tool and #FunctionCallingConfig. All functions stand in one tool
object; a tool that Google runs is an object of its own. A free-form tool becomes a function with the one
text property ``input``; answers are unwrapped again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from providers.translation.budget import Budget
from providers.translation.codec import Capabilities, Untranslatable
from providers.translation.codecs.gemini import mcp
from providers.translation.codecs.gemini.fields import merge_missing
from providers.translation.codecs.gemini.request_options import SERVER_TOOLS
from providers.translation.codecs.gemini.schema import clean_parameters
from providers.translation.codecs.gemini.schema_native import native_schema
from providers.translation.model import Json, Request, Tool, ToolChoice
from providers.translation.names import NameMap
from providers.translation.web_search import lost
from providers.values import Format

_FIELD_OF = {kind: field for field, kind in reversed(SERVER_TOOLS.items())}


def encode_tools(
    request: Request, can: Capabilities, name_map: NameMap, report: Callable[[str], None]
) -> list[Json]:
    """``tools``. A duplicate name keeps its first definition, because Google refuses both."""
    functions: dict[str, Json] = {}
    servers: list[Json] = []
    budget = Budget()
    for index, tool in enumerate(_offered(request)):
        where = f"tools[{index}]"
        if tool.kind not in ("function", "custom"):
            if tool.mcp is not None and mcp.is_carried(tool):
                for name in tool.mcp.also:
                    report(f"{where}.{name}")
                continue
            server = _server_tool(tool)
            if server is None:
                if not (tool.kind == "image_generation" and can.image_output):
                    report(where)
            elif server not in servers:
                servers.append(server)
            for name in lost(tool, where, Format.GEMINI, ()) if server is not None else ():
                report(name)
            continue
        name = name_map.mangle(tool.name)
        if name in functions:
            report(where)
        else:
            functions[name] = _declaration(tool, name, can, budget)
        if tool.cache is not None:
            report("cache_control")
        if tool.strict:
            report("tools.strict")
        _report_foreign(tool, where, report)
    declared: list[Json] = [{"functionDeclarations": list(functions.values())}] if functions else []
    if (called := mcp.encode(_offered(request))) is not None:
        servers.append(called)
    return declared + servers


def encode_tool_config(
    request: Request,
    can: Capabilities,
    name_map: NameMap,
    report: Callable[[str], None],
    tools: list[Json],
) -> dict[str, Json] | None:
    """``toolConfig``, None without a choice or without functions it could be about."""
    choice = request.tool_choice
    if choice is None:
        return None
    _refuse_lost_tool(request, choice, can, tools)
    if not any("functionDeclarations" in tool for tool in tools):
        if choice.mode != "auto":
            report("tool_choice")
        return None
    calling: dict[str, Json]
    if choice.mode == "one" and _is_server_tool(request, choice.names):
        # Google runs it when it sees fit; there is no way to force it.
        report("tool_choice")
        calling = {"mode": "AUTO"}
    elif choice.mode == "one" or (choice.mode == "allowed" and choice.required):
        calling = {"mode": "ANY", "allowedFunctionNames": [name_map.mangle(name) for name in choice.names]}
    else:
        # "allowed" without "required": AUTO cannot restrict, so the tools themselves are fewer.
        calling = {"mode": {"none": "NONE", "required": "ANY"}.get(choice.mode, "AUTO")}
    return {"functionCallingConfig": calling}


def _offered(request: Request) -> Iterable[Tool]:
    choice = request.tool_choice
    if choice is None or choice.mode != "allowed" or choice.required:
        return request.tools
    return [tool for tool in request.tools if tool.name in choice.names]


def _is_server_tool(request: Request, wanted: tuple[str, ...]) -> bool:
    kinds = {tool.name: tool.kind for tool in request.tools}
    return any(kinds.get(name, "function") not in ("function", "custom") for name in wanted)


def _refuse_lost_tool(request: Request, choice: ToolChoice, can: Capabilities, tools: list[Json]) -> None:
    if not tools and request.tools and (choice.mode == "required" or choice.required):
        raise Untranslatable("tool_choice asks for a tool that does not exist at Google", param="tool_choice")
    if choice.mode != "one" or not _is_server_tool(request, choice.names):
        return
    forced = next(tool for tool in request.tools if tool.name in choice.names)
    if mcp.is_carried(forced) or (forced.kind == "image_generation" and can.image_output):
        return
    if _server_tool(forced) not in tools:
        raise Untranslatable(f"the tool {forced.name!r} does not exist at Google", param="tool_choice")


def _server_tool(tool: Tool) -> dict[str, Json] | None:
    own = tool.ext.get(Format.GEMINI)
    if own:
        return dict(own)
    field = _FIELD_OF.get(tool.kind)
    return {field: {}} if field else None


def _declaration(tool: Tool, name: str, can: Capabilities, budget: Budget) -> dict[str, Json]:
    declaration: dict[str, Json] = {"name": name}
    if tool.description:
        declaration["description"] = tool.description
    schema = _custom_schema(tool) if tool.kind == "custom" else tool.schema
    if schema and can.json_schema_native:
        declaration["parametersJsonSchema"] = native_schema(schema, budget)
    elif schema and (parameters := clean_parameters(schema, budget)):
        declaration["parameters"] = parameters
    merge_missing(declaration, tool.ext.get(Format.GEMINI, {}))
    return declaration


def _custom_schema(tool: Tool) -> dict[str, Json]:
    text: dict[str, Json] = {"type": "string"}
    definition = (tool.grammar or {}).get("definition")
    if isinstance(definition, str):
        text["description"] = f"Must follow this grammar:\n{definition}"
    return {"type": "object", "properties": {"input": text}, "required": ["input"]}


def _report_foreign(tool: Tool, where: str, report: Callable[[str], None]) -> None:
    for issuer, fields in tool.ext.items():
        if issuer is not Format.GEMINI:
            for field in fields:
                report(f"{where}.{field}")
