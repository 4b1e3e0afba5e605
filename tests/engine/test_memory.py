"""Nothing in memory grows without a bound: classes, shapes, what is remembered of pools and of jobs that have ended."""

import pytest

from herder.control.pools.pool_actions import store_pool
from herder.engine.jobs import classes
from herder.engine.memory.failed_lately import MINUTE_MS, MINUTES, FailedLately
from herder.engine.workers.worker import create_failed
from herder.model.values.resources import Resources
from herder.model.work.job import JobState
from herder.scheduler import queue_index
from tests.support.engine_world import POOL, SMALL, World, job_class


def kind(number: int, **more: object):  # type: ignore[no-untyped-def]
    return job_class("ann", Resources(100 + number, 64, 0), **more)


def test_classes_that_no_job_needs_are_forgotten_the_oldest_first(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classes, "CLASSES_MAX", 100)
    monkeypatch.setattr("herder.control.recovery.recover.CLASSES_MAX", 100)
    _, agent = world.ready_worker()
    (live,) = world.submit(1, kind(0))
    world.commit()
    (queued,) = world.submit(1, kind(1, pool="elsewhere"))
    open_batch = world.batch()
    world.add(open_batch, [kind(2), kind(3)], {1: [0]})
    for number in range(4, 500):
        assert world.class_id(kind(number))
        classes.forget_classes(world.state)
        assert len(world.state.classes) <= 100 + 1
    assert world.state.class_ids == {each: class_id for class_id, each in world.state.classes.items()}
    for number in (0, 1, 2, 3, 499):
        assert kind(number, **({"pool": "elsewhere"} if number == 1 else {})) in world.state.class_ids
    assert kind(10) not in world.state.class_ids
    world.commit()
    assert world.job_state(queued) is JobState.READY
    world.talk(agent)
    agent.end((live, 1), world.now_ms)
    world.talk(agent)
    assert world.job_state(live) is JobState.SUCCEEDED
    world.crash()
    assert len(world.state.classes) <= 100
    assert kind(2) in world.state.class_ids


def test_classes_in_use_are_kept_and_not_looked_at_again_each_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classes, "CLASSES_MAX", 10)
    looks = 0

    def used(state, before=classes._used):  # type: ignore[no-untyped-def]
        nonlocal looks
        looks += 1
        return before(state)

    monkeypatch.setattr(classes, "_used", used)
    for number in range(200):
        world.submit(1, kind(number, pool="elsewhere"))
        classes.forget_classes(world.state)
    assert len(world.state.classes) == 200
    assert looks < 25


def test_shapes_that_nothing_waits_in_are_forgotten(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_index, "SHAPES_MAX", 20)
    world.placer.queue_index._shapes_max = 20
    _, agent = world.ready_worker()
    (kept,) = world.submit(1, job_class("bob", Resources(2000, 4096, 8192)))
    blocker = world.submit(2, job_class("cyd", SMALL, priority=9))
    world.commit()
    for number in range(300):
        world.submit(1, kind(number, priority=9))
        world.commit()
        world.talk(agent)
        for key in list(agent.held):
            agent.end(key, world.now_ms)
        world.talk(agent)
        assert len(world.placer.queue_index._like) <= 41
    assert set(world.state.live) == {kept} or world.job_state(kept) is JobState.SUCCEEDED
    assert all(world.job_state(job) is JobState.SUCCEEDED for job in blocker)


def test_a_deleted_pool_is_forgotten_when_its_last_worker_has_gone(world: World) -> None:
    from types import SimpleNamespace

    worker = world.claim(1)
    assert POOL.name in world.state.history
    core = SimpleNamespace(state=world.state, raw_classes={})
    store_pool(core, world.changes, POOL, world.now_ms, deleted=True)  # type: ignore[arg-type]
    create_failed(world.state, world.changes, worker, "no such pool", world.now_ms)
    assert not world.state.history


def test_failures_of_the_last_hour_are_counted_and_older_ones_forgotten() -> None:
    lately = FailedLately()
    for minute in range(500):
        lately.add("exit_code" if minute % 2 else "worker_lost", minute * MINUTE_MS)
    assert len(lately._minutes) <= MINUTES + 1
    now = 499 * MINUTE_MS
    assert lately.by_cause(now) == {"exit_code": 30, "worker_lost": 30}
    assert not lately.by_cause(now + 61 * MINUTE_MS)
