"""A value of a provider that is read now and then, and says how old it is: prices, quotas, types of machines. Used from any thread.

A value that cannot be read again stays, with its time; one that was never read is an error, and never zero.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from herder.model.fleet.driver import DriverClock, DriverError

_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dated(Generic[_T]):
    value: _T
    as_of_ms: int
    """When the provider said it."""
    problem: str = ""
    """Why it is not newer, as a sentence; empty: it was read when it was due."""


class Refreshed(Generic[_T]):
    """`read` is called by whoever asks when the value is older than `every_s`; others meanwhile get the old one."""

    def __init__(self, read: Callable[[], _T], every_s: float, clock: DriverClock) -> None:
        self._read, self._every_ms, self._clock = read, every_s * 1000, clock
        self._lock = threading.Lock()
        self._known: Dated[_T] | None = None
        self._tried_ms = 0

    def get(self) -> Dated[_T]:
        """Raises the DriverError of the reading when there was never a value."""
        known = self._known
        if known is not None and (not self._due() or self._lock.locked()):
            return known
        with self._lock:
            if self._known is None or self._due():
                self._known = self._again()
            return self._known

    @property
    def known(self) -> _T | None:
        """The last value, however old, without a call; None: there was never one."""
        return None if self._known is None else self._known.value

    def _due(self) -> bool:
        return self._clock.monotonic_ms() - self._tried_ms >= self._every_ms

    def _again(self) -> Dated[_T]:
        self._tried_ms, at_ms = self._clock.monotonic_ms(), self._clock.now_ms()
        try:
            return Dated(value=self._read(), as_of_ms=at_ms)
        except DriverError as error:
            if self._known is None:
                raise
            if not self._known.problem:
                _LOG.warning("A value that the provider gave earlier is used: %s", error)
            return Dated(value=self._known.value, as_of_ms=self._known.as_of_ms, problem=str(error))
