"""Files, batches and videos: bound to the credential and the client key that made them."""

from __future__ import annotations

import json
import re

import msgspec
import openai
import pytest
from aiohttp import web

from routing.core.table import ClientEntry
from tests.integration.proxy.conftest import KEY, digest
from tests.integration.proxy.upstream_double import answers, openai_error

pytestmark = pytest.mark.timeout(30)
BOB = "cpx-test-key-of-bob"


class Vendor:
    """What an upstream with objects does, per credential: nobody else's key finds anything."""

    def __init__(self) -> None:
        self.objects: dict[str, tuple[str, dict[str, object]]] = {}
        self.calls: list[tuple[str, str, str]] = []
        self.headers: list[dict[str, str]] = []

    async def __call__(self, request: web.Request, call) -> web.StreamResponse:
        key = call.headers["authorization"].removeprefix("Bearer ")
        path = call.path.removeprefix("/v1/")
        self.calls.append((call.method, path, key))
        self.headers.append(call.headers)
        collection, _, rest = path.partition("?")[0].partition("/")
        if call.method == "POST" and not rest:
            return self._make(collection, key, call.body)
        object_id, _, action = rest.partition("/")
        owner, found = self.objects.get(object_id, ("", {}))
        if owner != key:
            return web.json_response(openai_error("No such object"), status=404)
        if call.method == "DELETE":
            del self.objects[object_id]
            return web.json_response({"id": object_id, "object": "file", "deleted": True})
        if action == "content":
            return web.Response(body=b'{"line": 1}\n', content_type="application/octet-stream")
        if action == "cancel":
            found["status"] = "cancelled"
        if action == "remix":
            return self._make(collection, key, call.body)
        return web.json_response(found)

    def _make(self, collection: str, key: str, body: bytes) -> web.Response:
        prefix = {"files": "file", "batches": "batch", "videos": "video"}[collection]
        object_id = f"{prefix}-{len(self.objects) + 1}"
        shown: dict[str, object] = {"id": object_id, "object": prefix, "created_at": 1, "status": "queued"}
        if collection == "files":
            purpose = re.search(rb'name="purpose"\r\n\r\n([\w-]+)', body)
            shown |= {
                "bytes": len(body),
                "filename": "a.jsonl",
                "purpose": purpose[1].decode() if purpose else "",
            }
        if collection == "batches":
            output = f"file-out-{len(self.objects) + 1}"
            self.objects[output] = (key, {"id": output, "object": "file"})
            shown |= {"input_file_id": json.loads(body)["input_file_id"], "output_file_id": output}
            shown |= {"endpoint": "/v1/embeddings", "completion_window": "24h"}
        self.objects[object_id] = (key, shown)
        return web.json_response(shown)


@pytest.fixture
def vendor(upstream):
    double = Vendor()
    upstream.then(double)
    return double


@pytest.fixture
async def sdk(proxy):
    async with openai.AsyncOpenAI(base_url=f"{proxy.url}/v1", api_key=KEY, max_retries=0) as client:
        yield client


@pytest.fixture
async def bob(proxy):
    proxy.clients[digest(BOB)] = ClientEntry(id=2, label="bob")
    async with openai.AsyncOpenAI(base_url=f"{proxy.url}/v1", api_key=BOB, max_retries=0) as client:
        yield client


def offer_two(proxy, upstream):
    """Two credentials of one provider, taken in turn for models."""
    for number in (1, 2):
        proxy.offer("m", f"{upstream.url}/v1", id=number, provider_key="acme", provider_id=1)


async def upload(sdk, **fields):
    return await sdk.files.create(file=("a.jsonl", b'{"a": 1}\n'), purpose="batch", **fields)


