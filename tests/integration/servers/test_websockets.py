"""WebSockets under the extended Daphne: autobahn does the protocol, the server the stopping."""

from tests.integration.servers.websocket import CLOSE, TEXT, close_code, read_frame, send_frame, upgrade

RESTART = 1012


def test_messages_travel_both_ways(serve):
    running = serve("daphne")
    with running.connect() as connection:
        answer = upgrade(connection)
        assert answer.startswith(b"HTTP/1.1 101 ")
        assert b"\r\nserver:" not in answer.lower()
        for text in (b"one", b"two"):
            send_frame(connection, TEXT, text)
            assert read_frame(connection) == (TEXT, text.upper())


def test_a_client_that_closes_is_answered_and_the_server_stops_clean(serve):
    running = serve("daphne")
    with running.connect() as connection:
        upgrade(connection)
        send_frame(connection, CLOSE, b"\x03\xe8")
        opcode, payload = read_frame(connection)
        assert (opcode, close_code(payload)) == (CLOSE, 1000)
    running.signal()
    assert running.finish(timeout=3) == (0, "")


def test_a_client_that_vanishes_leaves_nothing_behind(serve):
    running = serve("daphne")
    with running.connect() as connection:
        upgrade(connection)
    running.signal()
    assert running.finish(timeout=3) == (0, "")


def test_a_stopping_server_asks_websockets_to_connect_again(serve):
    running = serve("daphne")
    with running.connect() as connection:
        upgrade(connection)
        send_frame(connection, TEXT, b"one")
        read_frame(connection)
        running.signal()
        opcode, payload = read_frame(connection)
        assert (opcode, close_code(payload)) == (CLOSE, RESTART)
        send_frame(connection, CLOSE, payload)
        assert running.finish(timeout=5) == (0, "")


def test_a_slow_reader_of_a_websocket_holds_the_application_back(serve):
    running = serve("daphne")
    with running.connect(receive_buffer=64 * 1024) as connection:
        upgrade(connection)
        send_frame(connection, TEXT, b"flood")
        read_frame(connection)
        assert 0 < running.settled("sent") < 1500
