"""A worker's life: claim, boot, ready, silence, drain, end; and what of it is written down."""

import dataclasses

import pytest

from herder.engine.memory.state import WorkerLife
from herder.engine.workers import deadlines, expiry
from herder.engine.workers import worker as life
from herder.model.fleet.offer import FailureCause
from herder.model.fleet.worker import WorkerState
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.stored.changes import Changes
from herder.model.stored.records import EventRecord, WorkerRecord
from herder.model.work.job import AttemptState, JobState
from tests.support.engine_world import POOL, T0, World

REASON = Reason(kind=ReasonKind.IDLE, text="idle", evidence=(("idle_s", 3),))


def tick(world: World, seconds: float) -> None:
    world.now_ms += int(seconds * 1000)
    deadlines.tick(world.state, world.changes, world.now_ms)


def kinds(changes: Changes) -> list[str]:
    return [each.kind for each in changes.rows.get(EventRecord, {}).values()]  # type: ignore[union-attr]


def row(world: World, worker: WorkerLife):
    from herder.store.rows.tables import workers

    with world.engine.connect() as connection:
        return connection.execute(workers.select().where(workers.c.name == worker.spec.name)).one()


def test_from_claim_to_end(world: World) -> None:
    worker = world.claim(1)
    assert kinds(world.commit()) == ["worker.requested"]
    assert row(world, worker).state == "requested"
    world.now_ms += 1000
    life.provisioning(world.state, worker, "hash")
    world.commit()
    assert row(world, worker).activation_hash == "hash"
    life.provisioned(world.state, world.changes, worker, "m-1", world.now_ms)
    assert kinds(world.commit()) == ["worker.provisioned"]
    assert row(world, worker).state == "joining"
    world.now_ms += 3_600_000
    assert life.activated(world.state, world.changes, worker, "token", "nonce", world.now_ms)
    world.commit()
    assert row(world, worker).state == "ready"
    life.drain(world.state, world.changes, worker, REASON, world.now_ms)
    assert kinds(world.commit()) == ["worker.draining", "worker.terminating"]
    life.terminated(world.state, world.changes, worker, world.now_ms)
    world.commit()
    done = row(world, worker)
    assert (done.state, done.token_hash, done.activation_hash) == ("terminated", None, None)
    assert world.ledger.pools == {"std": 360}
    assert not world.state.workers
    assert not world.state.open_workers


def test_a_claim_is_made_once(world: World) -> None:
    first = world.claim(1)
    world.commit()
    assert world.claim(1) is first
    assert world.changes.empty


def test_activation_works_once_and_again_with_the_same_nonce(world: World) -> None:
    worker = world.claim(1)
    life.provisioning(world.state, worker, "hash")
    assert life.activated(
        world.state, world.changes, worker, "token", "nonce", world.now_ms
    )  # before the driver answers
    world.commit()
    assert life.activated(world.state, world.changes, worker, "token", "nonce", world.now_ms + 5)
    assert not life.activated(world.state, world.changes, worker, "other", "else", world.now_ms + 5)
    assert world.changes.empty
    life.provisioned(world.state, world.changes, worker, "m-1", world.now_ms + 9)
    assert worker.state is WorkerState.READY
    assert worker.provisioned_at_ms == worker.ready_at_ms


def test_its_time_to_live_begins_when_it_is_ready(world: World) -> None:
    worker = world.claim(1, expires_at_ms=T0 + 60_000)
    world.now_ms += 10_000
    world.boot(worker)
    assert worker.expires_at_ms == T0 + 70_000


def test_one_that_was_told_to_go_is_not_taken_up_again(world: World) -> None:
    """The launch loop may come to a claim that a person has just removed."""
    worker = world.claim(1)
    life.terminate(world.state, world.changes, worker, REASON, world.now_ms)
    life.provisioning(world.state, worker, "hash")
    assert worker.state is WorkerState.TERMINATING
    assert not life.activated(world.state, world.changes, worker, "token", "nonce", world.now_ms)


def test_a_failed_creation_costs_nothing_and_is_remembered(world: World) -> None:
    worker = world.claim(1)
    life.provisioning(world.state, worker, "hash")
    life.create_failed(world.state, world.changes, worker, "no room", world.now_ms)
    world.commit()
    assert row(world, worker).state == "failed"
    assert not world.ledger.pools
    (memory,) = world.state.offers.values()
    assert (memory.failed_in_row, memory.cause) == (1, FailureCause.OTHER)


def test_a_boot_that_takes_too_long(world: World) -> None:
    worker = world.claim(1)
    life.provisioning(world.state, worker, "hash")
    life.provisioned(world.state, world.changes, worker, "m-1", world.now_ms)
    tick(world, 570)
    assert worker.state is WorkerState.JOINING
    tick(world, 1)
    assert worker.state is WorkerState.TERMINATING
    assert worker.reason_removed is not None
    assert worker.reason_removed.kind is ReasonKind.BOOT_TIMEOUT
    tick(world, 1000)
    (memory,) = world.state.offers.values()
    assert (memory.failed_in_row, memory.cause) == (1, FailureCause.BOOT_TIMEOUT)


