"""Mutants of time: deadlines of workers, absences of the server, clocks that are set."""

from typing import Any

from tests.mutants.mutant import Look, Mutant, answers, replaced

_DEADLINES = "herder.engine.workers.deadlines"


def _when_empty(look: Any) -> Any:
    from herder.model.fleet.drain import OnBlocked

    def without_end(state: Any, changes: Any, worker: Any, _on_blocked: Any, now_ms: int) -> None:
        look(state, changes, worker, OnBlocked.WAIT, now_ms)

    return without_end


def _but_the_sample(clock_set: Any) -> Any:
    def moved(state: Any, changes: Any, by_ms: int) -> None:
        sampled_ms = state.use_sampled_ms
        clock_set(state, changes, by_ms)
        state.use_sampled_ms = sampled_ms

    return moved


_CALM_SERVER = {"server_crash": 0.0, "server_stop": 0.0, "crash_at_effect": 0.0, "second_leader": 0.0}
_CLOCK = {**_CALM_SERVER, "clock_set": 0.002}

TIME = (
    Mutant(
        guard="boot timeout",
        removes="A boot may take for ever.",
        rules=("boots end",),
        replaced=(answers("herder.engine.workers.creation:overdue", lambda: None),),
        look=Look(odds={**_CALM_SERVER, "boot_never": 0.3}),
    ),
    Mutant(
        guard="dead_after",
        removes="A worker may be silent for ever.",
        rules=("the dead are noticed",),
        replaced=(answers(f"{_DEADLINES}:_check_silence", lambda: None),),
        look=Look(odds={**_CALM_SERVER, "agent_killed": 0.01}),
    ),
    Mutant(
        guard="drain grace",
        removes="A drain lasts as long as its longest job.",
        rules=("drains end",),
        replaced=(replaced("herder.engine.workers.draining.drains:look", _when_empty),),
        look=Look(odds=_CALM_SERVER, intensity=30.0, workers=20, jobs_per_day=3_000),
    ),
    Mutant(
        guard="absence of the server",
        removes="The time in which the server was stopped counts as silence of its workers.",
        rules=("no worker is dead while it calls",),
        replaced=(answers("herder.engine.clock_step:server_was_away", lambda: None),),
        look=Look(odds={"server_stop": 0.002}),
    ),
    Mutant(
        guard="deadlines after a start",
        removes="The time in which no server ran counts as silence of the workers.",
        rules=("no worker is dead while it calls",),
        replaced=(answers("herder.engine.clock_step:begin_anew", lambda: None),),
        look=Look(odds={"server_crash": 0.002}),
    ),
    Mutant(
        guard="times move with the clock",
        removes="When the clock is set, the times of workers stay as they were.",
        rules=("no worker is dead while it calls", "memory is consistent", "cooldowns are respected"),
        replaced=(answers("herder.engine.clock_step:clock_set", lambda: None),),
        look=Look(odds=_CLOCK),
    ),
    Mutant(
        guard="samples move with the clock",
        removes="When the clock is set, the time of the last sample of use stays as it was.",
        rules=("use is in the ledger once",),
        replaced=(replaced("herder.engine.clock_step:clock_set", _but_the_sample),),
        look=Look(odds=_CLOCK),
    ),
    Mutant(
        guard="clock following",
        removes="A clock that was set is never followed.",
        rules=("rows have the time of the clock",),
        replaced=(answers("herder.control.recovery.clock_watch:follow_wall", lambda: None),),
        look=Look(odds=_CLOCK),
    ),
)
