"""Where a machine hears that its provider takes it back: a file, the cloud's metadata address, a signal. Started by `main`.

Each source says how many seconds are left, again and again if it likes. None may end the agent: what cannot be read or reached is logged
once and looked at again. Requests are bounded in time and size and go to the one address that was set.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from urllib.parse import urlsplit

from herder.agent.environment.settings import AgentSettings
from herder.agent.machine.notice_formats import left_s, time_of
from herder.model.values.phrases import clause
from herder.ports.clock import Clock

_LOG = logging.getLogger(__name__)
#: What is read of a file or an answer.
_BYTES_MAX = 64 * 1024
#: Clouds refuse requests without theirs; the others pass over them.
_HEADERS = "Metadata-Flavor: Google\r\nMetadata: true\r\n"
_TOKEN_PATH = "/latest/api/token"
_TOKEN_HEADERS = "X-aws-ec2-metadata-token-ttl-seconds: 21600\r\nContent-Length: 0\r\n"

#: Called with the seconds that are left, and where that was heard.
Told = Callable[[float, str], None]


async def watch(settings: AgentSettings, clock: Clock, told: Told, signalled: asyncio.Event | None) -> None:
    """Until it is cancelled."""
    async with asyncio.TaskGroup() as sources:
        if settings.notice_file is not None:
            sources.create_task(_watch_file(settings, clock, told))
        if settings.notice_url:
            sources.create_task(_watch_url(settings, clock, told))
        if signalled is not None:
            sources.create_task(_wait_for_signal(settings, told, signalled))


async def _wait_for_signal(settings: AgentSettings, told: Told, signalled: asyncio.Event) -> None:
    await signalled.wait()
    told(settings.notice_s, "signal SIGUSR1")


async def _watch_file(settings: AgentSettings, clock: Clock, told: Told) -> None:
    """Each content is told once: a file without a time counts from when it was seen."""
    path = settings.notice_file
    assert path is not None
    text: str | None = None
    seen: str | None = None
    while True:
        try:
            with path.open("rb") as file:
                text = file.read(_BYTES_MAX).decode("utf-8", "replace")
        except OSError as error:
            text = None if isinstance(error, FileNotFoundError) else ""
        if text is not None and text != seen:
            seconds = left_s(text, clock.now_ms(), settings.notice_s, _names(settings))
            if seconds is None:
                _LOG.warning("The notice in %s is not of now and is passed over.", path)
            else:
                told(seconds, f"file {path}")
        seen = text
        await asyncio.sleep(settings.notice_file_every_s)


async def _watch_url(settings: AgentSettings, clock: Clock, told: Told) -> None:
    """An answer without a time counts from the first one of its kind on."""
    metadata, said, trouble = Metadata(settings.notice_url), "", ""
    while True:
        try:
            async with asyncio.timeout(settings.notice_url_deadline_s):
                status, text, now_ms = await metadata.ask(clock.now_ms())
        except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError) as error:
            if not trouble:
                trouble = clause(error) or type(error).__name__
                _LOG.warning("The metadata address %s cannot be read: %s.", settings.notice_url, trouble)
        else:
            trouble = ""
            seconds = left_s(text, now_ms, settings.notice_s, _names(settings)) if status == 200 else None
            if seconds is not None and text != said:
                told(seconds, f"address {settings.notice_url}")
            said = text if status == 200 else ""
        await asyncio.sleep(settings.notice_url_every_s)


def _names(settings: AgentSettings) -> frozenset[str]:
    return frozenset({settings.worker.lower(), socket.gethostname().lower()})


class Metadata:
    """A client for one address: HTTP/1.0, one request a connection. AWS wants a session token, which is fetched when it says so."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._token = ""

    async def ask(self, now_ms: int) -> tuple[int, str, int]:
        """Status, body, and the time of the answer: by its own `Date`, so that this machine's clock does not matter, or `now_ms`. Raises
        OSError or ValueError."""
        status, headers, body = await self._send("GET", self._path, self._headers())
        if status == 401:
            status, _, token = await self._send("PUT", _TOKEN_PATH, _TOKEN_HEADERS)
            self._token = token.strip() if status == 200 and token.strip().isprintable() else ""
            status, headers, body = await self._send("GET", self._path, self._headers())
        at = time_of(headers.get("date", ""))
        return status, body, now_ms if at is None else int(at.timestamp() * 1000)

    def _headers(self) -> str:
        return _HEADERS + (f"X-aws-ec2-metadata-token: {self._token}\r\n" if self._token else "")

    async def _send(self, method: str, path: str, headers: str) -> tuple[int, dict[str, str], str]:
        reader, writer = await asyncio.open_connection(self._host, self._port, limit=_BYTES_MAX)
        try:
            writer.write(f"{method} {path} HTTP/1.0\r\nHost: {self._host}\r\n{headers}\r\n".encode("ascii"))
            await writer.drain()
            answer = b""
            while len(answer) < _BYTES_MAX and (piece := await reader.read(_BYTES_MAX)):
                answer += piece
                head, gap, body = answer.partition(b"\r\n\r\n")
                length = _header(head, b"content-length")
                if gap and length.isdigit() and len(body) >= int(length):
                    break
        finally:
            writer.transport.abort()
        head, _, body = answer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        fields = first.split(" ", 2)
        if len(fields) < 2 or not fields[0].startswith("HTTP/") or not fields[1].isdigit():
            raise ValueError("the answer is not of HTTP")
        pairs = (line.partition(":") for line in lines)
        found = {name.strip().lower(): value.strip() for name, _, value in pairs}
        return int(fields[1]), found, body.decode("utf-8", "replace")


def _header(head: bytes, name: bytes) -> str:
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.strip().lower() == name:
            return value.strip().decode("latin-1")
    return ""
