"""The table of transitions is the state machine: each function that changes the state of a worker is called in each state, with and
without attempts, well and sick, and does what the table says and nothing else."""

import ast
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

import herder.engine
from herder.engine.attempts import worker_health
from herder.engine.memory.state import WorkerLife
from herder.engine.workers import deadlines, exchange
from herder.engine.workers import worker as life
from herder.engine.workers.cluster import nodes
from herder.engine.workers.draining import drains
from herder.engine.workers.repairs import conditions, repair
from herder.engine.workers.transitions import FIRST, LATER, TRANSITIONS
from herder.memberships.none import MEMBERSHIP as NO_AGENT
from herder.model.fleet.driver import Machine, Phase
from herder.model.fleet.membership import EXCHANGE
from herder.model.fleet.offer import FailureCause
from herder.model.fleet.repair import Condition, RepairRule, Rung
from herder.model.fleet.worker import WorkerState
from herder.model.planning.cluster import ClusterSeen
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.work.job import Cause
from tests.support.engine_world import POOL, World
from tests.support.fake_cluster import NODES
from tests.support.fake_cluster import node as cluster_node

S = WorkerState
REASON = Reason(kind=ReasonKind.BY_HAND, text="test", evidence=())
LONG_MS = 10_000_000
Event = Callable[[World, WorkerLife], object]
Moves = dict[S, set[S]]


def _activate(world: World, worker: WorkerLife) -> None:
    life.activated(world.state, world.changes, worker, "token", "nonce", world.now_ms)


def _node_is_ready(world: World, worker: WorkerLife) -> None:
    worker.spec = replace(worker.spec, membership=NODES, cluster="prod")
    picture = ClusterSeen(cluster="prod", as_of_ms=world.now_ms, nodes=(cluster_node(worker.spec.name),))
    nodes.look(world.state, world.changes, picture, 1, world.now_ms)
    if worker.node is not None:
        nodes.marked(world.state, worker, worker.node.uid)
    nodes.look(world.state, world.changes, picture, 1, world.now_ms)


def _create_failed(world: World, worker: WorkerLife) -> None:
    life.create_failed(world.state, world.changes, worker, "full", world.now_ms, FailureCause.OTHER)


def _create_broke(world: World, worker: WorkerLife) -> None:
    life.create_broke(world.state, world.changes, worker, "broke", world.now_ms, FailureCause.OTHER)


def _adopt(world: World, worker: WorkerLife) -> None:
    machine = Machine(worker=worker.spec.name, handle="m-1", phase=Phase.RUNNING)
    life.adopted(world.state, world.changes, worker, machine, world.now_ms, actor="x")


def _note(world: World, worker: WorkerLife) -> None:
    found = conditions.Found("no space left")
    conditions.note(world.state, world.changes, worker, "agent", Condition.NOT_READY, found, world.now_ms)


def _fail_attempts(world: World, worker: WorkerLife) -> None:
    for _ in range(worker_health.FAULTS_MOST):
        worker_health.count_fault(world.state, world.changes, worker, "test", world.now_ms)


def _repair(world: World, worker: WorkerLife, rung: Rung) -> None:
    """A clock that is wrong keeps no work away by itself: what comes is the rung's doing."""
    rules = (RepairRule(condition=Condition.CLOCK_SKEW, rung=rung, after_s=1.0),)
    pool = replace(POOL, repair=replace(POOL.repair, rules=rules, quarantine=1))
    world.state.pools[pool.name] = pool
    world.state.rungs[pool.driver] = frozenset(Rung)
    skew = conditions.Found("its clock is ahead")
    conditions.note(world.state, world.changes, worker, "agent", Condition.CLOCK_SKEW, skew, world.now_ms)
    world.now_ms += 2_000
    repair.look(world.state, world.changes, worker, pool, world.now_ms)


def _seen(world: World, worker: WorkerLife) -> None:
    worker.troubles = ()
    life.seen(world.state, world.changes, worker, world.now_ms)


def _pause_is_over(world: World, worker: WorkerLife) -> None:
    worker.probe_at_ms, worker.troubles = world.now_ms, ()
    worker_health.look(world.state, world.changes, worker, world.now_ms)


def _attempt_succeeds(world: World, worker: WorkerLife) -> None:
    worker.troubles, worker.probe_at_ms = (), world.now_ms
    for attempt in list(worker.live.values()):
        worker_health.count_success(world.state, world.changes, worker, attempt, world.now_ms)


def _leave(world: World, worker: WorkerLife) -> None:
    exchange.leave(world.state, world.changes, worker, world.now_ms)


def _time_passes(world: World, worker: WorkerLife) -> None:
    """No drain is looked at: silence and boots alone."""
    worker.drain, worker.last_seen_at_ms = None, world.now_ms
    world.now_ms += LONG_MS
    deadlines.tick(world.state, world.changes, world.now_ms)


def _deadline(world: World, worker: WorkerLife) -> None:
    drains.look(world.state, world.changes, worker, POOL.lifetime.on_blocked, world.now_ms + LONG_MS)


def _take_back(world: World, worker: WorkerLife) -> None:
    if worker.drain is not None:
        drains.take_back(world.state, world.changes, worker, world.now_ms, actor="x", message="")


