"""Is a base URL one that the gateway may be pointed at? Only what the text itself shows is judged.

What a name resolves to is judged again when a connection is opened (``providers/upstream``).
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

_METADATA_NAMES = frozenset({"metadata", "metadata.google.internal", "metadata.goog", "instance-data"})
_METADATA_ADDRESSES = frozenset(
    ipaddress.ip_address(text)
    for text in (
        "169.254.169.254",
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
        "fd00:ec2::254",
        "fd20:ce::254",
    )
)
"""AWS, GCP and Azure; Alibaba; Oracle; Azure's wire server; AWS and GCP on IPv6."""
_LEGACY_IPV4 = re.compile(r"^(0x[0-9a-f]+|\d+)(\.(0x[0-9a-f]+|\d+)){0,3}$", re.IGNORECASE)
"""Also the shapes that only inet_aton reads: 2852039166, 0xa9fea9fe, 0251.0376.0251.0376."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def check_base_url(url: str) -> None:
    """Raises ValueError, with a sentence for the admin, when ``url`` is no acceptable base URL.

    http and https only, no user name or password, no query; link-local and metadata addresses are refused.
    Loopback and private addresses are allowed: local models live there.
    """
    try:
        parts = urlsplit(url.strip())
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("This is not a valid URL.") from None
    if parts.scheme not in ("http", "https"):
        raise ValueError("The base URL must begin with http:// or https://.")
    if not host:
        raise ValueError("The base URL names no host.")
    if "@" in parts.netloc:
        raise ValueError("The base URL must hold no user name or password; put the key into the credential.")
    if parts.query or parts.fragment:
        raise ValueError("The base URL must end with its path: no ? and no #.")
    if any(character.isspace() or not character.isprintable() for character in url.strip()):
        raise ValueError("The base URL holds a blank or a control character.")
    check_host(host.rstrip("."))


def is_forbidden_address(address: Address) -> bool:
    """Link-local (169.254/16, fe80::/10), metadata, multicast or unspecified; also when wrapped in IPv6."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is not None:
            return is_forbidden_address(inner)
    return (
        address in _METADATA_ADDRESSES
        or address.is_link_local
        or address.is_multicast
        or address.is_unspecified
    )


def check_host(host: str) -> None:
    """Raises ValueError when the text of ``host`` names what no provider has."""
    if host.lower() in _METADATA_NAMES:
        raise ValueError("The base URL names a cloud metadata service, which is refused.")
    address = _literal(host)
    if address is not None and is_forbidden_address(address):
        raise ValueError("The base URL names a link-local or metadata address, which is refused.")


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        if _LEGACY_IPV4.match(host):
            raise ValueError("Write the IP address as four plain decimal numbers.") from None
        return None
