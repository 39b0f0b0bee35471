"""A neutral request as ``conversationState``, the body of ``generateAssistantResponse``.

What depends on the account (profile, kind of task) is put in by the adapter. Shape and rules are
undocumented; docs/protocols/kiro.md says where each was learnt.
"""

from __future__ import annotations

import hashlib
import uuid

from providers.translation.codec import Capabilities, Encoded, Untranslatable
from providers.translation.codecs.kiro import thinking
from providers.translation.codecs.kiro.encoding import CONTINUED, Encoding
from providers.translation.codecs.kiro.messages import Draft, drafts_of, marked_system
from providers.translation.codecs.kiro.model_ids import ModelId, model_id
from providers.translation.codecs.kiro.tools import build_names, choice_in_words, encode_tools
from providers.translation.json_text import dumps
from providers.translation.kept_state import refuse_foreign_state
from providers.translation.model import Json, Request, Role
from providers.values import Format

_IN_PIECES = (
    "When you write a file of more than 300 lines, write it in pieces of at most 300 lines: the first "
    "creates the file, each further one appends to it. Do the same with large edits."
)


def encode_request(request: Request, model: str, capabilities: Capabilities) -> Encoded:
    """The body for ``model``, an offered id. Raises Untranslatable; the arguments are not changed."""
    _check(request)
    target = model_id(model)
    encoding = Encoding(build_names(request))
    system, drafts = drafts_of(request, encoding)
    if target.without_tools and request.tools:
        encoding.drop("tools")
        tools = []
    else:
        tools = encode_tools(request, encoding)
    _lead(request, target, system, drafts, encoding)
    state: dict[str, Json] = {
        "agentTaskType": "vibe",
        "chatTriggerType": "MANUAL",
        "conversationId": _told(request, "conversationId") or _conversation_id(request),
        "currentMessage": drafts[-1].user(target.id, tools),
        "history": [
            draft.user(target.id) if draft.role is Role.USER else draft.assistant() for draft in drafts[:-1]
        ],
    }
    if continuation := _told(request, "continuationId"):
        state["agentContinuationId"] = continuation
    body: dict[str, Json] = {"conversationState": state}
    if config := _inference(request, capabilities):
        body["inferenceConfig"] = config
    _report(request, encoding)
    return Encoded(body=body, names=encoding.names, dropped=encoding.dropped)


def _check(request: Request) -> None:
    if request.n is not None and request.n > 1:
        raise Untranslatable("Kiro gives one answer per request: n must be 1", param="n")
    modalities = request.output.modalities
    if modalities and ("audio" in modalities or "text" not in modalities):
        raise Untranslatable("Kiro answers in text only", param="modalities")
    refuse_foreign_state(request, Format.KIRO)


def _lead(request: Request, target: ModelId, system: str, drafts: list[Draft], encoding: Encoding) -> None:
    """What stands before the conversation (the system prompt) and before the current message."""
    rules = [text for text in (system, _IN_PIECES if target.is_agentic else "") if text]
    if rules:
        drafts[0].texts.insert(0, marked_system("\n\n".join(rules)))
    current = drafts[-1]
    if thinking.wants_thinking(request, target) and not thinking.is_tagged(request):
        current.texts.insert(0, thinking.tags(request.reasoning))
    if words := choice_in_words(request, encoding):
        current.texts.append(words)
    if words := _output(request):
        current.texts.append(words)


def _output(request: Request) -> str:
    output = request.output
    if output.kind == "json_schema" and output.schema is not None:
        wanted = f"one JSON value that matches this JSON Schema: {dumps(output.schema)}"
        return f"Answer with nothing but {wanted}"
    return "" if output.kind == "text" else "Answer with one JSON object and nothing else."


def _told(request: Request, name: str) -> str:
    """What the latest message of the client that speaks of it calls this conversation, else ""."""
    for turn in reversed(request.turns):
        for raw in turn.ext.values():
            kept = raw.get(CONTINUED)
            value = kept.get(name) if isinstance(kept, dict) else None
            if isinstance(value, str) and value:
                return value
    return ""


def _conversation_id(request: Request) -> str:
    """The same for every request of one conversation: made of how it began."""
    parts = [part for instruction in request.instructions for part in instruction.parts]
    beginning = repr((request.cache_key, parts, request.turns[:1]))
    return str(uuid.UUID(bytes=hashlib.sha256(beginning.encode()).digest()[:16], version=4))


def _inference(request: Request, capabilities: Capabilities) -> dict[str, Json]:
    wanted: dict[str, Json] = {
        "maxTokens": request.max_output_tokens,
        "temperature": request.sampling.temperature,
        "topP": request.sampling.top_p,
    }
    config = {name: value for name, value in wanted.items() if value is not None}
    ceiling = capabilities.max_output_tokens
    if ceiling is not None and "maxTokens" in config:
        config["maxTokens"] = min(config["maxTokens"], ceiling)
    if "temperature" in config:
        config["temperature"] = min(max(config["temperature"], 0), 1)
    return config


def _report(request: Request, encoding: Encoding) -> None:
    sampling = request.sampling
    homeless: dict[str, Json] = {
        "top_k": sampling.top_k,
        "stop": sampling.stop or None,
        "frequency_penalty": sampling.frequency_penalty,
        "presence_penalty": sampling.presence_penalty,
        "seed": sampling.seed,
        "logit_bias": sampling.logit_bias,
        "logprobs": request.logprobs or None,
        "top_logprobs": request.top_logprobs,
        "parallel_tool_calls": True if request.parallel is False else None,
        "verbosity": request.output.verbosity,
        "user": request.user,
        "metadata": request.metadata,
        "service_tier": request.service_tier,
        "store": request.store or None,
    }
    for name, value in homeless.items():
        if value is not None:
            encoding.drop(name)
    encoding.drop_foreign(request)
