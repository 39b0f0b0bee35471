"""What a client sees of both servers, on real sockets."""

import hashlib
import http.client
import json
import socket
import time

import pytest

from tests.integration.servers.application import flood_chunk
from tests.integration.servers.conftest import dechunk, read_all, read_until

GET = b"GET %b HTTP/1.1\r\nhost: gateway\r\n%b\r\n"
SMALL_BUFFER = 64 * 1024


def eventually(condition, within_s):
    """Whether ``condition`` held before the time was up."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def request(server, path, body=b"", **headers):
    client = http.client.HTTPConnection(server.host, server.port, timeout=10)
    client.request("POST", path, body, headers)
    response = client.getresponse()
    answer = response.status, json.loads(response.read())
    client.close()
    return answer


@pytest.mark.parametrize("size", [0, 1, 5000, 200_000, 3_000_000])
def test_a_body_arrives_whole(serve, server, size):
    running = serve(server)
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    status, told = request(running, "/digest", body)
    assert (status, told["size"], told["client"]) == (200, size, "127.0.0.1")
    assert told["sha256"] == hashlib.sha256(body).hexdigest()


def test_a_chunked_body_arrives_whole(serve, server):
    running = serve(server)
    parts = [b"a" * 70_000, b"b", b"c" * 2_000_000]
    status, told = request(running, "/digest", iter(parts))
    assert (status, told["sha256"]) == (200, hashlib.sha256(b"".join(parts)).hexdigest())


def test_a_small_body_is_one_message_on_daphne(serve):
    assert request(serve("daphne"), "/digest", b"x" * 500_000)[1]["messages"] == 1


def test_of_names_with_an_underscore_only_codex_s_session_passes_on_daphne(serve):
    told = request(serve("daphne"), "/digest", b"x", Session_id="s1", X_Forwarded_For="10.0.0.1")[1]
    assert told["underscored"] == ["session_id"]


def test_a_connection_is_used_again(serve, server):
    running = serve(server)
    client = http.client.HTTPConnection(running.host, running.port, timeout=10)
    client.connect()
    own_address = client.sock.getsockname()
    for size in (10, 0, 100_000):
        client.request("POST", "/digest", b"x" * size)
        assert json.loads(client.getresponse().read())["size"] == size
        assert client.sock.getsockname() == own_address
    client.close()


def test_pipelined_requests_are_answered_in_order(serve, server):
    running = serve(server)
    with running.connect() as connection:
        first = GET % (b"/ticks?count=2&pause_ms=30", b"")
        connection.sendall(first + GET % (b"/state", b"connection: close\r\n"))
        answers = read_all(connection)
    assert (
        answers.index(b"tick 0") < answers.index(b"tick 1") < answers.index(b"end") < answers.index(b'"sent"')
    )


def test_no_header_names_the_server_software(serve, server):
    running = serve(server)
    with running.connect() as connection:
        connection.sendall(GET % (b"/state", b"connection: close\r\n"))
        assert b"\r\nserver:" not in read_all(connection).lower()


def test_a_client_that_does_not_read_holds_the_application_back(serve, server):
    running = serve(server)
    chunks, size = 1500, 16 * 1024
    with running.connect(receive_buffer=SMALL_BUFFER) as connection:
        connection.sendall(GET % (b"/flood?chunks=%d&size=%d" % (chunks, size), b"connection: close\r\n"))
        assert eventually(lambda: running.get("/state")["flooding"], 5)
        sent = running.settled("sent")
        # 64 KiB in the server and what the kernel takes (its send buffer grows to some MiB).
        assert 0 < sent * size < 12 * 1024 * 1024
        _, body = dechunk(read_all(connection))
    assert body == b"".join(flood_chunk(number, size) for number in range(chunks))
    assert running.get("/state")["sent"] == chunks


def test_a_client_that_leaves_while_the_application_is_held_back_releases_it(serve, server):
    running = serve(server)
    with running.connect(receive_buffer=SMALL_BUFFER) as connection:
        connection.sendall(GET % (b"/flood?chunks=40000&size=16384", b""))
        assert eventually(lambda: running.get("/state")["flooding"], 5)
        time.sleep(0.3)
    assert eventually(lambda: not running.get("/state")["flooding"], 3)


def test_the_application_hears_at_once_that_the_client_left(serve, server):
    running = serve(server)
    with running.connect() as connection:
        connection.sendall(GET % (b"/listening", b""))
        read_until(connection, b"waiting\r\n")
    assert eventually(lambda: running.get("/state")["disconnects"] == 1, 0.5)


def test_daphne_cancels_an_application_that_does_not_listen(serve):
    running = serve("daphne")
    with running.connect() as connection:
        connection.sendall(GET % (b"/deaf", b""))
        read_until(connection, b"waiting\r\n")
    assert eventually(lambda: running.get("/state")["cancelled"] == 1, 0.5)
    running.signal()
    assert running.finish() == (0, "")


def test_a_failing_application_is_answered_for_at_once(serve, server):
    running = serve(server)
    with running.connect(timeout=0.5) as connection:
        connection.sendall(GET % (b"/fails", b"connection: close\r\n"))
        assert read_all(connection).startswith(b"HTTP/1.1 500 ")


def test_an_answer_that_breaks_off_is_not_mistaken_for_a_whole_one(serve, server):
    running = serve(server)
    with running.connect(timeout=2) as connection:
        connection.sendall(GET % (b"/fails-midway", b""))
        assert read_all(connection).endswith(b"half\r\n")


def test_head_has_no_body(serve, server):
    running = serve(server)
    with running.connect() as connection:
        connection.sendall(b"HEAD /state HTTP/1.1\r\nhost: gateway\r\n\r\n")
        connection.sendall(GET % (b"/state", b"connection: close\r\n"))
        answers = read_all(connection)
    assert answers.count(b"HTTP/1.1 200") == 2
    assert answers.count(b'"sent"') == 1


def test_a_client_of_http_1_0_gets_the_end_by_close(serve, server):
    running = serve(server)
    with running.connect() as connection:
        connection.sendall(b"GET /ticks?count=1&pause_ms=1 HTTP/1.0\r\n\r\n")
        head, _, body = read_all(connection).lower().partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head
    assert b"connection: close" in head
    assert body.startswith(b"tick")
    assert body.endswith(b"end\n")


def test_a_client_of_http_1_0_is_told_a_known_length(serve, server):
    running = serve(server)
    with running.connect() as connection:
        connection.sendall(b"GET /state HTTP/1.0\r\n\r\n")
        head, _, body = read_all(connection).partition(b"\r\n\r\n")
    assert b"200" in head.splitlines()[0]
    assert b"sent" in body


@pytest.mark.parametrize(
    "broken",
    [
        b"GET /state\r\n\r\n",
        b"GET /state HTTP/1.1\r\nbad name: x\r\n\r\n",
        b"GET /state HTTP/1.1\r\nx: a\x00b\r\n\r\n",
        b"POST /digest HTTP/1.1\r\ncontent-length: x\r\n\r\n",
        b"POST /digest HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /digest HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_a_malformed_request_is_refused_and_the_connection_closed(serve, broken):
    running = serve("daphne")
    with running.connect() as connection:
        connection.sendall(broken)
        assert read_all(connection).startswith(b"HTTP/1.1 400 ")


# -- bodies over the limit: Daphne refuses them before the application is called --

LIMIT = 100_000


def test_a_content_length_over_the_limit_is_refused_before_the_body(serve):
    running = serve("daphne", body_limit=LIMIT)
    with running.connect() as connection:
        connection.sendall(b"POST /v1/messages%3F HTTP/1.1\r\nx-client: me\r\nexpect: 100-continue\r\n")
        connection.sendall(b"content-length: %d\r\n\r\n" % (LIMIT + 1))
        answer, _, body = read_all(connection).partition(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer
    assert json.loads(body) == {"refused": "/v1/messages?", "client": "me"}


def test_a_body_of_exactly_the_limit_is_taken(serve):
    running = serve("daphne", body_limit=LIMIT)
    assert request(running, "/digest", b"x" * LIMIT)[1]["size"] == LIMIT


@pytest.mark.parametrize("chunked", [False, True])
def test_a_client_that_sends_everything_first_still_reads_the_refusal(serve, chunked):
    running = serve("daphne", body_limit=LIMIT)
    body = b"x" * 20_000_000
    framed = iter([body[:60_000], body[60_000:]]) if chunked else body
    status, told = request(running, "/digest", framed, **{"x-client": "slow"})
    assert (status, told) == (413, {"refused": "/digest", "client": "slow"})
    assert request(running, "/digest", b"small")[0] == 200


def test_a_client_that_asks_first_is_told_to_continue(serve, server):
    running = serve(server)
    with running.connect() as connection:
        head = (
            b"POST /digest HTTP/1.1\r\ncontent-length: 5\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n"
        )
        connection.sendall(head)
        assert read_until(connection, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"hello")
        assert b'"size": 5' in read_all(connection)


def test_a_refused_client_that_resets_the_connection_does_no_harm(serve):
    running = serve("daphne", body_limit=LIMIT)
    with running.connect() as connection:
        connection.sendall(
            b"POST /digest HTTP/1.1\r\nx-client: me\r\ncontent-length: 9999999\r\n\r\n" + b"x" * 50_000
        )
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    assert request(running, "/digest", b"small")[0] == 200
    running.signal()
    assert running.finish() == (0, "")
