"""HTTPS: the same exchanges, with a certificate."""

import asyncio
import http.client
import json
import ssl
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
import websockets
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cliproxy_site.servers.tls import BadCertificate, check


@pytest.fixture(scope="session")
def pair(tmp_path_factory):
    """A certificate for localhost and its key, as files."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return str(cert_file), str(key_file)


@pytest.fixture
def trust(pair):
    context = ssl.create_default_context(cafile=pair[0])
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def test_an_exchange_is_encrypted_and_says_so(serve, server, pair, trust):
    running = serve(server, tls=list(pair))
    client = http.client.HTTPSConnection("localhost", running.port, timeout=10, context=trust)
    with closing(client):
        for _ in range(2):  # also over a connection that is kept
            client.request("GET", "/scheme")
            assert json.loads(client.getresponse().read()) == "https"
    running.signal()
    assert running.finish()[0] == 0


async def test_a_websocket_is_encrypted(serve, server, pair, trust):
    running = serve(server, tls=list(pair))
    async with asyncio.timeout(10):
        async with websockets.connect(f"wss://localhost:{running.port}/echo", ssl=trust) as socket:
            await socket.send("hello")
            assert await socket.recv() == "HELLO"


def test_files_are_checked_before_anything_listens(pair, tmp_path):
    assert check(*pair) == pair
    with pytest.raises(BadCertificate, match="cannot be read: No such file"):
        check(pair[0], str(tmp_path / "none.pem"))
    with pytest.raises(BadCertificate, match="are not a certificate and its key"):
        check(pair[1], pair[0])
