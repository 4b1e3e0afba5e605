"""Output of jobs that is followed while they run: sent as it comes, by the waiters of `Core`, to a bounded number of followers.

Used by `port.py`. Each follower costs a task and a look into the store for each piece of output.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable

from herder.control.core import Core
from herder.control.errors import Overloaded, Refused
from herder.control.limits import FOLLOWERS_EACH_MAX, FOLLOWERS_MAX
from herder.control.reads.jobs import log_text
from herder.model.principal import Principal

#: The longest between two looks at the output of a running job, and at the rights of who follows it; new output is sent at once.
FOLLOW_S = 2.0

#: Who asks, looked up anew for each piece of a stream: rights that were taken back end it. Raises Refused.
Again = Callable[[], Principal]


class Followers:
    def __init__(self) -> None:
        self._of: Counter[str] = Counter()
        """By user."""

    async def follow(
        self, core: Core, again: Again, job: int, attempt: int | None, offset: int
    ) -> AsyncIterator[str]:
        """What it has printed from `offset` on, and what it prints until its attempt has ended. Raises Refused."""
        who = again()
        first = await log_text(core, who, job, attempt, offset)
        mine, all_ = self._of[who.user], self._of.total()
        if mine >= FOLLOWERS_EACH_MAX or all_ >= FOLLOWERS_MAX:
            raise Overloaded(
                f"{mine} outputs are followed by {who.user}, {all_} in all; at most {FOLLOWERS_EACH_MAX} by one user and "
                f"{FOLLOWERS_MAX} in all are possible",
                hint="end some of them, or read it without following",
            )
        pieces = self._pieces(core, again, who.user, job, attempt, first)
        await anext(
            pieces
        )  # without a pause since the limit was looked at: from here on it counts, until it ends or is let go
        return pieces

    async def _pieces(
        self, core: Core, again: Again, user: str, job: int, attempt: int | None, first: tuple[str, int, bool]
    ) -> AsyncIterator[str]:
        text, at, ended = first
        self._of[user] += 1
        try:
            yield ""  # kept by `follow`
            while True:
                with core.output_came.wait(job) as came:  # before looking, so that nothing is missed
                    if text:
                        yield text
                    if ended or core.closing:
                        return
                    text, at, ended = await log_text(core, again(), job, attempt, at)
                    if not text and not ended:
                        await asyncio.wait({came}, timeout=FOLLOW_S)
        except Refused:
            return
        finally:
            self._of[user] -= 1
            if not self._of[user]:
                del self._of[user]
