"""The envelope that Google's Code Assist service puts around ``generateContent``, and what it wants inside.

Requests are ``{"project", "model", "request": {…}}`` at ``/v1internal:{action}``, answers and every event
of a stream ``{"response": {…}, "traceId"}``. Sources: google-gemini/gemini-cli,
``packages/core/src/code_assist`` (converter and server, 2025) for the envelope; what antigravity's variant
wants inside was learnt by others from watching it and is not documented by the vendor
(docs/protocols/antigravity.md). Bodies are edited as values of their own: a repeated attempt starts from
the original.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from providers.errors import UpstreamProtocolError
from providers.translation.budget import Budget
from providers.translation.codecs.gemini.schema import clean_parameters, clean_response_schema
from providers.translation.model import Json
from providers.translation.passthrough import BAD_JSON, FIELDS
from providers.translation.sse import SseReader
from providers.translation.sse import frame as event_frame


def wrapped(body: bytes, outer: dict[str, Json], drop: tuple[str, ...] = ("model",)) -> bytes:
    """``body`` as the member ``request`` beside the members of ``outer``, without the fields in ``drop``.

    What is not dropped keeps its bytes.
    """
    fields = FIELDS.decode(body)
    for name in drop:
        fields.pop(name, None)
    return msgspec.json.encode({**outer, "request": fields})


def unwrapped(body: bytes) -> bytes:
    """The answer inside; a body without ``response`` (an error, a bare answer) as it is.

    Raises UpstreamProtocolError for what is no JSON object.
    """
    try:
        fields = FIELDS.decode(body)
    except BAD_JSON as error:
        raise UpstreamProtocolError("the upstream's answer is not a JSON object") from error
    response = fields.get("response")
    return body if response is None else bytes(response)


class EventUnwrapper:
    """A stream's events without the envelope. One per stream."""

    def __init__(self) -> None:
        self._reader = SseReader()

    def feed(self, chunk: bytes) -> bytes:
        return b"".join(event_frame(unwrapped(event.data.encode())) for event in self._reader.feed(chunk))

    def close(self) -> bytes:
        return b"".join(event_frame(unwrapped(event.data.encode())) for event in self._reader.close())


def session_number(contents: Json) -> str:
    """``-`` and a positive 63-bit number that stays the same through a conversation: from the SHA-256 of the
    first text that the user wrote."""
    digest = hashlib.sha256(_first_user_text(contents).encode()).digest()
    return f"-{int.from_bytes(digest[:8], 'big') & 0x7FFF_FFFF_FFFF_FFFF}"


def with_leading_user(contents: Json) -> Json:
    """Google refuses a conversation that the model begins: an empty turn of the user is put before it."""
    first = contents[0] if isinstance(contents, list) and contents else None
    if isinstance(first, dict) and first.get("role") == "model":
        return [{"role": "user", "parts": [{"text": ""}]}, *contents]
    return contents


def with_plain_schemas(body: dict[str, Any]) -> dict[str, Any]:
    """JSON Schemas of tools and answer as the subset that ``parameters`` and ``responseSchema`` take."""
    edited = dict(body)
    if isinstance(tools := body.get("tools"), list):
        budget = Budget()
        edited["tools"] = [_plain_tool(tool, budget) for tool in tools]
    config = body.get("generationConfig")
    if isinstance(config, dict) and "responseJsonSchema" in config:
        kept = {name: value for name, value in config.items() if name != "responseJsonSchema"}
        edited["generationConfig"] = {
            **kept,
            "responseSchema": clean_response_schema(config["responseJsonSchema"]),
        }
    return edited


def with_answers_in_order(contents: Json) -> Json:
    """Turns of function responses alone go to the model's side, in the order of the calls that they
    answer, each with its function's name. Models of other vendors behind antigravity need no edit."""
    if not isinstance(contents, list):
        return contents
    edited: list[Json] = []
    calls: list[dict[str, Any]] = []
    for content in contents:
        parts = content.get("parts") if isinstance(content, dict) else None
        if not isinstance(parts, list) or not parts:
            edited.append(content)
            continue
        made = [part["functionCall"] for part in parts if _holds(part, "functionCall")]
        if made:
            calls = made
        if all(_holds(part, "functionResponse") for part in parts):
            content = {**content, "role": "model", "parts": _in_order(parts, calls)}
        edited.append(content)
    return edited


def _in_order(parts: list[dict[str, Any]], calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    left = list(parts)
    ordered = []
    for call in calls:
        found = next((part for part in left if _answers(part["functionResponse"], call)), None)
        if found is None:
            continue
        left.remove(found)
        answer = found["functionResponse"]
        if not answer.get("name") and call.get("name"):
            found = {**found, "functionResponse": {**answer, "name": call["name"]}}
        ordered.append(found)
    return ordered + left


def _answers(answer: dict[str, Any], call: dict[str, Any]) -> bool:
    if answer.get("id") and call.get("id"):
        return bool(answer["id"] == call["id"])
    return bool(answer.get("name") == call.get("name"))


def _holds(part: Json, name: str) -> bool:
    return isinstance(part, dict) and isinstance(part.get(name), dict)


def _plain_tool(tool: Json, budget: Budget) -> Json:
    declarations = tool.get("functionDeclarations") if isinstance(tool, dict) else None
    if not isinstance(declarations, list):
        return tool
    return {**tool, "functionDeclarations": [_plain_declaration(one, budget) for one in declarations]}


def _plain_declaration(declaration: Json, budget: Budget) -> Json:
    if not isinstance(declaration, dict) or "parametersJsonSchema" not in declaration:
        return declaration
    kept = {name: value for name, value in declaration.items() if name != "parametersJsonSchema"}
    parameters = clean_parameters(declaration["parametersJsonSchema"], budget)
    return {**kept, "parameters": parameters} if parameters else kept


def _first_user_text(contents: Json) -> str:
    for content in contents if isinstance(contents, list) else ():
        if not isinstance(content, dict) or content.get("role") == "model":
            continue
        for part in content.get("parts") or ():
            if isinstance(part, dict) and isinstance(text := part.get("text"), str) and text:
                return text
    return ""