async def test_a_file_makes_a_round_trip(proxy, upstream, vendor, sdk):
    offer_two(proxy, upstream)
    made = await upload(sdk)
    assert (await sdk.files.retrieve(made.id)).filename == "a.jsonl"
    assert (await sdk.files.content(made.id)).content == b'{"line": 1}\n'
    assert [entry.id async for entry in sdk.files.list()] == [made.id]
    assert (await sdk.files.delete(made.id)).deleted
    with pytest.raises(openai.NotFoundError):
        await sdk.files.retrieve(made.id)
    assert proxy.ledger.written[0].route_model == "/v1/files"
    assert {key for _, _, key in vendor.calls} == {"upstream-secret-1"}


async def test_another_client_key_sees_nothing_of_it(proxy, upstream, vendor, sdk, bob):
    offer_two(proxy, upstream)
    made = await upload(sdk)
    for forbidden in (bob.files.retrieve, bob.files.delete, bob.files.content):
        with pytest.raises(openai.NotFoundError, match="that this client key made"):
            await forbidden(made.id)
    assert [entry async for entry in bob.files.list()] == []
    with pytest.raises(openai.NotFoundError):
        await bob.batches.create(input_file_id=made.id, endpoint="/v1/embeddings", completion_window="24h")
    assert len(vendor.calls) == 1


async def test_the_provider_of_an_upload_is_named_or_the_first(proxy, upstream, vendor, sdk):
    proxy.offer("m", "http://127.0.0.1:9", adapter="claude", provider_key="claude", priority=9)
    proxy.offer("m", f"{upstream.url}/v1", provider_key="low")
    proxy.offer("m", f"{upstream.url}/v1", provider_key="high", priority=5)
    await upload(sdk)
    await upload(sdk, extra_headers={"x-cliproxy-provider": "low"})
    await upload(sdk, extra_query={"provider": "low", "x": "1"})
    assert [key[-1] for _, _, key in vendor.calls] == ["3", "2", "2"]
    assert vendor.calls[2][1] == "files?x=1"
    with pytest.raises(openai.BadRequestError, match="no provider `none`"):
        await upload(sdk, extra_headers={"x-cliproxy-provider": "none"})


async def test_a_client_key_uploads_only_where_it_may_use_a_model(proxy, upstream, vendor, sdk):
    proxy.clients[digest(KEY)] = ClientEntry(id=1, label="alice", allowed=("mine",))
    proxy.offer("other", f"{upstream.url}/v1", priority=5)
    proxy.offer("mine", f"{upstream.url}/v1", id=7, secret="secret-of-mine")
    await upload(sdk)
    assert vendor.calls[0][2] == "secret-of-mine"


async def test_an_upload_fails_over_within_the_provider(proxy, upstream, vendor, sdk):
    upstream.scripts.insert(0, answers(429, openai_error("busy")))
    offer_two(proxy, upstream)
    made = await upload(sdk)
    await sdk.files.retrieve(made.id)
    assert [key for _, _, key in vendor.calls] == ["upstream-secret-2"] * 2


async def test_a_batch_follows_its_file_and_its_output_can_be_read(proxy, upstream, vendor, sdk):
    proxy.offer("m", f"{upstream.url}/v1", provider_key="one", priority=5)
    proxy.offer("m", f"{upstream.url}/v1", provider_key="two")
    file = await upload(sdk, extra_headers={"x-cliproxy-provider": "two"})
    batch = await sdk.batches.create(
        input_file_id=file.id, endpoint="/v1/embeddings", completion_window="24h"
    )
    assert (await sdk.batches.retrieve(batch.id)).status == "queued"
    assert (await sdk.batches.cancel(batch.id)).status == "cancelled"
    assert [entry.id async for entry in sdk.batches.list()] == [batch.id]
    await sdk.files.content(batch.output_file_id)
    assert {key for _, _, key in vendor.calls} == {"upstream-secret-2"}


@pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")
async def test_a_video_is_known_for_as_long_as_the_settings_say(proxy, upstream, vendor, sdk):
    offer_two(proxy, upstream)
    proxy.offers["sora"] = proxy.offers.pop("m")
    proxy.publish()
    made = await sdk.videos.create(model="sora", prompt="a cat")
    assert (await sdk.videos.retrieve(made.id)).id == made.id
    proxy.settings = msgspec.structs.replace(proxy.settings, video_result_ttl_s=0.001)
    proxy.publish()
    with pytest.raises(openai.NotFoundError, match="no video"):
        await sdk.videos.retrieve(made.id)
    assert (await sdk.videos.list()).data == []


@pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")
async def test_a_video_stays_with_the_credential_that_made_it(proxy, upstream, vendor, sdk):
    offer_two(proxy, upstream)
    proxy.offers["sora"] = proxy.offers.pop("m")
    proxy.publish()
    made = [await sdk.videos.create(model="sora", prompt=f"a cat {n}") for n in range(4)]
    makers = [key for _, _, key in vendor.calls]
    assert sorted(makers) == ["upstream-secret-1"] * 2 + ["upstream-secret-2"] * 2
    for video, maker in zip(made, makers, strict=True):
        assert (await sdk.videos.retrieve(video.id)).id == video.id
        await sdk.videos.download_content(video.id)
        assert vendor.calls[-1][2] == maker
    remixed = await sdk.videos.remix(made[0].id, prompt="with a hat")
    await sdk.videos.delete(remixed.id)
    assert vendor.calls[-1] == ("DELETE", f"videos/{remixed.id}", makers[0])
    assert len([entry async for entry in sdk.videos.list()]) == 4


async def test_lists_have_pages_newest_first(proxy, upstream, vendor, sdk):
    offer_two(proxy, upstream)
    ids = [(await upload(sdk)).id for _ in range(5)]
    page = await sdk.files.list(limit=2)
    assert ([entry.id for entry in page.data], page.has_more) == (ids[:2:-1], True)
    assert [entry.id async for entry in sdk.files.list(limit=2)] == ids[::-1]
    assert [entry.id async for entry in sdk.files.list(order="asc", limit=3)] == ids
    assert [entry.id async for entry in sdk.files.list(purpose="batch")] == ids[::-1]
    assert [entry.id async for entry in sdk.files.list(purpose="vision")] == []
    for bad in ({"limit": 0}, {"order": "up"}, {"after": "file-none"}):
        with pytest.raises(openai.BadRequestError):
            await sdk.files.list(extra_query=bad)


async def test_what_the_upstream_has_lost_leaves_the_list(proxy, upstream, vendor, sdk):
    offer_two(proxy, upstream)
    kept, lost = await upload(sdk), await upload(sdk)
    del vendor.objects[lost.id]
    assert [entry.id async for entry in sdk.files.list()] == [kept.id]
    assert await proxy.gateway.bindings.find(1, "file", lost.id) is None


async def test_a_credential_out_of_service_is_told_as_such(proxy, upstream, vendor, sdk):
    offer_two(proxy, upstream)
    made = await upload(sdk)
    proxy.offers["m"] = proxy.offers["m"][1:]
    proxy.publish()
    with pytest.raises(openai.InternalServerError, match="not in service"):
        await sdk.files.retrieve(made.id)


async def test_ranges_and_the_clients_beta_header_go_up_but_not_its_key(proxy, upstream, vendor, sdk):
    offer_two(proxy, upstream)
    made = await upload(sdk)
    headers = {"range": "bytes=0-3", "openai-beta": "x=1", "x-stainless-foo": "1"}
    await sdk.files.content(made.id, extra_headers=headers)
    sent = vendor.headers[-1]
    assert (sent["range"], sent["openai-beta"]) == ("bytes=0-3", "x=1")
    assert "x-stainless-foo" not in sent
    assert KEY not in str(sent)
    assert "content-type" not in sent


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", "/v1/files", 405),
        ("POST", "/v1/files/file-1", 405),
        ("DELETE", "/v1/batches/batch-1", 405),
        ("GET", "/v1/files/file-1/other", 404),
        ("GET", "/v1/files/a/b/c", 404),
        ("GET", "/v1/videos/video-1", 404),
        ("POST", "/v1/files", 400),
        ("POST", "/v1/batches", 400),
    ],
)
async def test_a_wrong_call_is_refused_in_openais_shape(proxy, upstream, vendor, method, path, status):
    offer_two(proxy, upstream)
    response = await proxy.http.request(
        method, proxy.url + path, headers={"authorization": f"Bearer {KEY}"}, json={}
    )
    assert response.status_code == status
    assert response.json()["error"]["message"]
    assert vendor.calls == []


