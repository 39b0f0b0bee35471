"""Chat Completions requests, decoded to the neutral request and encoded from it.

Follows OpenAI's published API description as shipped in the official Python SDK (2.x and 3.x), plus the
habits of compatible vendors where ``docs/protocols/openai.md`` says so. Messages are read in
``messages``, written in ``history``; tools are in ``tools``.
"""

from __future__ import annotations

import hashlib
import re

import msgspec

from providers.translation import names as naming
from providers.translation.codec import Capabilities, Encoded
from providers.translation.codecs.openai.efforts import EFFORTS, nearest
from providers.translation.codecs.openai.fields import (
    TIERS,
    VERBOSITIES,
    as_list,
    as_object,
    as_string,
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
from providers.translation.codecs.openai.history import encode_messages
from providers.translation.codecs.openai.marks import SIBLING, with_own_marks, with_shared_marks
from providers.translation.codecs.openai.messages import decode_messages
from providers.translation.codecs.openai.tools import decode_choice, decode_tools, encode_tools, is_legacy
from providers.translation.kept_state import refuse_foreign_state
from providers.translation.model import (
    Json,
    OutputConfig,
    ReasoningConfig,
    Request,
    Sampling,
    ToolCall,
    names_in,
)
from providers.translation.results import one_per_call
from providers.values import Format

MAX_STOPS = 4
MAX_USER = 64
ILLEGAL_IN_NAME = re.compile(r"[^a-zA-Z0-9_-]")
MAX_NAME = 64

_TYPED_KEYS = frozenset(
    {
        "model", "messages", "stream", "stream_options", "tools", "tool_choice", "parallel_tool_calls",
        "functions", "function_call", "web_search_options", "reasoning_effort", "response_format",
        "verbosity", "modalities", "max_completion_tokens", "max_tokens", "temperature", "top_p", "top_k",
        "frequency_penalty", "presence_penalty", "seed", "logit_bias", "stop", "n", "logprobs",
        "top_logprobs", "user", "safety_identifier", "metadata", "prompt_cache_key", "service_tier", "store",
    }
)  # fmt: skip


# --- decoding ----------------------------------------------------------------------------------


def decode_request(body: Json) -> Request:
    """The neutral request. Raises MalformedRequest, naming the field, for what cannot be understood."""
    if not isinstance(body, dict):
        raise wrong_type("body", "a JSON object", body)
    model = required_string(body, "model")
    instructions, turns = decode_messages(body.get("messages"))
    tools = decode_tools(body)
    stream_options = optional_object(body, "stream_options") or {}
    limit = optional_int(body, "max_completion_tokens", 1)
    legacy_limit = optional_int(body, "max_tokens", 1)
    request = Request(
        model=model,
        turns=turns,
        instructions=instructions,
        stream=optional_bool(body, "stream") or False,
        include_usage=optional_bool(stream_options, "include_usage", "stream_options.") or False,
        tools=tools,
        tool_choice=decode_choice(body),
        parallel=optional_bool(body, "parallel_tool_calls"),
        reasoning=_reasoning(body),
        output=_output(body),
        sampling=_sampling(body),
        max_output_tokens=legacy_limit if limit is None else limit,
        n=optional_int(body, "n", 1),
        logprobs=optional_bool(body, "logprobs"),
        top_logprobs=optional_int(body, "top_logprobs", 0),
        cache_key=optional_string(body, "prompt_cache_key"),
        user=optional_string(body, "safety_identifier") or optional_string(body, "user"),
        metadata=_metadata(body),
        service_tier=optional_string(body, "service_tier"),
        store=optional_bool(body, "store"),
        ext=_ext(body),
    )
    if is_legacy(request) and request.parallel is None:
        # The legacy answer has room for one call only.
        return msgspec.structs.replace(request, parallel=False)
    return request


def _ext(body: dict[str, Json]) -> dict[Format, dict[str, Json]]:
    raw = {key: value for key, value in body.items() if key not in _TYPED_KEYS and value is not None}
    if body.get("safety_identifier"):
        # Both spellings mean the end user; remember which one the client used.
        raw["safety_identifier"] = body["safety_identifier"]
        if user := optional_string(body, "user"):
            raw["user"] = user
    options = body.get("stream_options") or {}
    rest = {key: value for key, value in options.items() if key != "include_usage" and value is not None}
    if rest:
        raw["stream_options"] = rest
    return {Format.OPENAI: raw} if raw else {}


def _reasoning(body: dict[str, Json]) -> ReasoningConfig:
    effort = optional_choice(body, "reasoning_effort", EFFORTS)
    if effort is None:
        return ReasoningConfig()
    if effort == "none":
        return ReasoningConfig(mode="off")
    return ReasoningConfig(mode="on", effort=effort)


def _output(body: dict[str, Json]) -> OutputConfig:
    verbosity = optional_choice(body, "verbosity", VERBOSITIES)
    voice = _voice(body)
    modalities: tuple[str, ...] = ()
    if (items := body.get("modalities")) is not None:
        modalities = tuple(
            as_string(item, f"modalities[{index}]") for index, item in enumerate(as_list(items, "modalities"))
        )
    chosen = optional_object(body, "response_format")
    if chosen is None:
        return OutputConfig(verbosity=verbosity, modalities=modalities, voice=voice)
    kind = required_string(chosen, "type", "response_format.")
    if kind in ("text", "json_object"):
        neutral = "json" if kind == "json_object" else "text"
        return OutputConfig(kind=neutral, verbosity=verbosity, modalities=modalities, voice=voice)
    if kind != "json_schema":
        raise unsupported("response_format.type", kind, ("text", "json_object", "json_schema"))
    path = "response_format.json_schema"
    spec = as_object(chosen.get("json_schema"), path)
    return OutputConfig(
        kind="json_schema",
        name=optional_string(spec, "name", f"{path}."),
        description=optional_string(spec, "description", f"{path}."),
        schema=optional_object(spec, "schema", f"{path}."),
        strict=optional_bool(spec, "strict", f"{path}."),
        verbosity=verbosity,
        modalities=modalities,
        voice=voice,
    )


def _voice(body: dict[str, Json]) -> str | None:
    """A built-in voice; one that OpenAI keeps is an object."""
    voice = (optional_object(body, "audio") or {}).get("voice")
    return voice if isinstance(voice, str) and voice else None


def _sampling(body: dict[str, Json]) -> Sampling:
    return Sampling(
        temperature=optional_number(body, "temperature", 0, 2),
        top_p=optional_number(body, "top_p", 0, 1),
        top_k=optional_int(body, "top_k"),
        frequency_penalty=optional_number(body, "frequency_penalty", -2, 2),
        presence_penalty=optional_number(body, "presence_penalty", -2, 2),
        seed=optional_int(body, "seed"),
        logit_bias=_logit_bias(body),
        stop=_stop(body.get("stop")),
    )


def _stop(value: Json) -> tuple[str, ...]:
    """``null``, ``""`` and ``[]`` mean none."""
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,) if value else ()
    if not isinstance(value, list):
        raise wrong_type("stop", "a string or an array of strings", value)
    texts = (as_string(item, f"stop[{index}]") for index, item in enumerate(value))
    return tuple(text for text in texts if text)


