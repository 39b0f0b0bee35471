"""Every node of a rich body is replaced by junk in turn: only the stated errors may come out."""

from __future__ import annotations

import contextlib
import copy

import pytest

from providers.errors import UpstreamProtocolError
from providers.translation.codec import Capabilities, MalformedRequest, Untranslatable
from providers.translation.codecs.claude.codec import CODEC
from providers.translation.codecs.claude.schema import output_schema, tool_schema
from providers.translation.json_text import dumps
from providers.translation.sse import SseEvent

from .test_decode_request import SOURCES
from .test_schema import OUTPUT, TOP
from .test_stream_decoder import RICH, RICH_BODY
from .wire import make_context

JUNK: tuple = (None, 3, 1.5, "x", "", True, [], {}, [3], [None], [{}], {"type": "x"}, {"type": ["x"]})

BLOCKS = [block for block, _ in SOURCES.values()]

REQUEST = {
    "model": "m",
    "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
    "messages": [
        {"role": "assistant", "content": BLOCKS},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": BLOCKS}]},
    ],
    "tools": [
        {"name": "f", "strict": True, "input_schema": {"anyOf": [{"type": "object", "required": ["a"]}]}},
        {"type": "web_search_20250305", "name": "web_search"},
    ],
    "tool_choice": {"type": "tool", "name": "f"},
    "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {"type": "object"}}},
    "thinking": {"type": "enabled", "budget_tokens": 2000, "display": "omitted"},
    "metadata": {"user_id": "u"},
}


def paths(value, path=()):
    if path:
        yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from paths(value[key], (*path, key))


def damaged(value):
    for path in paths(value):
        for junk in JUNK:
            broken = copy.deepcopy(value)
            node = broken
            for key in path[:-1]:
                node = node[key]
            node[path[-1]] = junk
            yield broken


@pytest.mark.parametrize("thinking", ["budget", "level", "unknown"])
def test_a_damaged_request_is_malformed_untranslatable_or_understood(thinking):
    capabilities = Capabilities(thinking=thinking)
    for body in damaged(REQUEST):
        with contextlib.suppress(MalformedRequest, Untranslatable):
            CODEC.encode_request(CODEC.decode_request(body), "m", capabilities)


def test_a_damaged_answer_is_a_protocol_error_or_understood():
    context = make_context()
    for body in damaged(RICH_BODY):
        with contextlib.suppress(UpstreamProtocolError):
            CODEC.encode_response(CODEC.decode_response(body, context), context)


def feed_all(events):
    decoder, encoder = CODEC.stream_decoder(make_context()), CODEC.stream_encoder(make_context())
    for event in events:
        for decoded in decoder.feed(SseEvent(None, dumps(event))):
            encoder.encode(decoded)
    for decoded in decoder.close():
        encoder.encode(decoded)


@pytest.mark.parametrize("n", range(len(RICH)))
def test_a_stream_with_one_damaged_event_is_a_protocol_error_or_understood(n):
    for event in damaged(RICH[n]):
        with contextlib.suppress(UpstreamProtocolError):
            feed_all([*RICH[:n], event, *RICH[n + 1 :]])


def test_a_damaged_schema_never_raises():
    for schema, _ in [*TOP.values(), *OUTPUT.values()]:
        for broken in damaged(schema or {}):
            assert tool_schema(broken)["type"] == "object"
            output_schema(broken)
