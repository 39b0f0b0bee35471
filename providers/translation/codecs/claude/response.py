"""A whole answer, both ways: the ``message`` object."""

from __future__ import annotations

import msgspec

from providers.errors import UpstreamProtocolError
from providers.translation.codec import AnswerContext
from providers.translation.codecs.claude import activity, answer_tool, carrier, citations, outcome
from providers.translation.codecs.claude.errors import error_info
from providers.translation.json_text import dumps
from providers.translation.media import as_markdown
from providers.translation.model import (
    Candidate,
    Json,
    Media,
    Part,
    Reasoning,
    RefusalText,
    Response,
    Signature,
    Stop,
    StopKind,
    Text,
    ToolCall,
    Unknown,
)
from providers.values import Format

Block = dict[str, Json]

_TYPED = frozenset(
    {"id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "stop_details", "usage"}
)


# --- from Anthropic --------------------------------------------------------------------------


def decode_response(body: Json, context: AnswerContext) -> Response:
    """An upstream's message. Raises UpstreamProtocolError when it is none."""
    if not isinstance(body, dict):
        raise UpstreamProtocolError("the upstream's answer is not a JSON object")
    if body.get("type") == "error":
        raise UpstreamProtocolError(f"the upstream answered 200 with an error: {error_info(body).message}")
    content = body.get("content")
    if not isinstance(content, list):
        raise UpstreamProtocolError("the upstream's message has no content")
    parts = tuple(_decode_block(block, context) for block in content)
    has_calls = any(isinstance(part, ToolCall) for part in parts)
    stop = outcome.decode_stop(body, has_calls=has_calls, is_answer=_has_answer(content, context))
    extra = {key: value for key, value in body.items() if key not in _TYPED and value is not None}
    return Response(
        id=_string(body.get("id")),
        model=_string(body.get("model")),
        candidates=(Candidate(parts=parts, stop=stop),),
        usage=outcome.decode_usage(body.get("usage")),
        service_tier=outcome.decode_tier(body.get("usage")),
        ext={Format.CLAUDE: extra} if extra else {},
    )


def _has_answer(content: list[Json], context: AnswerContext) -> bool:
    return any(
        isinstance(block, dict)
        and block.get("type") == "tool_use"
        and answer_tool.is_answer(block.get("name"), context)
        for block in content
    )


def is_custom(name: str, context: AnswerContext) -> bool:
    """Whether the client's tool of that name takes free text, and was wrapped for this format."""
    tools = context.request.tools if context.request else ()
    return any(tool.kind == "custom" and tool.name == name for tool in tools)


def unwrap_custom(value: Json) -> str:
    """The free text inside a wrapped call; the JSON itself when the model ignored the wrapping."""
    if isinstance(value, dict) and isinstance(value.get("input"), str):
        return str(value["input"])
    return dumps(value)


def _decode_block(block: Json, context: AnswerContext) -> Part:
    if not isinstance(block, dict):
        raise UpstreamProtocolError("the upstream sent a content block that is no object")
    match block.get("type"):
        case "text":
            text = _string(block.get("text"))
            return Text(text=text, citations=citations.decode(block.get("citations"), len(text)))
        case "thinking":
            return Reasoning(
                text=_string(block.get("thinking")), signature=signature_of(block.get("signature"))
            )
        case "redacted_thinking":
            return Reasoning(redacted=signature_of(block.get("data")))
        case "tool_use" if answer_tool.is_answer(block.get("name"), context):
            return Text(text=answer_tool.text_of(block.get("input"), context))
        case "tool_use":
            return _decode_call(block, context)
    return Unknown(raw=block, format=Format.CLAUDE, activity=activity.read(block))


def _decode_call(block: Block, context: AnswerContext) -> ToolCall:
    call = call_skeleton(block, context)
    value = block.get("input")
    value = {} if value is None else value
    arguments = unwrap_custom(value) if call.kind == "custom" else dumps(value)
    return ToolCall(id=call.id, name=call.name, kind=call.kind, arguments=arguments)


def call_skeleton(block: Block, context: AnswerContext) -> ToolCall:
    """Id and name of a ``tool_use`` block, under the client's own name."""
    name, call_id = block.get("name"), block.get("id")
    if not isinstance(name, str) or not isinstance(call_id, str):
        raise UpstreamProtocolError("the upstream sent a tool_use block without id or name")
    name = context.names.restore(name)
    return ToolCall(id=call_id, name=name, kind="custom" if is_custom(name, context) else "function")


def signature_of(value: Json) -> Signature | None:
    """Anthropic's opaque value, kept to the letter; "" means none."""
    return Signature(value, Format.CLAUDE) if isinstance(value, str) and value else None


def _string(value: Json) -> str:
    return value if isinstance(value, str) else ""


# --- to a client -----------------------------------------------------------------------------


def encode_response(response: Response, context: AnswerContext) -> dict[str, Json]:
    """The message for a client. Only the first candidate has a place; blank text makes no block.

    Raises UpstreamProtocolError when the answer ended in a failure and holds nothing.
    """
    candidate = response.candidates[0] if response.candidates else Candidate(stop=_blocked(response))
    failure = outcome.failure_of(candidate.stop, has_content=bool(candidate.parts))
    if failure is not None:
        raise UpstreamProtocolError(failure.message, code=failure.code)
    blocks: list[Block] = []
    activities = activity.ActivityWriter(context)
    for n, part in enumerate(candidate.parts):
        if isinstance(part, ToolCall) and outcome.is_cut(candidate.stop):
            part = _without_cut_arguments(part)
        blocks += _encode_part(part, n, context, activities)
    usage = outcome.encode_usage(response.usage)
    tier = outcome.encode_tier(response.service_tier)
    if tier:
        usage["service_tier"] = tier
    stop = outcome.encode_stop(
        candidate.stop,
        has_calls=any(isinstance(part, ToolCall) for part in candidate.parts),
        has_refusal=any(isinstance(part, RefusalText) for part in candidate.parts),
    )
    message: dict[str, Json] = {
        "id": message_id(response.id, context),
        "type": "message",
        "role": "assistant",
        "model": context.model,
        "content": blocks,
        **stop,
        "usage": usage,
    }
    return message | response.ext.get(Format.CLAUDE, {})


def _without_cut_arguments(call: ToolCall) -> ToolCall:
    """Arguments that a limit cut must not look like others that were meant: what a stream's reader makes of
    them is an object without them."""
    if call.kind == "custom" or not call.arguments.strip():
        return call
    try:
        msgspec.json.decode(call.arguments)
    except (msgspec.DecodeError, RecursionError):
        return msgspec.structs.replace(call, arguments="")
    return call


def message_id(upstream_id: str | None, context: AnswerContext) -> str:
    """The upstream's id when it has Anthropic's form, else a new one."""
    return upstream_id if upstream_id and upstream_id.startswith("msg_") else f"msg_{context.seed}"


def call_id(part: ToolCall, n: int, context: AnswerContext) -> str:
    """The upstream's own id, which it wants back; a new one when it gave none."""
    return part.id or f"toolu_{context.seed}{n}"


def hides_thinking(context: AnswerContext) -> bool:
    return context.request is not None and context.request.reasoning.show == "none"


def thinking_text(text: str, context: AnswerContext) -> str:
    """The visible thought, empty when the client asked for ``display: omitted``."""
    return "" if hides_thinking(context) else text


def carrier_block(signature: Signature, place: carrier.Place) -> Block:
    """An empty thinking block that carries the state of a neighbour."""
    return {"type": "thinking", "thinking": "", "signature": carrier.wrap(signature, place)}


def _blocked(response: Response) -> Stop:
    if response.block_reason is None:
        return Stop(StopKind.END)
    return Stop(StopKind.CONTENT_FILTER, detail=response.block_reason)


def _encode_part(
    part: Part, n: int, context: AnswerContext, activities: activity.ActivityWriter
) -> list[Block]:
    match part:
        case Text():
            return _encode_text(part)
        case RefusalText():
            return [{"type": "text", "text": part.text}] if part.text else []
        case Reasoning():
            return _encode_reasoning(part, context)
        case ToolCall():
            return _encode_call(part, n, context)
        case Media():
            words = as_markdown(part)
            return [{"type": "text", "text": words}] if words else []
        case Unknown() if part.format is Format.CLAUDE:
            return [part.raw]
        case Unknown() if part.activity is not None:
            return activities.blocks(part.activity)
    return []  # server-side activity of another vendor: the text that came of it stays


def _encode_text(part: Text) -> list[Block]:
    blocks: list[Block] = []
    if part.text:
        block: Block = {"type": "text", "text": part.text}
        cited = [found for citation in part.citations if (found := citations.encode(citation))]
        if cited:
            block["citations"] = cited
        blocks.append(block)
    if part.signature is not None:
        blocks.append(carrier_block(part.signature, carrier.Place.LAST))
    return blocks


def _encode_reasoning(part: Reasoning, context: AnswerContext) -> list[Block]:
    if part.redacted is not None:
        return [{"type": "redacted_thinking", "data": carrier.wrap(part.redacted)}]
    text = thinking_text(part.text, context)
    if not text and part.signature is None:
        return []
    return [{"type": "thinking", "thinking": text, "signature": carrier.wrap(part.signature)}]


def _encode_call(part: ToolCall, n: int, context: AnswerContext) -> list[Block]:
    blocks = [] if part.signature is None else [carrier_block(part.signature, carrier.Place.NEXT)]
    call = {
        "type": "tool_use",
        "id": call_id(part, n, context),
        "name": part.name,
        "input": part.value(),
    }
    return [*blocks, call]
