"""Just enough of a WebSocket client (RFC 6455) to see what the server does."""

import os
import struct

from tests.integration.servers.conftest import read_until

UPGRADE = (
    b"GET /socket?a=1 HTTP/1.1\r\nhost: gateway\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
TEXT, CLOSE = 0x1, 0x8


def upgrade(connection):
    connection.sendall(UPGRADE)
    return read_until(connection, b"\r\n\r\n")


def send_frame(connection, opcode, payload):
    mask = os.urandom(4)
    masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
    connection.sendall(bytes([0x80 | opcode, 0x80 | len(payload)]) + mask + masked)


def read_frame(connection):
    """Opcode and payload of the next frame (short ones only)."""
    first, length = read_exactly(connection, 2)
    assert length < 126
    return first & 0x0F, read_exactly(connection, length)


def read_exactly(connection, count):
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        assert more, "closed"
        data += more
    return data


def close_code(payload):
    return struct.unpack("!H", payload[:2])[0]
