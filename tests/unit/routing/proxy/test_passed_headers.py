import pytest

from routing.proxy.passed_headers import passed_headers


@pytest.mark.parametrize(
    "name", ["retry-after", "x-ratelimit-remaining-requests", "openai-version", "server", "x-bt"]
)
def test_what_the_upstream_says_of_the_answer_goes_on(name):
    assert passed_headers({name: "v"}, []) == [(name.encode(), b"v")]


@pytest.mark.parametrize(
    "name",
    [
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "set-cookie",
        "content-length",
        "content-encoding",
        "access-control-allow-origin",
        "x-litellm-model",
        "helicone-id",
        "x-portkey-trace",
        "cf-aig-cache",
        "x-kong-proxy-latency",
        "x-bt-span",
        "traceparent",
        "x-cliproxy-provider",
    ],
)
def test_what_belongs_to_the_way_stays(name):
    assert passed_headers({name: "v"}, []) == []


def test_headers_that_the_connection_names_stay_and_ours_win():
    upstream = {"connection": "close, X-Hop", "x-hop": "1", "x-request-id": "theirs", "x-other": "2"}
    assert passed_headers(upstream, [(b"x-request-id", b"ours")]) == [(b"x-other", b"2")]
