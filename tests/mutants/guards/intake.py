"""Mutants of jobs that come from a queue outside of Herder."""

from typing import Any

from herder.control.jobs.intake import Intake
from tests.mutants.mutant import Look, Mutant, constant, replaced

#: The queue is lost often, and so is the server.
LOOK = Look(
    jobs_per_day=20_000,
    days=0.01,
    workers=8,
    intensity=3.0,
    odds={"intake": 0.2, "server_crash": 0.03, "store_slow": 0.3},
)


class _Forgets:
    async def find(self, *_args: Any) -> None:
        """No request came before."""

    def keep(self, *_args: Any) -> None:
        """And no later one will find this one."""


class _Hasty:
    """A core that waits for no commit."""

    def __init__(self, core: Any) -> None:
        self._core = core

    def __getattr__(self, name: str) -> Any:
        return getattr(self._core, name)

    async def commit(self, changes: Any) -> None:
        self._core.commit(changes)


def _forgetful(job_of: Any) -> Any:
    async def made_anew(intake: Intake, record: str, data: bytes | None) -> Any:
        intake.requests = _Forgets()  # type: ignore[assignment]
        return await job_of(intake, record, data)

    return made_anew


def _hasty(job_of: Any) -> Any:
    async def not_durable(intake: Intake, record: str, data: bytes | None) -> Any:
        hasty: Any = _Hasty(intake.core)
        return await job_of(Intake(hasty, intake.settings, intake.queue, intake.requests), record, data)

    return not_durable


INTAKE = (
    Mutant(
        guard="request key of a record",
        removes="A record that comes again is not looked for among the jobs.",
        rules=("a record becomes one job",),
        look=LOOK,
        replaced=(replaced("herder.control.jobs.intake:Intake._job_of", _forgetful),),
    ),
    Mutant(
        guard="a record's job is durable first",
        removes="A record is acknowledged while its job is being written.",
        rules=("a record becomes one job", "the end of a record is written back"),
        look=LOOK,
        replaced=(replaced("herder.control.jobs.intake:Intake._job_of", _hasty),),
    ),
    Mutant(
        guard="records are followed to their end",
        removes="The end of a job is written back as if it were any other status.",
        rules=("the end of a record is written back",),
        look=LOOK,
        replaced=(constant("herder.control.loops.intakes:_ENDED", frozenset()),),
    ),
)