def _logit_bias(body: dict[str, Json]) -> dict[str, float] | None:
    bias = optional_object(body, "logit_bias")
    if bias is None:
        return None
    for key in bias:
        optional_number({f"logit_bias.{key}": bias[key]}, f"logit_bias.{key}", -100, 100)
    return bias


def _metadata(body: dict[str, Json]) -> dict[str, str] | None:
    metadata = optional_object(body, "metadata")
    if metadata is None:
        return None
    return {key: as_string(value, f"metadata.{key}") for key, value in metadata.items()}


# --- encoding ----------------------------------------------------------------------------------


def encode_request(request: Request, model: str, capabilities: Capabilities) -> Encoded:
    """The body for an OpenAI-compatible upstream.

    Raises Untranslatable for content that Chat Completions cannot carry (video, a document by URL, a
    forced server tool) and for state that another vendor keeps.
    """
    refuse_foreign_state(request, Format.OPENAI)
    request, dropped = one_per_call(with_shared_marks(request, Format.OPENAI))
    request = with_own_marks(request, Format.OPENAI, capabilities)
    names = _name_map(request)
    own = own_fields(request, Format.OPENAI)
    body: dict[str, Json] = {
        "model": model,
        "messages": encode_messages(request, capabilities, names, dropped),
    }
    _put_stream(body, request, own, capabilities)
    _put_limits(body, request, capabilities)
    _put_sampling(body, request, capabilities, dropped)
    body.update(encode_tools(request, names, dropped))
    _put_reasoning(body, request, capabilities, dropped)
    _put_output(body, request, capabilities, dropped)
    _put_identity(body, request, own, dropped)
    for key, value in own.items():
        body.setdefault(key, value)
    dropped.extend(foreign_fields(request, Format.OPENAI))
    return Encoded(body=body, names=names, dropped=tuple(dict.fromkeys(dropped)))


