"""Job types at submission: a job that names one gets the type's defaults for all that it does not say itself.

Called by `submission.py` for each job with a type, also in dry runs. A field that has the value it has in a job that says nothing counts
as not said. The limits of a type are not looked at here: they decide when a job starts, not whether it is accepted.
"""

from typing import Any

import msgspec

from herder.control.kernel.bounds.errors import Invalid
from herder.control.kernel.core import Core
from herder.model.values.phrases import sentences
from herder.model.work.job_type import JobType
from herder.wire.api.work import JobSubmission

#: Names of types in a refusal.
SHOWN = 10
_SAYS_NOTHING = JobSubmission()


def with_type(core: Core, job: JobSubmission, where: str) -> JobSubmission:
    """The job with the defaults of its type. Raises Invalid when there is no such type."""
    known = core.state.sharing.job_type(job.type)
    if known is None:
        names = [each.name for each in core.state.sharing.job_types]
        raise Invalid(
            f"There is no job type {job.type[:63]!r}.",
            field=f"{where}type",
            hint=f"Job types are {', '.join(names[:SHOWN])}{' …' if len(names) > SHOWN else ''}."
            if names
            else "The server has no job types; they are defined under `job_types` in herder.yaml.",
        )
    said = {name: value for name, value in _defaults(known).items() if _unsaid(job, name)}
    if known.env:
        said["env"] = {**dict(known.env), **job.env}
    return msgspec.structs.replace(job, **said)


def blamed(error: Invalid, given: JobSubmission, full: JobSubmission, where: str) -> Invalid:
    """An error in what the type says, and not the job, told of the type. `full`: the job with what the type says."""
    name = error.field.removeprefix(where).partition(".")[0].partition("[")[0]
    if not given.type or not hasattr(given, name) or not _unsaid(given, name) or _unsaid(full, name):
        return error
    hint = sentences(f"The {name} is that of job type {given.type}", error.hint)
    return Invalid(error.detail, field=f"{where}type", hint=hint)


def _unsaid(job: JobSubmission, name: str) -> bool:
    return bool(getattr(job, name) == getattr(_SAYS_NOTHING, name))


def _defaults(known: JobType) -> dict[str, Any]:
    """What the type says, by the fields of a submission."""
    texts = {
        "pool": known.pool,
        "cpu": known.cpu,
        "memory": known.memory,
        "disk": known.disk,
        "image": known.image,
        "runtime": known.runtime,
        "command": list(known.command),
        "priority": known.priority,
    }
    numbers = {"gpu": known.gpu, "timeout_s": known.timeout_s, "retries": known.retries}
    return {
        **{name: value for name, value in texts.items() if value},
        **{name: value for name, value in numbers.items() if value is not None},
    }
