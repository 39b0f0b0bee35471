"""An upstream's address, read once: its scheme and host, and the URL as it goes out."""

from __future__ import annotations

import functools
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from yarl import URL

from providers.errors import UpstreamUnreachable

_KEPT = "%:@!$&'()*+,;=~|^[]/"
"""Of a path; in a query ``?`` too. What is encoded already stays as it is: a signature may cover it."""


class Address(NamedTuple):
    scheme: str
    host: str
    url: URL


@functools.lru_cache(maxsize=1024)
def parsed(url: str) -> Address:
    """Raises UpstreamUnreachable for what is no address of a web server."""
    try:
        parts = urlsplit(url)
        origin = URL(f"{parts.scheme}://{parts.netloc}")
        host = origin.host or ""
    except ValueError as error:
        raise UpstreamUnreachable("the provider's base URL is not a URL") from error
    if parts.scheme not in ("http", "https") or not host:
        raise UpstreamUnreachable(
            "the provider's base URL must begin with http:// or https:// and name a host"
        )
    path, query = quote(parts.path, safe=_KEPT), quote(parts.query, safe=_KEPT + "?")
    whole = f"{str(origin).removesuffix('/')}{path or '/'}{'?' if query else ''}{query}"
    return Address(parts.scheme, host, URL(whole, encoded=True))
