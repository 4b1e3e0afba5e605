"""The HTTP front under attack: heads, bodies, times, connections. With small limits, against a real server over sockets."""

import logging
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import httpx
import pytest

from herder.api.http import bodies
from herder.server.http.connections import Connections, HttpLimits, connections_for
from tests.api.conftest import POOLS, Server

LIMITS = HttpLimits(
    strangers_per_address_max=8,
    per_owner_max=6,
    head_s=0.6,
    body_grace_s=0.6,
    stranger_idle_s=0.6,
    headers_max=40,
)


class Small(Server):
    limits = LIMITS


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Small(tmp_path_factory.mktemp("data")).start()
    made.http.post("/apply", json={"pools": POOLS}).raise_for_status()
    yield made
    made.stop()


Dial = Callable[[], socket.socket]


@pytest.fixture
def dial(server: Server) -> Iterator[Dial]:
    port = int(server.running.url.rpartition(":")[2])
    opened: list[socket.socket] = []

    def connect() -> socket.socket:
        opened.append(made := socket.create_connection(("127.0.0.1", port), timeout=20))
        return made

    yield connect
    for each in opened:
        each.close()


def answer(connection: socket.socket) -> bytes:
    """All that comes until it is closed; a reset is an end too."""
    text = b""
    try:
        while piece := connection.recv(65536):
            text += piece
    except ConnectionResetError:
        pass
    return text


def one(connection: socket.socket) -> bytes:
    """One answer, whole; the connection stays."""
    text = b""
    while b"\r\n\r\n" not in text:
        text += connection.recv(65536)
    head, _, body = text.partition(b"\r\n\r\n")
    size = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    while len(body) < size:
        body += connection.recv(65536)
    return head


def alive(server: Server) -> bool:
    return httpx.get(server.running.url + "/api/v1/health", timeout=20).status_code == 200


def send(connection: socket.socket, data: bytes) -> None:
    """As much as it takes."""
    with suppress(BrokenPipeError, ConnectionResetError):
        connection.sendall(data)


HEAD = b"GET /api/v1/health HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    "head",
    [
        HEAD + b"X: " + b"a" * 2**20,
        b"GET /" + b"a" * 2**20,
        HEAD + b"a: b\r\n" * 50 + b"\r\n",
        HEAD + b"".join(b"x%d: %b\r\n" % (n, b"y" * 4000) for n in range(30)) + b"\r\n",
    ],
    ids=["line", "target", "number", "sum"],
)
def test_a_head_without_end_is_refused(server: Server, dial: Dial, head: bytes) -> None:
    connection = dial()
    send(connection, head)
    assert answer(connection)[:13] in (b"HTTP/1.1 431 ", b"")
    assert alive(server)


