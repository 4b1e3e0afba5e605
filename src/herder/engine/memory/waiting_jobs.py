"""What the engine remembers of jobs that wait: for a time, for their parents, or apart after faults of workers. Part of `EngineState` and `BatchLife`."""

from dataclasses import dataclass

from herder.model.ids import BatchId, ClassId, WorkerName


@dataclass(slots=True, kw_only=True)
class JobFaults:
    """What workers did to a job that has not ended. Recovered from the rows of its attempts."""

    batch: BatchId | None
    class_id: ClassId
    count: int = 0
    deaths: int = 0
    """Workers that died soon after an attempt of it had begun there: see `engine/jobs/backoff.py`."""
    workers: tuple[WorkerName, ...] = ()
    """On which its attempts failed, the latest last; at most `backoff.WORKERS_REMEMBERED`."""
    last: str = ""


@dataclass(slots=True, kw_only=True)
class RetriedAs:
    """Of a job that has not ended and is not tried again just as it was submitted (`engine/jobs/next_class.py`)."""

    batch: BatchId | None
    class_id: ClassId
    """Its class now: a row that was read before may say another."""
    taken_back: int = 0
    """Spot workers that were taken back, or lost, under it; only counted where that matters."""


@dataclass(slots=True, kw_only=True)
class DelayedJob:
    """A ready job that is in no queue: it waits for its time, then for a worker other than those where it failed."""

    class_id: ClassId
    batch: BatchId | None
    ready_at_ms: int
    not_before_ms: int
    kept_on: WorkerName | None = None
    """The worker that is being emptied for it, when it is to run alone."""


@dataclass(slots=True, kw_only=True)
class WaitingJob:
    """A job whose parents have not all ended."""

    class_id: ClassId
    parents_left: int
    parent_failed: bool = False
