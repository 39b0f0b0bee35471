"""Responses requests, decoded to the neutral request and encoded from it.

Follows OpenAI's published API description as shipped in the official Python SDK (3.x). Items are read in
``input_items``, written in ``history``; tools are in ``tools``, content parts in ``content``.
"""

from __future__ import annotations

import hashlib

from providers.translation.codec import Capabilities, Encoded, Untranslatable
from providers.translation.codecs.openai.fields import (
    VERBOSITIES,
    as_list,
    as_string,
    invalid,
    missing,
    optional_bool,
    optional_choice,
    optional_int,
    optional_number,
    optional_object,
    optional_string,
    required_string,
    unsupported,
    wrong_type,
)
from providers.translation.codecs.openai.marks import with_own_marks, with_shared_marks
from providers.translation.codecs.openai.request import (
    ILLEGAL_IN_NAME,
    MAX_NAME,
    MAX_USER,
    foreign_fields,
    own_fields,
    published_tier,
)
from providers.translation.codecs.responses.history import encode_input_items, name_map
from providers.translation.codecs.responses.input_items import InputReader
from providers.translation.codecs.responses.reasoning import ENCRYPTED, decode_reasoning, encode_reasoning
from providers.translation.codecs.responses.tools import decode_choice, decode_tools, encode_tools
from providers.translation.kept_state import RESPONSES_FIELDS, RESPONSES_ITEMS, refuse_foreign_state
from providers.translation.model import Json, OutputConfig, Request, Sampling
from providers.translation.results import one_per_call
from providers.values import Format

Block = dict[str, Json]

MIN_OUTPUT_TOKENS = 16
"""The service refuses a smaller ``max_output_tokens``."""

LOGPROBS = "message.output_text.logprobs"
_TYPED_KEYS = frozenset(
    {
        "model", "input", "instructions", "stream", "tools", "tool_choice", "parallel_tool_calls",
        "reasoning", "include", "text", "max_output_tokens", "temperature", "top_p", "top_logprobs", "user",
        "safety_identifier", "metadata", "prompt_cache_key", "service_tier", "store",
    }
)  # fmt: skip


# --- decoding ----------------------------------------------------------------------------------


def decode_request(body: Json) -> Request:
    """The neutral request. Raises MalformedRequest, naming the field, for what cannot be understood."""
    if not isinstance(body, dict):
        raise wrong_type("body", "a JSON object", body)
    model = required_string(body, "model")
    reader = _read_input(body)
    include = _include(body)
    reasoning, reasoning_rest = decode_reasoning(body, include)
    top_logprobs = optional_int(body, "top_logprobs", 0)
    return Request(
        model=model,
        turns=reader.turns,
        instructions=tuple(reader.instructions),
        stream=optional_bool(body, "stream") or False,
        include_usage=True,
        tools=(*decode_tools(body.get("tools")), *reader.tools),
        tool_choice=decode_choice(body.get("tool_choice")),
        parallel=optional_bool(body, "parallel_tool_calls"),
        reasoning=reasoning,
        output=_output(body),
        sampling=Sampling(
            temperature=optional_number(body, "temperature", 0, 2),
            top_p=optional_number(body, "top_p", 0, 1),
        ),
        max_output_tokens=optional_int(body, "max_output_tokens", 1),
        logprobs=True if LOGPROBS in include or top_logprobs else None,
        top_logprobs=top_logprobs,
        cache_key=optional_string(body, "prompt_cache_key"),
        user=optional_string(body, "safety_identifier") or optional_string(body, "user"),
        metadata=_metadata(body),
        service_tier=optional_string(body, "service_tier"),
        store=optional_bool(body, "store"),
        ext=_ext(body, include, reasoning_rest, reader.state),
    )


def _read_input(body: Block) -> InputReader:
    reader = InputReader()
    instructions = optional_string(body, "instructions")
    reader.instruct(instructions or "")
    value = body.get("input")
    if value is not None:
        reader.read(value)
    elif not any(body.get(key) for key in RESPONSES_FIELDS):
        raise missing("input")
    if value == [] and not instructions and not any(body.get(key) for key in RESPONSES_FIELDS):
        raise invalid("input", "it must hold at least one item")
    return reader


