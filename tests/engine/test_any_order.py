"""The engine under whatever may happen in whatever order, with the real placement and the real rows under it.

After each step no rule of the memory is broken; after each commit none of the rows, and a crash would lose nothing.
"""

from dataclasses import replace
from unittest import mock

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from herder.engine.attempts import attempt as attempts
from herder.engine.attempts.attempt import preempt
from herder.engine.jobs import batch, batch_end, groups, holding, job, retry
from herder.engine.jobs.groups import NewGroup
from herder.engine.jobs.transitions import MOVES
from herder.engine.memory.groups import Group, Runs
from herder.engine.memory.invariants import violations
from herder.engine.memory.state import BatchLife, EngineState, WorkerLife
from herder.engine.workers import worker as life
from herder.engine.workers.deadlines import tick
from herder.engine.workers.draining import drains
from herder.engine.workers.transitions import FIRST, LATER
from herder.model.fleet.worker import WorkerState
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.values.resources import Resources
from herder.model.work.job import Cause, JobClass, JobState, RetryPolicy
from tests.support.engine_world import Agent, Answer, Message, World, job_class

CLASSES = [
    job_class(),
    job_class("bob", Resources(500, 256, 0), retry=RetryPolicy(retries=2)),
    job_class("ann", Resources(2000, 4096, 8192), priority=5),
    job_class("cyd", Resources(100, 64, 0), always_run=True, retry=RetryPolicy(retries=1, attempts_max=3)),
    job_class("ann", Resources(100, 64, 0), retry=RetryPolicy(retries=1, memory_factor=2, on_demand_after=1)),
]
REASON = Reason(kind=ReasonKind.BY_HAND, text="test", evidence=(("test", 1),))
#: Empty: no group.
PATHS = ("", "", "a", "a/b", "a/c", "d")
pick = st.integers(0, 10**6)
job_classes = st.sampled_from(CLASSES)

MOVED_BY = (job, batch, batch_end, attempts, groups, holding, retry)
LEGAL = {(before, after) for before, after, _ in MOVES}
_count_move = job.count_move


def _legal(
    state: EngineState,
    batch: BatchLife | None,
    old: JobState | None,
    new: JobState,
    count: int = 1,
    *,
    jobs: int | Runs | None,
) -> None:
    assert count == 0 or (old, new) in LEGAL, (old, new)
    _count_move(state, batch, old, new, count, jobs=jobs)


