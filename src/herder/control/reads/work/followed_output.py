"""Output of running jobs, sent to a bounded number of followers as it arrives.

Used by `port.py`. Each follower costs a task and a look into the store for each piece of output.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace

from herder.control.kernel.bounds.errors import Overloaded, Refused
from herder.control.kernel.bounds.limits import FOLLOWERS_EACH_MAX, FOLLOWERS_MAX
from herder.control.kernel.core import Core
from herder.control.reads.work.output import Output, output_of
from herder.control.reads.work.output_parts import last_lines
from herder.model.permissions import Principal
from herder.model.values.phrases import counted

#: The longest between two looks at the output of a running job, and at the rights of who follows it; new output is sent at once.
FOLLOW_S = 2.0

#: Who asks, looked up anew for each piece of a stream: rights that were taken back end it. Raises Refused.
Again = Callable[[], Principal]


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How pieces are written for who follows."""

    output: Callable[[int, int, str], str]
    """Of an attempt, the byte at which its output goes on, and the text."""
    attempt: Callable[[int], str]
    """Before the first piece of a later attempt."""
    idle: str = ""
    """When nothing came for a while."""
    end: str = ""
    """When nothing comes any more."""


PLAIN = Form(
    output=lambda _attempt, _at, text: text, attempt=lambda number: f"\n[herder: attempt {number}]\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    begin: int | None = None
    """The attempt with which to begin, when later ones are followed, too; None: the last."""
    tail: int | None = None
    """So many lines of what is there; None: all."""
    form: Form = PLAIN


class Followers:
    def __init__(self) -> None:
        self._of: Counter[str] = Counter()
        """By user."""

    async def follow(
        self,
        core: Core,
        again: Again,
        job: int,
        attempt: int | None,
        offset: int,
        how: How = How(),
    ) -> AsyncIterator[str]:
        """What it has printed from `offset` on, and what it prints until its attempt has ended; without an attempt the last one
        and those that come after it, until the job has ended. Raises Refused."""
        who = again()
        first = await output_of(core, who, job, how.begin if attempt is None else attempt, offset)
        if how.tail is not None:
            first = replace(first, text=last_lines(first.text, how.tail))
        mine, all_ = self._of[who.user], self._of.total()
        if mine >= FOLLOWERS_EACH_MAX or all_ >= FOLLOWERS_MAX:
            raise Overloaded(
                f"{who.user} follows {counted(mine, 'output')} of at most {FOLLOWERS_EACH_MAX}, and all users follow {all_} of at most "
                f"{FOLLOWERS_MAX}.",
                hint="Stop following some of them, or read the output without --follow.",
            )
        pieces = self._pieces(core, again, who.user, job, attempt, first, how.form)
        await anext(
            pieces
        )  # without a pause since the limit was looked at: from here on it counts, until it ends or is let go
        return pieces

    async def _pieces(
        self, core: Core, again: Again, user: str, job: int, attempt: int | None, first: Output, form: Form
    ) -> AsyncIterator[str]:
        found, number = first, max(1, first.attempt)
        self._of[user] += 1
        try:
            yield ""  # kept by `follow`
            while True:
                with core.output_came.wait(job) as came:  # before looking, so that nothing is missed
                    if found.text:
                        yield form.output(number, found.at, found.text)
                    if core.closing or _over(found, attempt):
                        if not core.closing and form.end:
                            yield form.end
                        return
                    at = found.at
                    if _goes_on(found, number):
                        number, at = number + 1, 0
                        yield form.attempt(number)
                    found = await output_of(core, again(), job, number, at)
                    if not (found.text or _over(found, attempt) or _goes_on(found, number)):
                        done, _ = await asyncio.wait({came}, timeout=FOLLOW_S)
                        if form.idle and not done:
                            yield form.idle
        except Refused:
            return
        finally:
            self._of[user] -= 1
            if not self._of[user]:
                del self._of[user]


def _over(found: Output, attempt: int | None) -> bool:
    """Nothing comes any more: of the attempt that was named, else of the job."""
    if attempt is not None:
        return found.attempt_ended
    return found.job_ended and found.attempt_ended and found.attempts <= found.attempt


def _goes_on(found: Output, number: int) -> bool:
    return found.attempt_ended and found.attempts > number
