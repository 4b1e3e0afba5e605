"""A lock that is given in the order in which it was asked for: with that of the library one call may wait while later ones get it. Used by `driver`."""

import threading
from types import TracebackType


class InTurn:
    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._next = self._serves = 0

    def __enter__(self) -> None:
        with self._changed:
            mine, self._next = self._next, self._next + 1
            self._changed.wait_for(lambda: self._serves == mine)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._serves += 1
            self._changed.notify_all()
