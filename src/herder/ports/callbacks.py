"""How the message about the end of a batch is sent, as a port.

Asked by `control/loops/callbacks.py`; `notify/sender.py` sends by HTTP. One call is one try.
"""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    id: str
    url: str
    body: str
    secret: bytes
    """The key of its signature."""
    sent_at_s: int
    """Seconds since the epoch, as the receiver compares them with its own clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`error` is a whole sentence; empty: the message was accepted."""

    status: int | None = None
    """HTTP status; None: there was no answer."""
    error: str = ""
    final: bool = False
    """No further try will help: the receiver wants no more."""


class Sender(Protocol):
    async def send(self, message: Message) -> Answer:
        """Ends within the time that is configured. Raises nothing: what goes wrong is in the answer."""

    async def close(self) -> None: ...
