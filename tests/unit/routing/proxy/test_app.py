"""Which paths are the proxy's, under all the base URLs that people type."""

from __future__ import annotations

import pytest

from routing.proxy.app import owns
from routing.proxy.endpoints import normal_path


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("/v1/chat/completions", "/v1/chat/completions"),
        ("/v1/chat/completions/", "/v1/chat/completions"),
        ("/v1/v1/chat/completions", "/v1/chat/completions"),
        ("/v1/v1/v1/models", "/v1/models"),
        ("/v1//chat//completions", "/v1/chat/completions"),
        ("//v1/chat/completions", "/v1/chat/completions"),
        ("/v1beta/v1/chat/completions", "/v1/chat/completions"),
        ("/v1beta/openai/chat/completions", "/v1/chat/completions"),
        ("/v1alpha/models/g:generateContent", "/v1beta/models/g:generateContent"),
        ("/chat/completions", "/v1/chat/completions"),
        ("/models", "/v1/models"),
        ("/v1/models/v1/x", "/v1/models/v1/x"),
        ("/v1/models/a/b", "/v1/models/a/b"),
        ("/v1/v1/messages", "/v1/messages"),
        ("/messages/count_tokens", "/v1/messages/count_tokens"),
        ("/v1/v1beta/models/g:generateContent", "/v1beta/models/g:generateContent"),
        ("/v1beta/v1beta/models", "/v1beta/models"),
        ("/", "/"),
        ("/embeddings", "/v1/embeddings"),
        ("/images/generations/", "/v1/images/generations"),
        ("/audio/speech", "/v1/audio/speech"),
        ("/backend-api/codex/responses", "/v1/responses"),
        ("/backend-api/codex/responses/compact", "/v1/responses/compact"),
        ("/openai/v1/videos/video_1/content", "/v1/videos/video_1/content"),
    ],
)
def test_a_doubled_or_missing_v1_and_needless_slashes_are_forgiven(typed, meant):
    assert normal_path(typed) == meant


@pytest.mark.parametrize(
    "path",
    [
        "/v1",
        "/v1/x",
        "/v1beta/models",
        "/chat/completions",
        "/models",
        "/health",
        "/embeddings",
        "/audio/speech",
        "/backend-api/codex/responses",
        "/openai/v1/videos",
        "//v1/messages",
        "/v1alpha/models",
    ],
)
def test_the_proxy_owns_its_paths(path):
    assert owns(path)


@pytest.mark.parametrize("path", ["/", "/admin/", "/static/v1/x.css", "/v1x", "/healthy", "/v0/management"])
def test_django_owns_the_others(path):
    assert not owns(path)


def test_a_probe_of_the_root_is_the_proxys_and_a_visit_is_djangos():
    assert owns("/", "HEAD")
    assert not owns("/", "GET")
