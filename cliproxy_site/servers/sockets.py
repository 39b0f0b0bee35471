"""Listening sockets: made once, before anything else starts, or inherited from a parent.

Both servers get a socket that already listens, so that a taken port is one sentence at start-up and
not a traceback from inside an event loop.
"""

from __future__ import annotations

import contextlib
import errno
import socket

BACKLOG = 2048
KEEPALIVE_IDLE_S = 60
KEEPALIVE_INTERVAL_S = 15
KEEPALIVE_PROBES = 4


class CannotListen(Exception):
    """The address cannot be listened on; the text is one sentence for the operator."""


class PortTaken(CannotListen):
    """Another process listens there."""


def bind(host: str, port: int) -> socket.socket:
    """A listening, non-blocking socket on an IPv4 or IPv6 address or a host name.

    Raises PortTaken when another process listens there, CannotListen for an address that is not
    this machine's, an unknown name or a port that needs privileges.
    """
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise CannotListen(
            f"Cannot listen on {host}: the name does not resolve ({error.strerror})."
        ) from error
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _probe_silent_peers(listener)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise _explained(error, host, port) from error
    listener.setblocking(False)
    return listener


def adopt(fd: int) -> socket.socket:
    """The listening socket behind an inherited descriptor. Raises CannotListen when it is none."""
    try:
        listener = socket.socket(fileno=fd)
        listening = listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise CannotListen(f"Descriptor {fd} is not an open socket.") from error
    if not listening:
        listener.detach()
        raise CannotListen(f"Descriptor {fd} is not a listening socket.")
    listener.setblocking(False)
    return listener


def address_of(listener: socket.socket) -> tuple[str, int]:
    """Host and port that the socket is bound to."""
    name = listener.getsockname()
    if not isinstance(name, tuple):
        return str(name), 0
    return str(name[0]), int(name[1])


def _probe_silent_peers(listener: socket.socket) -> None:
    # Accepted sockets inherit these on Linux: a client whose machine vanished without a FIN is
    # noticed after two minutes, and the upstream request made for it ends.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        ("TCP_KEEPIDLE", KEEPALIVE_IDLE_S),
        ("TCP_KEEPINTVL", KEEPALIVE_INTERVAL_S),
        ("TCP_KEEPCNT", KEEPALIVE_PROBES),
    ):
        number = getattr(socket, option, None)
        if number is not None:
            with contextlib.suppress(OSError):
                listener.setsockopt(socket.IPPROTO_TCP, number, value)


def _explained(error: OSError, host: str, port: int) -> CannotListen:
    where = f"{host}:{port}"
    match error.errno:
        case errno.EADDRINUSE:
            return PortTaken(f"Port {port} on {host} is taken: another process already listens there.")
        case errno.EADDRNOTAVAIL:
            return CannotListen(f"Cannot listen on {where}: the address does not belong to this machine.")
        case errno.EACCES:
            return CannotListen(f"Cannot listen on {where}: this user may not open port {port}.")
        case _:
            return CannotListen(f"Cannot listen on {where}: {error.strerror}.")
