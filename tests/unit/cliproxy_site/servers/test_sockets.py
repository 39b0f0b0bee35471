"""Listening sockets and the sentences for those that cannot be had."""

import errno
import os
import socket

import pytest

from cliproxy_site.servers.sockets import CannotListen, PortTaken, _explained, address_of, adopt, bind


def test_port_0_is_a_free_port_and_the_socket_tells_which():
    with bind("127.0.0.1", 0) as listener:
        host, port = address_of(listener)
        assert host == "127.0.0.1"
        assert port > 0
        with socket.create_connection((host, port), timeout=5):
            connection, _ = listener.accept()
            assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            connection.close()


def test_a_name_is_resolved():
    with bind("localhost", 0) as listener:
        assert address_of(listener)[0] in ("127.0.0.1", "::1")


def test_a_taken_port_is_told_apart():
    with bind("127.0.0.1", 0) as holder:
        port = address_of(holder)[1]
        with pytest.raises(PortTaken, match=f"Port {port} on 127.0.0.1 is taken"):
            bind("127.0.0.1", port)


def test_a_port_is_free_again_right_after_its_connections_closed():
    with bind("127.0.0.1", 0) as listener:
        address = address_of(listener)
        with socket.create_connection(address, timeout=5):
            listener.accept()[0].close()
    bind(*address).close()


@pytest.mark.parametrize(
    ("host", "sentence"),
    [("no-such-host.invalid", "does not resolve"), ("192.0.2.1", "does not belong to this machine")],
)
def test_an_address_of_nobody_here_is_explained(host, sentence):
    with pytest.raises(CannotListen, match=sentence):
        bind(host, 0)


def test_a_privileged_port_is_explained():
    sentence = str(_explained(OSError(errno.EACCES, "Permission denied"), "::", 80))
    assert sentence == "Cannot listen on :::80: this user may not open port 80."


def test_an_inherited_descriptor_is_adopted():
    with bind("127.0.0.1", 0) as listener:
        adopted = adopt(os.dup(listener.fileno()))
        assert address_of(adopted) == address_of(listener)
        adopted.close()


def test_a_descriptor_that_does_not_listen_is_refused():
    with socket.socket() as other, pytest.raises(CannotListen, match="not a listening socket"):
        adopt(other.fileno())


def test_a_descriptor_that_is_no_socket_is_refused():
    reading, writing = os.pipe()
    with pytest.raises(CannotListen, match="not an open socket"):
        adopt(reading)
    os.close(reading)
    os.close(writing)
