"""Everything of a ``generateContent`` request but the conversation, to the neutral model.

``safetySettings``, ``cachedContent``, ``labels`` and whatever has no neutral home stay in ``ext``.
"""

from __future__ import annotations

import msgspec

from providers.translation.codec import MalformedRequest
from providers.translation.codecs.gemini import mcp
from providers.translation.codecs.gemini.fields import Fields, snake
from providers.translation.codecs.gemini.schema_normal import to_json_schema
from providers.translation.codecs.gemini.speech import decode_voice
from providers.translation.codecs.gemini.thinking import decode_thinking
from providers.translation.model import (
    Instruction,
    Json,
    OutputConfig,
    Request,
    Sampling,
    Tool,
    ToolChoice,
    Turn,
)
from providers.values import Format

SERVER_TOOLS = {
    "googleSearch": "web_search",
    "googleSearchRetrieval": "web_search",
    "codeExecution": "code_execution",
    "urlContext": "url_context",
}

_TIERS = {"flex": "flex", "priority": "priority", "standard": "default"}


def decode_options(
    fields: Fields,
    *,
    model: str,
    stream: bool,
    turns: tuple[Turn, ...],
    instructions: tuple[Instruction, ...],
) -> Request:
    """The whole request; ``fields`` still holds what is not among the other arguments."""
    tools = _tools(fields)
    choice = _tool_choice(fields)
    config = fields.object("generationConfig")
    if config is None:
        config = Fields({}, "generationConfig", MalformedRequest)
    request = Request(
        model=model,
        stream=stream,
        include_usage=True,
        turns=turns,
        instructions=instructions,
        tools=tools,
        tool_choice=choice,
        reasoning=decode_thinking(config.object("thinkingConfig")),
        sampling=_sampling(config),
        output=_output(config),
        max_output_tokens=config.integer("maxOutputTokens"),
        n=config.integer("candidateCount"),
        logprobs=config.flag("responseLogprobs"),
        top_logprobs=config.integer("logprobs"),
        service_tier=_tier(fields),
        store=fields.flag("store"),
    )
    rest = config.rest()
    if rest:
        fields.put_back("generationConfig", rest)
    return msgspec.structs.replace(request, ext=fields.ext())


def _tier(fields: Fields) -> str | None:
    raw = fields.text("serviceTier")
    if raw is None:
        return None
    tier = _TIERS.get(raw.lower().removeprefix("service_tier_"))
    if tier is None:
        fields.put_back("serviceTier", raw)
    return tier


def _sampling(config: Fields) -> Sampling:
    return Sampling(
        temperature=config.number("temperature"),
        top_p=config.number("topP"),
        top_k=config.integer("topK"),
        frequency_penalty=config.number("frequencyPenalty"),
        presence_penalty=config.number("presencePenalty"),
        seed=config.integer("seed"),
        stop=tuple(stop for stop in config.texts("stopSequences") if stop),
    )


def _output(config: Fields) -> OutputConfig:
    mime = config.text("responseMimeType")
    raw = config.raw_object("responseJsonSchema")
    own = config.raw_object("responseSchema")
    schema = raw if raw is not None else to_json_schema(own)
    modalities = tuple(modality.lower() for modality in config.texts("responseModalities"))
    if mime not in (None, "", "text/plain", "application/json"):
        # text/x.enum and the like exist nowhere else.
        config.put_back("responseMimeType", mime)
    voice = decode_voice(config)
    if schema is not None:
        return OutputConfig(kind="json_schema", schema=schema, modalities=modalities, voice=voice)
    kind = "json" if mime == "application/json" else "text"
    return OutputConfig(kind=kind, modalities=modalities, voice=voice)


def _tool_choice(fields: Fields) -> ToolChoice | None:
    config = fields.object("toolConfig")
    if config is None:
        return None
    calling = config.object("functionCallingConfig")
    choice = None if calling is None else _choice(calling)
    left = {} if calling is None else calling.rest()
    if left:
        config.put_back("functionCallingConfig", left)
    if rest := config.rest():
        fields.put_back("toolConfig", rest)
    return choice


def _choice(calling: Fields) -> ToolChoice | None:
    mode = (calling.text("mode") or "AUTO").upper()
    names = calling.texts("allowedFunctionNames")
    if mode == "NONE":
        return ToolChoice(mode="none")
    if mode == "ANY":
        if not names:
            return ToolChoice(mode="required")
        if len(names) == 1:
            return ToolChoice(mode="one", names=names)
        return ToolChoice(mode="allowed", names=names, required=True)
    if mode not in ("AUTO", "VALIDATED", "MODE_UNSPECIFIED"):
        raise calling.refuse("mode", "must be AUTO, ANY, NONE or VALIDATED")
    return ToolChoice(mode="allowed", names=names) if names else ToolChoice(mode="auto")


def _tools(fields: Fields) -> tuple[Tool, ...]:
    tools: list[Tool] = []
    for tool in fields.objects("tools"):
        tools += [_function(declaration) for declaration in tool.objects("functionDeclarations")]
        if servers := tool.items(mcp.FIELD):
            tool.put_back(mcp.FIELD, servers)
            tools += mcp.decode(tool.objects(mcp.FIELD), servers)
        for name, value in tool.rest().items():
            tools.append(_server_tool(_camel(name), value))
    return tuple(tools)


def _server_tool(name: str, value: Json) -> Tool:
    """A tool that Google runs. Its settings, and kinds that exist only there, are kept raw."""
    kind = SERVER_TOOLS.get(name, snake(name))
    is_plain = name in SERVER_TOOLS and name != "googleSearchRetrieval" and not value
    return Tool(name=kind, kind=kind, ext={} if is_plain else {Format.GEMINI: {name: value}})


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(word.capitalize() for word in tail)


def _function(declaration: Fields) -> Tool:
    name = declaration.text("name")
    if not name:
        raise declaration.refuse("name", "is missing")
    description = declaration.text("description")
    raw = declaration.raw_object("parametersJsonSchema")
    own = declaration.raw_object("parameters")
    schema = raw if raw is not None else to_json_schema(own)
    return Tool(name=name, description=description, schema=schema, ext=declaration.ext())
