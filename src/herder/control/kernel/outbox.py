"""What the server knows of callbacks beside their rows: how they are sent, which are being sent, and that some may be due."""

import asyncio
from dataclasses import dataclass, field

from herder.ports.callbacks import Sender


@dataclass(slots=True)
class Outbox:
    sender: Sender | None = None
    """None: by HTTP."""
    due: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a message was written or a try has ended."""
    sending: set[str] = field(default_factory=set)
    """Ids of messages."""
