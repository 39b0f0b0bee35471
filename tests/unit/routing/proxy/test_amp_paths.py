"""Which paths are Amp's, and what its provider paths stand for."""

import pytest

from routing.proxy.amp_paths import is_amps, provider_path


@pytest.mark.parametrize(
    ("path", "method", "is_theirs"),
    [
        ("/api/user", "GET", True),
        ("/api/internal/x", "POST", True),
        ("/api/threadsafe", "GET", False),
        ("/api/hello", "GET", False),
        ("/api/event_logging/batch", "POST", False),
        ("/threads", "GET", True),
        ("/threads", "POST", False),
        ("/auth/cli", "POST", True),
        ("/authors", "GET", False),
        ("/docs/x", "GET", True),
        ("/news.rss", "GET", True),
        ("/v1/chat/completions", "POST", False),
        ("/admin/", "GET", False),
        ("/api/provider/openai/v1/responses", "POST", True),
    ],
)
def test_amps_paths_are_known(path, method, is_theirs):
    assert is_amps(path, method) is is_theirs


@pytest.mark.parametrize(
    ("path", "inner"),
    [
        ("/api/provider/OpenAI/chat/completions", ("openai", "/v1/chat/completions")),
        ("/api/provider/openai/v1/responses", ("openai", "/v1/responses")),
        ("/api/provider/google/v1beta/models/m:countTokens", ("google", "/v1beta/models/m:countTokens")),
        (
            "/api/provider/google/v1beta1/publishers/google/models/a/b:generateContent",
            ("google", "/v1beta/models/a/b:generateContent"),
        ),
        ("/api/provider/kiro", ("kiro", "/")),
        ("/api/user", None),
    ],
)
def test_a_provider_path_stands_for_one_of_ours(path, inner):
    assert provider_path(path) == inner
