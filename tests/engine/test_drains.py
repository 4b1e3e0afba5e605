"""Drains: emptying a worker that stays or goes, what its deadline brings, and what may happen at the same moment."""

import dataclasses
from typing import Any

import pytest

from herder.engine import clock_step
from herder.engine.memory.state import WorkerLife
from herder.engine.workers import deadlines
from herder.engine.workers import worker as life
from herder.engine.workers.draining import drains
from herder.engine.workers.draining.drain_texts import drain_word, progress_text, until_ms
from herder.engine.workers.exchange import has_news
from herder.model.fleet.drain import OnBlocked
from herder.model.fleet.driver import FrozenDriver
from herder.model.fleet.worker import WorkerState
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.stored.records import EventRecord
from herder.model.work.job import AttemptState, JobState
from tests.support.engine_world import POOL, World, job_class

BY_HAND = Reason(kind=ReasonKind.BY_HAND, text="Removed by hand.")
EXPIRED = Reason(kind=ReasonKind.EXPIRED, text="w reached the end of its ttl.")
GRACE_S = POOL.lifetime.drain_grace_s


def keep(world: World, worker: WorkerLife, **more: Any) -> None:
    asked: dict[str, Any] = {"actor": "user/ann", "message": "", "timeout_s": None, "force": False, **more}
    drains.keep(world.state, world.changes, worker, world.now_ms, **asked)


def take_back(world: World, worker: WorkerLife) -> None:
    drains.take_back(world.state, world.changes, worker, world.now_ms, actor="user/ann", message="")


def tick(world: World, seconds: float) -> None:
    world.now_ms += int(seconds * 1000)
    for worker in world.state.workers.values():
        worker.last_seen_at_ms = world.now_ms
    deadlines.tick(world.state, world.changes, world.now_ms)


def told(world: World, kind: str) -> list[str]:
    rows = world.changes.rows.get(EventRecord, {}).values()
    return [each.text for each in rows if each.kind == kind]  # type: ignore[union-attr]


def waiting_pool(world: World) -> None:
    pool = world.state.pools[POOL.name]
    lifetime = dataclasses.replace(pool.lifetime, on_blocked=OnBlocked.WAIT)
    world.state.pools[POOL.name] = dataclasses.replace(pool, lifetime=lifetime)


def test_a_drained_worker_stays_and_gets_nothing(world: World) -> None:
    worker, agent = world.ready_worker()
    (job,) = world.submit()
    world.commit()
    world.talk(agent)
    keep(world, worker)
    assert told(world, "worker.draining") == [
        "std-1-1 is being drained and stays until it is uncordoned or removed."
    ]
    tick(world, 1)
    assert drain_word(world.state, worker) == "draining"
    agent.end((job, 1), world.now_ms)
    world.talk(agent)
    tick(world, 1)
    assert told(world, "worker.drained") == [
        "std-1-1 is drained. It stays, and costs, until it is uncordoned or removed."
    ]
    (other,) = world.submit()
    tick(world, 100_000)
    tick(world, 1)
    world.commit()
    assert (worker.state, drain_word(world.state, worker), worker.cordoned) == (
        WorkerState.READY,
        "drained",
        True,
    )
    assert not told(world, "worker.drained")
    assert world.job_state(job) is JobState.SUCCEEDED
    assert other not in world.state.live
    assert not agent.draining
    take_back(world, worker)
    world.commit()
    assert other in world.state.live


def test_at_the_deadline_its_attempts_are_retried_elsewhere_and_it_stays(world: World) -> None:
    worker, agent = world.ready_worker()
    (job,) = world.submit()
    world.commit()
    world.talk(agent)
    keep(world, worker, timeout_s=30.0)
    tick(world, 30)
    assert job in worker.live
    tick(world, 1)
    world.commit()
    assert (worker.state, drain_word(world.state, worker)) == (WorkerState.READY, "drained")
    (attempt,) = world.attempts(job)
    assert (attempt.state, attempt.cause) == (AttemptState.LOST, "drained")
    second, other = world.ready_worker(2)
    world.commit()
    assert world.state.live[job].worker == second.spec.name
    agent.end((job, 1), world.now_ms)  # late
    world.talk(agent)
    assert world.state.live[job].number == 2
    world.talk(other)
    other.end((job, 2), world.now_ms)
    world.talk(other)
    assert world.job_state(job) is JobState.SUCCEEDED


