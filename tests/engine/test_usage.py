"""Each attempt and each machine that ends is said once: who had what of which machine, from when to when."""

import pytest

from herder.engine.attempts.attempt import cancel, ended
from herder.engine.workers import worker as life
from herder.ledger.costs import cost
from herder.model.ids import UserName
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.stored.changes import Changes
from herder.model.work.job import Cause, RetryPolicy
from herder.model.work.usage import AttemptUsage, MachineUsage, machine_of
from tests.support.engine_world import SMALL, T0, Agent, World, finished, job_class

REASON = Reason(kind=ReasonKind.BY_HAND, text="test")


def running(world: World, count: int = 1) -> tuple[Agent, list[int]]:
    """On one worker, from T0 on; the clock stands at T0 + 7 s."""
    _, agent = world.ready_worker()
    jobs = world.submit(count)
    world.commit()
    world.talk(agent)
    world.now_ms += 7_000
    return agent, [int(job) for job in jobs]


def test_an_attempt_says_who_had_what_of_which_machine(world: World) -> None:
    agent, (job,) = running(world)
    worker = world.state.workers[agent.worker]
    for _ in range(2):  # the second time it is not the worker's own any more
        ended(world.state, world.changes, worker, finished(job, 1), None, world.now_ms)
    (usage,) = world.changes.usage
    assert usage == AttemptUsage(
        machine_of(worker.spec), UserName("ann"), "default", None, job, 1, SMALL, T0, T0 + 7_000
    )


def test_each_try_is_an_interval_of_its_own(world: World) -> None:
    _, agent = world.ready_worker()
    batch = world.batch()
    (job,) = world.add(batch, [job_class(retry=RetryPolicy(retries=1))])
    world.commit_batch(batch)
    world.commit()
    found = []
    for number in (1, 2):
        world.talk(agent)
        world.now_ms += 1_000
        worker = world.state.workers[agent.worker]
        report = finished(job, number, "failed", cause=Cause.EXIT_CODE.value)
        ended(world.state, world.changes, worker, report, None, world.now_ms)
        found += world.changes.usage
        world.commit()
    assert [(each.attempt, each.batch, each.from_ms, each.to_ms) for each in found] == [
        (1, batch.id, T0, T0 + 1_000),
        (2, batch.id, T0 + 1_000, T0 + 2_000),
    ]
    assert world.state.batches == {}


def test_a_machine_that_goes_ends_its_attempts_and_itself(world: World) -> None:
    agent, jobs = running(world, 2)
    worker = world.state.workers[agent.worker]
    life.terminate(world.state, world.changes, worker, REASON, world.now_ms)
    world.now_ms += 500
    life.terminated(world.state, world.changes, worker, world.now_ms)
    *attempts, machine = world.changes.usage
    assert sorted((each.job, each.to_ms - each.from_ms) for each in attempts) == [
        (job, 7_000) for job in jobs
    ]
    assert machine == MachineUsage(machine_of(worker.spec), T0, T0 + 7_500, worker.ready_at_ms)


def test_a_claim_that_never_became_a_machine_used_nothing(world: World) -> None:
    worker = world.claim(1)
    life.provisioning(world.state, worker, "hash")
    life.create_failed(world.state, world.changes, worker, "no room", world.now_ms + 9)
    assert world.changes.usage == []


def test_a_cancelled_attempt_has_used_its_machine_until_its_worker_says_that_it_is_over(world: World) -> None:
    agent, (job,) = running(world)
    attempt = next(iter(world.state.live.values()))
    cancel(world.state, world.changes, attempt)
    assert world.changes.usage == []
    worker = world.state.workers[agent.worker]
    ended(world.state, world.changes, worker, finished(job, 1, "cancelled"), None, world.now_ms + 100)
    assert [each.to_ms for each in world.changes.usage] == [T0 + 7_100]


def test_changes_that_are_handed_over_together_keep_all_intervals(world: World) -> None:
    agent, jobs = running(world, 2)
    worker, together = world.state.workers[agent.worker], Changes()
    for job in jobs:
        changes = Changes()
        ended(world.state, changes, worker, finished(job, 1), None, world.now_ms)
        together.absorb(changes)
    assert [usage.job for usage in together.usage if isinstance(usage, AttemptUsage)] == jobs
    world.changes.absorb(together)
    world.commit()
    assert world.changes.usage == []
    (spent,) = world.ledger.accounts.values()
    assert spent.attempts == 2


@pytest.mark.parametrize("dies", ["before the commit", "after it"])
def test_a_server_that_dies_has_booked_an_end_once_or_not_at_all(world: World, dies: str) -> None:
    agent, (job,) = running(world)
    worker = world.state.workers[agent.worker]
    agent.end((job, 1), world.now_ms)
    ended(world.state, world.changes, worker, finished(job, 1), None, world.now_ms)
    price = cost(world.changes.usage[0])
    if dies == "after it":
        world.commit()
    world.crash()
    assert sum(spent.cost_pico for spent in world.ledger.accounts.values()) == (
        price if dies == "after it" else 0
    )
    world.talk(agent)  # it has heard of no receipt, and says it again
    (spent,) = world.ledger.accounts.values()
    assert spent.attempts == 1
    assert world.faults() == []
