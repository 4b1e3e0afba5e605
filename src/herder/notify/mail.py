"""E-mail by SMTP, with the standard library. Plain text; one message for all its alerts.

A message has an id that is made of its alerts, so one that is sent twice is shown once by most programs.
"""

import asyncio
import smtplib
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from email.errors import MessageError
from email.message import EmailMessage
from email.utils import format_datetime
from functools import partial
from hashlib import blake2b

from herder.model.fleet.driver import OutcomeUnknown, Unavailable
from herder.model.work.alerts import MailServer
from herder.notify.files import FileError, small_text
from herder.notify.notes import Note
from herder.ports.callbacks import Answer
from herder.ports.calls import Calls

#: Of one step of the conversation, and of all of it.
STEP_S, WHOLE_S = 10.0, 60.0


def mail_of(
    sender: str, to: Sequence[str], heading: str, notes: Sequence[Note], sent_at_s: int
) -> EmailMessage:
    """`heading` is the subject; whatever is in it, it adds no header. Raises ValueError for what cannot be sent as text."""
    message = EmailMessage()
    message["From"] = sender
    message["To"] = ", ".join(to)
    message["Subject"] = _plain_line(f"[Herder] {heading}")
    message["Date"] = format_datetime(datetime.fromtimestamp(sent_at_s, UTC))
    key = "\0".join((*sorted(to), *(f"{note.id} {note.occasion}" for note in notes)))
    message["Message-ID"] = (
        f"<{blake2b(key.encode(), digest_size=12).hexdigest()}@{sender.rpartition('@')[2]}>"
    )
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("\n\n\n".join(_paragraphs(note) for note in notes) + "\n")
    return message


def _plain_line(text: str) -> str:
    """Printable, in one line, and without encoded words (RFC 2047): the standard library decodes them, also to ends of lines, when it writes a header."""
    printable = "".join(sign if sign.isprintable() else " " for sign in text)
    return " ".join(printable.split()).replace("=?", "= ?")


def _paragraphs(note: Note) -> str:
    width = max((len(key) for key, _ in note.facts), default=0)
    facts = "\n".join(f"{key + ':':<{width + 1}} {value}" for key, value in note.facts)
    return "\n\n".join(
        each for each in (note.title, note.text, facts, "\n".join(note.advice), note.remedy) if each
    )


class Mailer:
    """Hands messages in at one server, one after the other. Each has its own time, which begins with its turn."""

    def __init__(self, server: MailServer, calls: Calls) -> None:
        self._server, self._calls = server, calls
        self.sender = server.sender
        self._turn = asyncio.Lock()
        self._hung = 0
        """How often the server was hung up on."""

    async def send(self, message: EmailMessage) -> Answer:
        """Raises nothing: what goes wrong is in the answer."""
        named, before = _named(self._server), self._hung
        async with self._turn:
            if self._hung != before:
                # Each that waits would take as long again, and other channels wait for all of them.
                return Answer(error=f"The mail server {named} did not take the message before this one.")
            conversation = _Conversation(self._server)
            try:
                return await self._calls.run(
                    f"mail server {named}",
                    "send",
                    partial(conversation.hand_in, message),
                    deadline_s=WHOLE_S,
                )
            except OutcomeUnknown:
                self._hung += 1
                return Answer(error=f"The mail server {named} did not take the message within {WHOLE_S:g} s.")
            except Unavailable:
                return Answer(
                    error=f"The mail server {named} does not answer. It is used again when earlier messages have returned."
                )
            finally:
                conversation.hang_up()


class _Conversation:
    """About one message. It can be hung up on at each step, from another thread."""

    def __init__(self, server: MailServer) -> None:
        self._server = server
        self._lock = threading.Lock()
        self._line: socket.socket | None = None
        self._over = False

    def hang_up(self) -> None:
        """The thread that waits for the server goes on with an error. Also after its end."""
        with self._lock:
            self._over = True
            self._cut()

    def _opened(self, line: socket.socket) -> None:
        """There is a connection, on which nothing was said yet. `line` is its second handle, which TLS does not exchange."""
        with self._lock:
            self._line = line
            if self._over:
                self._cut()

    def _cut(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            with suppress(OSError):  # it is closed already
                line.shutdown(socket.SHUT_RDWR)
            line.close()

    def hand_in(self, message: EmailMessage) -> Answer:
        named = _named(self._server)
        try:
            with self._connected() as connection:
                refused = connection.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            return Answer(
                error=f"The mail server {named} refused all addresses: {_refusals(error.recipients)}."
            )
        except smtplib.SMTPAuthenticationError as error:
            return Answer(error=f"The mail server {named} refused user and password: {_reply(error)}.")
        except smtplib.SMTPResponseException as error:
            return Answer(error=f"The mail server {named} refused the message: {_reply(error)}.")
        except FileError as error:
            return Answer(error=f"The mail server {named} cannot be used. {error}")
        except (smtplib.SMTPException, MessageError, OSError, ValueError) as error:
            return Answer(error=f"The mail server {named} cannot be used: {_words(error)}.")
        if refused:  # the others have it, and would have it twice
            return Answer(
                error=f"The mail server {named} refused some addresses: {_refusals(refused)}.", final=True
            )
        return Answer()

    def _connected(self) -> smtplib.SMTP:
        server = self._server
        connection = _Connection(server, self._opened)
        try:
            if server.security == "starttls":
                connection.starttls(context=_trust(server))
            if server.user:
                password = small_text(server.password_file)
                if not (server.user + password).isascii():  # an error of the codec would show a part of it
                    raise ValueError("user and password have other characters than those of ASCII")
                connection.login(server.user, password)
        except BaseException:
            connection.close()
            raise
        return connection


class _Connection(smtplib.SMTP):
    """Tells of its socket before anything is said on it, also of TLS."""

    def __init__(self, server: MailServer, opened: Callable[[socket.socket], None]) -> None:
        self._opened = opened
        self._tls = _trust(server) if server.security == "tls" else None
        super().__init__(server.host, server.port, timeout=STEP_S)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        """Called by `connect`."""
        line = socket.create_connection((host, port), timeout)
        self._opened(line.dup())
        return line if self._tls is None else self._tls.wrap_socket(line, server_hostname=host)


def _named(server: MailServer) -> str:
    return f"{server.host}:{server.port}"


def _trust(server: MailServer) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=server.ca_file or None)


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
