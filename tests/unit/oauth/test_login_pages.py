"""What the pages show: which links a person is sent to, and what becomes a QR code."""

from __future__ import annotations

import pytest

from oauth.flows.registry import channel_for
from oauth.login_pages import QR_LONGEST, is_web_link, method_rows, qr_code
from oauth.runner import local_address


@pytest.mark.parametrize("url", ["https://device.example/?user_code=AB-CD", "http://127.0.0.1:9/x"])
def test_web_addresses_are_links(url):
    assert is_web_link(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "javascript:alert(1)",
        "data:text/html,x",
        "//evil.example",
        'https://x/"onclick="y',
        "https://x/ y",
    ],
)
def test_nothing_else_is(url):
    assert not is_web_link(url)
    assert qr_code(url) == ""


def test_a_qr_code_is_drawn_and_holds_no_text_or_style():
    image = qr_code("https://device.example/?user_code=<AB>")
    assert image == ""
    image = qr_code("https://device.example/?user_code=AB-CD")
    assert image.startswith("<svg ")
    assert "AB-CD" not in image
    assert "style=" not in image


def test_an_address_that_no_phone_could_read_has_none():
    assert qr_code("https://device.example/?" + "a" * QR_LONGEST) == ""


def test_typed_secrets_are_not_shown_again_and_other_fields_are():
    typed = {"idc.start_url": "https://d-1.awsapps.com/start", "refresh-token.refresh_token": "secret"}
    rows = {row["key"]: row for row in method_rows(channel_for("kiro"), "idc", typed)}
    assert rows["idc"]["is_chosen"]
    assert rows["idc"]["fields"][0]["value"] == "https://d-1.awsapps.com/start"
    assert rows["refresh-token"]["fields"][0]["value"] == ""


@pytest.mark.parametrize(
    ("redirect", "local"),
    [
        ("http://localhost:54545/callback", (54545, "/callback")),
        ("http://127.0.0.1:1455/auth/callback", (1455, "/auth/callback")),
        ("http://[::1]:8085", (8085, "/")),
        ("https://localhost:54545/callback", None),
        ("http://localhost/callback", None),
        ("https://gateway.example/v0/oauth/claude/callback", None),
        ("http://localhost:99999/callback", None),
        ("custom://app/callback", None),
    ],
)
def test_a_local_port_is_listened_on_for_this_machine_alone(redirect, local):
    assert local_address(redirect) == local