class Engine(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.world = World()
        self.agents: dict[str, Agent] = {}
        self.up: list[Message] = []
        self.down: list[Answer] = []
        self.number = 0
        self.states: dict[str, tuple[WorkerLife, WorkerState]] = {}
        self.watched = [mock.patch.object(each, "count_move", _legal) for each in MOVED_BY]
        for each in self.watched:
            each.start()

    @precondition(lambda self: self.world.state.live)
    @rule(which=pick)
    def preempt(self, which: int) -> None:
        preempt(
            self.world.state,
            self.world.changes,
            self._one(list(self.world.state.live.values()), which),
            "for 1",
        )

    # --- work

    @rule(count=st.integers(1, 4), wanted=job_classes)
    def submit(self, count: int, wanted: JobClass) -> None:
        self.world.submit(count, wanted)

    @rule(
        limit=st.none() | st.integers(1, 3),
        parallel=st.none() | st.integers(1, 2),
        accepts=st.booleans(),
        data=st.data(),
        commit=st.booleans(),
    )
    def make_batch(
        self, limit: int | None, parallel: int | None, accepts: bool, data: st.DataObject, commit: bool
    ) -> None:
        batch = self.world.batch(limit, parallel, accepts)
        self._add(batch, data)
        if commit:
            self.world.commit_batch(batch)

    @precondition(lambda self: self._accepting())
    @rule(data=st.data(), which=pick)
    def add_to_batch(self, data: st.DataObject, which: int) -> None:
        self._add(self._one(self._accepting(), which), data)

    def _add(self, batch, data: st.DataObject) -> None:
        wanted = data.draw(st.lists(job_classes, min_size=1, max_size=5))
        before, references = batch.jobs, {}
        for index in range(len(wanted)):
            above = [*range(before + index)]
            if above and data.draw(st.booleans()):
                references[index] = data.draw(st.lists(st.sampled_from(above), min_size=1, max_size=3))
        paths = [path for path in PATHS if path == "" or not self._is_cancelled(batch, path)]
        of = data.draw(st.lists(st.sampled_from(paths), min_size=len(wanted), max_size=len(wanted)))
        new = []
        if "a" not in of and "a" in paths and batch.groups is None and data.draw(st.booleans()):
            new = [NewGroup(path="a", cancel_after_failures=1)]
        self.world.add(batch, wanted, references, groups=of, new_groups=new)

    def _is_cancelled(self, batch: BatchLife, path: str) -> bool:
        """A group, or one above it."""
        known = {} if batch.groups is None else batch.groups.by_path
        parts = path.split("/")
        above = [known.get("/".join(parts[:count])) for count in range(1, len(parts) + 1)]
        return any(each is not None and each.cancelled for each in above)

    def _groups(self) -> list[tuple[BatchLife, Group]]:
        return [
            (batch, group)
            for batch in self.world.state.batches.values()
            if batch.groups is not None and not batch.cancelled
            for group in batch.groups.by_path.values()
            if not group.cancelled
        ]

    @precondition(lambda self: self._groups())
    @rule(which=pick)
    def cancel_group(self, which: int) -> None:
        batch, group = self._one(self._groups(), which)
        self.world.cancel_group(batch, group.path)

    @precondition(lambda self: any(each.accepts for each in self._accepting()))
    @rule(which=pick)
    def close_batch(self, which: int) -> None:
        self.world.close_batch(self._one([each for each in self._accepting() if each.accepts], which))

    @precondition(lambda self: self._open())
    @rule(which=pick)
    def commit_batch(self, which: int) -> None:
        self.world.commit_batch(self._one(self._open(), which))

    @precondition(lambda self: any(not each.cancelled for each in self.world.state.batches.values()))
    @rule(which=pick)
    def cancel_batch(self, which: int) -> None:
        self.world.cancel_batch(
            self._one([b for b in self.world.state.batches.values() if not b.cancelled], which)
        )

    @precondition(lambda self: any(not each.cancelled for each in self.world.state.batches.values()))
    @rule(which=pick)
    def hold_or_release_batch(self, which: int) -> None:
        batch = self._one([b for b in self.world.state.batches.values() if not b.cancelled], which)
        self.world.hold_batch(batch, hold=batch.keeping is None or not batch.keeping.hold)

    @precondition(lambda self: self.world.accepted)
    @rule(which=pick, hold=st.booleans())
    def hold_or_release_job(self, which: int, hold: bool) -> None:
        self.world.commit()
        self.world.hold_job(self._one(sorted(self.world.accepted), which), hold=hold)

    @precondition(lambda self: self.world.state.next_batch > 1)
    @rule(which=pick)
    def retry_batch(self, which: int) -> None:
        self.world.commit()
        number = 1 + which % (self.world.state.next_batch - 1)
        if self.world.batch_state(number) in ("running", "failed", "succeeded"):
            self.world.retry_batch(number)

    @precondition(lambda self: self.world.accepted)
    @rule(which=pick)
    def cancel_job(self, which: int) -> None:
        self.world.commit()
        job = self._one(sorted(self.world.accepted), which)
        batch = self.world.state.batches.get(self.world.job(job).batch_id)
        if batch is None or batch.state != "open":
            self.world.cancel_job(job)

    # --- workers

    @rule()
    def make_worker(self) -> None:
        self.number += 1
        worker = self.world.claim(self.number)
        if self.number % 7 == 6:
            life.create_failed(self.world.state, self.world.changes, worker, "no room", self.world.now_ms)
            return
        worker.spec = replace(worker.spec, spot=self.number % 2 == 1)
        self.world.boot(worker)
        self.world.commit()
        self.agents[worker.spec.name] = Agent(worker=worker.spec.name)

    @precondition(lambda self: self.world.state.workers)
    @rule(
        which=pick,
        what=st.sampled_from(
            [
                "cordon",
                "uncordon",
                "drain",
                "keep",
                "force",
                "take_back",
                "terminate",
                "terminated",
                "suspect",
                "gone",
                "trouble",
            ]
        ),
    )
    def change_worker(self, which: int, what: str) -> None:
        world = self.world
        worker = self._one(list(world.state.workers.values()), which)
        if what in ("cordon", "uncordon"):
            life.set_cordon(
                world.state, world.changes, worker, what == "cordon", world.now_ms, actor="x", message=""
            )
        elif what == "drain":
            life.drain(world.state, world.changes, worker, REASON, world.now_ms)
        elif what in ("keep", "force", "take_back"):
            self._change_drain(worker, what, (None, 30.0)[which % 2])
        elif what == "gone":
            life.machine_gone(world.state, world.changes, worker, world.now_ms)
        elif what == "trouble":
            worker.troubles = () if worker.troubles else ("no space left",)
        elif what == "terminate":
            life.terminate(world.state, world.changes, worker, REASON, world.now_ms, cause=Cause.PREEMPTED)
        elif what == "terminated":
            life.terminated(world.state, world.changes, worker, world.now_ms)
            self.agents.pop(worker.spec.name, None)
        else:
            life.suspect(world.state, world.changes, worker, "test", world.now_ms)

    def _change_drain(self, worker: WorkerLife, what: str, timeout_s: float | None) -> None:
        """As far as people may."""
        world, now = self.world, self.world.now_ms
        if worker.state is WorkerState.TERMINATING:
            return
        if what != "take_back" and not worker.state.leaving:
            drains.keep(
                world.state, world.changes, worker, now, actor="x", message="",
                timeout_s=timeout_s, force=what == "force",
            )  # fmt: skip
        elif what == "take_back" and worker.drain is not None:
            drains.take_back(world.state, world.changes, worker, now, actor="x", message="")

    @rule(seconds=st.sampled_from([0, 1, 9, 21, 46, 301]))
    def time_passes(self, seconds: int) -> None:
        self.world.now_ms += seconds * 1000
        tick(self.world.state, self.world.changes, self.world.now_ms)

    # --- messages

    @precondition(lambda self: self.agents)
    @rule(which=pick, held=st.booleans(), times=st.integers(1, 2))
    def send(self, which: int, held: bool, times: int) -> None:
        agent = self._one(list(self.agents.values()), which)
        if not agent.gone:
            self.up += [agent.message(self.world.now_ms, tell_held=held)] * times

    @precondition(lambda self: self.up)
    @rule(which=pick, lost=st.booleans())
    def arrive(self, which: int, lost: bool) -> None:
        message = self.up.pop(which % len(self.up))
        if not (lost and which % 3 == 0):
            self.down.append(self.world.handle(message))

    @precondition(lambda self: self.down)
    @rule(which=pick, lost=st.booleans())
    def hear(self, which: int, lost: bool) -> None:
        answer = self.down.pop(which % len(self.down))
        agent = self.agents.get(answer.of.worker)
        if agent is not None and not (lost and which % 3 == 0):
            agent.hear(answer, self.world.now_ms)

    @precondition(lambda self: any(agent.held for agent in self.agents.values()))
    @rule(
        which=pick,
        how=st.sampled_from(
            [
                "succeeded",
                "succeeded",
                "exit_code",
                "out_of_memory",
                "preempted",
                "infrastructure",
                "forgotten",
            ]
        ),
    )
    def end(self, which: int, how: str) -> None:
        agent = self._one([agent for agent in self.agents.values() if agent.held], which)
        key = self._one(sorted(agent.held), which)
        if how == "forgotten":
            agent.held.clear()
        elif how == "succeeded":
            agent.end(key, self.world.now_ms)
        else:
            agent.end(key, self.world.now_ms, "failed", cause=how)

    @precondition(lambda self: self.agents)
    @rule(which=pick)
    def talk_well(self, which: int) -> None:
        agent = self._one(list(self.agents.values()), which)
        if not agent.gone:
            self.world.talk(agent)

    # --- the store

    @rule()
    def commit(self) -> None:
        self.world.commit()
        assert self.world.faults() == []

    @rule()
    def sweep(self) -> None:
        self.world.sweep()

    @rule()
    def crash(self) -> None:
        self.world.crash()
        self.states.clear()
        for name in set(self.agents) - set(self.world.state.workers):
            del self.agents[name]
        assert self.world.faults() == []

    @invariant()
    def no_rule_is_broken(self) -> None:
        if hasattr(self, "world"):
            assert violations(self.world.state) == []
            live = {
                name
                for name, worker in self.world.state.workers.items()
                if worker.state is not WorkerState.FAILED
            }
            assert self.world.state.open_workers <= live

    @invariant()
    def only_legal_transitions(self) -> None:
        if not hasattr(self, "world"):
            return
        workers = self.world.state.workers
        seen = {name: (worker, worker.state) for name, worker in workers.items()}
        for name, (worker, before) in self.states.items():
            now = workers.get(name, worker).state  # one that has ended is in no table any more
            assert now in LATER[before], (name, before, now)
        for name in set(seen) - set(self.states):
            assert seen[name][1] in LATER[FIRST]
        self.states = seen

    def _accepting(self):
        return [
            batch for batch in self.world.state.batches.values() if batch.accepts or batch.state == "open"
        ]

    def _open(self):
        return [batch for batch in self.world.state.batches.values() if batch.state == "open"]

    def _one(self, choices, which: int):
        return choices[which % len(choices)]

    def teardown(self) -> None:
        if hasattr(self, "world"):
            for each in self.watched:
                each.stop()
            self.world.commit()
            assert self.world.faults() == []
            self.world.sweep()
            assert self.world.faults() == []
            self.world.engine.dispose()


TestEngine = pytest.mark.timeout(600)(Engine.TestCase)
TestEngine.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
