"""Rules of interruption notices, judged by what the provider announced and not by what the server made of it.

No attempt is ended before the time that its machine was given; a worker with a notice gets no attempt; a notice that somebody could hear is
acted upon. What people do, a machine that goes early and a worker that is silent are excused.
"""

import json
from collections.abc import Iterator

from herder.model.fleet.worker import WorkerState
from herder.model.planning.plan import ReasonKind
from herder.model.stored.changes import Changes
from herder.model.stored.records import EventRecord, WorkerRecord
from herder.model.work.job import AttemptState, Cause
from herder.simulate.chaos.ports.calls import DEADLINE_MAX_S
from herder.simulate.chaos.rules.silence_rules import SilenceRules
from herder.simulate.chaos.world import World

#: Given up at the end of a notice, and the way of messages and looks.
MARGIN_S = 10.0
#: A notice that could be heard for so long is known.
HEARD_S = 300.0
_OPEN = frozenset({WorkerState.READY.value, WorkerState.UNHEALTHY.value})


class NoticeRules:
    def __init__(self, world: World, silence: SilenceRules) -> None:
        self._world, self._silence = world, silence
        self._rows: dict[str, WorkerRecord] = {}
        """Of workers whose machines were announced to be taken back."""
        self._by_hand: set[str] = set()
        self._known: set[str] = set()
        """Workers whose notice was durable before the commit that is looked at."""
        self._could_hear_s: dict[str, float] = {}

    def look(self, changes: Changes) -> Iterator[tuple[str, str]]:
        for event in changes.rows.get(EventRecord, {}).values():
            assert isinstance(event, EventRecord)
            if event.actor != "herder" and event.object.startswith("worker/"):
                self._by_hand.add(event.object.removeprefix("worker/"))
        preempted: set[str] = set()
        for (job, number), row in changes.attempts.items():
            if row.state == AttemptState.ASSIGNED and row.worker in self._known:
                yield (
                    "a worker with a notice gets no work",
                    f"Attempt {number} of job {job} was given to {row.worker}, whose machine is taken back.",
                )
            if row.state == AttemptState.LOST and row.cause == Cause.PREEMPTED:
                preempted.add(row.worker)
        for record in changes.rows.get(WorkerRecord, {}).values():
            assert isinstance(record, WorkerRecord)
            yield from self._worker(record, record.name in preempted)

    def _worker(self, record: WorkerRecord, preempted: bool) -> Iterator[tuple[str, str]]:
        name = record.name
        notice = json.loads(record.health).get("notice") if record.health else None
        if notice is not None and not notice["dismissed"]:
            self._known.add(name)
        else:
            self._known.discard(name)
        before = self._rows.get(name)
        ends = record.state == WorkerState.TERMINATING and (before is None or before.state != record.state)
        interrupted = json.loads(record.reason_removed).get("kind") == ReasonKind.INTERRUPTED
        if ends and preempted and interrupted and not self._excused(name):
            left_s = self._left_s(name)
            if left_s > MARGIN_S:
                yield (
                    "attempts have the time of a notice",
                    f"The attempts on worker {name} were ended {left_s:.0f} s before its machine is taken back.",
                )
        if record.ended_at_ms is not None:
            self._rows.pop(name, None)
            self._by_hand.discard(name)
            self._known.discard(name)
        else:
            self._rows[name] = record

    def _left_s(self, name: str) -> float:
        """By the earliest that was announced; a driver's answer may have been on its way as long as a call may last."""
        announced = self._world.machines.announced.get(name)
        if announced is None:
            return 0.0
        late_s = 0.0 if announced.agent else DEADLINE_MAX_S
        return announced.end_s - self._world.loop.time() - late_s

    def _excused(self, name: str) -> bool:
        """A person decided, the machine is gone, or nothing was heard of it."""
        return (
            name in self._by_hand
            or name not in self._world.machines.agents
            or self._silence.may_be_dead(name)
            or name in self._world.machines.killed_once
        )

    def minute(self, seconds: float) -> Iterator[tuple[str, str]]:
        """Each minute: announcements that somebody could hear, and workers that work on as if there were none."""
        could_hear_s = dict[str, float]()
        for name, announced in self._world.machines.announced.items():
            record = self._rows.get(name)
            if record is None or record.state not in _OPEN or '"notice"' in record.health:
                continue
            heard = announced.agent and self._agent_talks(name)
            could_hear_s[name] = self._could_hear_s.get(name, 0.0) + (seconds if heard else 0.0)
            if could_hear_s[name] > HEARD_S:
                yield (
                    "a notice is acted upon",
                    f"Worker {name} works on {could_hear_s[name] / 60:.0f} min after its agent heard that its machine is taken back.",
                )
        self._could_hear_s = could_hear_s

    def _agent_talks(self, name: str) -> bool:
        world = self._world
        host = world.machines.agents.get(name)
        return (
            host is not None
            and world.loop.running(host)
            and name not in world.wire.cut_off
            and world.server is not None
            and world.loop.running(world.server.host)
            and name not in world.wire.with_stale
        )
