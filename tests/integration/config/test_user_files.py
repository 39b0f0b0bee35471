"""Files as people have them, and what a sequence of requests then does: which key is asked, in which order.

The upstream's keys tell how they behave: ``…-429…``, ``…-500``, ``…-401``, ``…-400``.
"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from aiohttp import web

from management_api.config import document, schema, startup
from management_api.config.apply import apply
from management_api.config.export import Secrets, export
from management_api.config.problems import errors
from providers.models import Provider
from routing import table
from routing.models import ChannelAlias, ChannelExclusion, ClientKey, GatewaySettings
from tests.integration.config.test_seeds import pointed_at
from tests.integration.proxy.conftest import proxy, upstream  # noqa: F401 -- fixtures

pytestmark = pytest.mark.django_db

FILES = Path(__file__).parents[2] / "exchanges" / "config" / "users"
REFUSALS = {
    429: {"error": {"message": "slow down", "type": "rate_limit_error"}},
    500: {"error": {"message": "broken"}},
    401: {"error": {"message": "bad key"}},
    400: {"error": {"message": "maximum_context_length is 8"}},
}
CHAT = {"choices": [{"message": {"role": "assistant", "content": "fine"}, "finish_reason": "stop"}]}
MESSAGE = {
    "id": "m",
    "type": "message",
    "role": "assistant",
    "model": "up",
    "content": [{"type": "text", "text": "fine"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 1, "output_tokens": 1},
}
GENERATION = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "fine"}]}, "finishReason": "STOP"}]
}
RESPONSE = {
    "id": "r",
    "object": "response",
    "status": "completed",
    "model": "up",
    "output": [
        {
            "type": "message",
            "id": "m",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "fine", "annotations": []}],
        }
    ],
}


def key_of(headers):
    for name in ("x-api-key", "x-goog-api-key"):
        if name in headers:
            return headers[name]
    return headers.get("authorization", "").removeprefix("Bearer ")


async def answer(request, call):
    """As the key says; else something good in the format of the path."""
    status = re.search(r"-(429|500|401|400)\b", key_of(call.headers))
    if status:
        return web.json_response(REFUSALS[int(status[1])], status=int(status[1]))
    path = call.path.partition("?")[0]
    for mark, body in (("/messages", MESSAGE), (":generateContent", GENERATION), ("/responses", RESPONSE)):
        if path.endswith(mark):
            return web.json_response(body)
    return web.json_response(CHAT)


CASES = {
    "relay_stations": [
        ("codex", 200, ["cx-first-500", "cx-second"]),
        ("Codex", 200, ["cx-second"]),
        ("gpt-5.2", 500, ["cx-first-500"]),
        ("claude-sonnet-4-5", 200, ["cl-main-429", "cl-spare"]),
        ("claude-sonnet-4-5", 200, ["cl-spare"]),
        ("spare/claude-opus-4-5", 200, ["cl-spare"]),
    ],
    "first_release": [
        ("kimi-k2", 200, ["sk-or-one"]),
        ("kimi-k2", 200, ["sk-or-two-401", "sk-or-one"]),
        ("kimi-k2", 200, ["sk-or-one"]),
        ("gemini-2.5-flash", 200, ["AIza-one"]),
        ("gemini-2.5-flash", 200, ["AIza-two"]),
        ("claude-sonnet-4-5", 200, ["sk-ant-one"]),
        ("claude-sonnet-4-5", 200, ["sk-ant-two"]),
    ],
    "many_compatibles": [
        ("glm", 429, ["zp-429-a", "zp-429-b", "zp-429-c", "zp-429-a"]),
        ("GLM", 200, ["ms-one"]),
        ("coder", 200, ["ms-one"]),
        ("coder", 200, ["ms-one"]),
        ("qwen3:8b", 200, [""]),
        ("px/anything/at-all", 200, ["px-one"]),
        ("px/gpt-4-turbo", 404, []),
        ("off-model", 404, []),
    ],
    "forced_prefixes": [
        ("gemini-2.5-pro", 404, []),
        ("a/gemini-2.5-pro", 200, ["g-team-a"]),
        ("b/gemini-2.5-pro", 404, []),
        ("b/gemini-2.5-flash", 200, ["g-team-b"]),
        ("flash", 200, ["g-open"]),
        ("a/claude-sonnet-4-5", 200, ["c-a"]),
        ("v/pro", 200, ["vx"]),
        ("v/no-alias", 404, []),
    ],
    "rules": [("gpt-5", 200, ["up-400", "up-two"]), ("claude-like", 200, ["up-400", "up-two"])],
    "dedicated": [
        ("chat", 200, ["ds-one"]),
        ("chat", 429, []),
        ("fast/llama-3.3-70b", 200, ["gr-one"]),
        ("shared", 200, ["mm-one"]),
        ("kilo/free-model", 200, ["anonymous"]),
        ("or/any/thing", 200, ["or-one"]),
        ("claude-3-5-sonnet", 200, ["an-one"]),
        ("best", 200, ["an-one"]),
        ("gpt-4", 200, ["my-one"]),
    ],
}


@pytest.mark.parametrize("name", CASES)
def test_a_users_file_is_accepted(name):
    problems = schema.read(document.load(FILES / f"{name}.yaml"), {})[1]
    assert [str(problem) for problem in errors(problems)] == []


@pytest.fixture
def built(request):
    startup.load_and_apply(FILES / f"{request.getfixturevalue('name')}.yaml", {})
    return table.build()


@pytest.mark.parametrize("name", CASES)
async def test_its_requests_ask_the_keys_that_it_says(name, built, proxy, upstream):  # noqa: F811 -- fixtures
    upstream.then(answer)
    moved, _ = pointed_at(built, upstream.url)
    proxy.live.table = msgspec.structs.replace(moved, clients=proxy.clients)
    seen = []
    for model, _, _ in CASES[name]:
        upstream.calls.clear()
        answered = await proxy.chat(model)
        seen.append((model, answered.status_code, [key_of(call.headers) for call in upstream.calls]))
    assert seen == CASES[name]


@pytest.mark.parametrize("name", ["rules"])
async def test_rules_shape_what_is_sent(name, built, proxy, upstream):  # noqa: F811 -- fixtures
    upstream.then(answer)
    moved, _ = pointed_at(built, upstream.url)
    proxy.live.table = msgspec.structs.replace(moved, clients=proxy.clients)
    body = {
        "model": "gpt-5",
        "messages": [{"role": "system", "content": "s", "name": "n"}, {"role": "user", "content": "u"}],
        "top_p": 0.5,
        "temperature": 1,
    }
    await proxy.post(body, **{"x-client": "cline"})
    sent = upstream.calls[-1].json
    assert sent["temperature"] == 1
    assert sent["metadata"] == {"source": "proxy"}
    assert sent["system_note"] == "folded text\n"
    assert sent["response_format"] == {"type": "json_object"}
    assert sent["user"] == "cli"
    assert "broken" not in sent
    assert "top_p" not in sent
    assert sent["messages"][0] == {"role": "system", "content": "s"}


@pytest.mark.parametrize("name", CASES)
def test_its_export_makes_the_same_table(name, built):
    before = everything_of(built)
    exported = export(Secrets.ENV)
    for model in (Provider, ClientKey, ChannelAlias, ChannelExclusion, GatewaySettings):
        model.objects.all().delete()
    content = exported.text.encode()
    apply(startup.check(content, "exported.yaml", exported.environment)[0])
    assert everything_of(table.build()) == before


def everything_of(built):
    """Who serves what, and how, without ids and moments."""

    def plain(credential):
        return msgspec.structs.replace(credential, id=0, provider_id=0)

    return (
        {
            name: sorted(
                repr((plain(offer.credential), offer.members, offer.force_mapping)) for offer in model.offers
            )
            for name, model in built.models.items()
        },
        {
            prefix: sorted(repr((plain(offer.credential), offer.excluded)) for offer in offers)
            for prefix, offers in built.open_prefixes.items()
        },
        {
            name: sorted((why.provider_key, why.reason, why.detail) for why in reasons)
            for name, reasons in built.hidden.items()
        },
        built.settings,
        sorted(built.clients),
    )
