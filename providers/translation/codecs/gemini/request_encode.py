"""The neutral request as the body of ``generateContent``.

Facts: https://ai.google.dev/api/generate-content (v1beta). Google refuses unknown fields, so only what
it publishes is written; what has no place is named in ``Encoded.dropped``. The conversation is in
``contents_encode``, tools in ``tools_encode``.
"""

from __future__ import annotations

from collections.abc import Callable

from providers.translation import names
from providers.translation.codec import Capabilities, Encoded
from providers.translation.codecs.gemini.contents_encode import encode_contents
from providers.translation.codecs.gemini.fields import merge_missing
from providers.translation.codecs.gemini.parts import ILLEGAL_IN_NAME, NAME_LIMIT
from providers.translation.codecs.gemini.schema import clean_response_schema
from providers.translation.codecs.gemini.schema_native import native_schema
from providers.translation.codecs.gemini.speech import encode_voice
from providers.translation.codecs.gemini.thinking import encode_thinking
from providers.translation.codecs.gemini.tools_encode import encode_tool_config, encode_tools
from providers.translation.kept_state import refuse_foreign_state
from providers.translation.model import Json, Request, Tool, ToolCall, ToolResult
from providers.translation.results import one_per_call
from providers.values import Format

_STOP_LIMIT = 5
"""https://ai.google.dev/api/generate-content#generationconfig"""

_TIERS = {"flex": "flex", "priority": "priority", "default": "standard"}

Report = Callable[[str], None]
"""Names what was dropped; the same name counts once."""


def encode_request(request: Request, model: str, capabilities: Capabilities) -> Encoded:
    """The body without ``model`` and ``stream``, which are in the URL.

    Raises Untranslatable for files and state that only another vendor holds and for a forced tool that
    Google does not have.
    """
    refuse_foreign_state(request, Format.GEMINI)
    request, replaced = one_per_call(request)
    dropped: dict[str, None] = dict.fromkeys(replaced)

    def report(name: str) -> None:
        dropped[name] = None

    name_map = _name_map(request)
    body: dict[str, Json] = {}
    instructions = [{"text": part.text} for note in request.instructions for part in note.parts if part.text]
    if instructions:
        body["systemInstruction"] = {"parts": instructions}
    body["contents"] = encode_contents(request, capabilities, name_map, report)
    tools = encode_tools(request, capabilities, name_map, report)
    if tools:
        body["tools"] = tools
    if config := encode_tool_config(request, capabilities, name_map, report, tools):
        body["toolConfig"] = config
    if generation := _generation_config(request, capabilities, report):
        body["generationConfig"] = generation
    if request.service_tier in _TIERS:
        body["serviceTier"] = _TIERS[request.service_tier]
    _report_rest(request, report)
    merge_missing(body, request.ext.get(Format.GEMINI, {}))
    return Encoded(body=body, names=name_map, dropped=tuple(dropped))


def _name_map(request: Request) -> names.NameMap:
    wanted = [tool.name for tool in request.tools if is_function(tool)]
    for turn in request.turns:
        for part in turn.parts:
            if isinstance(part, ToolCall) or (isinstance(part, ToolResult) and part.name):
                wanted.append(part.name or "")
    if request.tool_choice:
        wanted += request.tool_choice.names
    return names.build(wanted, illegal=ILLEGAL_IN_NAME, limit=NAME_LIMIT)


def is_function(tool: Tool) -> bool:
    return tool.kind in ("function", "custom")


def _modalities(request: Request, can: Capabilities) -> list[str] | None:
    """Models that speak do nothing else: text beside audio is refused. Images, which elsewhere a tool
    makes, are a modality here."""
    wanted = request.output.modalities
    if can.image_output and any(tool.kind == "image_generation" for tool in request.tools):
        wanted = tuple(dict.fromkeys((*(wanted or ("text",)), "image")))
    return ["AUDIO"] if "audio" in wanted else [modality.upper() for modality in wanted] or None


def _generation_config(request: Request, can: Capabilities, report: Report) -> dict[str, Json]:
    sampling = request.sampling
    config: dict[str, Json] = {
        "temperature": sampling.temperature,
        "topP": sampling.top_p,
        "topK": sampling.top_k,
    }
    if not can.accepts_sampling:
        for name, value in (("temperature", sampling.temperature), ("top_p", sampling.top_p)):
            if value is not None:
                report(name)
        if sampling.top_k is not None:
            report("top_k")
        config = {}
    limit = request.max_output_tokens
    if limit is not None:
        limit = max(limit, 1)  # 0 warms a cache at Anthropic; Google refuses it
    if limit is not None and can.max_output_tokens is not None:
        limit = min(limit, can.max_output_tokens)
    stops = [stop for stop in sampling.stop if stop]
    if len(stops) > _STOP_LIMIT:
        report(f"stop[{_STOP_LIMIT}:]")
    config |= {
        "maxOutputTokens": limit,
        "stopSequences": stops[:_STOP_LIMIT] or None,
        "frequencyPenalty": sampling.frequency_penalty,
        "presencePenalty": sampling.presence_penalty,
        "seed": sampling.seed,
        "candidateCount": request.n,
        "responseLogprobs": request.logprobs,
        "logprobs": request.top_logprobs,
        "responseModalities": _modalities(request, can),
        "speechConfig": encode_voice(request.output.voice) if "audio" in request.output.modalities else None,
        "thinkingConfig": encode_thinking(request.reasoning, can),
    }
    config |= _format(request, can, report)
    if can.thinking == "none" and (request.reasoning.effort or request.reasoning.budget):
        report("reasoning")
    return {name: value for name, value in config.items() if value is not None}


def _format(request: Request, can: Capabilities, report: Report) -> dict[str, Json]:
    output = request.output
    if output.verbosity is not None:
        report("verbosity")
    if output.kind == "text":
        return {}
    if not can.structured_output:
        report("response_format")
        return {}
    config: dict[str, Json] = {"responseMimeType": "application/json"}
    if output.kind == "json_schema" and output.schema is not None:
        if can.json_schema_native:
            config["responseJsonSchema"] = native_schema(output.schema)
        else:
            config["responseSchema"] = clean_response_schema(output.schema)
    return config


def _report_rest(request: Request, report: Report) -> None:
    """Advisory parameters without a counterpart, and fields that only another format understands."""
    absent: dict[str, Json] = {
        "logit_bias": request.sampling.logit_bias,
        "prompt_cache_key": request.cache_key,
        "user": request.user,
        "metadata": request.metadata,
        "store": request.store,
    }
    for name, value in absent.items():
        if value is not None:
            report(name)
    if request.service_tier is not None and request.service_tier not in (*_TIERS, "auto"):
        report("service_tier")
    if request.parallel is False:
        report("parallel_tool_calls")
    for issuer, fields in request.ext.items():
        if issuer is not Format.GEMINI:
            for name in fields:
                if name != "audio" or request.output.voice is None:  # the voice was taken from it
                    report(name)
