"""A neutral request, encoded for Anthropic: ``POST /v1/messages``, API version 2023-06-01.

Strict: only fields of the published types leave here (an unknown key is a 400, "Extra inputs are not
permitted"). What has no place is named in ``Encoded.dropped``; what must not be lost raises Untranslatable.
"""

from __future__ import annotations

from providers.translation.codec import Capabilities, Encoded, Untranslatable
from providers.translation.codecs.claude import answer_tool, mcp
from providers.translation.codecs.claude.encode_blocks import Block, Encoding, own
from providers.translation.codecs.claude.encode_messages import encode_messages
from providers.translation.codecs.claude.encode_reasoning import Thinking, encode_reasoning
from providers.translation.codecs.claude.encode_tools import build_names, encode_tools, is_forced
from providers.translation.codecs.claude.schema import output_schema
from providers.translation.json_text import dumps
from providers.translation.kept_state import refuse_foreign_state
from providers.translation.model import Json, Request
from providers.translation.results import one_per_call
from providers.values import Format

_TIERS = {"auto": "auto", "default": "standard_only"}

_MAX_MARKS = 4
"""Cache breakpoints per request: https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching."""

_MID_SYSTEM_BETA = "mid-conversation-system-2026-04-07"


def encode_request(request: Request, model: str, capabilities: Capabilities) -> Encoded:
    """The request body for ``model``. Raises Untranslatable; the arguments are not changed."""
    _check(request)
    request, replaced = one_per_call(request)
    encoding = Encoding(build_names(request), keeps_unsigned_thinking=capabilities.keeps_unsigned_thinking)
    for name in replaced:
        encoding.drop(name)
    system, messages = encode_messages(request, capabilities, encoding)
    if answer_tool.stands_in(request, capabilities):
        tools = answer_tool.fields(request)
    else:
        tools = encode_tools(request, capabilities, encoding)
    thinking = encode_reasoning(
        request, capabilities, messages, is_forced=is_forced(tools), encoding=encoding
    )
    output_config, instruction = _output(request, capabilities, thinking)
    if instruction:
        system.append({"type": "text", "text": instruction})
    body: dict[str, Json] = {"model": model, "max_tokens": thinking.max_tokens}
    if system:
        body["system"] = system
    body["messages"] = messages
    body |= tools
    if thinking.thinking is not None:
        body["thinking"] = thinking.thinking
    if output_config:
        body["output_config"] = output_config
    body |= _sampling(request, capabilities, thinking, encoding)
    body |= _small(request, encoding)
    body |= own(request)
    _limit_marks(body, encoding)
    betas = _betas(body)
    return Encoded(
        body=body,
        names=encoding.names,
        dropped=encoding.dropped,
        headers={"anthropic-beta": ",".join(betas)} if betas else {},
    )


def _betas(body: dict[str, Json]) -> list[str]:
    """What of ``body`` the service takes only with a word in the header."""
    betas = []
    if any(message["role"] == "system" for message in body["messages"]):
        betas.append(_MID_SYSTEM_BETA)
    toolsets = [tool for tool in body.get("tools", []) if tool.get("type") == mcp.TOOLSET]
    if toolsets:
        betas.append(mcp.BETA)
    if len(body.get(mcp.SERVERS, [])) > len(toolsets):
        betas.append(mcp.BETA_WITHOUT_TOOLSETS)
    return betas


def _check(request: Request) -> None:
    if request.n is not None and request.n > 1:
        raise Untranslatable("Anthropic models give one answer per request: n must be 1", param="n")
    modalities = request.output.modalities
    if modalities and ("audio" in modalities or "text" not in modalities):
        raise Untranslatable("Anthropic models answer in text only", param="modalities")
    refuse_foreign_state(request, Format.CLAUDE)


