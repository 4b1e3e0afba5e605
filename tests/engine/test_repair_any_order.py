"""Repair under whatever may happen in whatever order: conditions that come and go, silence, rungs that fail, crashes, people.

After each step no rule of memory is broken; no rung begins beyond the breaker or the tries; a crash would lose nothing.
"""

from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from herder.engine.memory.events import record_event
from herder.engine.memory.invariants import violations
from herder.engine.memory.state import WorkerLife
from herder.engine.memory.worker_repair import HealthLife, read, text_of
from herder.engine.workers.deadlines import tick
from herder.engine.workers.repairs import breaker, conditions, repair
from herder.engine.workers.repairs.conditions import Found
from herder.engine.workers.worker import activated, drain, set_cordon
from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.repair import COUNTED, Breaker, Condition, RepairPolicy, Rung
from herder.model.planning.plan import Reason, ReasonKind
from tests.support.engine_world import POOL, Agent, World

RUNGS = (Rung.CLEAN_UP, Rung.RESTART_SERVICE, Rung.REBOOT)
pick = st.integers(0, 10**6)
found_now = st.dictionaries(st.sampled_from(Condition), st.integers(0, 8), max_size=3)
policies = st.builds(
    RepairPolicy,
    tries=st.integers(1, 4),
    cooldown_s=st.sampled_from([60.0, 900.0]),
    breaker=st.builds(
        Breaker,
        workers=st.integers(0, 3),
        percent=st.sampled_from([20, 50, 100]),
        window_s=st.sampled_from([0.0, 60.0, 3600.0]),
    ),
    quarantine=st.integers(0, 2),
    quarantine_age_s=st.just(1800.0),
)


def stored(health: HealthLife) -> dict[tuple[str, Condition], tuple[int, int]]:
    """When a condition was last seen is not worth a row."""
    known = read(text_of(health)).conditions
    return {key: (seen.since_ms, seen.count) for key, seen in known.items()}


class Repairs(RuleBasedStateMachine):
    @initialize(policy=policies, can=st.sets(st.sampled_from(RUNGS)), size=st.integers(1, 6))
    def begin(self, policy: RepairPolicy, can: set[Rung], size: int) -> None:
        self.world, self.can = World(), frozenset(can)
        self.pool: PoolSpec = replace(POOL, repair=policy)
        self._set_up()
        self.agents: dict[str, Agent] = {}
        for number in range(1, size + 1):
            self._add(number)
        self.nonces = 0

    def _set_up(self) -> None:
        self.world.state.pools[POOL.name] = self.pool
        self.world.state.rungs = {POOL.driver: self.can}

    def _add(self, number: int) -> None:
        worker, agent = self.world.ready_worker(number)
        self.agents[worker.spec.name] = agent

    def _one(self, which: int) -> WorkerLife:
        workers = list(self.world.state.workers.values())
        if not workers:
            self._add(100 + len(self.agents))
            workers = list(self.world.state.workers.values())
        return workers[which % len(workers)]

    @rule(which=pick, found=found_now, source=st.sampled_from(["node", "agent"]))
    def report(self, which: int, found: dict[Condition, int], source: str) -> None:
        said = {
            each: Found(f"{each} it is", count if each in COUNTED else 0) for each, count in found.items()
        }
        worker = self._one(which)
        conditions.report(self.world.state, self.world.changes, worker, source, said, self.world.now_ms)

    @rule(count=st.integers(1, 3))
    def submit(self, count: int) -> None:
        self.world.submit(count)
        self.world.commit()

    @rule(seconds=st.sampled_from([1, 30, 60, 300, 1000]), heard=st.sets(pick, max_size=6))
    def time_passes(self, seconds: int, heard: set[int]) -> None:
        """In at most 20 looks; some agents are heard of, and some succeed in what they run."""
        step_ms = max(500, seconds * 1000 // 20)
        talking = {self._one(each).spec.name for each in heard}
        for _ in range(seconds * 1000 // step_ms):
            self.world.now_ms += step_ms
            self._look()
            for name in talking & set(self.world.state.workers):
                agent = self.agents[name]
                if not agent.gone:
                    self.world.talk(agent)
                    for key in list(agent.held)[:1]:
                        agent.end(key, self.world.now_ms)

    def _look(self) -> None:
        world = self.world
        before = breaker.under_repair(world.state, self.pool, world.now_ms)
        tick(world.state, world.changes, world.now_ms)
        after = breaker.under_repair(world.state, self.pool, world.now_ms)
        begun = {
            name
            for name in after - before
            if world.state.history[POOL.name].repairs_ms.get(name) == world.now_ms
        }
        if begun:
            size = sum(not worker.state.in_flight for worker in world.state.workers.values())
            assert len(after) <= self.pool.repair.breaker.limit(size), (begun, after)

    @rule(which=pick, done=st.booleans())
    def act(self, which: int, done: bool) -> None:
        worker = self._one(which)
        doing = worker.health.repair
        if repair.is_due(worker) and doing is not None:
            text = f"The driver has tried {doing.rung}."
            repair.acted(
                self.world.state,
                self.world.changes,
                worker,
                doing.since_ms,
                text,
                self.world.now_ms,
                done=done,
            )

    @rule(which=pick)
    def activate_again(self, which: int) -> None:
        worker, world = self._one(which), self.world
        before, self.nonces = worker.token_hash, self.nonces + 1
        allowed = (
            worker.health.repair is not None and worker.health.repair.rejoins and not worker.state.leaving
        )
        token = f"token-{worker.spec.name}-{self.nonces}"
        done = activated(world.state, world.changes, worker, token, f"nonce-{self.nonces}", world.now_ms)
        assert done == allowed
        assert worker.token_hash == (token if allowed else before)
        if done:
            self.agents[worker.spec.name] = Agent(worker=worker.spec.name)

    @rule(which=pick, cordoned=st.booleans())
    def cordon(self, which: int, cordoned: bool) -> None:
        worker, world = self._one(which), self.world
        if worker.health.quarantined_at_ms is None or not cordoned:
            set_cordon(
                world.state, world.changes, worker, cordoned, world.now_ms, actor="user/ann", message=""
            )

    @rule(which=pick)
    def drain(self, which: int) -> None:
        reason = Reason(kind=ReasonKind.BY_HAND, text="test")
        drain(self.world.state, self.world.changes, self._one(which), reason, self.world.now_ms)

    @rule()
    def add(self) -> None:
        if len(self.world.state.workers) < 8:
            self._add(1000 + self.world.state.next_event)

    @rule()
    def crash(self) -> None:
        record_event(self.world.state, self.world.changes, self.world.now_ms, "loop.failed", "server", "test")
        self.world.commit()
        assert self.world.faults() == []
        before = {name: worker.health for name, worker in self.world.state.workers.items()}
        self.world.crash()
        self._set_up()
        for name, worker in self.world.state.workers.items():
            assert stored(worker.health) == stored(before[name])
            assert worker.health.repair == before[name].repair

    @invariant()
    def holds(self) -> None:
        if not hasattr(self, "world"):
            return
        assert violations(self.world.state) == []
        for worker in self.world.state.workers.values():
            doing = worker.health.repair
            if doing is not None:
                # One more: replacing is always allowed.
                assert doing.tries <= self.pool.repair.tries + 1, doing

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.commit()
            assert self.world.faults() == []
            self.world.engine.dispose()


TestRepairs = pytest.mark.timeout(600)(Repairs.TestCase)
TestRepairs.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
