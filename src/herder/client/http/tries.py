"""When a call that failed is tried again, with which time limits, and when a person is told. Created by `transport.py`, one for each call.

A call goes on for a few tries, with several servers or without a leader for as long as a take-over may take, and within `Transport.patient`
until the time named there. With several servers the first try waits a short time only, because a server that hangs accepts calls and never
answers; each further one waits longer, so a call that is merely slow ends as well. It sends nothing, and it must never say that a call may
be repeated: the caller knows that.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from herder.client.http import clock

if TYPE_CHECKING:
    import httpx

FOREVER = float("inf")
FAILOVER_S = 30.0
"""With several addresses, or without a leader, tries go on for at least this long: a take-over takes up to 10 s."""
SILENT_S = 4.0
"""With several addresses the first try waits this long for an answer, each further one twice as long."""
CONNECT_SERVERS_S = 3.0
"""With several addresses: a host that is down says nothing, and is not waited for as long as for an answer."""
PAUSE_S = 0.25
PAUSE_MAX_S = 5.0
PAUSE_SERVERS_S = 1.0
RETRY_AFTER_MAX_S = 30.0
"""A server that wants a longer pause than this is reported instead of waited for."""
TELL_AFTER_S = 3.0
"""What is over sooner is not told."""
TELL_EVERY_S = 10.0


@dataclass(slots=True, kw_only=True)
class Tries:
    """`timeout_s`: how long one try may take at most, besides `held_s`, for which the server may hold the call open."""

    retries: int
    timeout_s: float
    held_s: float
    several: bool
    began_s: float
    until_s: float | None
    """By the monotonic clock: tries go on until then. None: as long as usual."""
    _failed: int = 0
    _silent: int = 0
    _whole: bool = False
    _now_s: float = 0.0
    _told_s: float | None = None

    def timeout(self) -> "httpx.Timeout":
        """Of the next try."""
        from herder.client.http.http_library import httpx

        longest_s = self.timeout_s
        if self.until_s is not None:
            longest_s = min(longest_s, max(SILENT_S, self.until_s - (self._now_s or self.began_s)))
        if not self.several:
            return httpx.Timeout(longest_s, read=longest_s + self.held_s)
        silent_s = longest_s if self._whole else min(longest_s, SILENT_S * 2**self._silent)
        return httpx.Timeout(silent_s, read=silent_s + self.held_s, connect=CONNECT_SERVERS_S)

    def again(self, *, no_leader: bool = False) -> bool:
        """After a try without an answer: whether there is another one."""
        more = self._more()
        if self.until_s is not None:
            return bool(self.retries) and self._now_s < self.until_s
        usual_s = self.began_s + (FAILOVER_S if self.several or no_leader else 0.0)
        return more or (bool(self.retries) and self._now_s < usual_s)

    def after_refusal(self, wanted_s: float, *, unavailable: bool, no_leader: bool) -> bool:
        """After an answer that names a passing trouble: whether there is another try. `unavailable`: the server is, as without an answer."""
        if wanted_s > RETRY_AFTER_MAX_S and (self.until_s is None or not unavailable):
            return False
        return self.again(no_leader=no_leader) if unavailable else self._more()

    def _more(self) -> bool:
        self._now_s = clock.monotonic_s()
        self._failed += 1
        return self._failed <= self.retries

    def was_silent(self, *, leads: bool) -> None:
        """The last try was not answered in time. `leads`: the same server leads and answers other calls, so it gets the whole time."""
        self._silent += 1
        self._whole = leads

    def pause_s(self, wanted_s: float = 0.0) -> float:
        """Before the next try: what the server wants, else longer and longer. With another server to ask, never long."""
        longest = PAUSE_SERVERS_S if self.several else PAUSE_MAX_S
        pause_s = min(longest, PAUSE_S * 2 ** min(self._failed - 1, 16))
        pause_s = min(wanted_s, RETRY_AFTER_MAX_S) if wanted_s else clock.spread(pause_s)
        return pause_s if self.until_s is None else max(0.0, min(pause_s, self.until_s - self._now_s))

    def to_tell(self) -> bool:
        """Whether a person is to be told now that there was no answer."""
        due = self._now_s - self.began_s >= TELL_AFTER_S
        due = due and (self._told_s is None or self._now_s - self._told_s >= TELL_EVERY_S)
        if due:
            self._told_s = self._now_s
        return due

    @property
    def endless(self) -> bool:
        return self.until_s == FOREVER
