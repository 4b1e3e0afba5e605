"""One try over real sockets: what is sent and signed, and what receivers that are slow, endless or sly can do. All of it is bounded."""

import asyncio
import base64
import hashlib
import hmac
import ipaddress
import json
import socket
import ssl
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from herder.notify.addresses import Address
from herder.notify.sender import HttpSender
from herder.notify.signature import headers_of, secret_text
from herder.ports.callbacks import Answer, Message
from tests.support.certificates import certificate
from tests.support.receiver import Receiver, status

HERE = ("127.0.0.0/8",)
SECRET = b"0123456789abcdef0123456789abcdef"


def message(url: str, body: str = '{"type": "batch.ended"}') -> Message:
    return Message(id="batch-1-2", url=url, body=body, secret=SECRET, sent_at_s=1_700_000_000)


async def sent(url: str, allow: Sequence[str] = HERE, timeout_s: float = 20.0, **more: object) -> Answer:
    sender = HttpSender(allow, timeout_s, **more)  # type: ignore[arg-type]
    try:
        return await sender.send(message(url))
    finally:
        await sender.close()


def test_the_signature_is_the_published_one_of_standard_webhooks() -> None:
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    found = headers_of("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}', secret)
    assert found == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    assert secret_text(secret) == "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


async def test_a_message_arrives_with_its_signature() -> None:
    with Receiver() as receiver:
        assert await sent(f"{receiver.url}?a=b") == Answer(status=204)
        (got,) = receiver.wait()
    assert got.path == "/hook?a=b"
    assert json.loads(got.body) == {"type": "batch.ended"}
    assert got.headers["content-type"] == "application/json"
    assert got.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert got.headers["webhook-id"] == "batch-1-2"
    signed = f"batch-1-2.{got.headers['webhook-timestamp']}.".encode() + got.body
    expected = base64.b64encode(hmac.new(SECRET, signed, hashlib.sha256).digest()).decode()
    assert got.headers["webhook-signature"] == f"v1,{expected}"


@pytest.mark.parametrize(
    ("code", "says", "final"),
    [
        (500, "The receiver refused the message (HTTP status 500): no space.", False),
        (404, "The receiver refused the message (HTTP status 404): no space.", False),
        (410, "The receiver wants no more messages (HTTP status 410): no space.", True),
    ],
)
async def test_a_refusal_is_told_with_its_words(code: int, says: str, final: bool) -> None:
    with Receiver(status(code, "no\n space\x07")) as receiver:
        assert await sent(receiver.url) == Answer(status=code, error=says, final=final)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(code: int) -> None:
    with Receiver() as other, Receiver(status(code, Location=other.url)) as receiver:
        answer = await sent(receiver.url)
        assert (
            answer.error
            == f"The receiver answered with a redirect, which is not followed (HTTP status {code})."
        )
        assert other.got == []


async def test_a_receiver_that_quotes_the_address_tells_nobody_of_it() -> None:
    def quote(handler: BaseHTTPRequestHandler) -> None:
        status(404, f"{'x' * 172} Cannot POST {handler.path}")(handler)

    with Receiver(quote) as receiver:
        answer = await sent(f"{receiver.url}/T0123456?token=0123456789")
    assert "Cannot POST" in answer.error
    assert "T01" not in answer.error, "nor the beginning of it, where the text is cut"


async def test_a_receiver_that_does_not_answer_is_given_up() -> None:
    def hang(handler: BaseHTTPRequestHandler) -> None:
        receiver.stopped.wait(60)

    with Receiver(hang) as receiver:
        answer = await sent(receiver.url, timeout_s=0.5)
        assert answer == Answer(error="The receiver did not answer within 0.5 s.")


async def test_a_receiver_that_sends_its_headers_drop_by_drop_is_given_up() -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not receiver.stopped.wait(0.05):
            handler.wfile.write(b"X-A: b\r\n")
            handler.wfile.flush()

    with Receiver(drip) as receiver:
        assert (await sent(receiver.url, timeout_s=0.5)).error.startswith(
            "The receiver did not answer within"
        )


async def test_an_answer_without_end_is_not_read_to_its_end() -> None:
    def pour(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not receiver.stopped.is_set():
            handler.wfile.write(b"x" * 65_536)

    with Receiver(pour) as receiver:
        assert await sent(receiver.url) == Answer(status=200)


async def test_headers_without_end_are_refused() -> None:
    def pour(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not receiver.stopped.is_set():
            handler.wfile.write(b"X-A: " + b"b" * 65_536 + b"\r\n")

    with Receiver(pour) as receiver:
        assert (await sent(receiver.url)).error.startswith("The receiver cannot be reached: ")


async def test_what_does_not_speak_http_is_told() -> None:
    def talk(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"220 mail.example.org ESMTP\r\n")

    with Receiver(talk) as receiver:
        assert (await sent(receiver.url)).error.startswith("The receiver cannot be reached: ")


async def test_a_port_without_a_server_is_told() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    answer = await sent(f"http://127.0.0.1:{port}/")
    assert answer.status is None
    assert answer.error.startswith("The receiver cannot be reached: ")


async def test_a_private_address_is_not_called() -> None:
    with Receiver() as receiver:
        answer = await sent(receiver.url, allow=())
        assert answer.error == "The callback is not allowed: 127.0.0.1 is not a public address."
        assert receiver.got == []


@pytest.mark.parametrize("host", ["localhost", "127.1", "2130706433", "0x7f.1"])
async def test_a_name_for_this_machine_is_not_called(host: str) -> None:
    """Forms of an address that only the resolver of a system understands are judged by what it makes of them."""
    with Receiver() as receiver:
        answer = await sent(f"https://{host}:{receiver.port}/hook", allow=())
        assert answer.error.startswith(("The callback is not allowed: ", "The receiver cannot be reached: "))
        assert receiver.got == []


async def test_the_connection_goes_to_the_address_that_was_judged() -> None:
    """A name that has another address at each look-up (DNS rebinding) is looked up once."""
    asked = []

    async def look_up(host: str, port: int) -> list[Address]:
        asked.append(host)
        return [ipaddress.ip_address("127.0.0.1" if len(asked) == 1 else "10.255.255.1")]

    with Receiver() as receiver:
        url = f"http://rebind.example:{receiver.port}/hook"
        assert await sent(url, look_up=look_up) == Answer(status=204)
        (got,) = receiver.got
    assert asked == ["rebind.example"]
    assert got.headers["host"] == f"rebind.example:{receiver.port}"


async def test_a_name_that_has_a_private_address_is_not_called() -> None:
    async def look_up(host: str, port: int) -> list[Address]:
        return [ipaddress.ip_address("127.0.0.1")]

    with Receiver() as receiver:
        answer = await sent(f"https://inside.example:{receiver.port}/", allow=(), look_up=look_up)
        assert (
            answer.error == "The callback is not allowed: inside.example has no public address (127.0.0.1)."
        )
        assert receiver.got == []


async def test_a_look_up_that_hangs_is_bounded() -> None:
    async def look_up(host: str, port: int) -> list[Address]:
        await asyncio.Event().wait()
        return []

    answer = await sent("https://slow.example/", timeout_s=0.2, look_up=look_up)
    assert answer.error == "The receiver did not answer within 0.2 s."


async def test_a_name_that_does_not_exist_is_told() -> None:
    async def look_up(host: str, port: int) -> list[Address]:
        raise socket.gaierror(-2, "Name or service not known")

    answer = await sent("https://no.example/", look_up=look_up)
    assert answer.error == "The receiver cannot be reached: [Errno -2] Name or service not known."


async def test_a_certificate_is_checked_against_the_name(tmp_path: Path) -> None:
    async def look_up(host: str, port: int) -> list[Address]:
        return [ipaddress.ip_address("127.0.0.1")]

    file = certificate(tmp_path, "good.example")
    served, trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cafile=str(file))
    served.load_cert_chain(file)
    with Receiver(tls=served) as receiver:
        good = f"https://good.example:{receiver.port}/hook"
        assert await sent(good, look_up=look_up, verify=trusted) == Answer(status=204)
        bad = await sent(f"https://bad.example:{receiver.port}/hook", look_up=look_up, verify=trusted)
        unknown = await sent(good, look_up=look_up)
        assert len(receiver.got) == 1
    assert "certificate" in bad.error.lower()
    assert "certificate" in unknown.error.lower()
