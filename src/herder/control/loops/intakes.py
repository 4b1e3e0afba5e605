"""The intakes loop: takes jobs from queues in Redis or Valkey, and writes the status of each job back until it has ended.

One task for each of `intakes:`. A queue that cannot be reached pauses its intake: that is told once as an event and shown in the status, and
tried again with growing pauses. Nothing is remembered that is not in the queue or in the store, so a restart goes on where it was.
"""

import asyncio
import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from herder.control.jobs.intake import Intake, with_status
from herder.control.kernel.bounds.errors import Refused
from herder.control.kernel.core import Core
from herder.control.kernel.intake_notes import IntakeNotes
from herder.control.reads.work.documented import documented
from herder.control.reads.work.jobs import view_of, with_attempt
from herder.engine.memory.events import record_event
from herder.intake.redis_queue import RedisQueue
from herder.model.stored.changes import Changes
from herder.model.values.phrases import sentence
from herder.ports.intake import IntakeDown, IntakeQueue, OpensIntake, Told
from herder.settings.sections.jobs.intakes import IntakeSettings
from herder.store.rows import tables as t
from herder.wire.api.documented import DocumentedJob

_LOG = logging.getLogger(__name__)
#: Records claimed at a time: their jobs must be durable well within a lease.
CLAIMED_MAX = 100
#: Jobs whose state is read in one query; of more, so many at each look in turn.
FOLLOWED_AT_A_TIME = 1000
#: Records that are in memory together when their status is written.
TOLD_AT_A_TIME = 32
PAUSE_S, PAUSE_LONGEST_S = 1.0, 30.0
#: A task that swallows its cancellation is cancelled again.
CANCELS_AGAIN_S = 0.5
_ENDED = frozenset({"completed", "failed", "timeout", "cancelled", "cleaned_up"})


async def run(core: Core) -> None:
    """Ends at once where there are none."""
    stopping = asyncio.Event()
    opens = core.open_intake or open_queue
    tasks = {asyncio.create_task(serve(core, each, opens, stopping)) for each in core.settings.intakes}
    if not tasks:
        return
    try:
        # Not `gather`: a cancellation would wait there for the tasks, and a library may answer one with an error of its own, after which its
        # intake would try again for ever.
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for each in done:
            each.result()
    finally:
        stopping.set()
        while tasks := {each for each in tasks if not each.done()}:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=CANCELS_AGAIN_S)


def open_queue(settings: IntakeSettings) -> IntakeQueue:
    """Raises IntakeDown."""
    password: str | None = None
    if settings.password_env:
        password = os.environ.get(settings.password_env)
        if password is None:
            raise IntakeDown(f"the environment variable {settings.password_env} is not set")
    elif settings.password_file:
        try:
            password = Path(settings.password_file).read_text().strip()
        except OSError as error:
            raise IntakeDown(f"{settings.password_file}: {error.strerror or error}") from None
    try:
        return RedisQueue(settings.url, settings.prefix, password)
    except ImportError:
        raise IntakeDown("the Python package redis is not installed; install herder[redis]") from None


async def serve(core: Core, settings: IntakeSettings, opens: OpensIntake, stopping: asyncio.Event) -> None:
    """One intake, until it is cancelled, or `stopping` is set. No fault of it ends another one."""
    notes = core.intake_notes.setdefault(settings.name, IntakeNotes())
    pause = PAUSE_S
    while not stopping.is_set():
        queue: IntakeQueue | None = None
        try:
            queue = opens(settings)
            follower = _Follower(core, settings, queue, dict(await queue.followed()))
            intake = Intake(core, settings, queue)
            while not stopping.is_set():
                took = await _take(core, intake, follower, notes)
                await follower.look()
                _resumed(core, settings, notes)
                pause = PAUSE_S
                if not took:
                    await asyncio.sleep(core.settings.intakes_period_s)
        except (IntakeDown, Refused) as error:
            _paused(core, settings, notes, error.detail if isinstance(error, Refused) else str(error))
        except Exception as error:  # noqa: BLE001 - the other intakes go on, and this one is tried again
            _LOG.exception("Intake %s failed and is tried again.", settings.name)
            _paused(core, settings, notes, f"an error inside of Herder: {type(error).__name__}: {error}")
        finally:
            if queue is not None:
                await _close(queue)
        await asyncio.sleep(pause)
        pause = min(2 * pause, PAUSE_LONGEST_S)