def test_what_is_no_http_is_refused_and_not_logged(
    server: Server, dial: Dial, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        for data in (
            b"\x16\x03\x01\x02\x00\x01",
            b"hello\r\n\r\n",
            b"GET / HTTP/9.9\r\n\r\n",
        ):
            connection = dial()
            send(connection, data)
            assert answer(connection)[:13] in (b"HTTP/1.1 400 ", b"")
    assert caplog.records == []


def test_silence_and_half_a_head_are_closed_in_time(server: Server, dial: Dial) -> None:
    silent, half, idle = dial(), dial(), dial()
    half.sendall(HEAD)
    idle.sendall(HEAD + b"\r\n")
    assert answer(silent) == b""
    assert answer(half) == b""
    assert answer(idle).startswith(b"HTTP/1.1 200 ")


def test_half_a_body_is_closed_in_time(server: Server, dial: Dial) -> None:
    connection = dial()
    connection.sendall(
        b"POST /api/v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nAuthorization: Bearer "
        + server.running.token.encode()
        + b"\r\n\r\n{"
    )
    assert answer(connection) == b""


@pytest.mark.parametrize("path", [b"/api/v1/worker/activate", b"/api/v1/jobs", b"/api/v1/worker/exchange"])
def test_a_body_of_a_stranger_is_not_read(server: Server, dial: Dial, path: bytes) -> None:
    """It is refused for its token, whatever its size; and only a little of it is taken after that."""
    connection = dial()
    size = 32 * 2**20
    connection.sendall(b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (path, size))
    assert connection.recv(65536).startswith(b"HTTP/1.1 401 ")
    taken = 0
    with suppress(BrokenPipeError, ConnectionResetError):
        while taken < size:
            taken += connection.send(b"x" * 65536)
    assert taken < size


def test_each_route_has_its_bound(server: Server) -> None:
    big = b'{"jobs": []' + b" " * (2 * 2**20) + b"}"
    assert server.http.post("/batches", content=big).status_code == 200
    refused = server.http.post("/users", content=big)
    assert (refused.status_code, refused.json()["code"]) == (413, "too_large")
    worker = server.worker()
    try:
        with server.client(worker.activation_token) as client:
            assert client.post("/worker/activate", content=big).status_code == 413
        assert worker.http.post("/worker/exchange", content=b" " * (17 * 2**20)).status_code == 413
    finally:
        worker.close()


def test_bodies_in_memory_are_bounded_together(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "PERSON_BYTES_MAX", 300_000)
    big = b'{"jobs": []' + b" " * 500_000 + b"}"
    refused = server.http.post("/batches", content=big)
    assert (refused.status_code, refused.json()["code"]) == (429, "overloaded")
    assert server.http.post("/batches", content=big[:11] + big[-200_001:]).status_code == 200
    monkeypatch.undo()
    assert server.http.post("/batches", content=big).status_code == 200, "what was taken was given back"


def test_the_oldest_stranger_goes_for_a_new_one_and_whoever_has_a_token_stays(
    server: Server, dial: Dial
) -> None:
    known = dial()
    call = (
        b"GET /api/v1/status HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
        + server.running.token.encode()
        + b"\r\n\r\n"
    )
    known.sendall(call)
    assert one(known).startswith(b"HTTP/1.1 200 ")
    strangers = [dial() for _ in range(LIMITS.strangers_per_address_max)]
    assert alive(server)
    assert answer(strangers[0]) == b"", "the oldest was closed at once"
    known.sendall(call)
    assert one(known).startswith(b"HTTP/1.1 200 ")


def test_one_owner_has_so_many_connections(server: Server, dial: Dial) -> None:
    token = server.token_of("viewer").encode()
    call = b"GET /api/v1/events/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + token + b"\r\n\r\n"
    streams = []
    for _ in range(LIMITS.per_owner_max + 1):
        streams.append(dial())
        streams[-1].sendall(call)
        assert streams[-1].recv(4096).startswith(b"HTTP/1.1 200 ")
    answer(streams[0])  # it ends
    assert alive(server)


def test_calls_sent_far_ahead_are_refused(server: Server, dial: Dial) -> None:
    connection = dial()
    send(connection, (HEAD + b"\r\n") * 3000)
    assert answer(connection).count(b"HTTP/1.1 200 ") < 100
    assert alive(server)


def test_marks_of_chunks_without_end_are_refused(server: Server, dial: Dial) -> None:
    connection = dial()
    token = server.running.token.encode()
    head = (
        b"POST /api/v1/batches HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nAuthorization: Bearer "
        + token
        + b"\r\n\r\n"
    )
    send(connection, head + b"1\r\n{\r\n0\r\nX: " + b"a" * 2**20)
    assert answer(connection) == b""
    assert alive(server)


@pytest.mark.parametrize("path", [b"/api/v1/batches", b"/worker/activate", b"/nothing"])
def test_a_body_in_tiny_pieces_is_cut_off(dial: Dial, path: bytes) -> None:
    """Without a token as well: each piece costs the event loop the same, however small it is."""
    connection = dial()
    send(connection, b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    send(connection, b"1\r\n[\r\n" * 5_000 + b"0\r\n\r\nGET /login HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"200 OK" not in answer(connection)


def test_a_body_in_small_pieces_is_taken(server: Server, dial: Dial) -> None:
    connection = dial()
    head = b"POST /api/v1/jobs HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n"
    send(connection, head + b"Authorization: Bearer " + server.token_of("user").encode() + b"\r\n\r\n")
    send(connection, b"1\r\n \r\n" * 4_000 + b'12\r\n{"runtime":"noop"}\r\n0\r\n\r\n')
    assert b"200 OK" in answer(connection)


def test_a_client_that_leaves_in_the_middle_of_its_body_leaves_no_trace(
    server: Server, dial: Dial, caplog: pytest.LogCaptureFixture
) -> None:
    head = b"POST /api/v1/%b HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nAuthorization: Bearer %b\r\n\r\n{"
    worker = server.worker()
    with caplog.at_level(logging.WARNING):
        for path, token in (
            (b"jobs", server.running.token),
            (b"worker/exchange", worker.token),
            (b"worker/activate", worker.activation_token),
        ):
            connection = dial()
            connection.sendall(head % (path, token.encode()))
            time.sleep(0.1)  # so that the call has begun
            connection.close()
        assert alive(server)
        time.sleep(0.2)
    worker.close()
    assert caplog.records == []


class Fake:
    def __init__(self, address: str = "10.0.0.1", unsent: int = 0) -> None:
        self.address, self.was_cut, self.waiting = address, False, unsent

    def overdue(self, now_s: float) -> bool:
        return False

    def unsent(self) -> int:
        return self.waiting

    def cut(self) -> None:
        self.was_cut = True


def test_of_all_connections_strangers_go_first_and_then_new_ones_are_refused() -> None:
    open_now = Connections(limits=HttpLimits(), most=3)
    one, two, three, four, five = (Fake() for _ in range(5))
    assert all(open_now.admit(each) for each in (one, two, three))
    open_now.own(one, "user/ann")
    open_now.own(two, "user/ann")
    assert open_now.admit(four)
    assert [each.was_cut for each in (one, two, three, four)] == [False, False, True, False]
    open_now.own(four, "worker/w")
    assert not open_now.admit(five)
    open_now.leave(one)
    open_now.leave(one)
    assert open_now.admit(five)
    assert set(open_now.groups) == {"user/ann", "worker/w", "address/10.0.0.1"}


def test_addresses_of_one_ipv6_network_count_as_one() -> None:
    open_now = Connections(limits=HttpLimits(strangers_per_address_max=2), most=100)
    for last in range(3):
        open_now.admit(Fake(f"2001:db8::{last}"))
    open_now.admit(Fake("2001:db8:0:1::1"))
    assert sorted(map(len, open_now.groups.values())) == [1, 2]


def test_answers_that_nobody_takes_are_bounded_together() -> None:
    open_now = Connections(limits=HttpLimits(unsent_bytes_max=100), most=10)
    sizes = [Fake(unsent=size) for size in (60, 30, 80, 0)]
    for each in sizes:
        open_now.admit(each)
    open_now.look(0.0)
    assert [each.was_cut for each in sizes] == [False, False, True, False]


def test_with_few_descriptors_half_are_kept_for_everything_else() -> None:
    assert connections_for(HttpLimits(), 128).most == 64
    assert connections_for(HttpLimits(), 1024).most == 768
    assert connections_for(HttpLimits(), 65_536).most == HttpLimits().connections_max
