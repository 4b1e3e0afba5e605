"""The certificate of a server and its key. Files that were renewed are taken for new connections without a restart. Made by `server.py`."""

import asyncio
import logging
import ssl
from pathlib import Path

from herder.model.values.phrases import clause
from herder.server.options import ServerOptions, StartError

#: Between two looks at the files.
LOOK_S = 30.0
_LOG = logging.getLogger(__name__)

_State = tuple[tuple[int, int, int], ...]
"""Of each file: inode, size and time of its last change in ns."""


class Certificate:
    def __init__(self, cert: Path, key: Path) -> None:
        """Raises StartError that names the file."""
        self._files = (cert, key)
        self._seen: _State | None = self._state()
        self._now = _context(cert, key)
        self.context = _context(cert, key)
        """For the listening socket. Each handshake goes on with that of the newest files, which were read whole before."""
        self.context.sni_callback = self._take_newest

    def _take_newest(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = self._now

    async def watch(self) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            await asyncio.to_thread(self.look)

    def look(self) -> None:
        """A pair that cannot be used, such as one of which only one file was written yet, changes nothing and is looked at again."""
        state = self._state()
        if state is None or state == self._seen:
            return
        try:
            self._now = _context(*self._files)
        except StartError as error:
            _LOG.warning("The certificate stays as it was. %s", error)
        else:
            self._seen = state
            _LOG.info("The certificate %s was read again.", self._files[0])

    def _state(self) -> _State | None:
        """None: it cannot be told now."""
        try:
            found = [path.stat() for path in self._files]
        except OSError:
            return None
        return tuple((each.st_ino, each.st_size, each.st_mtime_ns) for each in found)


def certificate_of(options: ServerOptions) -> Certificate | None:
    """None: the server speaks plain HTTP. Raises StartError."""
    if options.tls_cert is None or options.tls_key is None:
        return None
    return Certificate(options.tls_cert, options.tls_key)


def _context(cert: Path, key: Path) -> ssl.SSLContext:
    for path, what in ((cert, "certificate"), (key, "key")):
        try:
            path.read_bytes()
        except OSError as error:
            raise StartError(
                f"Cannot read the {what} {path}: {error.strerror}.", "Check the path and its permissions."
            ) from None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(cert, key, password=_no_password)
    except (ssl.SSLError, ValueError, OSError) as error:
        reason = getattr(error, "reason", None) or error
        raise StartError(
            f"Cannot use the certificate {cert} with the key {key}: {clause(reason)}.",
            "Both must be PEM files; the key must belong to the certificate and have no password.",
        ) from None
    return context


def _no_password() -> str:
    raise ValueError("the key has a password")
