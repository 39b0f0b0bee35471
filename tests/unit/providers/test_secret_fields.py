"""Fields that take secrets in and never give them out."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from providers.secret_fields import (
    MASK,
    BaseUrlField,
    BaseUrlInput,
    HeadersField,
    HeadersInput,
    ProxyField,
    ProxyInput,
    SecretField,
    SecretInput,
    mask_headers,
    mask_proxy,
)


def test_a_secret_input_never_renders_its_value():
    html = SecretInput().render("secret", "canary-0001")
    assert "canary" not in html
    assert "Paste it again" in html


def test_a_secret_is_stripped_and_refuses_control_characters():
    assert SecretField().clean("  sk-1234 \n") == "sk-1234"
    with pytest.raises(ValidationError):
        SecretField().clean("sk-12\x0034")


def test_headers_show_names_and_keep_masked_values():
    field = HeadersField()
    assert field.show({"X-Team": "canary"}) == f"X-Team: {MASK}"
    assert field.clean(f"x-team: {MASK}\r\nX-New: a:b") == {"x-team": "canary", "X-New": "a:b"}


@pytest.mark.parametrize(
    "text",
    ["canary", "X Team: canary", f"X-New: {MASK}", "X-New:", "X-A: canary\nx-a: canary", "X-A: can\x01ary"],
)
def test_bad_headers_are_refused_without_repeating_them(text):
    field = HeadersField()
    field.show({"X-Team": "stored"})
    with pytest.raises(ValidationError) as refusal:
        field.clean(text)
    assert "canary" not in str(refusal.value)


def test_headers_that_come_back_with_an_error_lose_their_values():
    widget = HeadersInput()
    assert widget.format_value(f"X-Team: {MASK}\nX-New: canary\ncanary") == f"X-Team: {MASK}\nX-New:"


def test_a_proxy_is_shown_without_its_user_and_kept():
    field = ProxyField()
    stored = "http://joe:canary@10.0.0.1:3128"
    assert field.show(stored) == mask_proxy(stored) == f"http://{MASK}@10.0.0.1:3128"
    assert field.clean(f"http://{MASK}@10.0.0.1:3128") == stored
    assert ProxyInput().format_value(stored) == "http://@10.0.0.1:3128"


@pytest.mark.parametrize("text", ["", "direct", "none", "socks5h://h:1080", "http://u:p@h"])
def test_proxies_of_every_kind_are_taken(text):
    assert ProxyField().clean(text) == text


@pytest.mark.parametrize(
    "text", ["ftp://h", "canary", "http://", "http://h:99999", f"http://{MASK}@h", "http://@h"]
)
def test_other_proxies_are_refused_without_repeating_them(text):
    with pytest.raises(ValidationError) as refusal:
        ProxyField().clean(text)
    assert "canary" not in str(refusal.value)


def test_a_base_url_loses_its_slash_and_must_be_one():
    assert BaseUrlField().clean(" https://api.acme.example/v1/ ") == "https://api.acme.example/v1"
    for bad in ("acme", "file:///etc/passwd", "http://169.254.169.254/", "https://u:canary@acme.example"):
        with pytest.raises(ValidationError) as refusal:
            BaseUrlField().clean(bad)
        assert "canary" not in str(refusal.value)
    assert "canary" not in BaseUrlInput().format_value("https://u:canary@acme.example/v1?key=canary")


def test_no_headers_mask_to_nothing():
    assert mask_headers({}) == ""
    assert mask_proxy("direct") == "direct"
