"""The first start makes what is missing and says it once; the next starts say nothing."""

from __future__ import annotations

import re
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor

import httpx

from tests.integration.serve.conftest import ask, first_key, rows
from tests.processes import start_gateway
from tests.requirements import requires

SERVING = "Serving on http://127.0.0.1:"


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_the_secrets_are_printed_once_and_the_printed_line_streams(start_gateway):
    requires("curl")
    first = start_gateway(config=None)
    assert "user admin, password " in first.log
    assert "WARNING" not in first.log
    key = first_key(first.log)
    lines = first.log[first.log.index("curl -N") :].partition(SERVING)[0]
    done = subprocess.run(["bash", "-c", lines], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    frames = [line for line in done.stdout.splitlines() if line]
    assert len(frames) > 20
    assert frames[-1] == "data: [DONE]"
    assert first.stop() == 0

    assert mode(first.data_dir) == 0o700
    private = [path for path in first.data_dir.rglob("*") if path.is_file()]
    assert {mode(path) for path in private} == {0o600}
    assert {"secret_key", "client_key_pepper", "encryption_keys", "gateway.sqlite3"} <= {
        path.name for path in private
    } | {"gateway.sqlite3" if first.environment.get("DATABASE_URL") else ""}

    second = start_gateway(config=None)
    assert "password" not in second.log
    assert "cpx-" not in second.log
    assert SERVING in second.log
    assert ask(second.port, key).status_code == 200


def test_keys_in_the_environment_become_providers(start_gateway):
    keys = {
        "OPENAI_API_KEY": "sk-env-openai-canary",
        "ANTHROPIC_API_KEY": "sk-ant-env-canary",
        "GEMINI_API_KEY": "AIzaEnvCanary0000",
    }
    # A proxy that refuses: discovery must not call the vendors with keys that are none.
    gateway = start_gateway(config=None, environment={**keys, "ALL_PROXY": "http://127.0.0.1:9"})
    made = gateway.log.partition("set up: ")[2].splitlines()[0]
    for name in keys:
        assert f"({name})" in made
    assert not [key for key in keys.values() if key in gateway.log]
    stored = rows(gateway, "SELECT adapter, enabled FROM providers_provider ORDER BY adapter")
    assert [(kind, bool(enabled)) for kind, enabled in stored] == [
        ("claude", True),
        ("gemini", True),
        ("openai", True),
    ]
    secrets = rows(gateway, "SELECT secret_token FROM providers_credential")
    assert not [key for key in keys.values() for (token,) in secrets if key in token]


def test_two_first_starts_at_once_set_up_once(tmp_path):
    shared = {"CLIPROXY_DATA_DIR": str(tmp_path / "shared")}
    with ThreadPoolExecutor(2) as both:
        begun = [
            both.submit(start_gateway, tmp_path / name, config=None, environment=shared)
            for name in ("one", "two")
        ]
        gateways = [future.result() for future in begun]
    try:
        (teller,) = [gateway for gateway in gateways if "password" in gateway.log]
        key = first_key(teller.log)
        assert [ask(gateway.port, key).status_code for gateway in gateways] == [200, 200]
    finally:
        assert [gateway.stop() for gateway in gateways] == [0, 0]


def test_the_admins_pages_and_files_come_without_a_warning(start_gateway):
    gateway = start_gateway(config=None)
    with httpx.Client(base_url=f"http://127.0.0.1:{gateway.port}", follow_redirects=True) as browser:
        page = browser.get("/admin/")
        assert page.status_code == 200
        files = re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text)
        assert len(files) > 3
        assert {browser.get(file).status_code for file in files} == {200}
        assert browser.get("/favicon.ico").headers["content-type"] == "image/svg+xml"
    assert gateway.stop() == 0
    assert "WARNING" not in gateway.log