ALIVE = frozenset(each for each in S if not each.ended)
IN_FLIGHT = frozenset(each for each in S if each.in_flight)
JOINED = (S.READY, S.UNHEALTHY, S.DRAINING)
#: By event of the table: the functions that bring it about, and the states in which their callers call them.
EVENTS: dict[str, tuple[tuple[Event, ...], frozenset[S]]] = {
    "called": ((lambda w, it: life.provisioning(w.state, it, "hash"),), ALIVE),
    "created": (
        (
            lambda w, it: life.provisioned(w.state, w.changes, it, "m-1", w.now_ms),
            lambda w, it: it.state is S.PROVISIONING and _adopt(w, it),
        ),
        ALIVE,
    ),
    "activated": ((_activate,), ALIVE - {S.REQUESTED}),  # its token is made with the call of the driver
    "node is ready": ((_node_is_ready,), IN_FLIGHT),
    "creation failed": ((_create_failed,), IN_FLIGHT),
    "creation broke": ((_create_broke,), IN_FLIGHT),
    "sick": (
        (
            lambda w, it: life.suspect(w.state, w.changes, it, "test", w.now_ms),
            _note,
            _fail_attempts,
            lambda w, it: _repair(w, it, Rung.RESTART_SERVICE),
            lambda w, it: _repair(w, it, Rung.REPLACE),
        ),
        ALIVE,
    ),
    "well": ((_seen, _pause_is_over, _attempt_succeeds), ALIVE),
    "removal": ((lambda w, it: life.drain(w.state, w.changes, it, REASON, w.now_ms),), ALIVE),
    "taken back": ((_take_back,), ALIVE - {S.TERMINATING}),
    "drained": ((_deadline,), ALIVE),
    "ended at once": (
        (
            lambda w, it: life.terminate(w.state, w.changes, it, REASON, w.now_ms, cause=Cause.DRAINED),
            lambda w, it: life.machine_gone(w.state, w.changes, it, w.now_ms),
            _leave,
            _time_passes,
        ),
        ALIVE,
    ),
    "machine gone": (
        (lambda w, it: life.terminated(w.state, w.changes, it, w.now_ms),),
        frozenset({S.TERMINATING}),
    ),
    "forgotten": (
        (lambda w, it: life.forgotten(w.state, w.changes, it, "given up", w.now_ms, actor="x"),),
        ALIVE,
    ),
}


def _worker(world: World, state: S, *, agent: bool, busy: bool, sick: bool) -> WorkerLife | None:
    """One in this state, brought there by the functions themselves; None when there is none such."""
    membership = EXCHANGE if agent else NO_AGENT
    worker = world.claim(1, replace(POOL, membership=membership))
    worker.spec = replace(worker.spec, membership=membership)
    if state is S.REQUESTED:
        return worker
    life.provisioning(world.state, worker, "hash")
    if state is S.PROVISIONING:
        return worker
    life.provisioned(world.state, world.changes, worker, "m-1", world.now_ms)
    if state is S.JOINING or not agent:
        return worker if worker.state is state else None
    _activate(world, worker)
    if busy or state is S.DRAINING:
        world.submit(1)
        world.commit()
        assert worker.live
    if sick:
        worker.troubles = ("no space left",)
    if state is S.UNHEALTHY:
        life.suspect(world.state, world.changes, worker, "test", world.now_ms)
    if state is S.DRAINING:
        life.drain(world.state, world.changes, worker, REASON, world.now_ms)
    if state is S.TERMINATING:
        life.terminate(world.state, world.changes, worker, REASON, world.now_ms)
    assert worker.state is state
    return worker


def _found(functions: tuple[Event, ...], states: frozenset[S]) -> Iterator[tuple[S, S]]:
    for function, state in product(functions, sorted(states)):
        kinds = product((True, False), repeat=3) if state in JOINED else ((True,) * 3, (False,) * 3)
        for agent, busy, sick in kinds:
            world = World()
            worker = _worker(world, state, agent=agent, busy=busy, sick=sick)
            if worker is not None:
                function(world, worker)
                yield state, worker.state
            world.engine.dispose()


@pytest.mark.parametrize("transition", TRANSITIONS, ids=lambda each: each.event)
def test_the_functions_do_what_the_table_says(transition) -> None:
    functions, states = EVENTS[transition.event]
    moved: Moves = defaultdict(set)
    for before, after in _found(functions, states):
        if after is not before:
            moved[before].add(after)
    assert dict(moved) == {before: set(after) for before, after in transition.moves.items()}


def test_every_event_is_tried() -> None:
    assert {each.event for each in TRANSITIONS} == set(EVENTS)


#: Functions of the engine that give a worker a state: each is brought about by an event above.
SETTERS = {
    "worker.py": {"provisioning", "provisioned", "adopted", "becomes_ready", "seen", "drain", "terminate", "suspect", "_end"},
    "conditions.py": {"note"},
    "repair.py": {"_begin", "_quarantine"},
    "drains.py": {"take_back"},
    "worker_health.py": {"count_fault", "_begin_test", "_clear"},
}  # fmt: skip


def test_nothing_else_changes_the_state_of_a_worker() -> None:
    """A new function that does belongs into the table and above."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in Path(herder.engine.__path__[0]).rglob("*.py"):
        for function in (
            each for each in ast.walk(ast.parse(path.read_text())) if isinstance(each, ast.FunctionDef)
        ):
            for node in ast.walk(function):
                targets = node.targets if isinstance(node, ast.Assign) else ()
                if any(re.search(r"\bworker\.state\b", ast.unparse(target)) for target in targets):
                    found[path.name].add(function.name)
    assert found == SETTERS


def test_what_has_ended_stays_so_and_everything_can_end() -> None:
    for state in WorkerState:
        assert S.TERMINATED in LATER[state] or state is S.FAILED
        assert state in LATER[FIRST]
    assert LATER[S.TERMINATED] == {S.TERMINATED}
    assert LATER[S.FAILED] == {S.FAILED}
    assert LATER[S.TERMINATING] == {S.TERMINATING, S.TERMINATED, S.FAILED}
    assert not LATER[S.DRAINING] & IN_FLIGHT