def _output(
    request: Request, capabilities: Capabilities, thinking: Thinking
) -> tuple[dict[str, Json], str | None]:
    """``output_config``, and an instruction in words where the format cannot be enforced."""
    output = request.output
    config: dict[str, Json] = {}
    instruction = None
    if thinking.effort:
        config["effort"] = thinking.effort
    if output.kind == "json_schema" and output.schema is not None:
        if answer_tool.stands_in(request, capabilities):
            pass  # the tool says it
        elif capabilities.structured_output:
            config["format"] = {"type": "json_schema", "schema": output_schema(output.schema)}
        else:
            instruction = (
                "Answer with one JSON value that matches this JSON Schema, without any other text: "
                + dumps(output.schema)
            )
    elif output.kind != "text":
        instruction = "Answer with one JSON object and no other text."
    return config, instruction


def _sampling(
    request: Request, capabilities: Capabilities, thinking: Thinking, encoding: Encoding
) -> dict[str, Json]:
    """Temperature (0 to 1 here), ``top_p``, ``top_k`` and stop strings. Thinking excludes the first three."""
    sampling = request.sampling
    wanted: dict[str, Json] = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
    }
    fields = {key: value for key, value in wanted.items() if value is not None}
    if "temperature" in fields:
        fields["temperature"] = min(max(fields["temperature"], 0), 1)
    refused: set[str] = set()
    if thinking.is_on or not capabilities.accepts_sampling:
        refused = set(fields)
    elif not capabilities.accepts_temperature_with_top_p and "temperature" in fields:
        refused = {"top_p"} & fields.keys()
    for key in sorted(refused):
        del fields[key]
        encoding.drop(key)
    stops = []
    for n, stop in enumerate(sampling.stop):
        if stop.strip():
            stops.append(stop)
        else:
            encoding.drop(f"stop[{n}]")
    return fields | ({"stop_sequences": stops} if stops else {})


def _small(request: Request, encoding: Encoding) -> dict[str, Json]:
    """The remaining scalars, and the report of those that have no place."""
    fields: dict[str, Json] = {}
    if request.user:
        fields["metadata"] = {"user_id": request.user}
    if request.service_tier in _TIERS:
        fields["service_tier"] = _TIERS[request.service_tier]
    elif request.service_tier is not None:
        encoding.drop("service_tier")
    if request.stream:
        fields["stream"] = True
    homeless: dict[str, Json] = {
        "frequency_penalty": request.sampling.frequency_penalty,
        "presence_penalty": request.sampling.presence_penalty,
        "seed": request.sampling.seed,
        "logit_bias": request.sampling.logit_bias,
        "logprobs": request.logprobs or None,
        "top_logprobs": request.top_logprobs,
        "verbosity": request.output.verbosity,
        "prompt_cache_key": request.cache_key,
        "metadata": request.metadata,
        "store": request.store or None,
    }
    for name, value in homeless.items():
        if value is not None:
            encoding.drop(name)
    if any(kind != "text" for kind in request.output.modalities):
        encoding.drop("modalities")
    encoding.drop_foreign(request)
    return fields


def _limit_marks(body: dict[str, Json], encoding: Encoding) -> None:
    """Keep the last four cache marks (the longest prefixes), and no 1 h mark after a shorter one.

    Order is tools, system, messages. ``body`` was built here, block by block, so it may be edited.
    """
    allowed = _MAX_MARKS - (1 if body.get("cache_control") else 0)
    marked = [block for block in _blocks_in_order(body) if block.get("cache_control")]
    surplus = max(0, len(marked) - allowed)
    for block in marked[:surplus]:
        del block["cache_control"]
        encoding.drop("cache_control")
    seen_short = False
    for block in marked[surplus:]:
        if block["cache_control"].get("ttl") != "1h":
            seen_short = True
        elif seen_short:
            block["cache_control"] = {"type": "ephemeral"}


def _blocks_in_order(body: dict[str, Json]) -> list[Block]:
    blocks: list[Block] = [*body.get("tools", []), *body.get("system", [])]
    for message in body["messages"]:
        for block in message["content"]:
            inner = block.get("content")
            if block.get("type") == "tool_result" and isinstance(inner, list):
                blocks += inner
            blocks.append(block)
    return blocks
