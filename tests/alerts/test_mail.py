"""E-mail through a real SMTP server: what arrives, over TLS and with a login, and what is said when it does not."""

import asyncio
import email
import email.policy
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import Envelope
from hypothesis import example, given, settings
from hypothesis import strategies as st

from herder.control.kernel.driver_calls import DriverCalls
from herder.model.work.alerts import MailServer
from herder.notify import mail
from herder.notify.mail import Mailer, mail_of
from herder.notify.notes import Note
from herder.ports.callbacks import Answer
from herder.settings.sections import alert_channels
from tests.support.certificates import certificate
from tests.support.mail_server import MailBox

NOTE = Note(
    title="critical: budget of division monitoring", level="critical", text="It is at 91 % of $100.00: $91.00.",
    facts=(("Used", "$91.00"), ("Period ends", "2026-12-01T00:00:00Z")), advice=("Ask for more.",),
    remedy="Acknowledge it: herder alert ack alert-1", at_s=1_790_000_000, id="alert-1",
)  # fmt: skip
SENDER = "herder@example.org"


async def handed_in(box: MailBox, to: tuple[str, ...] = ("ann@example.org",), **options: str) -> str:
    """What was said of it; empty: all took it."""
    server = MailServer(host="127.0.0.1", port=box.port, sender=SENDER, **{"security": "none", **options})
    message = mail_of(SENDER, to, NOTE.title, [NOTE], 1_790_000_000)
    return (await Mailer(server, DriverCalls()).send(message)).error


async def test_what_arrives() -> None:
    with MailBox() as box:
        assert await handed_in(box, ("ann@example.org", "bob@example.org")) == ""
        (got,) = box.wait()
    assert got["Subject"] == "[Herder] critical: budget of division monitoring"
    assert (got["From"], got["To"]) == (SENDER, "ann@example.org, bob@example.org")
    assert got["Auto-Submitted"] == "auto-generated"
    assert got.get_content().splitlines() == [
        "critical: budget of division monitoring", "",
        "It is at 91 % of $100.00: $91.00.", "",
        "Used:        $91.00", "Period ends: 2026-12-01T00:00:00Z", "",
        "Ask for more.", "",
        "Acknowledge it: herder alert ack alert-1",
    ]  # fmt: skip


def test_the_same_alerts_are_the_same_message() -> None:
    def name(*to: str) -> str:
        return str(mail_of(SENDER, to, "x", [NOTE], 1)["Message-ID"])

    assert name("a@x", "b@x") == name("b@x", "a@x")
    assert name("a@x") != name("b@x")
    again = replace(NOTE, occasion="escalated")
    assert mail_of(SENDER, ["a@x"], "x", [again], 1)["Message-ID"] != name("a@x")


def test_a_name_cannot_add_headers() -> None:
    message = mail_of(SENDER, ["a@x.org"], "budget of x\r\nBcc: eve@x.org", [NOTE], 1)
    assert message["Bcc"] is None
    assert "\nBcc:" not in message.as_string()


MEANT = ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Content-Type", "Content-Transfer-Encoding", "MIME-Version"]  # fmt: skip
PIECES = ("=?", "?=", "=?utf-8?q?", "=?utf-8?b?", "=0d=0a", "=0abcc:e@x.org", "DQpiY2M6IGVAeC5vcmc=", "bcc: e@x.org", "\r\n", "\n", "\x85", "\u2028", "\x00", "ä", "\ud800", " ", "a", "x" * 80)  # fmt: skip


@settings(max_examples=40)
@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=10)), max_size=12).map("".join))
@example("=?utf-8?q?a=0d=0abcc:e@x.org?=")
@example("a =?utf-8?b?DQpiY2M6IGVAeC5vcmc=?= b")
def test_no_heading_makes_another_header(heading: str) -> None:
    sent = mail_of(SENDER, ["a@x.org"], heading, [NOTE], 1).as_bytes(
        policy=email.policy.SMTP.clone(utf8=False)
    )
    got = email.message_from_bytes(sent, policy=email.policy.default)
    assert sorted(got.keys()) == sorted(MEANT)
    assert got["To"] == "a@x.org"
    assert got["Subject"].startswith("[Herder]")
    assert got.get_content().splitlines()[0] == NOTE.title


@settings(max_examples=40)
@given(
    st.text("abä.=?_-+'!%/{", min_size=1, max_size=12) | st.text(min_size=1, max_size=8),
    st.text("ab1.-", min_size=1, max_size=8),
)
@example("=?utf-8?q?=0a?=", "x.org")
@example("a" * 64, "x.org")
@example("a.b+c", "x-1.org")
def test_each_address_that_the_settings_take_is_one_of_mail(name: str, host: str) -> None:
    address = f"{name}@{host}"
    if not alert_channels._ADDRESS.fullmatch(address):
        assert (name, host) not in (("a.b+c", "x-1.org"), ("a" * 64, "x.org"))
        return
    message = mail_of(SENDER, [address, "b@x.org"], "x", [NOTE], 1)
    found = [f"{each.username}@{each.domain}" for each in message["To"].addresses]
    assert found == [address, "b@x.org"]
    sent = message.as_bytes(policy=email.policy.SMTPUTF8)
    assert sorted(email.message_from_bytes(sent).keys()) == sorted(MEANT)


