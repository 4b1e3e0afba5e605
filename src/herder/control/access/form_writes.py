"""Writes that a page asks for: tried out before a person confirms them, and carried out once however often the form is sent.

Used by the dashboard around `Commands`, as the front of the API does around its routes.
"""

from collections.abc import Callable
from typing import TypeVar

from herder.control.access.idempotency import Made, Requests, fingerprint_of
from herder.control.kernel.core import Core
from herder.model.permissions import Principal
from herder.model.stored.changes import Changes

T = TypeVar("T")
#: Fills changes at a time (ms). All or nothing; may raise Refused.
Step = Callable[[Changes, int], T]


class FormWrites:
    def __init__(self, core: Core) -> None:
        self._core = core
        self._requests = Requests()

    def try_out(self, step: Step[T]) -> T:
        """A dry run: `step` must change nothing. Raises Refused."""
        with self._core.no_change() as changes:
            return step(changes, self._core.clock.now_ms())

    async def carry_out(self, who: Principal, key: str, asked: str, subject: str, step: Step[T]) -> T | Made:
        """What `step` answers, once its changes are durable. A form that is sent again, with the same `key`, is answered what the first one made.

        `asked`: what is asked for, so that a key is not taken for another form's. `subject`: the object that is changed, as events
        name it. Raises Refused and StoreDown.
        """
        core = self._core
        core.take_in_work()
        fingerprint = fingerprint_of(asked, b"")
        made = await self._requests.find(core, who.user, key, fingerprint)
        if made is not None:
            await core.settle()  # the first may still be on its way to the disk
            return made
        # Nothing may be awaited until the key is kept: the same form may have been sent twice at once.
        with core.change(Changes()) as changes:
            now_ms = core.clock.now_ms()
            done = step(changes, now_ms)
            self._requests.keep(changes, who.user, key, fingerprint, now_ms, None, subject)
        await core.commit(changes)
        return done
