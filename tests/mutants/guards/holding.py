"""Mutants of holds, limits of batches and retries."""

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


HOLDING = (
    Mutant(
        guard="held batches keep what is tried again",
        removes="A job of a held batch whose attempt ends is queued again.",
        rules=("held jobs do not start",),
        look=LOOK,
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
