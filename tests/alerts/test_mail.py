"""E-mail through a real SMTP server: what arrives, over TLS and with a login, and what is said when it does not."""

import asyncio
import socket
import ssl
import time
from pathlib import Path

import pytest

from herder.model.work.alerts import MailServer
from herder.notify import mail
from herder.notify.mail import Mailer, mail_of
from herder.notify.notes import Note
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
    mailer = Mailer(server)
    try:
        answer = await mailer.send(mail_of(SENDER, to, NOTE.title, [NOTE], 1_790_000_000))
    finally:
        mailer.close()
    return answer.error


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


def test_a_name_cannot_add_headers() -> None:
    message = mail_of(SENDER, ["a@x.org"], "budget of x\r\nBcc: eve@x.org", [NOTE], 1)
    assert message["Bcc"] is None
    assert "\nBcc:" not in message.as_string()


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


async def test_a_server_that_is_not_there_or_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "WHOLE_S", 0.3)
    message = mail_of(SENDER, ["a@x.org"], "x", [NOTE], 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mailer = Mailer(
            MailServer(host="127.0.0.1", port=silent.getsockname()[1], sender=SENDER, security="none")
        )
        began = time.monotonic()
        answer = await mailer.send(message)
        assert answer.error.endswith("did not take the message within 0.3 s.")
        mailer.close()
        assert time.monotonic() - began < 5
        port = silent.getsockname()[1]
    mailer = Mailer(MailServer(host="127.0.0.1", port=port, sender=SENDER, security="none"))
    answer = await mailer.send(message)
    assert "cannot be used: " in answer.error
    mailer.close()
    await asyncio.sleep(0)