async def test_over_tls_with_a_login(tmp_path: Path) -> None:
    file = certificate(tmp_path, "127.0.0.1")
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(file)
    secret = tmp_path / "password"
    secret.write_text("right\n")
    login = {"user": "herder", "password_file": str(secret), "security": "starttls", "ca_file": str(file)}
    with MailBox(tls=served, password="right") as box:
        assert await handed_in(box, **login) == ""
        assert len(box.wait()) == 1
        untrusted = await handed_in(box, **{**login, "ca_file": ""})
        secret.write_text("wrong")
        refused = await handed_in(box, **login)
        secret.unlink()
        missing = await handed_in(box, **login)
        clear = await handed_in(box)
        assert len(box.got) == 1
    assert "certificate verify failed" in untrusted
    assert "refused user and password: 535" in refused
    assert "No such file" in missing
    assert "530" in clear


async def test_addresses_that_are_refused() -> None:
    with MailBox(refused=("gone@example.org",)) as box:
        said = await handed_in(box, ("ann@example.org", "gone@example.org"))
        assert box.recipients == [["ann@example.org"]]
        assert said.endswith("refused some addresses: gone@example.org (550 no such mailbox).")
        said = await handed_in(box, ("gone@example.org",))
        assert said.endswith("refused all addresses: gone@example.org (550 no such mailbox).")


def mailer(port: int, calls: DriverCalls, security: str = "none") -> Mailer:
    return Mailer(MailServer(host="127.0.0.1", port=port, sender=SENDER, security=security), calls)


async def test_a_server_that_is_not_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    answer = await mailer(port, DriverCalls()).send(mail_of(SENDER, ["a@x.org"], "x", [NOTE], 1))
    assert "cannot be used: " in answer.error


@contextmanager
def drips(*lines: bytes) -> Iterator[int]:
    """A server that answers so much, and then a byte now and then: no step of the conversation ends, and none is silent."""
    over = threading.Event()

    def serve() -> None:
        with suppress(OSError):
            line, _ = listening.accept()
            with line:
                for each in lines:
                    line.sendall(each)
                    if each is not lines[-1]:
                        line.recv(4096)
                while not over.wait(0.02):
                    line.sendall(b"2")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            over.set()
    thread.join()


@pytest.mark.parametrize(
    ("security", "lines"),
    [
        ("none", [b"2"]),
        ("none", [b"220 x\r\n", b"2"]),
        ("starttls", [b"220 x\r\n", b"250-x\r\n250 STARTTLS\r\n", b"220 go\r\n", b"\x16\x03\x03\x3f\xff"]),
        ("tls", [b"\x16\x03\x03\x3f\xff"]),
    ],
    ids=["greeting", "ehlo", "starttls", "tls"],
)
async def test_a_server_that_drips_is_hung_up_on_at_each_step(
    monkeypatch: pytest.MonkeyPatch, security: str, lines: list[bytes]
) -> None:
    monkeypatch.setattr(mail, "WHOLE_S", 0.3)
    calls = DriverCalls()
    with drips(*lines) as port:
        answer = await mailer(port, calls, security).send(mail_of(SENDER, ["a@x.org"], "x", [NOTE], 1))
        assert answer.error.endswith("did not take the message within 0.3 s.")
        began = time.monotonic()
        while calls.report(f"mail server 127.0.0.1:{port}").under_way:
            assert time.monotonic() - began < 5, "its thread still listens"
            await asyncio.sleep(0.01)


class SlowBox(MailBox):
    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:  # noqa: N802
        await asyncio.sleep(0.3)
        return await super().handle_DATA(server, session, envelope)


async def test_each_message_has_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that waits for its turn is not given up, and cuts no conversation about another one."""
    monkeypatch.setattr(mail, "WHOLE_S", 0.8)
    with SlowBox() as box:
        by = mailer(box.port, DriverCalls())
        messages = [mail_of(SENDER, [f"a{n}@x.org"], "x", [NOTE], 1) for n in range(4)]
        assert await asyncio.gather(*map(by.send, messages)) == [Answer()] * 4
        assert len(box.got) == 4


async def test_a_server_that_hangs_costs_the_time_of_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "WHOLE_S", 0.3)
    message, began = mail_of(SENDER, ["a@x.org"], "x", [NOTE], 1), time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        by = mailer(silent.getsockname()[1], DriverCalls())
        first, *others = await asyncio.gather(*(by.send(message) for _ in range(10)))
    assert time.monotonic() - began < 2
    assert "did not take the message within 0.3 s." in first.error
    assert all(each.error.endswith("did not take the message before this one.") for each in others)
    assert not any(each.final for each in others)


async def test_the_password_is_in_no_error(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("gehéim")
    with MailBox() as box:
        said = await handed_in(box, user="herder", password_file=str(secret))
    assert "other characters than those of ASCII" in said
    assert "é" not in said
