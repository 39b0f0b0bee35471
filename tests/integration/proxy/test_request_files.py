"""``request-log`` and the files of failed requests: what is in them, what never is, how many there are."""

from __future__ import annotations

import dataclasses
import os
import stat

import httpx
import msgspec
import pytest

from routing.core.table import RouteSettings
from routing.proxy import request_files
from routing.proxy.app import ProxyApplication
from routing.proxy.request_files import RequestFiles, prune
from tests.integration.proxy.conftest import KEY
from tests.integration.proxy.upstream_double import answers, chunk, streams

LOGGED = RouteSettings(request_retry=0, request_log=True)


class Files:
    """The proxy with a folder for its files."""

    def __init__(self, proxy, folder, settings):
        self._files = RequestFiles(folder)
        self._folder = folder
        proxy.settings = settings
        gateway = dataclasses.replace(proxy.gateway, request_files=self._files)
        self._transport = httpx.ASGITransport(ProxyApplication(gateway))

    async def post(self, path="/v1/chat/completions?key=query-secret", key=KEY, **fields):
        body = {"model": "m", "messages": [{"role": "user", "content": "a private sentence"}], **fields}
        headers = {"authorization": f"Bearer {key}", "cookie": "s=cookie-secret", "x-request-id": "req-1"}
        async with httpx.AsyncClient(transport=self._transport, base_url="http://gateway") as client:
            return await client.post(path, json=body, headers=headers)

    def written(self):
        self._files.close()
        return {path.name: path.read_text() for path in sorted(self._folder.glob("*"))}


async def test_a_request_and_its_answer_lie_in_a_file_without_secrets(proxy, upstream, tmp_path):
    proxy.offer("m", upstream.url)
    files = Files(proxy, tmp_path / "logs", LOGGED)
    proxy.publish()
    upstream.then(answers(200, {"choices": [{"message": {"role": "assistant", "content": "an answer"}}]}))
    assert (await files.post()).status_code == 200
    ((name, text),) = files.written().items()
    assert name.startswith("v1-chat-completions-20")
    assert name.endswith("-req-1.log")
    for part in (
        "a private sentence",
        "an answer",
        "client key: alice",
        "1. provider=fake-1",
        "200 ok after",
    ):
        assert part in text
    for secret in (KEY, "cookie-secret", "query-secret", "upstream-secret"):
        assert secret not in text
    path = tmp_path / "logs" / name
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_a_stream_is_written_as_it_was_sent(proxy, upstream, tmp_path):
    proxy.offer("m", upstream.url)
    files = Files(proxy, tmp_path, LOGGED)
    proxy.publish()
    upstream.then(streams(chunk("Hel"), chunk("lo"), chunk(finish="stop"), b"data: [DONE]\n\n"))
    sent = (await files.post(stream=True)).text
    ((_, text),) = files.written().items()
    assert sent in text
    assert "content-type: text/event-stream" in text


async def test_a_long_body_is_cut_and_counted(proxy, upstream, tmp_path, monkeypatch):
    monkeypatch.setattr(request_files, "BODY_LIMIT", 100)
    proxy.offer("m", upstream.url)
    files = Files(proxy, tmp_path, LOGGED)
    proxy.publish()
    upstream.then(answers(200, {"choices": [{"message": {"role": "assistant", "content": "x" * 500}}]}))
    await files.post()
    ((_, text),) = files.written().items()
    assert "more bytes)" in text
    assert "x" * 101 not in text


async def test_a_failed_request_leaves_a_file_without_its_body(proxy, upstream, tmp_path):
    proxy.offer("m", upstream.url)
    files = Files(proxy, tmp_path, RouteSettings(request_retry=0))
    proxy.publish()
    upstream.then(answers(200, {"choices": [{"message": {"role": "assistant", "content": "fine"}}]}))
    upstream.then(answers(500, {"error": {"message": "broken up there"}}))
    await files.post()
    assert (await files.post()).status_code >= 500
    ((name, text),) = files.written().items()
    assert name.startswith("error-v1-chat-completions-")
    assert "broken up there" in text
    assert "a private sentence" not in text
    assert KEY not in text


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        (RouteSettings(request_log=True), "nobody's key"),
        (RouteSettings(request_log=True, commercial_mode=True), KEY),
        (RouteSettings(commercial_mode=True), KEY),
    ],
)
async def test_nothing_is_written_for_strangers_or_in_commercial_mode(proxy, tmp_path, settings, key):
    files = Files(proxy, tmp_path, settings)
    proxy.publish()
    assert (await files.post(key=key)).status_code in (401, 404)
    assert files.written() == {}


def test_the_oldest_files_go(tmp_path):
    for number in range(6):
        for kind in ("error-v1", "v1"):
            path = tmp_path / f"{kind}-{number}.log"
            path.write_bytes(b"x" * 300_000)
            os.utime(path, (number, number))
    (tmp_path / "main.log").write_bytes(b"x" * 3_000_000)
    settings = RouteSettings(error_logs_max_files=2, logs_max_total_size_mb=100)
    prune(tmp_path, settings)
    left = {path.name for path in tmp_path.iterdir()}
    assert {name for name in left if name.startswith("error")} == {"error-v1-4.log", "error-v1-5.log"}
    assert len(left) == 2 + 6 + 1
    prune(tmp_path, msgspec.structs.replace(settings, logs_max_total_size_mb=1))
    assert len(list(tmp_path.iterdir())) == 3 + 1  # 3 × 300 kB and main.log, which is bounded elsewhere
    prune(tmp_path, msgspec.structs.replace(settings, error_logs_max_files=0))
    assert len(list(tmp_path.iterdir())) == 4
