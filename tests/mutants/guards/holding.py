"""Mutants of holds, limits of batches, groups and retries."""

from typing import Any

from tests.mutants.mutant import Look, Mutant, replaced

#: People hold and retry; no faults are needed.
LOOK = Look(jobs_per_day=6_000, days=0.04)


def _not_held(_is_held: Any) -> Any:
    return lambda state, batch_id: False


def _no_limit(_let_run: Any) -> Any:
    def let_all_run(state: Any, batch: Any, keeping: Any) -> None:
        most, keeping.parallel_max = keeping.parallel_max, None
        try:
            _let_run(state, batch, keeping)
        finally:
            keeping.parallel_max = most

    return let_all_run


def _own_only(_upwards: Any) -> Any:
    """Of a group its jobs alone, once they have come."""

    def upwards(group: Any) -> Any:
        if group is not None:
            yield group

    return upwards


def _nothing_withdrawn(_withdraw: Any) -> Any:
    return lambda state, batch, group, inside: ([], [])


HOLDING = (
    Mutant(
        guard="counts of the groups above",
        removes="A job is counted in its group, and in none above it.",
        rules=("counts of groups are those of their jobs",),
        look=LOOK,
        replaced=(replaced("herder.engine.memory.groups:upwards", _own_only),),
    ),
    Mutant(
        guard="cancel of a group",
        removes="The queued jobs of a cancelled group stay where they are.",
        rules=("jobs of cancelled groups do not start", "counts of groups are those of their jobs"),
        look=LOOK,
        replaced=(replaced("herder.engine.jobs.groups:_withdraw", _nothing_withdrawn),),
    ),
    Mutant(
        guard="held batches keep what is tried again",
        removes="A job of a held batch whose attempt ends is queued again.",
        rules=("held jobs do not start",),
        look=Look(jobs_per_day=12_000, days=0.04),  # more often than not the rows tell first
        replaced=(replaced("herder.engine.jobs.holding:is_held", _not_held),),
    ),
    Mutant(
        guard="limit of a batch",
        removes="All jobs of a batch may run at once, whatever its parallel_max.",
        rules=("as many jobs of a batch run as may", "memory is consistent"),
        look=LOOK,
        replaced=(replaced("herder.engine.jobs.job:let_run", _no_limit),),
    ),
)
