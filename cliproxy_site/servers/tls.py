"""Certificates: checked before anything listens, and as Twisted wants them."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any


class BadCertificate(Exception):
    """The files cannot be used; the text says why, for a person."""


def check(cert: str, key: str) -> tuple[str, str]:
    """The two files with ``~`` expanded. Raises BadCertificate when they are not a usable pair."""
    paths = tuple(str(Path(name).expanduser()) for name in (cert, key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for path in paths:
        try:
            Path(path).read_bytes()
        except OSError as error:
            raise BadCertificate(f"The TLS file {path} cannot be read: {error.strerror}.") from error
    try:
        context.load_cert_chain(paths[0], paths[1], password=_refuse_password)
    except (ssl.SSLError, ValueError) as error:
        raise BadCertificate(
            f"{paths[0]} and {paths[1]} are not a certificate and its key in PEM, without a password."
        ) from error
    return paths[0], paths[1]


def _refuse_password() -> str:
    raise ValueError("the key wants a password")


def twisted_options(cert: str, key: str) -> Any:
    """What wraps a Twisted factory in TLS: at least 1.2, with the whole chain."""
    from OpenSSL import crypto
    from twisted.internet.ssl import CertificateOptions, TLSVersion

    first, *chain = _certificates(Path(cert).read_bytes())
    load = crypto.load_certificate
    return CertificateOptions(
        privateKey=crypto.load_privatekey(crypto.FILETYPE_PEM, Path(key).read_bytes()),
        certificate=load(crypto.FILETYPE_PEM, first),
        extraCertChain=[load(crypto.FILETYPE_PEM, pem) for pem in chain],
        raiseMinimumTo=TLSVersion.TLSv1_2,
    )


_END = b"-----END CERTIFICATE-----"


def _certificates(pem: bytes) -> list[bytes]:
    return [part + _END + b"\n" for part in pem.split(_END)[:-1]]
