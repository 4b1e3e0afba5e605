"""E-mail by SMTP, with the standard library. Plain text; one message for all its alerts.

A message has an id that is made of its alerts, so one that is sent twice is shown once by most programs.
"""

import asyncio
import smtplib
import socket
import ssl
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from hashlib import blake2b
from pathlib import Path

from herder.model.work.alerts import MailServer
from herder.notify.notes import Note
from herder.ports.callbacks import Answer

#: Of one step of the conversation, and of all of it.
STEP_S, WHOLE_S = 10.0, 60.0
_PASSWORD_BYTES_MAX = 4096


def mail_of(
    sender: str, to: Sequence[str], heading: str, notes: Sequence[Note], sent_at_s: int
) -> EmailMessage:
    """`heading` is the subject."""
    message = EmailMessage()
    message["From"] = sender
    message["To"] = ", ".join(to)
    message["Subject"] = " ".join(f"[Herder] {heading}".split())
    message["Date"] = format_datetime(datetime.fromtimestamp(sent_at_s, UTC))
    key = "\0".join((*sorted(to), *(note.id for note in notes)))
    message["Message-ID"] = (
        f"<{blake2b(key.encode(), digest_size=12).hexdigest()}@{sender.rpartition('@')[2]}>"
    )
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("\n\n\n".join(_paragraphs(note) for note in notes) + "\n")
    return message


def _paragraphs(note: Note) -> str:
    width = max((len(key) for key, _ in note.facts), default=0)
    facts = "\n".join(f"{key + ':':<{width + 1}} {value}" for key, value in note.facts)
    return "\n\n".join(
        each for each in (note.title, note.text, facts, "\n".join(note.advice), note.remedy) if each
    )


class Mailer:
    """Hands messages in at one server, one after the other."""

    def __init__(self, server: MailServer) -> None:
        self._server = server
        self.sender = server.sender
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="mail")
        self._open: smtplib.SMTP | None = None

    async def send(self, message: EmailMessage) -> Answer:
        """Raises nothing: what goes wrong is in the answer."""
        try:
            async with asyncio.timeout(WHOLE_S):
                return await asyncio.get_running_loop().run_in_executor(self._thread, self._send, message)
        except TimeoutError:
            self._hang_up()
            return Answer(
                error=f"The mail server {self._named} did not take the message within {WHOLE_S:g} s."
            )

    def close(self) -> None:
        self._hang_up()
        self._thread.shutdown(wait=False, cancel_futures=True)

    @property
    def _named(self) -> str:
        return f"{self._server.host}:{self._server.port}"

    def _hang_up(self) -> None:
        """The thread that waits for the server goes on with an error."""
        held = self._open.sock if self._open is not None else None
        if held is not None:
            try:
                held.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # it is closed already

    def _send(self, message: EmailMessage) -> Answer:
        try:
            with self._connected() as connection:
                self._open = connection
                refused = connection.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            return Answer(
                error=f"The mail server {self._named} refused all addresses: {_refusals(error.recipients)}."
            )
        except smtplib.SMTPAuthenticationError as error:
            return Answer(error=f"The mail server {self._named} refused user and password: {_reply(error)}.")
        except smtplib.SMTPResponseException as error:
            return Answer(error=f"The mail server {self._named} refused the message: {_reply(error)}.")
        except (smtplib.SMTPException, OSError, ValueError) as error:
            return Answer(error=f"The mail server {self._named} cannot be used: {_words(error)}.")
        finally:
            self._open = None
        if refused:  # the others have it, and would have it twice
            return Answer(
                error=f"The mail server {self._named} refused some addresses: {_refusals(refused)}.",
                final=True,
            )
        return Answer()

    def _connected(self) -> smtplib.SMTP:
        server = self._server
        if server.security == "tls":
            connection: smtplib.SMTP = smtplib.SMTP_SSL(
                server.host, server.port, timeout=STEP_S, context=self._trust()
            )
        else:
            connection = smtplib.SMTP(server.host, server.port, timeout=STEP_S)
        try:
            if server.security == "starttls":
                connection.starttls(context=self._trust())
            if server.user:
                with Path(server.password_file).open(encoding="utf-8") as file:
                    connection.login(server.user, file.read(_PASSWORD_BYTES_MAX).strip())
        except BaseException:
            connection.close()
            raise
        return connection

    def _trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self._server.ca_file or None)


def _reply(error: smtplib.SMTPResponseException) -> str:
    said = error.smtp_error
    text = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
    return f"{error.smtp_code} {_printable(text)}"


def _refusals(refused: dict[str, tuple[int, bytes]]) -> str:
    return ", ".join(
        f"{address} ({code} {_printable(text.decode(errors='replace'))})"
        for address, (code, text) in sorted(refused.items())
    )[:500]


def _words(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return "it closed the connection"
    return _printable(str(error)) or type(error).__name__


def _printable(text: str) -> str:
    line = " ".join(text.split()).rstrip(".")
    return "".join(sign for sign in line[:300] if sign.isprintable())
