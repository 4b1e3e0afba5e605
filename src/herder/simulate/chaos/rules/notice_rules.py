"""Rules of interruption notices, judged by what the provider announced and not by what the server made of it.

A notice that somebody could hear is acted upon: its worker gets no attempt from then on, its attempts know the end of their machine, none
is ended before that, and none is left after it. What people do, a machine that goes early, calls that meet faults, and a worker that is
silent are excused.
"""

import json
from collections.abc import Iterator

from herder.model.fleet.worker import WorkerState
from herder.model.planning.plan import ReasonKind
from herder.model.stored.changes import Changes
from herder.model.stored.records import WorkerRecord
from herder.model.work.job import AttemptState, Cause
from herder.simulate.chaos.actors.announcements import Announced
from herder.simulate.chaos.ports.calls import DEADLINE_MAX_S
from herder.simulate.chaos.rules.fleet_news import FleetNews
from herder.simulate.chaos.rules.silence_rules import LOOK_S, SilenceRules
from herder.simulate.chaos.world import World

#: Given up at the end of a notice, and the way of messages and looks.
MARGIN_S = 10.0
#: A notice is known after so long in which all calls of its agent went well: its next exchange, and a store that is late.
HEARD_S = 30.0
#: The same of the calls that ask its driver: after one that failed it is asked again two minutes later at most.
ASKED_S = 300.0
#: For so long a fault of a call may have effects: it is waited for, and repeated after a pause.
TROUBLE_S = 90.0
#: An agent that has not been heard for so long may have ended.
SILENT_S = 100.0
#: So long after the announced end the attempts are over: a look of the server, its clock that was set, and a store that is late.
OVER_S = 60.0
#: What a told end may be late by: the way of the answer that tells it.
TOLD_LATE_S = 2.0
_OPEN = frozenset({WorkerState.READY.value, WorkerState.UNHEALTHY.value})


def _has_notice(record: WorkerRecord) -> bool:
    """One that nobody has dismissed."""
    if '"notice"' not in record.health:
        return False
    return not json.loads(record.health)["notice"]["dismissed"]


class NoticeRules:
    def __init__(self, world: World, silence: SilenceRules, news: FleetNews, on: dict[str, set[int]]) -> None:
        """`on`: jobs with live attempts by worker, as rows have it."""
        self._world, self._silence, self._news, self._on = world, silence, news, on
        self._rows: dict[str, WorkerRecord] = {}
        """Of workers that have not ended."""
        self._known: set[str] = set()
        """Workers whose notice was durable before the commit that is looked at."""
        self._lasts_s: dict[tuple[str, str], float] = {}
        """By (rule, worker): for how long it could have been kept and was not."""

    def look(self, changes: Changes) -> Iterator[tuple[str, str]]:
        preempted: set[str] = set()
        records = [
            each for each in changes.rows.get(WorkerRecord, {}).values() if isinstance(each, WorkerRecord)
        ]
        noticed = {each.name for each in records if _has_notice(each)}
        known = self._known - {each.name for each in records if each.name not in noticed}
        for (job, number), row in changes.attempts.items():
            if row.state == AttemptState.ASSIGNED and row.worker in known:
                yield (
                    "a worker with a notice gets no work",
                    f"Attempt {number} of job {job} was given to {row.worker}, whose machine is taken back.",
                )
            if row.state == AttemptState.LOST and row.cause == Cause.PREEMPTED:
                preempted.add(row.worker)
        self._known = known | noticed
        for record in records:
            yield from self._worker(record, record.name in preempted)

    def _worker(self, record: WorkerRecord, preempted: bool) -> Iterator[tuple[str, str]]:
        name = record.name
        if name in self._known and record.state in _OPEN:
            yield (
                "a notice is acted upon",
                f"Worker {name} is {record.state} and has a notice that its machine is taken back.",
            )
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
            self._known.discard(name)
        else:
            self._rows[name] = record

    def _left_s(self, name: str) -> float:
        """By the earliest that was announced; a driver's answer may have been on its way as long as a call may last."""
        announced = self._world.machines.announced.get(name)
        if announced is None:
            return 0.0
        late_s = DEADLINE_MAX_S if announced.driver else 0.0
        return announced.end_s - self._world.loop.time() - late_s

    def _excused(self, name: str) -> bool:
        """A person decided, the machine is gone, or nothing was heard of it."""
        return (
            name in self._news.by_hand
            or name not in self._world.machines.agents
            or self._silence.may_be_dead(name)
            or name in self._world.machines.killed_once
        )

    def look_often(self) -> Iterator[tuple[str, str]]:
        """Called each `LOOK_S`: what lasts too long."""
        lasts_s = dict[tuple[str, str], float]()
        for name, announced in self._world.machines.announced.items():
            record = self._rows.get(name)
            if record is None:
                continue
            for rule, limit_s, text in self._not_kept(record, announced):
                lasts_s[rule, name] = self._lasts_s.get((rule, name), 0.0) + LOOK_S
                if lasts_s[rule, name] > limit_s:
                    yield rule, f"{text} That has lasted for {lasts_s[rule, name]:.0f} s."
        self._lasts_s = lasts_s

    def _not_kept(self, record: WorkerRecord, announced: Announced) -> Iterator[tuple[str, float, str]]:
        """(rule, for how long it may be so, text), while nothing excuses it."""
        name, world = record.name, self._world
        if world.server is None or not world.loop.running(world.server.host) or name in self._news.by_hand:
            return
        talks = self._agent_talks(name)
        if record.state in _OPEN and '"notice"' not in record.health:
            if announced.heard and talks:
                yield (
                    "a notice is acted upon",
                    HEARD_S,
                    f"The agent of {name} knows that its machine is taken back, and the worker takes new work.",
                )
            if announced.driver and self._driver_answers(record.driver) and name in world.machines.agents:
                yield (
                    "a notice is acted upon",
                    ASKED_S,
                    f"Driver {record.driver} announced the end of {name}, and the worker takes new work.",
                )
        if record.state != WorkerState.DRAINING or name not in self._known or not self._on.get(name):
            return
        if talks and name in world.machines.at_work and self._told_late(name, announced):
            yield (
                "attempts know the end of their machine",
                HEARD_S,
                f"The attempts on {name} do not know when their machine ends.",
            )
        if world.loop.time() > announced.latest_s:
            yield (
                "attempts end with their notice",
                OVER_S,
                f"The machine of {name} was to be taken back, and attempts are on it.",
            )

    def _told_late(self, name: str, announced: Announced) -> bool:
        told_s = self._world.machines.told_ends_s.get(name)
        return told_s is None or told_s > announced.latest_s + TOLD_LATE_S

    def _driver_answers(self, driver: str) -> bool:
        world = self._world
        asked_s = world.calls.troubled_s.get((driver, "interruptions"), -TROUBLE_S)
        return (
            driver not in world.calls.stuck
            and world.server is not None
            and driver not in world.server.core.state.frozen_drivers
            and world.loop.time() - asked_s > TROUBLE_S
        )

    def _agent_talks(self, name: str) -> bool:
        world, host = self._world, self._world.machines.agents.get(name)
        silent_s = self._silence.silent_s(name)
        return (
            host is not None
            and world.loop.running(host)
            and name not in world.wire.cut_off
            and name not in world.wire.with_stale
            and silent_s is not None
            and silent_s < SILENT_S
            and world.loop.time() - world.wire.troubled_s.get(name, -TROUBLE_S) > TROUBLE_S
        )
