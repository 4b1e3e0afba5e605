"""Waits for an object to end, by long polls of bounded length. Used by jobs and batches."""

from collections.abc import Callable
from typing import TypeVar

from herder.client import clock
from herder.client.errors import TimedOutError

T = TypeVar("T")
POLL_S = 20.0
"""How long the server may hold one poll: below the idle limits of common proxies (60 s)."""


def wait_until(
    what: str,
    poll: Callable[[float], T],
    ended: Callable[[T], bool],
    timeout_s: float | None,
    hint: str,
    look_s: float | None = None,
) -> T:
    """Polls until `ended`; TimedOutError after `timeout_s` (None: without limit). `look_s`: asks at least so often."""
    longest = min(POLL_S, look_s or POLL_S)
    start = clock.monotonic_s()
    while True:
        spent = clock.monotonic_s() - start
        left = longest if timeout_s is None else min(longest, timeout_s - spent)
        before = clock.monotonic_s()
        view = poll(max(0.0, left))
        if ended(view):
            return view
        if timeout_s is not None and clock.monotonic_s() - start >= timeout_s:
            raise TimedOutError(f"{what} has not ended after {round(timeout_s, 1):,g} s.", hint=hint)
        if clock.monotonic_s() - before < 0.05:
            # A server that answers at once, without waiting, must not be asked in a tight loop.
            clock.sleep_s(min(0.2, max(0.0, left)))
