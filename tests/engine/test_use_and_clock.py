"""What is in the log of use, and the clock that is set: times of what lives move, and no time is counted twice or left out."""

from herder.engine.clock_step import clock_set
from herder.engine.memory.totals import USE_SAMPLED
from herder.model.stored.changes import Changes
from herder.model.stored.records import TotalRecord
from herder.model.work.usage import MachineUsage, machine_of, moved
from tests.support.engine_world import T0, World


def test_the_last_sample_moves_with_what_lives() -> None:
    world = World()
    world.ready_worker()
    world.ledger.sample_due = True
    world.commit()
    assert world.state.use_sampled_ms == T0
    changes = Changes()
    clock_set(world.state, changes, -5_000)
    assert world.state.use_sampled_ms == T0 - 5_000
    assert TotalRecord(USE_SAMPLED, str(T0 - 5_000)) in changes.rows[TotalRecord].values()


def test_what_has_ended_and_is_not_logged_moves_too() -> None:
    world = World()
    worker, _ = world.ready_worker()
    machine = machine_of(worker.spec)
    assert moved(MachineUsage(machine, T0, T0 + 9, T0 + 1), 100) == MachineUsage(
        machine, T0 + 100, T0 + 109, T0 + 101
    )
    assert moved(MachineUsage(machine, T0, T0 + 9), 100) == MachineUsage(machine, T0 + 100, T0 + 109)
