"""Run times are learned from attempts that ended by themselves, and learned anew from the store after a restart."""

from herder.decide.forecast.remaining_work import LEAST_ENDS
from herder.decide.forecast.run_times import kinds_of
from herder.engine.attempts.attempt import ended, lose
from herder.model.ids import ClassId
from herder.model.work.job import Cause
from tests.support.engine_world import World, finished, job_class


def test_what_ended_by_itself_teaches_and_a_restart_forgets_nothing(world: World) -> None:
    worker, _ = world.ready_worker()
    jobs = world.submit(3)
    world.commit()
    first, second = jobs[:2]
    world.now_ms += 5_000
    assert ended(world.state, world.changes, worker, finished(first, 1), None, world.now_ms)
    world.commit()
    world.now_ms += 2_000
    assert ended(
        world.state,
        world.changes,
        worker,
        finished(second, 1, "failed", cause="exit_code"),
        None,
        world.now_ms,
    )
    world.commit()
    world.now_ms += 900_000
    lose(world.state, world.changes, world.state.live[jobs[2]], Cause.WORKER_LOST, "gone", world.now_ms)
    world.commit()
    kinds = kinds_of(job_class())
    before = world.placer.run_times.guess(kinds)
    assert before.ends == 2
    assert 4_000 < before.quantile_ms(0.5) < 20_000
    world.crash()
    world.state.open_workers.clear()
    world.commit()
    assert world.placer.run_times.guess(kinds) == before


def test_how_long_workers_will_have_work_is_learned_anew_too(world: World) -> None:
    worker, _ = world.ready_worker()
    for number in range(LEAST_ENDS):
        (job,) = world.submit(1)
        world.commit()
        assert not world.placer.fill_order.work_left.knows
        world.now_ms += 40_000 + 1_000 * number
        assert ended(world.state, world.changes, worker, finished(job, 1), None, world.now_ms)
        world.commit()
    now_ms, model = world.now_ms, world.placer.fill_order.work_left
    running = [(ClassId(1), now_ms - 45_000), (ClassId(1), now_ms - 1_000)]
    before = [model.left_ms(running[:count], now_ms) for count in range(3)]
    assert before[0] == 0
    assert before[1] > 0
    world.crash()
    world.state.open_workers.clear()
    world.commit()
    model = world.placer.fill_order.work_left
    assert model.knows
    assert [model.left_ms(running[:count], now_ms) for count in range(3)] == before


def test_an_end_that_is_told_late_is_no_longer_run(world: World) -> None:
    """Its server was away for 20 s when it had ended: nobody is shown that as its run, learns from it, or pays for it."""
    worker, _ = world.ready_worker()
    (job,) = world.submit(1)
    world.commit()
    begun = world.state.live[job].assigned_at_ms
    world.now_ms += 25_000
    report = finished(job, 1, started_at_ms=begun, ended_at_ms=begun + 5_000)
    assert ended(world.state, world.changes, worker, report, None, world.now_ms)
    (record,) = world.changes.attempts.values()
    assert (record.started_at_ms, record.ended_at_ms) == (begun, begun + 5_000)
    assert world.changes.job_status[job].ended_at_ms == begun + 5_000
    assert [each.to_ms for each in world.changes.usage] == [begun + 5_000]
    assert [run_ms for _, run_ms in world.state.ended_runs] == [5_000]
    world.commit()


def test_no_clock_of_a_worker_makes_a_run_longer_than_was_seen_of_it(world: World) -> None:
    worker, _ = world.ready_worker()
    jobs = world.submit(2)
    world.commit()
    begun = world.state.live[jobs[0]].assigned_at_ms
    world.now_ms += 1_000
    hour = 3_600_000
    cases = ((begun, begun + hour), (begun - hour, begun - hour + 500))
    for job, times in zip(jobs, cases, strict=True):
        report = finished(job, 1, started_at_ms=times[0], ended_at_ms=times[1])
        assert ended(world.state, world.changes, worker, report, None, world.now_ms)
    found = [world.changes.attempts[job, 1].ended_at_ms for job in jobs]
    assert found == [begun + 1_000, begun + 500]
