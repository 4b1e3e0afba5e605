"""Run times are learned from attempts that ended by themselves, and learned anew from the store after a restart."""

from herder.decide.run_times import kinds_of
from herder.engine.attempt import ended, lose
from herder.model.job import Cause
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