def test_force_ends_the_attempts_at_once(world: World) -> None:
    worker, _ = world.ready_worker()
    (job,) = world.submit()
    world.commit()
    keep(world, worker)
    keep(world, worker, force=True)
    assert (worker.live, drain_word(world.state, worker)) == ({}, "drained")
    world.commit()
    assert world.job_state(job) is JobState.READY


@pytest.mark.parametrize("stays", [True, False])
def test_drain_against_assignment(world: World, stays: bool) -> None:
    """The attempt is handed over in the commit in which the drain begins: it runs here, once."""
    worker, agent = world.ready_worker()
    other, second = world.ready_worker(2)
    (job,) = world.submit()
    world.placer.run(world.state, world.changes, world.now_ms)
    on = world.state.live[job].worker
    worker, agent = (worker, agent) if on == worker.spec.name else (other, second)
    if stays:
        keep(world, worker)
    else:
        life.drain(world.state, world.changes, worker, BY_HAND, world.now_ms)
    (later,) = world.submit()
    world.commit()
    assert world.state.live[later].worker != on
    world.talk(agent)
    assert agent.ran == [(job, 1)]
    world.talk(agent)
    agent.end((job, 1), world.now_ms)
    world.talk(agent)
    tick(world, 1)
    world.commit()
    assert world.job_state(job) is JobState.SUCCEEDED
    assert [each.attempt for each in world.attempts(job)] == [1]
    assert worker.state is (WorkerState.READY if stays else WorkerState.TERMINATING)


def test_drain_then_uncordon_then_crash_and_restart(world: World) -> None:
    worker, agent = world.ready_worker()
    (job,) = world.submit()
    world.commit()
    world.talk(agent)
    keep(world, worker, timeout_s=50.0)
    world.commit()
    world.crash()
    worker = world.state.workers[worker.spec.name]
    assert (worker.cordoned, drain_word(world.state, worker)) == (True, "draining")
    assert until_ms(worker) == world.now_ms + 50_000  # no time counts in which no server ran
    take_back(world, worker)
    world.commit()
    world.crash()
    worker = world.state.workers[worker.spec.name]
    assert (worker.state, worker.cordoned, worker.drain) == (WorkerState.READY, False, None)
    tick(world, 1000)
    assert job in world.state.live
    (other,) = world.submit()
    world.commit()
    assert world.state.live[other].worker == worker.spec.name


def test_a_removal_is_taken_back_while_attempts_run_and_the_agent_hears_of_it(world: World) -> None:
    worker, agent = world.ready_worker()
    (job,) = world.submit()
    world.commit()
    world.talk(agent)
    life.drain(world.state, world.changes, worker, BY_HAND, world.now_ms, timeout_s=60.0)
    world.talk(agent)
    assert agent.draining
    take_back(world, worker)
    world.commit()
    assert has_news(world.state, worker)
    world.talk(agent)
    assert not agent.draining
    assert (worker.state, worker.reason_removed, worker.draining_at_ms) == (WorkerState.READY, None, None)
    tick(world, 1000)
    (other,) = world.submit()
    world.commit()
    assert {job, other} == set(worker.live)