def _include(body: Block) -> list[str]:
    items = body.get("include")
    if items is None:
        return []
    return [as_string(item, f"include[{index}]") for index, item in enumerate(as_list(items, "include"))]


def _ext(body: Block, include: list[str], reasoning: Block, state: Block) -> dict[Format, Block]:
    raw = {key: value for key, value in body.items() if key not in _TYPED_KEYS and value is not None}
    # false and "disabled" are the defaults: nothing is asked for, so nothing is lost elsewhere.
    if raw.get("background") is False:
        del raw["background"]
    if raw.get("truncation") == "disabled":
        del raw["truncation"]
    rest = [item for item in include if item not in (ENCRYPTED, LOGPROBS)]
    if rest:
        raw["include"] = rest
    if reasoning:
        raw["reasoning"] = reasoning
    if body.get("safety_identifier"):
        # Both spellings mean the end user; remember which one the client used.
        raw["safety_identifier"] = body["safety_identifier"]
        if user := optional_string(body, "user"):
            raw["user"] = user
    raw.update(state)
    return {Format.RESPONSES: raw} if raw else {}


def _output(body: Block) -> OutputConfig:
    text = optional_object(body, "text") or {}
    verbosity = optional_choice(text, "verbosity", VERBOSITIES, "text.")
    chosen = optional_object(text, "format", "text.")
    if chosen is None:
        return OutputConfig(verbosity=verbosity)
    kind = required_string(chosen, "type", "text.format.")
    if kind in ("text", "json_object"):
        return OutputConfig(kind="json" if kind == "json_object" else "text", verbosity=verbosity)
    if kind != "json_schema":
        raise unsupported("text.format.type", kind, ("text", "json_object", "json_schema"))
    # Flat here; the nested form of Chat Completions is sent by mistake and means the same.
    spec = optional_object(chosen, "json_schema", "text.format.") or chosen
    return OutputConfig(
        kind="json_schema",
        name=optional_string(spec, "name", "text.format."),
        description=optional_string(spec, "description", "text.format."),
        schema=optional_object(spec, "schema", "text.format."),
        strict=optional_bool(spec, "strict", "text.format."),
        verbosity=verbosity,
    )


def _metadata(body: Block) -> dict[str, str] | None:
    metadata = optional_object(body, "metadata")
    if metadata is None:
        return None
    return {key: as_string(value, f"metadata.{key}") for key, value in metadata.items()}


# --- encoding ----------------------------------------------------------------------------------


def encode_request(request: Request, model: str, capabilities: Capabilities) -> Encoded:
    """The body for an upstream that speaks Responses.

    Raises Untranslatable for content that no Responses message can carry (audio, video), for several
    alternatives, and for a forced tool that OpenAI does not have.
    """
    _check(request)
    request, dropped = one_per_call(with_shared_marks(request, Format.RESPONSES))
    request = with_own_marks(request, Format.RESPONSES, capabilities)
    names = name_map(request)
    own = own_fields(request, Format.RESPONSES)
    body: Block = {
        "model": model,
        "input": encode_input_items(request, capabilities, names, dropped),
        "store": request.store or False,
    }
    if request.stream:
        body["stream"] = True
    _put_limits(body, request, capabilities, dropped)
    body.update(encode_tools(request, names, dropped))
    _put_modalities(body, request)
    _put_reasoning(body, request, own, capabilities, dropped)
    if text := encode_text(request.output, capabilities, dropped):
        body["text"] = text
    _put_identity(body, request, own, dropped)
    for key, value in own.items():
        if key not in RESPONSES_ITEMS:
            body.setdefault(key, value)
    dropped.extend(foreign_fields(request, Format.RESPONSES))
    return Encoded(body=body, names=names, dropped=tuple(dict.fromkeys(dropped)))


