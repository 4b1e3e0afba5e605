"""Mutants of batches that are submitted on schedules."""

from typing import Any

from tests.mutants.mutant import Look, Mutant, answers, replaced

#: Servers that die often.
LOOK = Look(jobs_per_day=1_000, days=0.1, workers=6, intensity=3.0, odds={"server_crash": 0.003})


def _forgotten(_put: Any) -> Any:
    """That a time was dealt with is in memory only."""

    def put(core: Any, changes: Any, record: Any) -> None:
        core.state.schedules[record.name] = record
        changes.put(record._replace(handled_ms=record.created_at_ms))

    return put


SCHEDULED = (
    Mutant(
        guard="times of schedules that are dealt with",
        removes="That a time of a schedule was dealt with is not written in the commit of its batch.",
        rules=("a time of a schedule is one batch", "schedules are on time"),
        look=LOOK,
        replaced=(replaced("herder.control.jobs.schedules:_put", _forgotten),),
    ),
    Mutant(
        guard="looks at schedules",
        removes="Nobody looks which times of schedules have come.",
        rules=("schedules are on time",),
        look=LOOK,
        replaced=(answers("herder.control.jobs.schedules:tick", lambda: None),),
    ),
)