@pytest.mark.parametrize("stays", [True, False])
def test_remove_or_drain_during_boot(world: World, stays: bool) -> None:
    worker = world.claim(1)
    life.provisioning(world.state, worker, "hash")
    if stays:
        keep(world, worker)
    else:
        life.drain(world.state, world.changes, worker, BY_HAND, world.now_ms)
    world.commit()
    life.provisioned(world.state, world.changes, worker, "m-1", world.now_ms)
    joined = life.activated(world.state, world.changes, worker, "token", "nonce", world.now_ms)
    (job,) = world.submit()
    tick(world, 1)
    world.commit()
    assert job not in world.state.live
    assert joined is stays
    assert worker.state is (WorkerState.READY if stays else WorkerState.TERMINATING)
    assert drain_word(world.state, worker) == ("drained" if stays else "")


def test_a_boot_that_takes_too_long_is_noticed_on_a_worker_that_is_drained(world: World) -> None:
    worker = world.claim(1)
    life.provisioning(world.state, worker, "hash")
    life.provisioned(world.state, world.changes, worker, "m-1", world.now_ms)
    tick(world, 500)
    keep(world, worker)
    tick(world, 71)
    assert worker.state is WorkerState.TERMINATING


def test_drain_twice_changes_nothing_but_what_the_second_names(world: World) -> None:
    worker, agent = world.ready_worker()
    world.submit()
    world.commit()
    world.talk(agent)
    keep(world, worker, timeout_s=100.0)
    first = worker.drain
    world.commit()
    tick(world, 60)
    keep(world, worker)
    assert worker.drain == first
    assert not told(world, "worker.draining")
    keep(world, worker, timeout_s=100.0)
    assert until_ms(worker) == world.now_ms + 100_000
    assert told(world, "worker.draining") == ["The attempts on std-1-1 may run for another 100 s."]


def test_a_removal_goes_on_with_the_deadline_of_the_drain_before_it(world: World) -> None:
    worker, agent = world.ready_worker()
    world.submit()
    world.commit()
    world.talk(agent)
    keep(world, worker, timeout_s=7200.0)
    life.drain(world.state, world.changes, worker, BY_HAND, world.now_ms)
    tick(world, GRACE_S + 100)
    assert worker.state is WorkerState.DRAINING
    drains.hasten(world.state, world.changes, worker, world.now_ms, "user/ann", "", 10.0)
    tick(world, 11)
    assert worker.state is WorkerState.TERMINATING


def test_a_blocked_drain_is_recorded_once_then_each_hour_and_after_a_restart(world: World) -> None:
    waiting_pool(world)
    worker, agent = world.ready_worker()
    (job,) = world.submit(wanted=job_class(timeout_s=7200.0))
    world.commit()
    world.talk(agent)
    keep(world, worker, timeout_s=60.0)
    tick(world, 61)
    (text,) = told(world, "worker.drain_blocked")
    assert text.startswith(
        f"The drain of worker std-1-1 is blocked: its deadline passed 1 s ago, and 1 attempt still runs: job {job} (for 61 s, at most 2 h more)."
    )
    assert "ann" not in text
    assert f"job {job} of ann (for 61 s" in progress_text(world.state, worker, world.now_ms, with_users=True)
    world.commit()
    for _ in range(3):
        tick(world, 60)
    assert not told(world, "worker.drain_blocked")
    world.commit()
    world.crash()
    waiting_pool(world)
    worker = world.state.workers[worker.spec.name]
    assert drain_word(world.state, worker) == "blocked"
    tick(world, 61)
    assert not told(world, "worker.drain_blocked")
    tick(world, 3600)
    assert len(told(world, "worker.drain_blocked")) == 1
    assert job in worker.live
    keep(world, worker, force=True)
    assert drain_word(world.state, worker) == "drained"


def test_a_blocked_removal_ends_with_the_last_attempt(world: World) -> None:
    waiting_pool(world)
    worker, agent = world.ready_worker()
    (job,) = world.submit()
    world.commit()
    world.talk(agent)
    life.drain(world.state, world.changes, worker, EXPIRED, world.now_ms)
    tick(world, GRACE_S + 1)
    assert (worker.state, drain_word(world.state, worker)) == (WorkerState.DRAINING, "blocked")
    assert "`herder worker remove std-1-1 --force`" in progress_text(world.state, worker, world.now_ms)
    agent.end((job, 1), world.now_ms)
    world.talk(agent)
    tick(world, 1)
    assert worker.state is WorkerState.TERMINATING
    assert world.job_state(job) is JobState.SUCCEEDED


