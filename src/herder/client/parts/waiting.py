"""Waits for an object to end, by long polls of bounded length. Used by jobs and batches.

Once the server has answered, a wait goes on through its restart and through a take-over, until it is over or its time is.
"""

from collections.abc import Callable
from typing import TypeVar

from herder.client.errors import TimedOutError, UnreachableError
from herder.client.http import clock
from herder.client.http.transport import Transport
from herder.client.http.tries import FOREVER
from herder.model.values.phrases import sentences

T = TypeVar("T")
POLL_S = 20.0
"""How long the server may hold one poll: below the idle limits of common proxies (60 s)."""


POLL_SERVERS_S = 5.0
"""With several servers: a leader that hangs is noticed when a poll is not answered."""


def wait_until(
    http: Transport,
    what: str,
    poll: Callable[[float], T],
    ended: Callable[[T], bool],
    timeout_s: float | None,
    hint: str,
    look_s: float | None = None,
) -> T:
    """Polls until `ended`; TimedOutError after `timeout_s` (None: without limit). `look_s`: asks at least so often."""
    most = POLL_SERVERS_S if http.servers.several else POLL_S
    longest = min(most, look_s or most)
    start = clock.monotonic_s()
    until_s = FOREVER if timeout_s is None else start + timeout_s

    def look(left_s: float, *, patient: bool = True) -> T:
        if not patient:
            return poll(left_s)
        try:
            with http.patient(until_s):
                return poll(left_s)
        except UnreachableError as error:
            text = f"It is unknown whether {what[0].lower()}{what[1:]} has ended"
            raise TimedOutError(sentences(text, error.message), hint=hint) from None

    view = look(longest if timeout_s is None else min(longest, timeout_s), patient=http.goes_on)
    while not ended(view):
        before = clock.monotonic_s()
        if timeout_s is not None and before >= until_s:
            raise TimedOutError(f"{what} has not ended after {round(timeout_s, 1):,g} s.", hint=hint)
        left = max(0.0, min(longest, until_s - before))
        view = look(left)
        if clock.monotonic_s() - before < 0.05:
            # A server that answers at once, without waiting, must not be asked in a tight loop.
            clock.sleep_s(min(0.2, left))
    return view
