"""A real SMTP server on loopback that keeps what it is given."""

import asyncio
import ssl
import threading
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword


class MailBox:
    """In `with`. `refused`: addresses that it does not take. With `tls`, it wants STARTTLS; with `password`, a login of `herder`."""

    def __init__(
        self, *, refused: tuple[str, ...] = (), tls: ssl.SSLContext | None = None, password: str = ""
    ) -> None:
        self.got: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self._refused, self._came = refused, threading.Condition()
        options: dict[str, Any] = {"tls_context": tls, "require_starttls": True} if tls is not None else {}
        if password:
            options |= {"authenticator": self._authenticate, "auth_required": True}
        self._password = password.encode()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._serve(options), self._loop).result(10)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def _serve(self, options: dict[str, Any]) -> asyncio.Server:
        return await self._loop.create_server(lambda: SMTP(self, **options), "127.0.0.1", 0)

    async def _end(self) -> None:
        """With the conversations that somebody has left in the middle."""
        self._server.close()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await asyncio.sleep(0.01)

    async def handle_RCPT(  # noqa: N802
        self, _server: Any, _session: Any, envelope: Envelope, address: str, _options: Any
    ) -> str:
        if address in self._refused:
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802
        self, _server: Any, _session: Any, envelope: Envelope
    ) -> str:
        assert isinstance(envelope.content, bytes)
        with self._came:
            message = message_from_bytes(envelope.content, policy=policy.default)
            assert isinstance(message, EmailMessage)
            self.got.append(message)
            self.recipients.append(list(envelope.rcpt_tos))
            self._came.notify_all()
        return "250 OK"

    def _authenticate(
        self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any
    ) -> AuthResult:
        good = isinstance(data, LoginPassword) and (data.login, data.password) == (b"herder", self._password)
        return AuthResult(success=good, handled=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def wait(self, count: int = 1, within_s: float = 30.0) -> list[EmailMessage]:
        with self._came:
            assert self._came.wait_for(lambda: len(self.got) >= count, within_s), f"{len(self.got)} came"
            return list(self.got)
