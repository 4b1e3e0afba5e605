"""What this machine was told of its end. Made by `main`; the exchange tells the server, and the attempts are told their deadline.

Time left is counted on the event loop's clock, which nobody sets. A later end than the one before is passed over.
"""

import asyncio
import logging

from herder.agent.attempts.attempts import Attempts
from herder.agent.environment.settings import AgentSettings

_LOG = logging.getLogger(__name__)


class MachineNotice:
    def __init__(self, settings: AgentSettings, attempts: Attempts) -> None:
        self._settings, self._attempts = settings, attempts
        self._loop = asyncio.get_running_loop()
        self._ends_s: float | None = None

    def announced(self, left_s: float, source: str) -> bool:
        """Whether that is news."""
        ends_s = self._loop.time() + max(0.0, left_s)
        if self._ends_s is not None and ends_s >= self._ends_s:
            return False
        self._ends_s = ends_s
        _LOG.warning("This machine is taken back in %.0f s (%s).", left_s, source)
        self._attempts.tell_deadline(left_s - min(self._settings.notice_margin_s, left_s / 2))
        return True

    def left_ms(self) -> int | None:
        """None: nothing is known of an end."""
        return None if self._ends_s is None else max(0, int((self._ends_s - self._loop.time()) * 1000))
