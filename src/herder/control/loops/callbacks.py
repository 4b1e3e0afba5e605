"""The callbacks loop: sends what is due in the outbox, a few at a time, and writes down what became of each try.

Nothing of the outbox is in memory but what is being sent, so a server that starts goes on where the last one stopped; a message that was
sent and not written down is sent again, under the same id. One receiver, and one user, has a part of the places only: one that hangs
delays no other.
"""

import asyncio
from collections import Counter
from contextlib import suppress
from functools import partial
from typing import Any

from herder.control.kernel.core import Core
from herder.control.kernel.secret_tokens import callback_secret
from herder.engine.memory.events import record_event
from herder.model.stored.changes import Changes
from herder.model.values.phrases import counted
from herder.model.work.callbacks import CallbackRules, pause_ms
from herder.notify.sender import HttpSender
from herder.ports.callbacks import Answer, Message, Sender
from herder.store.writing.outbox import DELIVERED, DUE, FAILED, due, is_there, next_at_ms, note, subject

#: Messages that are being sent at a time: in all, to one host, and of one user.
PLACES, PER_HOST, PER_USER = 32, 4, 8
#: The outbox is looked at no less often, whatever the clock does.
LOOK_S = 600.0


async def run(core: Core) -> None:
    rules = core.settings.callbacks
    sender = core.outbox.sender or HttpSender(rules.allow, rules.timeout_s)
    try:
        await _Posting(core, sender, rules).run()
    finally:
        await sender.close()


class _Posting:
    def __init__(self, core: Core, sender: Sender, rules: CallbackRules) -> None:
        self._core, self._sender, self._rules = core, sender, rules
        self._under_way = core.outbox.sending
        self._under_way.clear()
        self._hosts: Counter[str] = Counter()
        self._users: Counter[str] = Counter()

    async def run(self) -> None:
        core = self._core
        async with asyncio.TaskGroup() as tries:
            while True:
                core.outbox.due.clear()
                started = await self._start(tries)
                if started:
                    continue  # there may be more, for which the busy hosts of now were not left out
                wait_s = await self._pause_s()
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await core.outbox.due.wait()

    async def _start(self, tries: asyncio.TaskGroup) -> int:
        free = PLACES - len(self._under_way)
        if free <= 0 or not self._core.leadership.holds():
            return 0
        query = partial(
            due,
            now_ms=self._core.clock.now_ms(),
            most=free,
            without=sorted(self._under_way),
            busy_hosts=sorted(host for host, count in self._hosts.items() if count >= PER_HOST),
            busy_users=sorted(user for user, count in self._users.items() if count >= PER_USER),
        )
        started = 0
        for row in await self._core.read(query):
            if self._hosts[row.host] >= PER_HOST or self._users[row.user] >= PER_USER:
                continue
            self._under_way.add(row.id)
            self._hosts[row.host] += 1
            self._users[row.user] += 1
            tries.create_task(self._try(row))
            started += 1
        return started

    async def _pause_s(self) -> float:
        if len(self._under_way) >= PLACES:
            return LOOK_S  # the end of a try wakes it
        at_ms: int | None = await self._core.read(partial(next_at_ms, without=sorted(self._under_way)))
        if at_ms is None:
            return LOOK_S
        left_s = (at_ms - self._core.clock.now_ms()) / 1000
        if left_s <= 0:
            return LOOK_S  # its host or user is busy: the end of a try wakes it
        return min(LOOK_S, left_s)

    async def _try(self, row: Any) -> None:
        core = self._core
        try:
            message = Message(
                id=row.id,
                url=row.url,
                body=row.body,
                secret=callback_secret(core.settings.secret, row.user),
                sent_at_s=core.clock.now_ms() // 1000,
            )
            answer = await self._sender.send(message)
            await self._write(row, answer)
        finally:
            self._under_way.discard(row.id)
            for counts, key in ((self._hosts, row.host), (self._users, row.user)):
                counts[key] -= 1
                if not counts[key]:
                    del counts[key]
            core.outbox.due.set()

    async def _write(self, row: Any, answer: Answer) -> None:
        core, now_ms, tries = self._core, self._core.clock.now_ms(), row.tries + 1
        again_ms = now_ms + pause_ms(tries)
        over = answer.final or again_ms > row.since_ms + int(self._rules.give_up_s * 1000)
        state = DELIVERED if not answer.error else FAILED if over else DUE
        values = {
            "state": state,
            "tries": tries,
            "next_at_ms": again_ms if state == DUE else None,
            "ended_at_ms": None if state == DUE else now_ms,
            "status": answer.status,
            "error": answer.error,
        }
        if state == FAILED and await core.read(partial(is_there, message=row.id)):
            # First: a crash in between gives it another try, and not an end that nobody is told of.
            await self._tell(row, tries, answer.error, now_ms)
        await core.store.call(partial(note, message=row.id, values=values))

    async def _tell(self, row: Any, tries: int, error: str, now_ms: int) -> None:
        changes = Changes()
        text = f"The callback of {subject(row)} was given up after {counted(tries, 'try')}. {error}"
        with self._core.change(changes):
            record_event(
                self._core.state, changes, now_ms, "callback.failed", row.object, text,
                owner=row.user, project=row.project,
            )  # fmt: skip
        await self._core.commit(changes)
