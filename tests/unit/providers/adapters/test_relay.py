from __future__ import annotations

import pytest

from providers.adapters.gemini_embeddings import can_embed, embeddings_request
from providers.adapters.registry import ADAPTERS, adapter_for
from providers.adapters.relay import can_relay, relay_request
from providers.values import CredentialEntry, Format


def credential(
    adapter: str, base_url: str = "", headers: tuple[tuple[str, str], ...] = ()
) -> CredentialEntry:
    return CredentialEntry(
        id=1,
        provider_id=1,
        provider_key="p",
        adapter=adapter,
        base_url=base_url,
        secret="the-secret",
        headers=headers,
    )


@pytest.mark.parametrize("adapter", [a for a in ADAPTERS if can_relay(a)], ids=lambda a: a.key)
def test_the_neighbours_of_chat_share_its_address_and_its_signature(adapter):
    entry = credential(adapter.key, "https://host.example/v1")
    request = relay_request(
        adapter, entry, "POST", "/images/edits?x=1", {"content-type": "a/b", "cookie": "c"}
    )
    headers = dict(request.headers)
    assert request.url.endswith("/v1/images/edits?x=1")
    assert "chat" not in request.url
    assert headers["content-type"] == "a/b"
    assert "the-secret" in headers["authorization"]
    assert "cookie" not in headers


def test_a_get_has_no_content_type_and_custom_headers_win():
    entry = credential("openai", headers=(("openai-beta", "$x-mine"), ("x-team", "7")))
    sent = {"openai-beta": "theirs", "x-mine": "ours", "authorization": "Bearer client"}
    request = relay_request(adapter_for("openai"), entry, "GET", "/files/file-1", sent)
    headers = dict(request.headers)
    assert request.url == "https://api.openai.com/v1/files/file-1"
    assert (headers["openai-beta"], headers["x-team"]) == ("ours", "7")
    assert headers["authorization"] == "Bearer the-secret"
    assert "content-type" not in headers


def test_only_who_serves_chat_openais_way_relays():
    for adapter in ADAPTERS:
        assert can_relay(adapter) is (adapter.speaks is Format.OPENAI and not adapter.in_process)


@pytest.mark.parametrize(
    ("model", "resource"),
    [("emb-1", "models/emb-1"), ("tunedModels/x", "tunedModels/x"), ("a/b", "models/a%2Fb")],
)
def test_gemini_embeds_in_batches(model, resource):
    adapter = adapter_for("gemini")
    assert can_embed(adapter)
    request = embeddings_request(adapter, credential("gemini"), model, b"{}", {})
    assert request.url == (f"https://generativelanguage.googleapis.com/v1beta/{resource}:batchEmbedContents")
    assert dict(request.headers)["x-goog-api-key"] == "the-secret"