async def test_an_id_cannot_leave_its_path(proxy, upstream, vendor, sdk):
    offer_two(proxy, upstream)
    made = await upload(sdk)
    response = await proxy.http.get(
        f"{proxy.url}/v1/files/{made.id}%2F..%2F..%2Fadmin", headers={"authorization": f"Bearer {KEY}"}
    )
    assert response.status_code == 404
    assert len(vendor.calls) == 1


class Uploader:
    """An upstream with uploads: parts become a file, for the key that began it."""

    def __init__(self) -> None:
        self.keys: set[str] = set()
        self.bodies: list[bytes] = []

    async def __call__(self, request: web.Request, call) -> web.StreamResponse:
        self.keys.add(call.headers["authorization"])
        self.bodies.append(call.body)
        _, _, action = call.path.removeprefix("/v1/uploads").strip("/").partition("/")
        if call.path.startswith("/v1/files"):
            return web.json_response({"id": "file-1", "object": "file", "purpose": "user_data"})
        if action == "parts":
            part = {"id": "part_1", "object": "upload.part", "upload_id": "upload_1", "created_at": 1}
            return web.json_response(part)
        upload: dict[str, object] = {
            "id": "upload_1",
            "object": "upload",
            "status": "pending",
            "filename": "a",
            "purpose": "batch",
        }
        if action == "complete":
            upload |= {"status": "completed", "file": {"id": "file-1", "object": "file"}}
        if action == "cancel":
            upload["status"] = "cancelled"
        return web.json_response(upload)


async def test_an_upload_becomes_a_file_of_its_maker(proxy, upstream, sdk, bob):
    offer_two(proxy, upstream)
    vendor = Uploader()
    upstream.then(vendor)
    made = await sdk.uploads.create(filename="a", purpose="batch", bytes=3, mime_type="text/plain")
    part = await sdk.uploads.parts.create(made.id, data=b"abc")
    done = await sdk.uploads.complete(made.id, part_ids=[part.id])
    assert done.status == "completed"
    assert (await sdk.files.retrieve("file-1")).id == "file-1"
    assert (await sdk.uploads.cancel(made.id)).status == "cancelled"
    assert b"abc" in vendor.bodies[1]
    assert len(vendor.keys) == 1
    with pytest.raises(openai.NotFoundError):
        await bob.uploads.parts.create(made.id, data=b"abc")
    with pytest.raises(openai.NotFoundError):
        await bob.files.retrieve("file-1")


@pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")
async def test_a_video_is_edited_where_it_was_made(proxy, upstream, vendor, sdk):
    offer_two(proxy, upstream)
    made = await sdk.videos.create(prompt="A fox", model="m")
    upstream.scripts.clear()
    upstream.then(answers(body={"id": "video-9", "object": "video", "status": "queued"}))

    async def post(action, **fields):
        headers = {"authorization": f"Bearer {KEY}"}
        return await proxy.http.post(f"{proxy.url}/v1/videos/{action}", json=fields, headers=headers)

    edited = (await post("edits", prompt="A red fox", video={"id": made.id})).json()
    assert upstream.calls[1].path == "/v1/videos/edits"
    assert upstream.calls[1].headers["authorization"] == upstream.calls[0].headers["authorization"]
    await sdk.videos.retrieve(edited["id"])
    assert (await post("edits", prompt="A red fox", video={"id": "video-of-nobody"})).status_code == 404
    assert (await post("generations", model="m", prompt="A fox")).json()["id"] == "video-9"
    assert (await post("extensions", model="m", video={"url": "https://x.example/a.mp4"})).status_code == 200
