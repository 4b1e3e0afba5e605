"""How calls reach a Talos machine: `Wire` is the port, `GrpcWire` the one over TLS. Called by `client`.

A wire knows no meaning: it raises `Refused`, `Lost` or a `DriverError` about a certificate. The machines for tests offer another wire, without
sockets. An answer is bounded, and every call has a deadline.
"""

import asyncio
import ssl
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from google.protobuf.message import DecodeError

from herder.model.fleet.driver import InvalidRequest
from herder.remote.talos.errors import Lost, Refused, not_trusted
from herder.remote.talos.methods import Method, Reply, Request
from herder.remote.talos.talosconfig import Identity

if TYPE_CHECKING:
    from grpclib.client import Channel

CHANNELS_MAX = 64


#: Half a message, one that is compressed, or one that is none: the library raises these.
_WRONG_ANSWERS = (AssertionError, NotImplementedError, DecodeError, ValueError)


class TooLarge(Exception):
    """A message beyond the bound."""


class Wire(Protocol):
    async def call(
        self,
        address: str,
        identity: Identity | None,
        method: Method[Request, Reply],
        request: Request,
        *,
        metadata: Mapping[str, str],
        deadline_s: float,
        bytes_max: int,
    ) -> list[Reply]:
        """`identity` None: a machine in maintenance mode, which is not verified. A stream is read until its end or its bound."""

    async def close(self) -> None: ...


class GrpcWire:
    """Keeps a connection to each address that was called lately."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._channels: dict[tuple[str, bool], Channel] = {}
        self._contexts: dict[bool, ssl.SSLContext] = {}

    async def call(
        self,
        address: str,
        identity: Identity | None,
        method: Method[Request, Reply],
        request: Request,
        *,
        metadata: Mapping[str, str],
        deadline_s: float,
        bytes_max: int,
    ) -> list[Reply]:
        from grpclib.exceptions import GRPCError, ProtocolError, StreamTerminatedError

        progress = _Progress()
        try:
            async with asyncio.timeout(deadline_s):
                channel = self._channel(address, identity)
                return await _exchange(channel, method, request, metadata, bytes_max, progress)
        except ssl.SSLCertVerificationError as error:
            raise not_trusted(address, error) from None
        except GRPCError as error:
            raise Refused(error.status.name, error.message or "") from None
        except TimeoutError:
            self._forget(address, identity)
            raise Lost(f"it did not answer within {deadline_s:g} s", sent=progress.sent) from None
        except (StreamTerminatedError, ProtocolError, OSError) as error:
            self._forget(address, identity)
            raise Lost(_words(error, progress, identity), sent=progress.sent) from None
        except TooLarge:
            self._forget(address, identity)
            raise Lost(f"its answer is larger than {bytes_max:,} bytes", sent=progress.sent) from None
        except _WRONG_ANSWERS:
            self._forget(address, identity)
            raise Lost("its answer is not one of Talos", sent=progress.sent) from None

    async def close(self) -> None:
        for channel in self._channels.values():
            channel.close()
        self._channels.clear()
        await asyncio.sleep(0)

    def _channel(self, address: str, identity: Identity | None) -> "Channel":
        from grpclib.client import Channel

        key = (address, identity is None)
        found = self._channels.pop(key, None)
        if found is None:
            found = Channel(address, self._port, ssl=self._context(identity))
        while len(self._channels) >= CHANNELS_MAX:
            self._channels.pop(next(iter(self._channels))).close()
        self._channels[key] = found  # last: the first one was used longest ago
        return found

    def _forget(self, address: str, identity: Identity | None) -> None:
        """So that the next call opens a connection anew: the machine may have another certificate by then."""
        channel = self._channels.pop((address, identity is None), None)
        if channel is not None:
            channel.close()

    def _context(self, identity: Identity | None) -> ssl.SSLContext:
        key = identity is None
        if key not in self._contexts:
            self._contexts[key] = tls_of(identity)
        return self._contexts[key]


class _Progress:
    sent = False


async def _exchange(
    channel: "Channel",
    method: Method[Request, Reply],
    request: Request,
    metadata: Mapping[str, str],
    bytes_max: int,
    progress: _Progress,
) -> list[Reply]:
    from grpclib.const import Cardinality

    shape = Cardinality.UNARY_STREAM if method.streamed else Cardinality.UNARY_UNARY
    found: list[Reply] = []
    size = 0
    stream = channel.request(method.path, shape, method.request, method.reply, metadata=dict(metadata))
    async with stream:
        await stream.send_request()
        _bound(stream, bytes_max)
        progress.sent = True
        await stream.send_message(request, end=True)
        while (message := await stream.recv_message()) is not None:
            found.append(message)
            size += message.ByteSize()
            if size > bytes_max:
                await stream.cancel()
                break
            if not method.streamed:
                break
    return found


def _bound(stream: Any, bytes_max: int) -> None:
    """The library reads a message of any announced length. Before it begins to, the length is looked at."""
    inner = stream._stream
    receive = inner.recv_data

    async def bounded(size: int) -> bytes:
        if size > bytes_max:
            raise TooLarge
        return bytes(await receive(size))

    inner.recv_data = bounded


def _words(error: Exception, progress: _Progress, identity: Identity | None) -> str:
    if not progress.sent:
        return str(error) or type(error).__name__
    words = "the connection was lost"
    # TLS 1.3 tells a client that its certificate is refused only after its first request.
    return words if identity is None else f"{words}, or it does not accept the client certificate"


def tls_of(identity: Identity | None) -> ssl.SSLContext:
    """Raises InvalidRequest."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["h2"])
    if identity is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    try:
        context.load_verify_locations(cadata=identity.ca_pem)
        # The standard library reads certificates from files only.
        with tempfile.TemporaryDirectory(prefix="herder-") as folder:
            file = Path(folder) / "client.pem"
            file.touch(mode=0o600)
            file.write_text(f"{identity.certificate_pem}\n{identity.key_pem}")
            context.load_cert_chain(file)
    except (ssl.SSLError, ValueError):
        raise InvalidRequest(
            f"The certificates of talosconfig context {identity.context} cannot be used. Create them again with `talosctl config new`."
        ) from None
    return context