def _check(request: Request) -> None:
    if request.n is not None and request.n > 1:
        raise Untranslatable("The upstream's format gives one answer per request: n must be 1.", param="n")
    if "audio" in request.output.modalities:
        raise Untranslatable("The upstream's format cannot answer in audio.", param="modalities")
    refuse_foreign_state(request, Format.RESPONSES)


def _put_limits(body: Block, request: Request, capabilities: Capabilities, dropped: list[str]) -> None:
    limit = request.max_output_tokens
    if limit is not None:
        ceiling = capabilities.max_output_tokens
        limit = max(limit, MIN_OUTPUT_TOKENS)
        body["max_output_tokens"] = min(limit, ceiling) if ceiling is not None else limit
    sampling = request.sampling
    values: Block = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_logprobs": request.top_logprobs,
    }
    values = {key: value for key, value in values.items() if value is not None}
    refused = set() if capabilities.accepts_sampling else set(values)
    if "temperature" in values and not capabilities.accepts_temperature_with_top_p:
        refused.add("top_p")
    dropped.extend(key for key in values if key in refused)
    body.update({key: value for key, value in values.items() if key not in refused})
    homeless: Block = {
        "top_k": sampling.top_k,
        "frequency_penalty": sampling.frequency_penalty,
        "presence_penalty": sampling.presence_penalty,
        "seed": sampling.seed,
        "logit_bias": sampling.logit_bias,
        "stop": sampling.stop or None,
    }
    dropped.extend(key for key, value in homeless.items() if value is not None)


def _put_modalities(body: Block, request: Request) -> None:
    """Images come from a tool here, not from a modality."""
    if "image" not in request.output.modalities:
        return
    tools = body.setdefault("tools", [])
    if not any(tool.get("type") == "image_generation" for tool in tools):
        tools.append({"type": "image_generation"})


def _put_reasoning(
    body: Block, request: Request, own: Block, capabilities: Capabilities, dropped: list[str]
) -> None:
    rest = own.get("reasoning")
    rest = rest if isinstance(rest, dict) else {}
    reasoning, is_encrypted = encode_reasoning(request.reasoning, rest, capabilities, dropped)
    if reasoning:
        body["reasoning"] = reasoning
    include = list(own.get("include") or [])
    if is_encrypted:
        include.append(ENCRYPTED)
    if request.logprobs:
        if capabilities.accepts_sampling:
            include.append(LOGPROBS)
        else:
            dropped.append("logprobs")
    if include:
        body["include"] = include


def encode_text(output: OutputConfig, capabilities: Capabilities, dropped: list[str]) -> Block:
    """``text``; empty when nothing was asked for."""
    text: Block = {}
    if output.kind == "json" or (output.kind == "json_schema" and output.schema is None):
        text["format"] = {"type": "json_object"}
    elif output.kind == "json_schema":
        if capabilities.structured_output:
            name = ILLEGAL_IN_NAME.sub("_", output.name)[:MAX_NAME] if output.name else "response"
            spec: Block = {"type": "json_schema", "name": name, "schema": output.schema}
            for key in ("description", "strict"):
                if (value := getattr(output, key)) is not None:
                    spec[key] = value
            text["format"] = spec
        else:
            dropped.append("text.format")
            text["format"] = {"type": "json_object"}
    if output.verbosity is not None:
        text["verbosity"] = output.verbosity
    return text


def _put_identity(body: Block, request: Request, own: Block, dropped: list[str]) -> None:
    if request.user is not None and "safety_identifier" not in own:
        # OpenAI allows 64 characters; a longer id becomes its digest, the same every time.
        user = request.user
        body["user"] = user if len(user) <= MAX_USER else hashlib.sha256(user.encode()).hexdigest()
    values: Block = {
        "metadata": request.metadata,
        "prompt_cache_key": request.cache_key,
        "service_tier": published_tier(request, dropped),
    }
    body.update({key: value for key, value in values.items() if value is not None})
