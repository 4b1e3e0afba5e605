"""The way back in: an agent whose token the server does not know activates once more, with the same token and nonce as at first.

Called by the exchange. It helps after the server's store was restored: the worker's row may not have its token yet, or be made again when a
person adopts the machine. A worker that was removed is refused there too, and leaves. At most once without an answer in between.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from herder.agent.environment.connection import Refused, Unreachable
from herder.model.values.phrases import clause

_LOG = logging.getLogger(__name__)


class Entrance:
    def __init__(self, again: Callable[[], Awaitable[object]] | None) -> None:
        self._again = again
        self._lock = asyncio.Lock()
        self._passed = 0
        self._tried = False

    async def open(self) -> int:
        """Waits while another call activates anew; the answer is for `passed_again`."""
        async with self._lock:
            return self._passed

    def answered(self) -> None:
        """The server has taken an exchange."""
        self._tried = False

    async def passed_again(self, seen: int) -> bool:
        """Whether the worker may go on. `seen`: what `open` said before the call that was refused."""
        async with self._lock:
            if self._passed != seen:
                return True  # refused with the token of before
            if self._again is None or self._tried:
                return False
            self._tried = True
            try:
                await self._again()
            except (Refused, Unreachable) as error:
                _LOG.warning("This worker cannot activate again: %s.", clause(error))
                return False
            self._passed += 1
            _LOG.info("This worker has activated again: the server had lost its token.")
            return True
