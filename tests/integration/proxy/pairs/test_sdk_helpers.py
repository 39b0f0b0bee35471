"""What the vendors' SDKs do beyond one call, over every upstream format: their own tool runners, structured
output, thinking, synchronous clients, retries and leaving early."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import anthropic
import openai
import pytest
from google import genai
from google.genai import types as genai_types
from pydantic import BaseModel

from providers.values import Format
from tests.integration.proxy.conftest import KEY
from tests.integration.proxy.pairs.spoken import CALLS, HELLO, STREAM, WHOLE, Said, refusal
from tests.integration.proxy.upstream_double import answers, streams

pytestmark = pytest.mark.timeout(60)
SHAPES = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
LIMITS: Any = {"model": "m", "max_tokens": 4096}
ASKED: Any = [{"role": "user", "content": "Weather?"}]
JSON = Said(text='{"city": "Paris", "degrees": 21}')

ONE_CALL = Said(text=CALLS.text, calls=CALLS.calls[:1], stop="calls")


class Weather(BaseModel):
    city: str
    degrees: int


def told(format_, said, *, stream=False):
    return streams(*STREAM[format_](said)) if stream else answers(body=WHOLE[format_](said))


@pytest.fixture
async def claude(proxy):
    async with anthropic.AsyncAnthropic(base_url=proxy.url, api_key=KEY, max_retries=0) as sdk:
        yield sdk


@pytest.fixture
async def chatgpt(proxy):
    async with openai.AsyncOpenAI(base_url=f"{proxy.url}/v1", api_key=KEY, max_retries=0) as sdk:
        yield sdk


@pytest.fixture
async def gemini(proxy):
    options = genai_types.HttpOptions(base_url=proxy.url, timeout=10_000)
    sdk = genai.Client(api_key=KEY, vertexai=False, http_options=options)
    yield sdk.aio
    await sdk.aio.aclose()


def results(upstream):
    """What the second request told the upstream."""
    return json.dumps(upstream.calls[1].json, ensure_ascii=False)


# --- tool runners --------------------------------------------------------------------------------


@SHAPES
async def test_anthropics_tool_runner(claude, spoken, offered, upstream, stream):
    offered(spoken)
    upstream.then(told(spoken, CALLS, stream=stream), told(spoken, HELLO, stream=stream))
    cities = []

    @anthropic.beta_async_tool
    async def get_weather(city: str) -> str:
        """The weather of a city.

        Args:
            city: Where.
        """
        cities.append(city)
        return f"sun in {city}"

    runner = claude.beta.messages.tool_runner(**LIMITS, messages=ASKED, tools=[get_weather], stream=stream)
    last = None
    async for message in runner:
        last = await message.get_final_message() if stream else message
    assert last is not None
    assert "".join(block.text for block in last.content if block.type == "text") == HELLO.text
    assert cities == ["Paris", "Rome"]
    assert all(f"sun in {city}" in results(upstream) for city in cities)


@SHAPES
async def test_googles_automatic_calls(gemini, spoken, offered, upstream, stream):
    offered(spoken)
    upstream.then(told(spoken, CALLS, stream=stream), told(spoken, HELLO, stream=stream))
    cities = []

    async def get_weather(city: str) -> str:
        """The weather of a city."""
        cities.append(city)
        return f"sun in {city}"

    asked = {
        "model": "m",
        "contents": "Weather?",
        "config": genai_types.GenerateContentConfig(tools=[get_weather]),
    }
    if stream:
        chunks = [chunk async for chunk in await gemini.models.generate_content_stream(**asked)]
        text = "".join(chunk.text or "" for chunk in chunks)
        assert text.endswith(HELLO.text)
    else:
        assert (await gemini.models.generate_content(**asked)).text == HELLO.text
    assert sorted(cities) == ["Paris", "Rome"]
    assert all(f"sun in {city}" in results(upstream) for city in cities)


# --- structured output ---------------------------------------------------------------------------


async def test_structured_output_is_parsed_by_chat(chatgpt, spoken, offered, upstream):
    offered(spoken)
    upstream.then(told(spoken, JSON))
    made = await chatgpt.chat.completions.parse(model="m", messages=ASKED, response_format=Weather)
    assert made.choices[0].message.parsed == Weather(city="Paris", degrees=21)
    assert_schema(upstream)


async def test_structured_output_is_parsed_by_responses(chatgpt, spoken, offered, upstream):
    offered(spoken)
    upstream.then(told(spoken, JSON))
    made = await chatgpt.responses.parse(model="m", input="Weather?", text_format=Weather)
    assert made.output_parsed == Weather(city="Paris", degrees=21)
    assert_schema(upstream)


async def test_structured_output_is_parsed_by_messages(claude, spoken, offered, upstream):
    offered(spoken)
    upstream.then(told(spoken, JSON))
    made = await claude.messages.parse(**LIMITS, messages=ASKED, output_format=Weather)
    assert made.parsed_output == Weather(city="Paris", degrees=21)
    assert_schema(upstream)


async def test_structured_output_is_parsed_by_gemini(gemini, spoken, offered, upstream):
    offered(spoken)
    upstream.then(told(spoken, JSON))
    config = genai_types.GenerateContentConfig(response_mime_type="application/json", response_schema=Weather)
    made = await gemini.models.generate_content(model="m", contents="Weather?", config=config)
    assert made.parsed == Weather(city="Paris", degrees=21)
    assert_schema(upstream)


def assert_schema(upstream):
    """The upstream was given the schema, in whatever member its format has for it."""
    sent = json.dumps(upstream.calls[0].json)
    assert '"degrees"' in sent
    assert '"city"' in sent


@SHAPES
async def test_a_tool_made_of_a_type_comes_back_parsed(chatgpt, spoken, offered, upstream, stream):
    """One call: the helper reads a call as complete when the next one begins, whatever the server says."""
    offered(spoken)
    upstream.then(told(spoken, ONE_CALL, stream=stream))

    class GetWeather(BaseModel):
        city: str

    tool = openai.pydantic_function_tool(GetWeather, name="get_weather")
    if stream:
        async with chatgpt.chat.completions.stream(model="m", messages=ASKED, tools=[tool]) as events:
            kinds = {event.type async for event in events}
            made = await events.get_final_completion()
        assert {"chunk", "content.delta", "tool_calls.function.arguments.done"} <= kinds
    else:
        made = await chatgpt.chat.completions.parse(model="m", messages=ASKED, tools=[tool])
    calls = made.choices[0].message.tool_calls
    assert [call.function.parsed_arguments for call in calls] == [GetWeather(city="Paris")]


# --- thinking ------------------------------------------------------------------------------------

THOUGHT = "Hmm, let me think."


def thinks(format_):
    """A whole answer that begins with a thought."""
    body = WHOLE[format_](HELLO)
    match format_:
        case Format.OPENAI:
            body["choices"][0]["message"]["reasoning_content"] = THOUGHT
        case Format.RESPONSES:
            summary = [{"type": "summary_text", "text": THOUGHT}]
            body["output"].insert(0, {"type": "reasoning", "id": "rs_1", "summary": summary})
        case Format.CLAUDE:
            body["content"].insert(0, {"type": "thinking", "thinking": THOUGHT, "signature": "c2ln"})
        case Format.GEMINI:
            body["candidates"][0]["content"]["parts"].insert(0, {"text": THOUGHT, "thought": True})
    return answers(body=body)


async def test_thinking_is_shown_by_every_sdk(chatgpt, claude, gemini, spoken, offered, upstream):
    offered(spoken)
    upstream.then(thinks(spoken))
    chat = await chatgpt.chat.completions.create(model="m", messages=ASKED, reasoning_effort="high")
    message = chat.choices[0].message
    assert message.reasoning_content == THOUGHT
    made = await chatgpt.responses.create(
        model="m", input="Hi", reasoning={"effort": "high", "summary": "auto"}
    )
    assert [item.summary[0].text for item in made.output if item.type == "reasoning"] == [THOUGHT]
    told = await claude.messages.create(
        **LIMITS, messages=ASKED, thinking={"type": "enabled", "budget_tokens": 2048}
    )
    assert [block.thinking for block in told.content if block.type == "thinking"] == [THOUGHT]
    thinking = genai_types.ThinkingConfig(include_thoughts=True, thinking_budget=2048)
    config = genai_types.GenerateContentConfig(thinking_config=thinking)
    answer = await gemini.models.generate_content(model="m", contents="Hi", config=config)
    assert [part.text for part in answer.candidates[0].content.parts if part.thought] == [THOUGHT]
    said = {message.content, made.output_text, told.content[-1].text, answer.text}
    assert said == {HELLO.text}


# --- synchronous clients -------------------------------------------------------------------------


async def test_synchronous_clients_see_the_same(proxy, spoken, offered, upstream):
    offered(spoken)
    upstream.then(told(spoken, HELLO))

    def ask():
        with openai.OpenAI(base_url=f"{proxy.url}/v1", api_key=KEY, max_retries=0) as sdk:
            yield sdk.chat.completions.create(model="m", messages=ASKED).choices[0].message.content
            yield sdk.responses.create(model="m", input="Hi").output_text
        with anthropic.Anthropic(base_url=proxy.url, api_key=KEY, max_retries=0) as sdk:
            yield sdk.messages.create(**LIMITS, messages=ASKED).content[0].text
        options = genai_types.HttpOptions(base_url=proxy.url, timeout=10_000)
        with genai.Client(api_key=KEY, vertexai=False, http_options=options) as sdk:
            yield sdk.models.generate_content(model="m", contents="Hi").text

    assert await asyncio.to_thread(lambda: list(ask())) == [HELLO.text] * 4


# --- retries -------------------------------------------------------------------------------------


async def _by_chat(url):
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=1) as sdk:
        made = await sdk.chat.completions.create(model="m", messages=ASKED)
    return made.choices[0].message.content


async def _by_responses(url):
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=1) as sdk:
        return (await sdk.responses.create(model="m", input="Weather?")).output_text


async def _by_messages(url):
    async with anthropic.AsyncAnthropic(base_url=url, api_key=KEY, max_retries=1) as sdk:
        return (await sdk.messages.create(**LIMITS, messages=ASKED)).content[0].text


async def _by_gemini(url):
    """This SDK waits by its own clock, so it is told how long."""
    again = genai_types.HttpRetryOptions(attempts=2, initial_delay=1.2, jitter=0)
    options = genai_types.HttpOptions(base_url=url, timeout=10_000, retry_options=again)
    sdk = genai.Client(api_key=KEY, vertexai=False, http_options=options)
    made = await sdk.aio.models.generate_content(model="m", contents="Weather?")
    await sdk.aio.aclose()
    return made.text


@pytest.mark.parametrize(
    ("ask", "upstreams_format"),
    [
        (_by_chat, Format.OPENAI),
        (_by_chat, Format.CLAUDE),
        (_by_responses, Format.GEMINI),
        (_by_messages, Format.OPENAI),
        (_by_messages, Format.RESPONSES),
        (_by_gemini, Format.CLAUDE),
    ],
    ids=lambda value: value if isinstance(value, Format) else value.__name__.removeprefix("_by_"),
)
async def test_a_429_is_tried_again_when_its_time_has_come(proxy, offered, upstream, ask, upstreams_format):
    """The SDKs wait as long as ``Retry-After`` says, and then the gateway lets them through."""
    offered(upstreams_format)
    limited = answers(429, refusal(upstreams_format, 429, "slow"), {"retry-after": "1"})
    upstream.then(limited, told(upstreams_format, HELLO))
    assert await ask(proxy.url) == HELLO.text
    assert [line.status for line in proxy.ledger.written] == [429, 200]
    assert len(upstream.calls) == 2


# --- leaving early -------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["chat", "responses", "messages", "gemini"])
async def test_who_leaves_a_stream_ends_the_upstreams_request(
    chatgpt, claude, gemini, spoken, offered, upstream, proxy, form
):
    offered(spoken)
    pieces = STREAM[spoken](HELLO)
    upstream.then(streams(*pieces[: len(pieces) // 2 + 1], then_wait=True))
    if form == "chat":
        async with await chatgpt.chat.completions.create(model="m", messages=ASKED, stream=True) as events:
            await anext(aiter(events))
    elif form == "responses":
        async with await chatgpt.responses.create(model="m", input="Hi", stream=True) as events:
            await anext(aiter(events))
    elif form == "messages":
        async with claude.messages.stream(**LIMITS, messages=ASKED) as events:
            await anext(aiter(events))
    else:
        # Closing the iterator is not enough for this SDK; cancelling who reads it is.
        heard = asyncio.Event()

        async def read():
            async for _ in await gemini.models.generate_content_stream(model="m", contents="Hi"):
                heard.set()

        reading = asyncio.create_task(read())
        await asyncio.wait_for(heard.wait(), 5)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    await asyncio.wait_for(upstream.calls[0].ended.wait(), 5)
    assert upstream.calls[0].is_cancelled