SHARED = frozenset(
    {
        "safety_identifier", "user", "prompt_cache_retention", "prompt_cache_options", "moderation",
        "stream_options",
    }
)  # fmt: skip
"""Fields without a neutral form that Chat Completions and Responses have in common."""


def own_fields(request: Request, target: Format) -> dict[str, Json]:
    """What of a request's ``ext`` an OpenAI format takes: its own fields, and those it shares."""
    sibling = request.ext.get(SIBLING[target], {})
    shared = {key: value for key, value in sibling.items() if key in SHARED}
    if not request.stream:
        shared.pop("stream_options", None)
    return {**shared, **request.ext.get(target, {})}


def foreign_fields(request: Request, target: Format) -> list[str]:
    """The names of what it does not take."""
    own = own_fields(request, target)
    return [
        key
        for issuer, raw in request.ext.items()
        if issuer is not target
        for key in names_in(raw)
        if issuer is not SIBLING[target] or key not in own
    ]


def _name_map(request: Request) -> naming.NameMap:
    wanted = [tool.name for tool in request.tools]
    if request.tool_choice is not None:
        wanted.extend(request.tool_choice.names)
    wanted.extend(part.name for turn in request.turns for part in turn.parts if isinstance(part, ToolCall))
    return naming.build(wanted, illegal=ILLEGAL_IN_NAME, limit=MAX_NAME)


def _put_stream(
    body: dict[str, Json], request: Request, own: dict[str, Json], capabilities: Capabilities
) -> None:
    if not request.stream:
        return
    body["stream"] = True
    # Usage is always wanted for accounting; whether the client sees it is decided on the way back.
    if capabilities.stream_usage:
        body["stream_options"] = {**own.get("stream_options", {}), "include_usage": True}


def _put_limits(body: dict[str, Json], request: Request, capabilities: Capabilities) -> None:
    limit = request.max_output_tokens
    if limit is not None:
        limit = max(limit, 1)  # 0 warms a cache at Anthropic; nobody else takes it
        if capabilities.max_output_tokens is not None:
            limit = min(limit, capabilities.max_output_tokens)
        body["max_tokens" if capabilities.legacy_max_tokens else "max_completion_tokens"] = limit
    if request.n is not None:
        body["n"] = request.n


_REFUSED_BY_REASONING_MODELS = (
    "temperature", "top_p", "frequency_penalty", "presence_penalty", "logit_bias", "logprobs", "top_logprobs",
)  # fmt: skip


def _put_sampling(
    body: dict[str, Json], request: Request, capabilities: Capabilities, dropped: list[str]
) -> None:
    sampling = request.sampling
    values: dict[str, Json] = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "frequency_penalty": sampling.frequency_penalty,
        "presence_penalty": sampling.presence_penalty,
        "logit_bias": sampling.logit_bias,
        "logprobs": request.logprobs,
        "top_logprobs": request.top_logprobs,
        "seed": sampling.seed,
    }
    values = {key: value for key, value in values.items() if value is not None}
    refused = set() if capabilities.accepts_sampling else set(_REFUSED_BY_REASONING_MODELS)
    if "temperature" in values and not capabilities.accepts_temperature_with_top_p:
        refused.add("top_p")
    dropped.extend(key for key in values if key in refused)
    body.update({key: value for key, value in values.items() if key not in refused})
    if sampling.top_k is not None:
        dropped.append("top_k")
    if sampling.stop and not capabilities.accepts_stop:
        dropped.append("stop")
    elif sampling.stop:
        body["stop"] = list(sampling.stop[:MAX_STOPS])
        if len(sampling.stop) > MAX_STOPS:
            dropped.append(f"stop[{MAX_STOPS}:]")


