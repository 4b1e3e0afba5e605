"""The repair ladder: each row of the documented table, the breaker, tries and cooldown, quarantine, and what a crash leaves."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from herder.engine.attempts.worker_health import health_of
from herder.engine.memory.state import WorkerLife
from herder.engine.memory.worker_repair import Step, read, text_of
from herder.engine.workers.deadlines import tick
from herder.engine.workers.repairs import breaker, conditions, repair
from herder.engine.workers.repairs.conditions import Found
from herder.engine.workers.worker import activated, set_cordon
from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.repair import (
    COUNTED,
    DEFAULT_RULES,
    Breaker,
    Condition,
    RepairPolicy,
    RepairRule,
    Rung,
)
from herder.model.fleet.worker import Health, WorkerState
from herder.store.rows import tables
from tests.support.engine_world import POOL, Agent, World

ALL = frozenset({Rung.CLEAN_UP, Rung.RESTART_SERVICE, Rung.REBOOT, Rung.UPGRADE})
NODE = "node"
C = Condition
STEP_S = 5


def can(world: World, *rungs: Rung) -> None:
    world.state.rungs = {POOL.driver: frozenset(rungs)}


def policy(world: World, **changed: object) -> PoolSpec:
    pool = replace(POOL, repair=replace(POOL.repair, **changed))  # type: ignore[arg-type]
    world.state.pools[POOL.name] = pool
    return pool


def say(world: World, worker: WorkerLife, *found: Condition, count: int = 0, source: str = NODE) -> None:
    said = {each: Found(f"The node reports {each}.", count) for each in found}
    conditions.report(world.state, world.changes, worker, source, said, world.now_ms)


def passes(world: World, seconds: float, *agents: Agent) -> None:
    """Time in steps of 5 s; these agents are heard of."""
    for _ in range(round(seconds / STEP_S)):
        world.now_ms += STEP_S * 1000
        tick(world.state, world.changes, world.now_ms)
        world.commit()
        for agent in agents:
            if not agent.gone:
                world.talk(agent)


def act(world: World, workers: Iterable[WorkerLife], *, done: bool = True) -> list[Rung]:
    """What a driver that does everything at once carries out."""
    rungs = []
    for worker in workers:
        doing = worker.health.repair
        if repair.is_due(worker) and doing is not None:
            rungs.append(doing.rung)
            text = f"Driver pretend has carried out {doing.rung}."
            repair.acted(world.state, world.changes, worker, doing.since_ms, text, world.now_ms, done=done)
    return rungs


def climbed(world: World, worker: WorkerLife, agent: Agent, seconds: int) -> list[tuple[int, Rung]]:
    """(after how many seconds, rung) of all that comes while nothing helps."""
    began_ms, found = world.now_ms, []
    before = kinds(world, worker)
    while world.now_ms < began_ms + seconds * 1000 and not worker.state.leaving:
        passes(world, STEP_S, agent)
        after_s = (world.now_ms - began_ms) // 1000
        found += [(after_s, rung) for rung in act(world, [worker])]
        world.commit()
        if kinds(world, worker).count("worker.escalated") > before.count("worker.escalated"):
            found.append((after_s, Rung.ESCALATE))
            before = kinds(world, worker)
    if worker.state.leaving:
        found.append(((world.now_ms - began_ms) // 1000, Rung.REPLACE))
    return found


def events(world: World, worker: WorkerLife) -> list[tuple[str, str]]:
    query = (
        tables.events.select()
        .where(tables.events.c.object == f"worker/{worker.spec.name}")
        .order_by(tables.events.c.sequence)
    )
    with world.engine.connect() as connection:
        return [(row.kind, row.text) for row in connection.execute(query)]


def kinds(world: World, worker: WorkerLife) -> list[str]:
    return [kind for kind, _ in events(world, worker)]


# --- the documented table

TIMED = {
    C.NOT_READY: [(300, Rung.RESTART_SERVICE), (600, Rung.REBOOT), (1200, Rung.REPLACE)],
    C.DISK_PRESSURE: [(60, Rung.CLEAN_UP), (300, Rung.REPLACE)],
    C.NETWORK_UNAVAILABLE: [(600, Rung.REBOOT), (1200, Rung.REPLACE)],
    C.CLOCK_SKEW: [(600, Rung.ESCALATE)],
    C.OUTDATED: [(5, Rung.UPGRADE), (3600, Rung.REPLACE)],
    # The last rung is repeated after the cooldown; after three tries people are told.
    C.MEMORY_PRESSURE: [(600, Rung.REBOOT), (1500, Rung.REBOOT), (2400, Rung.REBOOT), (3300, Rung.ESCALATE)],
    C.PID_PRESSURE: [(600, Rung.REBOOT), (1500, Rung.REBOOT), (2400, Rung.REBOOT), (3300, Rung.ESCALATE)],
}
COUNTS = {
    C.KUBELET_CRASH_LOOP: [(3, Rung.RESTART_SERVICE), (5, Rung.REBOOT), (7, Rung.REPLACE)],
    C.RUNTIME_CRASH: [(3, Rung.REBOOT), (6, Rung.REPLACE)],
    C.FAILED_ATTEMPTS: [(1, Rung.REPLACE)],
}


def test_the_tables_below_have_every_row_of_the_default() -> None:
    rows = {
        (condition, when, rung) for condition, found in {**TIMED, **COUNTS}.items() for when, rung in found
    }
    default = {(rule.condition, rule.count or rule.after_s, rule.rung) for rule in DEFAULT_RULES}
    assert default <= rows
    assert {condition for condition, _, _ in rows} == set(Condition)
    assert {rule.condition for rule in DEFAULT_RULES if rule.count} == COUNTED == set(COUNTS)


@pytest.mark.parametrize("condition", list(TIMED))
def test_each_row_of_the_table_that_has_a_duration(world: World, condition: Condition) -> None:
    can(world, *ALL)
    worker, agent = world.ready_worker()
    say(world, worker, condition)
    assert climbed(world, worker, agent, 5_000) == TIMED[condition]
    assert world.faults() == []


@pytest.mark.parametrize("condition", list(COUNTS))
def test_each_row_of_the_table_that_has_a_count(world: World, condition: Condition) -> None:
    can(world, *ALL)
    worker, agent = world.ready_worker()
    found = []
    for count in range(1, 9):
        say(world, worker, condition, count=count)
        found += [(count, rung) for _, rung in climbed(world, worker, agent, 120)]
        if worker.state.leaving:
            break
    assert found == COUNTS[condition]


@pytest.mark.parametrize(
    ("condition", "comes"),
    [
        (C.NOT_READY, [(300, Rung.REPLACE)]),
        (C.DISK_PRESSURE, [(300, Rung.REPLACE)]),
        (C.NETWORK_UNAVAILABLE, [(600, Rung.REPLACE)]),
        (C.MEMORY_PRESSURE, [(600, Rung.ESCALATE)]),
    ],
)
def test_what_nobody_can_do_is_skipped_and_the_event_says_so(
    world: World, condition: Condition, comes: list[tuple[int, Rung]]
) -> None:
    worker, agent = world.ready_worker()
    say(world, worker, condition)
    assert climbed(world, worker, agent, 4_000) == comes
    assert "which driver pretend cannot do" in events(world, worker)[-2 if worker.state.leaving else -1][1]


def test_a_rung_in_the_middle_is_skipped(world: World) -> None:
    can(world, Rung.RESTART_SERVICE)
    worker, agent = world.ready_worker()
    say(world, worker, C.NOT_READY)
    assert climbed(world, worker, agent, 4_000) == [(300, Rung.RESTART_SERVICE), (600, Rung.REPLACE)]


def test_a_rung_that_was_late_is_given_its_time(world: World) -> None:
    """The pool was frozen for its driver: the reboot comes at 25 min, and the replacement not at once."""
    can(world, Rung.REBOOT)
    worker, agent = world.ready_worker()
    policy(world, breaker=Breaker(workers=0))
    say(world, worker, C.NETWORK_UNAVAILABLE)
    passes(world, 1500, agent)
    assert worker.health.held
    assert worker.health.repair is None
    policy(world, breaker=Breaker())
    assert climbed(world, worker, agent, 2_000) == [(5, Rung.REBOOT), (605, Rung.REPLACE)]


def test_repair_that_is_off_does_nothing(world: World) -> None:
    can(world, *ALL)
    policy(world, rules=())
    worker, agent = world.ready_worker()
    say(world, worker, C.NOT_READY, C.DISK_PRESSURE)
    assert climbed(world, worker, agent, 2_000) == []
    assert worker.state is WorkerState.UNHEALTHY
    say(world, worker)
    passes(world, 5, agent)
    assert worker.state is WorkerState.READY


# --- after a rung


def test_a_worker_that_is_well_again_takes_work_and_its_tries_are_forgotten_after_the_cooldown(
    world: World,
) -> None:
    can(world, *ALL)
    worker, agent = world.ready_worker()
    world.submit(1)
    say(world, worker, C.DISK_PRESSURE)
    world.commit()
    assert not worker.live
    passes(world, 65, agent)
    assert act(world, [worker]) == [Rung.CLEAN_UP]
    say(world, worker)
    passes(world, 10, agent)
    assert worker.state is WorkerState.READY
    assert worker.live
    assert {"worker.repaired", "worker.recovered"} == set(kinds(world, worker)[-2:])
    assert worker.health.repair is not None
    assert worker.health.repair.tries == 1
    passes(world, POOL.repair.cooldown_s - 20, agent)
    assert worker.health.repair is not None
    passes(world, 30, agent)
    assert worker.health.repair is None


def test_what_returns_soon_goes_on_up_the_ladder(world: World) -> None:
    can(world, *ALL)
    worker, agent = world.ready_worker()
    say(world, worker, C.NOT_READY)
    assert climbed(world, worker, agent, 310) == [(300, Rung.RESTART_SERVICE)]
    say(world, worker)
    passes(world, 60, agent)
    say(world, worker, C.NOT_READY)
    assert climbed(world, worker, agent, 700) == [(600, Rung.REBOOT)]


def test_after_the_tries_only_a_replacement_is_left(world: World) -> None:
    can(world, *ALL)
    policy(world, tries=1)
    worker, agent = world.ready_worker()
    say(world, worker, C.NOT_READY)
    assert climbed(world, worker, agent, 2_000) == [(300, Rung.RESTART_SERVICE), (1200, Rung.REPLACE)]


def test_a_rung_that_fails_counts_and_the_next_comes_at_its_time(world: World) -> None:
    can(world, *ALL)
    worker, agent = world.ready_worker()
    say(world, worker, C.NOT_READY)
    passes(world, 305, agent)
    assert act(world, [worker], done=False) == [Rung.RESTART_SERVICE]
    world.commit()
    assert kinds(world, worker)[-1] == "worker.repair_failed"
    assert climbed(world, worker, agent, 310) == [(295, Rung.REBOOT)]


def test_a_reboot_waits_for_the_attempts_and_no_longer_than_the_grace(world: World) -> None:
    can(world, *ALL)
    worker, agent = world.ready_worker()
    (short, long) = world.submit(2)
    world.commit()
    world.talk(agent)
    say(world, worker, C.MEMORY_PRESSURE)
    passes(world, 605, agent)
    doing = worker.health.repair
    assert doing is not None
    assert doing.step is Step.DRAINING
    agent.end((short, 1), world.now_ms)
    passes(world, POOL.lifetime.drain_grace_s - 10, agent)
    assert set(worker.live) == {long}
    passes(world, 15, agent)
    assert not worker.live
    assert doing.step is Step.DUE
    assert world.attempts(long)[0].cause == "drained"
    assert world.faults() == []


# --- the breaker


@pytest.mark.parametrize(
    ("size", "workers", "percent", "limit"),
    [
        (1, 3, 20, 1),
        (2, 3, 100, 1),
        (3, 3, 20, 1),
        (3, 3, 100, 2),
        (3, 10, 67, 2),
        (10, 3, 20, 2),
        (100, 3, 20, 3),
        (100, 50, 20, 20),
        (100, 1, 20, 1),
        (3, 0, 20, 0),
        (100, 3, 0, 0),
        (0, 3, 20, 0),
    ],
)
def test_the_limit_of_the_breaker(size: int, workers: int, percent: int, limit: int) -> None:
    assert Breaker(workers=workers, percent=percent).limit(size) == limit


@pytest.mark.parametrize(("size", "most"), [(1, 1), (3, 1), (100, 3)])
def test_no_more_workers_are_repaired_at_a_time_than_the_breaker_allows(
    world: World, size: int, most: int
) -> None:
    can(world, *ALL)
    pairs = [world.ready_worker(number) for number in range(1, size + 1)]
    workers = [worker for worker, _ in pairs]
    for worker in workers:
        say(world, worker, C.NETWORK_UNAVAILABLE)
    world.now_ms += 595_000
    for _, agent in pairs:
        world.talk(agent)
    for _ in range(4):
        world.now_ms += STEP_S * 1000
        tick(world.state, world.changes, world.now_ms)
    repaired = [worker for worker in workers if worker.health.repair is not None]
    assert len(repaired) == most
    held = [worker.health.held for worker in workers if worker.health.repair is None]
    assert len(held) == size - most
    assert all("because the breaker of pool std is open" in each for each in held)
    assert len(breaker.under_repair(world.state, world.state.pools[POOL.name], world.now_ms)) == most
    for _ in range(3):  # told once each
        tick(world.state, world.changes, world.now_ms)
    world.commit()
    assert all(
        kinds(world, worker).count("worker.repair_held") == 1 for worker in workers if worker.health.held
    )


def test_the_next_worker_comes_when_the_first_is_well_and_the_window_is_over(world: World) -> None:
    can(world, *ALL)
    policy(world, breaker=Breaker(window_s=900))
    (first, one), (second, two) = world.ready_worker(1), world.ready_worker(2)
    for worker in (first, second):
        say(world, worker, C.NETWORK_UNAVAILABLE)
    passes(world, 605, one, two)
    assert act(world, [first, second]) == [Rung.REBOOT]
    assert second.health.held
    say(world, first)
    passes(world, 600, one, two)
    assert second.health.held
    passes(world, 310, one, two)
    assert act(world, [second]) == [Rung.REBOOT]


def test_tries_are_forgotten_although_a_clock_stays_wrong(world: World) -> None:
    can(world, *ALL)
    worker, agent = world.ready_worker()
    say(world, worker, C.CLOCK_SKEW, source="other")
    assert climbed(world, worker, agent, 700) == [(600, Rung.ESCALATE)]
    say(world, worker, C.NOT_READY)
    assert climbed(world, worker, agent, 310) == [(300, Rung.RESTART_SERVICE)]
    say(world, worker)
    assert climbed(world, worker, agent, 2_000) == [], "people are told once"
    assert worker.health.repair is not None
    assert worker.health.repair.tries == 0
    say(world, worker, C.NOT_READY)
    assert climbed(world, worker, agent, 310) == [(300, Rung.RESTART_SERVICE)]


@pytest.mark.parametrize("lasts", [C.CLOCK_SKEW, C.KUBELET_CRASH_LOOP])
def test_a_worker_that_never_gets_well_does_not_hold_up_the_others_for_good(
    world: World, lasts: Condition
) -> None:
    """A clock that stays wrong is nothing to wait for; a count that stays is waited for as long as the cooldown."""
    can(world, *ALL)
    (first, one), (second, two) = world.ready_worker(1), world.ready_worker(2)
    say(world, first, C.NETWORK_UNAVAILABLE)
    say(world, first, lasts, count=2, source="other")
    passes(world, 605, one, two)
    assert act(world, [first]) == [Rung.REBOOT]
    say(world, first)
    say(world, second, C.NETWORK_UNAVAILABLE)
    passes(world, POOL.repair.cooldown_s - 10, one, two)
    assert bool(second.health.held) == (lasts is C.KUBELET_CRASH_LOOP)
    passes(world, 20, one, two)
    assert act(world, [second]) == [Rung.REBOOT]


def test_the_breaker_remembers_over_a_crash(world: World) -> None:
    policy(world, breaker=Breaker(window_s=900))
    (first, _), (second, two) = world.ready_worker(1), world.ready_worker(2)
    say(world, first, C.NOT_READY)
    passes(world, 305, two, Agent(worker=first.spec.name))
    assert first.state.leaving
    pool = world.state.pools[POOL.name]
    world.commit()
    world.crash()
    world.state.pools[POOL.name] = pool
    assert breaker.under_repair(world.state, pool, world.now_ms) == {first.spec.name}
    say(world, world.state.workers[second.spec.name], C.NOT_READY)
    passes(world, 400, two)
    assert not world.state.workers[second.spec.name].state.leaving
    assert world.state.workers[second.spec.name].health.held


# --- restarts


def test_a_crash_between_intent_and_call_goes_on_with_the_same_rung(world: World) -> None:
    can(world, *ALL)
    worker, agent = world.ready_worker()
    say(world, worker, C.NOT_READY)
    passes(world, 305, agent)
    assert repair.is_due(worker)
    world.commit()
    world.crash()
    can(world, *ALL)
    again = world.state.workers[worker.spec.name]
    assert again.health.repair == worker.health.repair
    assert again.health.conditions == worker.health.conditions
    assert repair.is_due(again)
    assert act(world, [again]) == [Rung.RESTART_SERVICE]
    assert act(world, [again]) == []
    world.commit()
    assert kinds(world, again).count("worker.repairing") == 1
    assert world.faults() == []


def test_a_driver_that_lost_a_capability_leaves_no_worker_waiting(world: World) -> None:
    can(world, *ALL)
    worker, agent = world.ready_worker()
    say(world, worker, C.NOT_READY)
    passes(world, 305, agent)
    world.commit()
    world.crash()  # and the next server has other settings
    again = world.state.workers[worker.spec.name]
    passes(world, 5, agent)
    assert kinds(world, again)[-1] == "worker.repair_failed"
    passes(world, 300, agent)
    assert again.state.leaving, "what is left of the table is replace"


def test_late_and_repeated_news_of_a_rung_change_nothing(world: World) -> None:
    can(world, *ALL)
    worker, agent = world.ready_worker()
    say(world, worker, C.NOT_READY)
    passes(world, 305, agent)
    doing = worker.health.repair
    assert doing is not None
    repair.acted(world.state, world.changes, worker, doing.since_ms - 1, "of before", world.now_ms, done=True)
    assert doing.step is Step.DUE
    act(world, [worker])
    repair.acted(world.state, world.changes, worker, doing.since_ms, "again", world.now_ms, done=False)
    assert doing.result == "Driver pretend has carried out restart_service."


def test_what_a_row_holds_comes_back(world: World) -> None:
    can(world, *ALL)
    worker, agent = world.ready_worker()
    say(world, worker, C.NOT_READY, C.CLOCK_SKEW)
    say(world, worker, C.RUNTIME_CRASH, count=2, source="cluster")
    passes(world, 305, agent)
    act(world, [worker])
    health = replace(worker.health, quarantined_at_ms=17, clean_told=False)
    assert read(text_of(health)) == health
    assert text_of(read("")) == ""


def test_an_agent_that_was_restarted_activates_once_more(world: World) -> None:
    can(world, *ALL)
    worker, agent = world.ready_worker()
    world.submit(1)
    world.commit()
    assert not activated(world.state, world.changes, worker, "token-2", "nonce-2", world.now_ms), (
        "no repair, no second one"
    )
    say(world, worker, C.NOT_READY)
    passes(world, 305, agent)
    passes(world, POOL.lifetime.drain_grace_s + 10, agent)
    assert act(world, [worker]) == [Rung.RESTART_SERVICE]
    passes(world, 5, agent)
    assert worker.state is WorkerState.UNHEALTHY, "the old process is still heard of"
    assert health_of(worker, world.now_ms)[0] is Health.REPAIRING
    assert activated(world.state, world.changes, worker, "token-2", "nonce-2", world.now_ms)
    assert (worker.token_hash, worker.exchange_number) == ("token-2", 0)
    assert activated(world.state, world.changes, worker, "token-2", "nonce-2", world.now_ms), "a repeat"
    assert not activated(world.state, world.changes, worker, "token-3", "nonce-3", world.now_ms), (
        "and no third one"
    )
    say(world, worker)
    passes(world, 5, Agent(worker=worker.spec.name))
    assert worker.state is WorkerState.READY
    assert world.faults() == []


def test_a_silent_worker_keeps_no_attempt_and_is_repaired_where_the_driver_can(world: World) -> None:
    can(world, Rung.REBOOT)
    worker, agent = world.ready_worker()
    (job,) = world.submit(1)
    world.commit()
    world.talk(agent)
    passes(world, POOL.lifetime.dead_after_s + 5)
    assert not worker.live
    assert world.attempts(job)[0].cause == "worker_lost"
    assert worker.state is WorkerState.UNHEALTHY
    world.talk(agent)
    assert worker.state is WorkerState.READY
    assert not worker.health.conditions
    passes(world, 300)
    assert act(world, [worker]) == [Rung.REBOOT]
    passes(world, 900)
    assert worker.state.leaving


def test_silence_goes_on_over_a_restart_of_the_server(world: World) -> None:
    can(world, Rung.REBOOT)
    worker, _ = world.ready_worker()
    passes(world, 200)
    world.commit()
    world.crash()
    can(world, Rung.REBOOT)
    passes(world, 105)
    assert act(world, world.state.workers.values()) == [Rung.REBOOT]
    assert worker.spec.name in world.state.workers


# --- what agents report


def test_an_agent_cleans_up_and_says_so(world: World) -> None:
    worker, agent = world.ready_worker()
    agent.clock_ahead_ms = 0
    agent.conditions = {C.DISK_PRESSURE: "The file system of the work folder has 5 of 100 MiB of disk free."}
    passes(world, 70, agent)
    doing = worker.health.repair
    assert doing is not None
    assert (doing.rung, doing.step) == (Rung.CLEAN_UP, Step.ACTED)
    assert doing.result == f"The agent of {worker.spec.name} has cleaned up. It removed 3 files (1.0 MiB)."
    agent.conditions = {}
    passes(world, 15, agent)
    assert worker.state is WorkerState.READY
    assert kinds(world, worker)[-1] == "worker.repaired"


def test_an_agent_that_does_not_answer_has_not_cleaned_up(world: World) -> None:
    worker, agent = world.ready_worker()
    agent.clock_ahead_ms, agent.cleans = 0, False
    agent.conditions = {C.DISK_PRESSURE: "The file system of the work folder is full."}
    passes(world, 65, agent)
    assert repair.wants_clean_up(worker)
    passes(world, repair.CLEAN_UP_MS / 1000 + 5, agent)
    assert kinds(world, worker)[-1] == "worker.repair_failed"
    passes(world, 130, agent)
    assert worker.state.leaving


@pytest.mark.parametrize("skew_s", [30.0, 5.0])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_clock_that_is_wrong_is_a_condition_and_the_worker_works_on(
    world: World, sign: int, skew_s: float
) -> None:
    assert POOL.repair.clock_skew_s == 30.0
    policy(world, clock_skew_s=skew_s)
    ahead_ms = sign * int(skew_s * 1000 + 1_000)
    worker, agent = world.ready_worker()
    agent.clock_ahead_ms = ahead_ms
    world.submit(1)
    passes(world, 10, agent)
    (seen,) = worker.health.conditions.values()
    assert ("ahead of" if ahead_ms > 0 else "behind") in seen.message
    assert worker.state is WorkerState.READY
    assert worker.live
    passes(world, 605, agent)
    assert kinds(world, worker)[-1] == "worker.escalated"
    assert repair.needs_person(worker)
    assert world.state.repairs == {(POOL.name, C.CLOCK_SKEW, Rung.ESCALATE, "escalated"): 1}
    agent.clock_ahead_ms = int(skew_s * 1000) - 1_000
    passes(world, 10, agent)
    assert not worker.health.conditions
    assert not repair.needs_person(worker)


def test_sentences_of_an_agent_of_before_mean_that_it_is_not_ready(world: World) -> None:
    worker, agent = world.ready_worker()
    agent.troubles = ("No more files can be opened: Too many open files.",)
    world.talk(agent)
    assert [condition for _, condition in worker.health.conditions] == [C.NOT_READY]
    full = "The work folder /w cannot be written: No space left on device."
    agent.troubles, agent.conditions = (full,), {C.DISK_PRESSURE: full}
    world.talk(agent)
    assert [condition for _, condition in worker.health.conditions] == [C.DISK_PRESSURE], (
        "said twice, counted once"
    )


def test_what_a_silent_agent_said_last_is_not_known_to_hold(world: World) -> None:
    can(world, Rung.REBOOT)
    worker, agent = world.ready_worker()
    agent.conditions = {C.DISK_PRESSURE: "The file system of the work folder is full."}
    passes(world, 10, agent)
    assert climbed(world, worker, replace(agent, gone=True), 590) == [(300, Rung.REBOOT)]


# --- quarantine


def sick(world: World, number: int) -> tuple[WorkerLife, Agent]:
    worker, agent = world.ready_worker(number)
    agent.troubles = ("no file descriptors are left",)
    passes(world, 310, agent)
    return worker, agent


def test_a_sick_worker_is_kept_for_inspection_and_released(world: World) -> None:
    policy(world, quarantine=2)
    worker, agent = sick(world, 1)
    assert (worker.state, worker.cordoned) == (WorkerState.UNHEALTHY, True)
    assert health_of(worker, world.now_ms)[0] is Health.QUARANTINED
    assert "herder worker uncordon std-1-1" in events(world, worker)[-1][1]
    passes(world, 600)  # silent, too
    assert worker.state is WorkerState.UNHEALTHY
    world.commit()
    pool = world.state.pools[POOL.name]
    world.crash()
    world.state.pools[POOL.name] = pool
    worker = world.state.workers[worker.spec.name]
    assert worker.health.quarantined_at_ms is not None
    agent.troubles = ()
    set_cordon(world.state, world.changes, worker, False, world.now_ms, actor="user/ann", message="")
    world.submit(1)
    passes(world, 10, agent)
    assert worker.state is WorkerState.READY
    assert worker.live
    assert worker.health.repair is None
    assert world.faults() == []


def test_beyond_the_cap_the_oldest_goes_and_each_has_an_age(world: World) -> None:
    policy(world, quarantine=1, quarantine_age_s=1200.0)
    first, _ = sick(world, 1)
    second, _ = sick(world, 2)
    passes(world, 5)
    assert first.state.leaving
    assert first.reason_removed is not None
    assert "quarantine of pool std is 1" in first.reason_removed.text
    assert second.state is WorkerState.UNHEALTHY
    passes(world, 1200)
    assert second.state.leaving
    assert second.reason_removed is not None
    assert "quarantine_age" in second.reason_removed.text


def test_own_rules_may_have_an_escalation_before_the_replacement(world: World) -> None:
    rules = (
        RepairRule(condition=C.NOT_READY, after_s=60, rung=Rung.ESCALATE),
        RepairRule(condition=C.NOT_READY, after_s=120, rung=Rung.REPLACE),
    )
    world.state.pools[POOL.name] = replace(POOL, repair=RepairPolicy(rules=rules))
    worker, agent = world.ready_worker()
    say(world, worker, C.NOT_READY)
    assert climbed(world, worker, agent, 300) == [(60, Rung.ESCALATE), (120, Rung.REPLACE)]