def test_silence_first_costs_new_work_then_the_attempts(world: World) -> None:
    worker, agent = world.ready_worker()
    (job,) = world.submit()
    world.commit()
    world.talk(agent)
    tick(world, 20)
    assert worker.state is WorkerState.READY
    tick(world, 1)
    assert worker.state is WorkerState.UNHEALTHY
    (other,) = world.submit()
    world.commit()
    assert other not in world.state.live
    tick(world, 24)
    assert worker.state is WorkerState.UNHEALTHY
    assert world.state.live
    tick(world, 1)
    assert worker.state is WorkerState.TERMINATING
    world.commit()
    assert world.job_state(job) is JobState.READY
    assert world.talk(agent).stop


def test_one_that_is_heard_of_again_works_on(world: World) -> None:
    worker, agent = world.ready_worker()
    tick(world, 25)
    world.submit()
    world.commit()
    assert not world.state.live
    world.talk(agent)
    assert worker.state is WorkerState.READY
    assert worker.live


def test_drain_waits_for_what_runs_then_for_the_grace(world: World) -> None:
    worker, agent = world.ready_worker()
    job, other = world.submit(2)
    world.commit()
    world.talk(agent)
    life.drain(world.state, world.changes, worker, REASON, world.now_ms)
    again = Changes()
    life.drain(world.state, again, worker, REASON, world.now_ms)
    assert again.empty
    world.submit()
    assert world.talk(agent).drain
    assert len(worker.live) == 2
    agent.end((job, 1), world.now_ms)
    world.talk(agent)
    for _ in range(int(POOL.lifetime.drain_grace_s) // 10):
        tick(world, 10)
        world.talk(agent)
    assert worker.state is WorkerState.DRAINING
    tick(world, 1)
    assert worker.state is WorkerState.TERMINATING
    world.commit()
    assert world.attempts(other)[0].cause == "drained"
    assert world.job(other).failures == 0


def test_a_drain_ends_with_the_last_attempt(world: World) -> None:
    worker, agent = world.ready_worker()
    (job,) = world.submit()
    world.commit()
    world.talk(agent)
    life.drain(world.state, world.changes, worker, REASON, world.now_ms)
    agent.end((job, 1), world.now_ms)
    world.talk(agent)
    tick(world, 0.5)
    assert worker.state is WorkerState.TERMINATING


def test_a_drained_worker_of_a_deleted_pool_still_goes(world: World) -> None:
    worker, agent = world.ready_worker()
    world.submit()
    world.commit()
    world.talk(agent)
    life.drain(world.state, world.changes, worker, REASON, world.now_ms)
    spec = world.state.pools.pop(POOL.name)
    tick(world, 500)
    assert worker.state is WorkerState.TERMINATING
    world.state.pools[spec.name] = spec


def test_leaving_gives_the_attempts_back(world: World) -> None:
    worker, agent = world.ready_worker()
    (job,) = world.submit()
    world.commit()
    world.talk(agent)
    world.talk(agent, leaving=True)
    assert worker.state is WorkerState.TERMINATING
    (tried,) = world.attempts(job)
    assert (tried.state, tried.cause) == (AttemptState.LOST, "drained")


def test_a_cordoned_worker_keeps_its_attempts_and_gets_no_more(world: World) -> None:
    worker, agent = world.ready_worker()
    world.submit()
    world.commit()
    for cordoned in (True, False):
        life.set_cordon(
            world.state, world.changes, worker, cordoned, world.now_ms, actor="user/ann", message="why"
        )
        world.submit()
        world.commit()
        assert len(worker.live) == (1 if cordoned else 2)
    world.talk(agent)


@pytest.mark.parametrize("end", ["terminated", "terminate", "create_failed"])
def test_no_attempt_outlives_its_worker(world: World, end: str) -> None:
    worker, agent = world.ready_worker()
    world.submit(2)
    world.commit()
    world.talk(agent)
    if end == "terminated":
        life.terminated(world.state, world.changes, worker, world.now_ms)
    elif end == "terminate":
        life.terminate(world.state, world.changes, worker, REASON, world.now_ms)
    else:
        life.create_failed(world.state, world.changes, worker, "it vanished", world.now_ms)
    assert not worker.live
    assert not world.state.live
    assert world.state.counts[JobState.READY] == 2


def test_each_change_of_a_worker_is_a_row_and_what_is_only_seen_is_none(world: World) -> None:
    worker, agent = world.ready_worker()
    world.commit()
    world.talk(agent)
    message = agent.message(world.now_ms)
    world.now_ms += 100
    world.take_in(worker, message)
    done = world.commit()
    assert WorkerRecord not in done.rows
    assert done.empty
    expiry.extend(world.state, world.changes, worker, T0 + 10**9, world.now_ms, actor="user/ann", message="")
    done = world.commit()
    assert len(done.rows[WorkerRecord]) == 1
    assert kinds(done) == ["worker.extended"]


def test_every_field_of_a_worker_comes_back(world: World) -> None:
    worker = world.claim(1, expires_at_ms=T0 + 10**9)
    world.boot(worker)
    life.set_cordon(
        world.state, world.changes, worker, True, world.now_ms, actor="user/ann", message="ü'\"\\"
    )
    expiry.extend(
        world.state, world.changes, worker, T0 + 2 * 10**9, world.now_ms, actor="user/ann", message=""
    )
    life.drain(world.state, world.changes, worker, REASON, world.now_ms)
    world.commit()
    back = world.recovered()[0].workers[worker.spec.name]
    memory_only = {"answer_number", "exchange_number", "told", "cancels", "unacked", "live"}
    for each in dataclasses.fields(WorkerLife):
        if each.name not in memory_only:
            assert getattr(back, each.name) == getattr(worker, each.name), each.name