def test_the_time_to_live_of_a_drained_worker_ends_it(world: World) -> None:
    worker, _ = world.ready_worker()
    keep(world, worker)
    world.commit()
    life.drain(world.state, world.changes, worker, EXPIRED, world.now_ms)
    assert worker.state is WorkerState.TERMINATING
    assert worker.reason_removed is EXPIRED


def test_a_sick_worker_that_a_person_keeps_is_not_replaced(world: World) -> None:
    worker, agent = world.ready_worker()
    keep(world, worker)
    agent.troubles = ("no space left on the disk",)
    world.talk(agent)
    for _ in range(40):
        tick(world, 60)
    assert (worker.state, drain_word(world.state, worker)) == (WorkerState.UNHEALTHY, "drained")
    take_back(world, worker)
    assert worker.state is WorkerState.UNHEALTHY


def test_drain_of_a_worker_whose_driver_is_frozen(world: World) -> None:
    """It empties as any other; only its machine stays, and that is said."""
    frozen = FrozenDriver(at_ms=world.now_ms, reason="Too many machines are unknown.")
    world.state.frozen_drivers["pretend"] = frozen
    worker, agent = world.ready_worker()
    (job,) = world.submit()
    world.commit()
    world.talk(agent)
    life.drain(world.state, world.changes, worker, BY_HAND, world.now_ms)
    agent.end((job, 1), world.now_ms)
    world.talk(agent)
    tick(world, 1)
    assert (worker.state, drain_word(world.state, worker)) == (WorkerState.TERMINATING, "blocked")
    assert "because driver pretend is frozen" in progress_text(world.state, worker, world.now_ms)
    del world.state.frozen_drivers["pretend"]
    assert "driver pretend removes its machine" in progress_text(world.state, worker, world.now_ms)


def test_the_progress_names_the_attempt_that_may_run_longest(world: World) -> None:
    worker, agent = world.ready_worker()
    short, long = world.submit(wanted=job_class(timeout_s=60.0)) + world.submit()
    world.commit()
    world.talk(agent)
    keep(world, worker, timeout_s=720.0)
    assert progress_text(world.state, worker, world.now_ms) == (
        f"Worker std-1-1 is being drained: 0 of 2 attempts have ended, and job {long} runs for 12 min more at most."
    )
    agent.end((long, 1), world.now_ms)
    world.talk(agent)
    assert progress_text(world.state, worker, world.now_ms, with_users=True) == (
        f"Worker std-1-1 is being drained: 1 of 2 attempts have ended, and job {short} of ann runs for 60 s more at most."
    )


def test_a_changed_clock_changes_no_deadline(world: World) -> None:
    worker, agent = world.ready_worker()
    (job,) = world.submit()
    world.commit()
    world.talk(agent)
    keep(world, worker, timeout_s=60.0)
    world.now_ms += 10**9
    clock_step.clock_set(world.state, world.changes, 10**9)
    tick(world, 59)
    assert until_ms(worker) == world.now_ms + 1000
    agent.end((job, 1), world.now_ms)
    world.talk(agent)


def test_a_suspended_server_ends_no_drain_early(world: World) -> None:
    worker, agent = world.ready_worker()
    (job,) = world.submit()
    world.commit()
    world.talk(agent)
    keep(world, worker, timeout_s=60.0)
    tick(world, 10)
    world.now_ms += 1_000_000
    clock_step.server_was_away(world.state, 1_000_000, world.now_ms)
    tick(world, 49)
    assert job in worker.live
    assert until_ms(worker) == world.now_ms + 1000
