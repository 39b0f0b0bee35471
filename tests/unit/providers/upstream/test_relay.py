"""Calls carried by a page: frames in any order and of any kind, ends, failures, back-pressure."""

import asyncio
import json

import pytest

from providers.adapters.base import UpstreamRequest
from providers.errors import UpstreamProtocolError, UpstreamTimeout, UpstreamUnreachable
from providers.upstream import relay
from providers.upstream.relay import RelaySession
from providers.upstream.timeouts import Timeouts

TIMEOUTS = Timeouts(connect_s=1, first_byte_s=1, idle_s=1)
REQUEST = UpstreamRequest(
    method="POST",
    url="https://g.example/x",
    headers=(("content-type", "application/json"),),
    body=b'{"a":"\xc3\xa4"}',
)


class Page:
    """The far side: keeps what was sent and answers frame by frame."""

    def __init__(self):
        self.sent = []
        self.session = RelaySession(self._send)

    async def _send(self, text):
        self.sent.append(json.loads(text))

    async def say(self, kind, payload, at=-1):
        frame = {"id": self.sent[at]["id"], "type": kind, "payload": payload}
        await self.session.received(json.dumps(frame))

    async def opened(self, *frames, timeouts=TIMEOUTS):
        opening = asyncio.ensure_future(self.session.open(REQUEST, timeouts))
        await asyncio.sleep(0)
        for kind, payload in frames:
            await self.say(kind, payload)
        return await opening


@pytest.fixture
def page():
    return Page()


async def test_a_request_goes_out_as_a_frame(page):
    answer = await page.opened(("http_response", {"status": 200, "body": "ok"}))
    frame = page.sent[0]
    assert frame["type"] == "http_request"
    assert frame["payload"].keys() == {"method", "url", "headers", "body", "sent_at"}
    assert frame["payload"]["headers"] == {"content-type": ["application/json"]}
    assert frame["payload"]["body"] == '{"a":"ä"}'
    assert frame["payload"]["sent_at"].endswith("Z")
    assert await answer.read() == b"ok"


async def test_a_stream_arrives_piece_by_piece(page):
    headers = {"Content-Type": ["text/event-stream"], "X-N": 1}
    answer = await page.opened(("stream_start", {"status": 200, "headers": headers}))
    assert (answer.status, answer.headers) == (200, {"content-type": "text/event-stream"})
    pieces = answer.chunks()
    await page.say("stream_chunk", {"data": "data: ä\n\n"})
    assert await anext(pieces) == "data: ä\n\n".encode()
    await page.say("stream_end", {})
    assert [piece async for piece in pieces] == []


async def test_a_missing_status_is_200_and_a_frame_without_payload_a_502(page):
    assert (await page.opened(("stream_start", {}))).status == 200
    answer = await page.opened(("http_response", None))
    assert answer.status == 502


async def test_an_error_before_the_answer_is_a_refusal(page):
    answer = await page.opened(("error", {"error": "quota is spent", "status": 429}))
    assert answer.status == 429
    assert json.loads(await answer.read())["error"]["message"] == "quota is spent"


async def test_an_error_within_the_answer_is_a_cut(page):
    answer = await page.opened(
        ("stream_start", {}), ("stream_chunk", {"data": "a"}), ("error", {"error": "lost"})
    )
    with pytest.raises(UpstreamProtocolError, match="lost"):
        await answer.read()


async def test_a_page_that_leaves_fails_every_request(page):
    waiting = asyncio.ensure_future(page.session.open(REQUEST, TIMEOUTS))
    begun = await page.opened(("stream_start", {}))
    page.session.end()
    with pytest.raises(UpstreamUnreachable):
        await waiting
    with pytest.raises(UpstreamProtocolError):
        await begun.read()
    with pytest.raises(UpstreamUnreachable):
        await page.session.open(REQUEST, TIMEOUTS)


@pytest.mark.parametrize(("frames", "phase"), [((), "first_byte"), ((("stream_start", {}),), "idle")])
async def test_a_silent_page_times_out(page, frames, phase):
    short = Timeouts(connect_s=1, first_byte_s=0.02, idle_s=0.02)
    with pytest.raises(UpstreamTimeout) as caught:
        await (await page.opened(*frames, timeouts=short)).read()
    assert caught.value.phase == phase


async def test_a_full_answer_holds_the_session_until_the_client_takes_some(page, monkeypatch):
    monkeypatch.setattr(relay, "MOST_WAITING_BYTES", 10)
    answer = await page.opened(("stream_start", {}))
    saying = asyncio.ensure_future(page.say("stream_chunk", {"data": "x" * 20}))
    await asyncio.sleep(0.01)
    assert not saying.done()
    assert await anext(answer.chunks()) == b"x" * 20
    await saying


async def test_an_abandoned_answer_holds_nobody(page, monkeypatch):
    monkeypatch.setattr(relay, "MOST_WAITING_BYTES", 10)
    answer = await page.opened(("stream_start", {}))
    saying = asyncio.ensure_future(page.say("stream_chunk", {"data": "x" * 20}))
    await asyncio.sleep(0)
    await answer.close()
    await saying
    await page.say("stream_end", {})


async def test_a_ping_is_answered(page):
    await page.session.received('{"id":"p1","type":"ping","payload":{"x":1}}')
    assert page.sent == [{"id": "p1", "type": "pong", "payload": {}}]


@pytest.mark.parametrize("text", ["", "[]", "nonsense", '{"id":1}', '{"payload":[]}', "[" * 5000])
async def test_what_is_no_frame_is_said(page, text):
    with pytest.raises(ValueError, match="frame"):
        await page.session.received(text)
