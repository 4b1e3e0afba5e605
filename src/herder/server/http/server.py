"""The HTTP server of one running Herder: its listening socket, its certificate, its connections and its signals.

uvicorn with the start, the stop and the signals in our hands: a long poll must be answered before the connections close. Made
by `runtime.py`.
"""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from herder.model.values.phrases import clause
from herder.server.http.certificate import certificate_of
from herder.server.http.connections import Connections, connections_for, raise_descriptors
from herder.server.http.protocol import bounded
from herder.server.options import ServerOptions, StartError

#: Connections that wait to be accepted.
BACKLOG = 2048


@contextmanager
def listen(host: str, port: int, last: int = 0) -> Iterator[socket.socket]:
    """The listening socket, taken first: a port in use must not cost anything. `last`: what port 0 means while it is free, because agents
    look for the server where it was."""
    hint = (
        "Check whether another server is running, or choose another port with --port (0 takes any free port)."
    )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise StartError(f"Cannot listen on {host}:{port}: {error.strerror or clause(error)}.") from None
    with listener:
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            _bind(listener, host, port, last)
            listener.listen(BACKLOG)
        except socket.gaierror as error:
            text = f"Cannot listen on {host}:{port}: {error.strerror}."
            raise StartError(text, "Name an address of this machine, such as --host 127.0.0.1.") from None
        except (OSError, UnicodeError, ValueError) as error:
            text = f"Cannot listen on {host}:{port}: {getattr(error, 'strerror', None) or clause(error)}."
            raise StartError(text, hint) from None
        yield listener


def _bind(listener: socket.socket, host: str, port: int, last: int) -> None:
    if last and not port:
        with contextlib.suppress(OSError):
            listener.bind((host, last))
            return
    listener.bind((host, port))


def url_of(options: ServerOptions, listener: socket.socket) -> str:
    port = listener.getsockname()[1]
    host = "127.0.0.1" if options.host in ("0.0.0.0", "::", "localhost") else options.host
    scheme = "https" if options.tls_cert is not None else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


class HttpServer(uvicorn.Server):
    """`stopping` is set when the server is to stop; `asked` counts how often that was asked for."""

    def __init__(
        self, options: ServerOptions, listener: socket.socket, before: "HttpServer | None" = None
    ) -> None:
        """`before`: the one that listened before, in the same process. A stop that it was asked for meanwhile counts."""
        self._before = before
        self.limits = options.http
        self.open: Connections = connections_for(self.limits, raise_descriptors())
        self._certificate = certificate_of(options)
        super().__init__(
            uvicorn.Config(
                app=lambda: None,
                lifespan="off",
                access_log=False,
                log_config=None,
                http=bounded(self.open),
                ws="none",
                timeout_graceful_shutdown=3,
                server_header=False,
            )
        )
        self._listener = listener
        self.stopping = asyncio.Event()
        self.hastened = asyncio.Event()
        self.asked = 0
        self.on_hangup: Callable[[], None] | None = None
        """Called at SIGHUP."""
        self.on_asked: Callable[[int], None] | None = None
        """Called at SIGINT and SIGTERM, with how many there have been."""
        self.error: BaseException | None = None

    async def run(self) -> None:  # type: ignore[override]
        beside = [asyncio.create_task(self.open.watch(), name="connections")]
        if self._certificate is not None:
            beside.append(asyncio.create_task(self._certificate.watch(), name="certificate"))
        try:
            await self.serve(sockets=[self._listener])
        finally:
            for task in beside:
                task.cancel()
        self.stopping.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn does it for a socket that is open, with a bound on the time of a TLS handshake."""
        protocol, state = self.config.http_protocol_class, self.server_state

        def connect() -> asyncio.Protocol:
            return protocol(config=self.config, server_state=state, app_state={})  # type: ignore[call-arg]

        server = await asyncio.get_running_loop().create_server(
            connect,
            sock=self._listener,
            ssl=None if self._certificate is None else self._certificate.context,
            backlog=BACKLOG,
            ssl_handshake_timeout=None if self._certificate is None else self.limits.tls_handshake_s,
        )
        self.servers = [server]
        self.started = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def take_signals(self) -> None:
        """SIGINT and SIGTERM ask for an orderly stop; again: hasten; a third time: end at once. SIGHUP: read the files again."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                loop.add_signal_handler(number, self.asked_to_stop)
            except (ValueError, RuntimeError, NotImplementedError):
                return  # not the main thread: whoever runs us stops us
        loop.add_signal_handler(signal.SIGHUP, self._hung_up)
        if self._before is not None and self._before.asked:
            self.asked_to_stop()
        self._before = None

    def asked_to_stop(self) -> None:
        self.asked += 1
        if self.asked > 1:
            self.hastened.set()
        if self.on_asked is not None:
            self.on_asked(self.asked)
        self.stop()

    def _hung_up(self) -> None:
        if self.on_hangup is not None:
            self.on_hangup()

    def stop(self) -> None:
        self.stopping.set()

    def cut_all(self) -> None:
        """End all connections now: whoever waits tries again, or goes to another server."""
        for each in list(self.open.of):
            each.cut()

    def fatal(self, error: BaseException) -> None:
        """The store failed: what is in memory cannot be kept, so nothing may be answered any more."""
        self.error = error
        self.force_exit = self.should_exit = True
        self.stopping.set()