def _put_reasoning(
    body: dict[str, Json], request: Request, capabilities: Capabilities, dropped: list[str]
) -> None:
    effort = _effort(request.reasoning, capabilities)
    if effort is None:
        return
    if capabilities.thinking == "none":
        if effort != "none":
            dropped.append("reasoning_effort")
        return
    body["reasoning_effort"] = effort


def _effort(reasoning: ReasoningConfig, capabilities: Capabilities) -> str | None:
    levels = capabilities.thinking_levels
    if reasoning.mode == "off":
        wanted = "none"
    elif reasoning.effort is not None:
        wanted = reasoning.effort
    elif reasoning.budget is not None:
        wanted_or_none = _effort_of_budget(reasoning.budget, "xhigh" in levels)
        if wanted_or_none is None:
            return None
        wanted = wanted_or_none
    else:
        return None
    return nearest(wanted, levels)


def _effort_of_budget(budget: int, knows_xhigh: bool) -> str | None:
    """No vendor publishes a table; 1024, 8192 and 24576 are those of Google's OpenAI shim.

    ``xhigh`` only where the model is known to have it: elsewhere it would be refused.
    """
    if budget < 0:
        return None  # dynamic: the model decides
    for ceiling, effort in ((0, "none"), (512, "minimal"), (1024, "low"), (8192, "medium"), (24576, "high")):
        if budget <= ceiling:
            return effort
    return "xhigh" if knows_xhigh else "high"


def _put_output(
    body: dict[str, Json], request: Request, capabilities: Capabilities, dropped: list[str]
) -> None:
    output = request.output
    if output.verbosity is not None:
        body["verbosity"] = output.verbosity
    if output.modalities:
        if "image" in output.modalities:
            dropped.append("modalities.image")
        kept = [name for name in output.modalities if name in ("text", "audio")]
        if "audio" in kept:
            _put_speech(body, request, dropped)
        elif kept == list(output.modalities):
            body["modalities"] = kept
    if output.kind == "json":
        body["response_format"] = {"type": "json_object"}
    elif output.kind == "json_schema":
        if not capabilities.structured_output:
            dropped.append("response_format.json_schema")
            body["response_format"] = {"type": "json_object"}
            return
        spec: dict[str, Json] = {"name": _schema_name(output.name)}
        for key in ("description", "schema", "strict"):
            if (value := getattr(output, key)) is not None:
                spec[key] = value
        body["response_format"] = {"type": "json_schema", "json_schema": spec}


VOICES = (
    "alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx", "sage", "shimmer",
    "verse",
)  # fmt: skip


def _put_speech(body: dict[str, Json], request: Request, dropped: list[str]) -> None:
    """Speech goes with its text here, and needs a voice and a format; a stream has one format only."""
    body["modalities"] = ["text", "audio"]
    if "audio" in request.ext.get(Format.OPENAI, {}):
        return  # the client's own
    voice = request.output.voice
    if voice is not None and voice.lower() not in VOICES:
        dropped.append("audio.voice")
        voice = None
    body["audio"] = {"voice": (voice or VOICES[0]).lower(), "format": "pcm16" if request.stream else "wav"}


def _schema_name(name: str | None) -> str:
    return ILLEGAL_IN_NAME.sub("_", name)[:MAX_NAME] if name else "response"


def _put_identity(body: dict[str, Json], request: Request, own: dict[str, Json], dropped: list[str]) -> None:
    if request.user is not None and "safety_identifier" not in own:
        body["user"] = _short_user(request.user)
    values: dict[str, Json] = {
        "metadata": request.metadata,
        "prompt_cache_key": request.cache_key,
        "service_tier": published_tier(request, dropped),
        "store": request.store,
    }
    body.update({key: value for key, value in values.items() if value is not None})


def published_tier(request: Request, dropped: list[str]) -> str | None:
    """The tier, if OpenAI has one of that name."""
    if request.service_tier is None or request.service_tier in TIERS:
        return request.service_tier
    dropped.append("service_tier")
    return None


def _short_user(user: str) -> str:
    """OpenAI allows 64 characters; a longer id becomes its digest, the same every time."""
    return user if len(user) <= MAX_USER else hashlib.sha256(user.encode()).hexdigest()
