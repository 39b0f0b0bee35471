"""The management API of a gateway that really serves: cross-origin answers, the process's own routing, and a
switch that holds from the next request on."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from tests.processes import CLIENT_KEY

CONFIG = """remote-management:
  secret-key: a-management-key
openai-compatibility:
  - name: acme # the only one
    base-url: http://127.0.0.1:9/v1
    api-key-entries: [{api-key: acme-secret-0001}]
    models: [{name: up, alias: fast}]
"""


def ask(url: str, method: str = "GET", body: Any = None, key: str = "") -> tuple[int, dict[str, str], bytes]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, method=method, data=data)
    if key:
        request.add_header("Authorization", f"Bearer {key}")
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, {k.lower(): v for k, v in error.headers.items()}, error.read()


@pytest.mark.parametrize("server", ["daphne", "uvicorn"])
def test_the_management_api_of_a_serving_process(start_gateway, server):
    gateway = start_gateway(config=CONFIG, server=server)
    url, management = gateway.url, f"{gateway.url}/v0/management"
    for path in ("/v1/chat/completions", "/v0/management/config", "/v1/nothing"):
        status, headers, body = ask(f"{url}{path}", "OPTIONS")
        assert (status, body, headers["access-control-allow-origin"]) == (204, b"", "*")
    status, headers, _ = ask(f"{url}/v1/models", key=CLIENT_KEY)
    assert (status, headers["access-control-allow-origin"]) == (200, "*")
    assert "access-control-allow-origin" not in ask(f"{url}/admin/login/")[1]

    status, headers, body = ask(f"{management}/route/explain", "POST", {"model": "fast"}, "wrong")
    assert (status, json.loads(body)) == (401, {"error": "invalid management key"})
    assert headers["x-cpa-version"]
    status, _, body = ask(f"{management}/route/explain", "POST", {"model": "fast"}, "a-management-key")
    told = json.loads(body)
    assert status == 200
    assert told["state"].startswith("the serving process")
    assert told["candidates"][0]["upstream_model"] == "up"

    for enabled in (False, True):
        status, _, body = ask(
            f"{url}/v1/providers/acme/enabled", "PUT", {"enabled": enabled}, "a-management-key"
        )
        assert (status, json.loads(body)) == (200, {"name": "acme", "enabled": enabled})
        status, _, body = ask(f"{url}/v1/models", key=CLIENT_KEY)
        assert ("fast" in [model["id"] for model in json.loads(body)["data"]]) is enabled
    assert gateway.config is not None
    assert "# the only one" in gateway.config.read_text()
    assert ask(f"{url}/metrics")[0] == 200
