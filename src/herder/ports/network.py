"""The network as a port: how an agent reaches its server. The server's side is an ASGI application and needs no port."""

from collections.abc import Sequence
from typing import Protocol


class Network(Protocol):
    """One agent's calls to its server, or to the servers of one installation. Implemented by `agent.environment.connection.Connection` and by the simulated world."""

    def use_token(self, token: str) -> None:
        """What the next calls are made with. Raises `agent.environment.connection.Refused` when no header can carry it."""

    def know(self, servers: Sequence[str]) -> None:
        """The addresses of all servers of the installation: when one does not answer, the next call goes to another."""

    async def call(
        self, path: str, body: bytes, held_open_s: float = 0.0, answer_s: float | None = None
    ) -> bytes:
        """The body of a 200 answer, which may take `answer_s` (None: as the settings say) and `held_open_s` more. Raises what
        `agent.environment.connection.Connection.call` raises: the call was refused, or it may or may not have arrived."""

    async def fetch(self, path: str, descriptor: int) -> None:
        """What a GET answers, written to a file as it comes. Raises as `call` does, and OSError of the file."""

    async def close(self) -> None:
        """Let go of what is kept between calls."""