async def _take(core: Core, intake: Intake, follower: "_Follower", notes: IntakeNotes) -> bool:
    """Whether there was anything. Raises IntakeDown, and Refused when nothing more can be taken now."""
    if not core.leadership.holds():
        return False
    records = await intake.queue.claim(intake.settings.lease_s, CLAIMED_MAX)
    for record, data in zip(records, await intake.queue.read(records), strict=True):
        job = await intake.take(record, data)
        if job is not None:
            follower.jobs[record] = job
    notes.waiting = await intake.queue.waiting()
    return bool(records)


@dataclass(slots=True)
class _Follower:
    """Which jobs' states are written back."""

    core: Core
    settings: IntakeSettings
    queue: IntakeQueue
    jobs: dict[str, int]
    said: dict[str, str] = field(default_factory=dict)

    async def look(self) -> None:
        some = dict(list(self.jobs.items())[:FOLLOWED_AT_A_TIME])
        found, foreign = await self._states(some)
        for record in [record for record, job in some.items() if job in foreign]:
            _LOG.warning(
                "Record %r of intake %s names job %s, which is not of user %s; it is not followed.",
                record,
                self.settings.name,
                some.pop(record),
                self.settings.user,
            )
            del self.jobs[record]
        told = [
            (record, found.get(job))
            for record, job in some.items()
            if self.said.get(record) != (status := _status(found.get(job))) or status in _ENDED
        ]
        for first in range(0, len(told), TOLD_AT_A_TIME):
            part = told[first : first + TOLD_AT_A_TIME]
            data = await self.queue.read([record for record, _ in part])
            await self.queue.tell(
                [_told(record, job, raw) for (record, job), raw in zip(part, data, strict=True)]
            )
        for record, job in some.items():
            status = _status(found.get(job))
            del self.jobs[record]
            if status in _ENDED:
                self.said.pop(record, None)
            else:
                self.jobs[record], self.said[record] = job, status  # at the end: others have their turn

    async def _states(self, some: Mapping[str, int]) -> tuple[dict[int, DocumentedJob], set[int]]:
        """And the jobs of others: who can write to the queue must not learn of them."""
        if not some:
            return {}, set()
        columns = [each for each in t.jobs.c if each.name != "payload"]
        query = with_attempt(*columns).where(t.jobs.c.id.in_(some.values()))
        rows = await self.core.read(lambda connection: connection.execute(query).all())
        own = [row for row in rows if row.user == self.settings.user]
        found = {row.id: documented(self.core, view_of(self.core, row, {})) for row in own}
        return found, {row.id for row in rows} - set(found)


def _status(job: DocumentedJob | None) -> str:
    """Of a job whose rows are deleted: it was cleaned up."""
    return "cleaned_up" if job is None else job.status


def _told(record: str, job: DocumentedJob | None, raw: bytes | None) -> Told:
    status = _status(job)
    data = with_status(
        raw,
        status,
        started_at=None if job is None else job.started_at,
        completed_at=None if job is None else job.completed_at,
        error_message=None if job is None else job.error_message,
    )
    return Told(record=record, status=status, data=data, final=status in _ENDED)


async def _close(queue: IntakeQueue) -> None:
    """Raises nothing: an error here would stand in the place of a cancellation, and the loop would go on."""
    with suppress(IntakeDown):  # there is no connection to close
        await queue.close()


def _paused(core: Core, settings: IntakeSettings, notes: IntakeNotes, why: str) -> None:
    """Told once, with the first reason."""
    if not notes.paused:
        notes.paused_since_ms = core.clock.now_ms()
        _tell(core, settings, "intake.paused", f"Intake {settings.name} is paused. {sentence(why)}")
    notes.paused, notes.waiting = why, None


def _resumed(core: Core, settings: IntakeSettings, notes: IntakeNotes) -> None:
    if notes.paused:
        notes.paused = ""
        _tell(core, settings, "intake.resumed", f"Intake {settings.name} takes in jobs again.")


def _tell(core: Core, settings: IntakeSettings, kind: str, text: str) -> None:
    changes = Changes()
    record_event(core.state, changes, core.clock.now_ms(), kind, f"intake/{settings.name}", text)
    core.commit(changes)
