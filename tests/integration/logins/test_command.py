"""``manage.py login`` as a process, beside a running gateway and on the same database."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from tests.integration.logins.test_code_pages import choice
from tests.integration.logins.vendor import Vendor
from tests.processes import REPOSITORY, Gateway

pytestmark = pytest.mark.timeout(90)


@contextmanager
def login(logins: Gateway, *arguments: str, typed: str = "") -> Iterator[subprocess.Popen[str]]:
    """The command under way; ended afterwards in any case."""
    process = subprocess.Popen(
        [sys.executable, "manage.py", "login", "--no-browser", "--accept-terms", *arguments],
        cwd=REPOSITORY,
        env=logins.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(typed)
    process.stdin.close()
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(timeout=20)
        assert process.stdout is not None
        process.stdout.close()


def line_of(process: subprocess.Popen[str], start: str) -> str:
    """The rest of the first line that begins with ``start``."""
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if line.startswith(start):
            return line.removeprefix(start).strip()
    raise AssertionError("".join(seen))


def rest_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    text = process.stdout.read()
    process.wait(timeout=20)
    return text


def test_a_device_login_in_the_terminal(logins: Gateway, vendor: Vendor):
    with login(logins, "kiro") as process:
        code = line_of(process, "Code")
        vendor.allow(code)
        text = rest_of(process)
    assert process.returncode == 0, text
    assert re.search(r"Kiro \(AWS\) is connected as \S+@example\.com \(credential \d+\)", text)
    assert "canary" not in text


def test_a_refusal_is_exit_code_3(logins: Gateway, vendor: Vendor):
    with login(logins, "copilot") as process:
        vendor.deny(line_of(process, "Code"))
        text = rest_of(process)
    assert process.returncode == 3, text
    assert "denied" in text


def test_the_vendors_page_comes_back_to_the_given_port(logins: Gateway, vendor: Vendor):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    with login(logins, "claude", "--oauth-callback-port", port) as process:
        back = choice(line_of(process, "Open"))
        assert f"localhost:{port}/callback" in back
        assert line_of(process, "From another machine").endswith("<this machine>")
        line_of(process, "Waiting")
        assert httpx.get(back).status_code == 200
        text = rest_of(process)
    assert process.returncode == 0, text


def test_a_taken_port_with_nobody_to_paste_is_exit_code_13(logins: Gateway):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        with login(logins, "claude", "--oauth-callback-port", port) as process:
            text = rest_of(process)
    assert process.returncode == 13, text
    assert "taken by another program" in text


def test_a_credential_file_from_standard_input(logins: Gateway):
    file = '{"refreshToken": "aorAAAAAG-good-3", "accessToken": "canary-a", "authMethod": "social"}'
    with login(logins, "kiro", "--method", "import", "--file", "-", typed=file) as process:
        text = rest_of(process)
    assert process.returncode == 0, text
    assert "canary" not in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Name a channel"),
        (["nobody"], "There is no channel 'nobody'"),
        (["kiro", "--method", "nobody"], "Methods: builder-id"),
        (["kiro", "--set", "x=1"], "fields of 'builder-id' are: none"),
        (["kiro", "--method", "import", "--file", "/nowhere/file"], "cannot be read"),
        (["kiro"], "add --accept-terms"),
        (["claude", "--accept-terms", "--oauth-callback-port", "70000"], "1 to 65535"),
        (["gemini-cli", "--accept-terms"], "CLIPROXY_OAUTH_GEMINI_CLI_CLIENT_SECRET"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_begins_nothing(arguments: list[str], words: str):
    with pytest.raises(CommandError, match=re.escape(words)) as refused:
        call_command("login", *arguments)
    assert refused.value.returncode == 2


def test_the_list_names_channels_methods_and_missing_settings(capsys):
    call_command("login", "--list")
    told = capsys.readouterr().out
    assert re.search(r"^kiro .*builder-id, idc", told, re.MULTILINE)
    assert "not set: CLIPROXY_OAUTH_GEMINI_CLI_CLIENT_SECRET" in told
