"""Addresses go out as they were written, but for what no URL may hold."""

from __future__ import annotations

import pytest

from providers.errors import UpstreamUnreachable
from providers.upstream.address import parsed


@pytest.mark.parametrize(
    ("written", "host", "sent"),
    [
        ("http://h/v1/a%2Fb/%c3%a9?x=%2F+1&y=a%20b", "h", "http://h/v1/a%2Fb/%c3%a9?x=%2F+1&y=a%20b"),
        ("https://h:8443/v1/models/m:generateContent?alt=sse", "h", None),
        ("http://h/v1/a b/é?q=ü", "h", "http://h/v1/a%20b/%C3%A9?q=%C3%BC"),
        ("http://[::1]:8080/x", "::1", None),
        ("HTTP://Host/x", "host", "http://host/x"),
        ("http://bücher.example/x", "bücher.example", "http://xn--bcher-kva.example/x"),
        ("http://user:pa%40ss@h/x", "h", None),
        ("http://h/a;b=1,2/$&@!*()", "h", None),
        ("http://h", "h", "http://h/"),
        ("http://h?x=1", "h", "http://h/?x=1"),
    ],
)
def test_what_is_sent(written, host, sent):
    address = parsed(written)
    assert (address.host, str(address.url)) == (host, sent or written)
    assert address.scheme == address.url.scheme


@pytest.mark.parametrize(
    "written",
    [
        "ftp://h/",
        "h/v1",
        "http://",
        "http:///x",
        "http://[::1",
        "http://h:ab/",
        "http://h:99999/",
        "",
        "//h/x",
    ],
)
def test_what_is_no_address(written):
    with pytest.raises(UpstreamUnreachable, match="base URL"):
        parsed(written)
