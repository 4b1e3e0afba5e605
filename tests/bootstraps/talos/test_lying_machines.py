"""Machines that do not answer as Talos does: half messages, endless ones, another protocol, other certificates. Each is a `DriverError`."""

import asyncio
import base64
import json
import ssl
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from grpclib.const import Cardinality, Handler
from grpclib.server import Server, Stream

from herder.bootstraps.talos.health import seen
from herder.model.fleet.driver import InvalidRequest, OutcomeUnknown, Unavailable
from herder.remote.talos.client import ANSWER_BYTES_MAX, MachineState, TalosClient
from herder.remote.talos.messages import machine_pb2
from herder.remote.talos.methods import METHODS
from herder.remote.talos.talosconfig import read_talosconfig
from herder.remote.talos.wire import GrpcWire, tls_of
from herder.testing.talos.authority import Authority
from tests.bootstraps.talos.test_over_tls import CONTROL_PLANE, free_port

Answer = Callable[[Stream[Any, Any]], Awaitable[None]]


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def server_tls(authority: Authority, certificate: str, key: str, folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["h2"])
    file = folder / "server.pem"
    file.write_text(f"{certificate}\n{key}")
    context.load_cert_chain(file)
    context.load_verify_locations(cadata=authority.pem)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


class Liar:
    """Any method is answered by `answer`, which may write what it likes."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.authority = Authority(now_ms())
        self.answer: Answer = raw(b"")

    def __mapping__(self) -> dict[str, Handler]:
        async def answer(stream: Stream[Any, Any]) -> None:
            await stream.recv_message()
            await self.answer(stream)

        return {
            each.path: Handler(answer, Cardinality.UNARY_STREAM, each.request, each.reply) for each in METHODS
        }

    def client(self, config: str = "") -> TalosClient:
        file = self.folder / "talosconfig"
        file.write_text(config or self.authority.talosconfig((CONTROL_PLANE,)))
        return TalosClient(read_talosconfig(file), GrpcWire(self.port), now_ms, deadline_s=5)

    def tls(self, *, address: str = CONTROL_PLANE) -> ssl.SSLContext:
        return server_tls(self.authority, *self.authority.issue(addresses=(address,)), self.folder)


@asynccontextmanager
async def calling(liar: Liar, tls: ssl.SSLContext | None = None) -> AsyncIterator[TalosClient]:
    server = Server([liar])  # type: ignore[list-item]
    await server.start(CONTROL_PLANE, liar.port, ssl=tls or liar.tls())
    client = liar.client()
    try:
        yield client
    finally:
        await client.close()
        server.close()
        await server.wait_closed()


def raw(data: bytes, times: int = 1) -> Answer:
    async def answer(stream: Stream[Any, Any]) -> None:
        await stream.send_initial_metadata()
        for _ in range(times):
            await stream._stream.send_data(data)

    return answer


def framed(data: bytes, *, size: int | None = None, compressed: bool = False) -> bytes:
    return struct.pack("?", compressed) + struct.pack(">I", len(data) if size is None else size) + data


@pytest.fixture
def liar(tmp_path: Path) -> Liar:
    return Liar(tmp_path)


@pytest.mark.parametrize(
    ("data", "times", "words"),
    [
        (framed(b"\xff\xff\xff"), 1, "its answer is not one of Talos"),
        (framed(b"", compressed=True), 1, "its answer is not one of Talos"),
        (framed(b"half", size=400), 1, "its answer is not one of Talos"),
        (framed(b"x", size=2**31), 1, f"its answer is larger than {ANSWER_BYTES_MAX:,} bytes"),
        (framed(b"x" * 16_000, size=2**32 - 1), 50, f"its answer is larger than {ANSWER_BYTES_MAX:,} bytes"),
        (b"", 1, "gave no answer to Version"),
    ],
)
async def test_an_answer_that_is_none(liar: Liar, data: bytes, times: int, words: str) -> None:
    liar.answer = raw(data, times)
    async with calling(liar) as client:
        with pytest.raises(Unavailable, match=words) as caught:
            await client.version(CONTROL_PLANE)
        assert not isinstance(caught.value, OutcomeUnknown)


@pytest.mark.parametrize(
    "data", [framed(b"\xff\xff\xff"), framed(b"half", size=400), framed(b"", size=2**31)]
)
async def test_a_change_that_is_answered_so_may_have_happened(liar: Liar, data: bytes) -> None:
    liar.answer = raw(data)
    async with calling(liar) as client:
        with pytest.raises(OutcomeUnknown, match="which may have happened"):
            await client.reboot(CONTROL_PLANE)


async def test_a_state_that_is_none(liar: Liar) -> None:
    spec = b"\x0a\x03\xff\xff\xff"  # field proto_spec: three bytes that are no message
    liar.answer = raw(framed(b"\x0a" + bytes([len(spec) + 2]) + b"\x12" + bytes([len(spec)]) + spec))
    async with calling(liar) as client:
        with pytest.raises(Unavailable, match="describes its state in a form that Herder does not know"):
            await client.state(CONTROL_PLANE)


async def test_a_log_without_an_end_is_cut(liar: Liar) -> None:
    line = machine_pb2.Data(bytes=b"a line of a log\n" * 512).SerializeToString()

    async def endless(stream: Stream[Any, Any]) -> None:
        await stream.send_initial_metadata()
        while True:
            await stream._stream.send_data(framed(line))

    liar.answer = endless
    async with calling(liar) as client:
        found = await client.logs(CONTROL_PLANE, "kubelet", 100)
        assert found.splitlines()[-1] == "a line of a log"
        assert len(found.splitlines()) == 100


async def test_a_version_of_any_length_is_unknown(liar: Liar) -> None:
    reply = machine_pb2.VersionResponse()
    reply.messages.add().version.tag = "v" * 100_000
    liar.answer = raw(framed(reply.SerializeToString()))
    async with calling(liar) as client:
        assert await client.version(CONTROL_PLANE) == ""


async def test_something_else_than_talos_on_its_port(liar: Liar) -> None:
    async def http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(http, CONTROL_PLANE, liar.port, ssl=liar.tls())
    client = liar.client()
    async with server:
        with pytest.raises(Unavailable, match=r"Talos at \S+ does not answer Version"):
            await client.version(CONTROL_PLANE)
        await client.close()


async def test_a_certificate_for_another_address(liar: Liar) -> None:
    async with calling(liar, liar.tls(address="127.0.41.9")) as client:
        with pytest.raises(Unavailable, match=r"is for another name or address: .*machine\.certSANs"):
            await client.version(CONTROL_PLANE)


def test_a_key_that_is_not_that_of_the_certificate(liar: Liar) -> None:
    other = generate_private_key(public_exponent=65_537, key_size=2_048)
    key = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    config = json.loads(liar.authority.talosconfig((CONTROL_PLANE,)))
    config["contexts"]["testing"]["key"] = base64.b64encode(key).decode()
    file = liar.folder / "talosconfig"
    file.write_text(json.dumps(config))
    identity = read_talosconfig(file)
    with pytest.raises(
        InvalidRequest, match="The certificates of talosconfig context testing cannot be used"
    ) as caught:
        tls_of(identity)
    assert "PRIVATE" not in str(caught.value)
    assert "PRIVATE" not in repr(identity)


def test_times_that_cannot_be(liar: Liar) -> None:
    service = machine_pb2.ServiceInfo(id="kubelet", state="Running")
    service.health.healthy = True
    for seconds, nanos in ((2**62, 0), (-(2**62), 0), (0, -5), (0, 2**31 - 1), (2**61, 5)):
        event = service.events.events.add(msg="going to restart forever")
        event.ts.seconds, event.ts.nanos = seconds, nanos
    told = seen("v1.13.9", MachineState(4, True, ()), [service], now_ms())
    assert (told.ready, told.conditions) == (True, ())
