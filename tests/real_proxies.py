"""Proxies that nobody here wrote, on loopback: tinyproxy and microsocks, and TLS before either."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.processes import free_port
from tests.requirements import requires

LOGIN = ("gate", "keeper-7")


@dataclass
class RealProxy:
    """A running proxy. ``log`` tells of every connection that it made for a client."""

    port: int
    log_path: Path
    process: subprocess.Popen[bytes]

    @property
    def log(self) -> str:
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def address_with_login(self) -> str:
        return f"{LOGIN[0]}:{LOGIN[1]}@{self.address}"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def _running(command: list[str], port: int, log_path: Path) -> Iterator[RealProxy]:
    with log_path.open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.02)
        yield RealProxy(port, log_path, process)
    finally:
        process.kill()
        process.wait()


@contextmanager
def tinyproxy(folder: Path, name: str = "tinyproxy", *, has_login: bool = False) -> Iterator[RealProxy]:
    requires("tinyproxy")
    port = free_port()
    settings = folder / f"{name}.conf"
    login = f"BasicAuth {LOGIN[0]} {LOGIN[1]}\n" if has_login else ""
    settings.write_text(
        f"Port {port}\nListen 127.0.0.1\nTimeout 30\nLogLevel Connect\nMaxClients 50\n{login}"
    )
    with _running(["tinyproxy", "-d", "-c", str(settings)], port, folder / f"{name}.log") as running:
        yield running


@contextmanager
def microsocks(folder: Path, name: str = "microsocks", *, has_login: bool = False) -> Iterator[RealProxy]:
    requires("microsocks")
    port = free_port()
    login = ["-u", LOGIN[0], "-P", LOGIN[1]] if has_login else []
    with _running(
        ["microsocks", "-i", "127.0.0.1", "-p", str(port), *login], port, folder / f"{name}.log"
    ) as running:
        yield running


def server_tls(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """(context for a server at 127.0.0.1 and localhost, the certificate to trust)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate_path, key_path = folder / "server.pem", folder / "server.key"
    certificate_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate_path, key_path)
    return context, certificate_path


@asynccontextmanager
async def behind_tls(port: int, context: ssl.SSLContext) -> AsyncIterator[int]:
    """TLS on a free port before whatever listens on ``port``; yields the free port."""
    tasks: set[asyncio.Task[None]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ssl.SSLError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer))
        except asyncio.CancelledError:
            pass
        finally:
            inner_writer.close()
            writer.close()
            tasks.discard(task)

    server = await asyncio.start_server(accepted, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
