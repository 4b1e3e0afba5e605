"""The changes of one step of the engine: rows to be committed together, and the notifications after the commit.

Filled by `engine/` and `control/`, merged and written by the store's writer. Nothing leaves the process (no answer, no
wake-up) before the changes that caused it are committed.
"""

from collections.abc import Callable

from herder.model.ids import ClassId
from herder.model.stored.records import KEYS, AttemptRecord, JobNew, JobStatus, Record
from herder.model.work.job import JobClass
from herder.model.work.usage import UsageInterval


class Changes:
    """Rows by record type and key (the last one of a row wins), new jobs, and names to wake after the commit."""

    __slots__ = (
        "after",
        "attempts",
        "classes_new",
        "ended_jobs",
        "job_status",
        "jobs_new",
        "rows",
        "sweeps",
        "usage",
        "wake",
    )

    def __init__(self) -> None:
        self.jobs_new: list[JobNew] = []
        self.job_status: dict[int, JobStatus] = {}
        self.attempts: dict[tuple[int, int], AttemptRecord] = {}
        self.classes_new: dict[ClassId, JobClass] = {}
        """The kernel makes rows of them: the engine does not know their stored form."""
        self.rows: dict[type, dict[object, Record]] = {}
        self.sweeps: dict[int, int] = {}
        """Cancelled batches (and when) whose queued jobs are still to be marked so, row by row, in the background."""
        self.usage: list[UsageInterval] = []
        """What ended: each interval once, in the order of the ends. The kernel books them with the commit that carries the ends."""
        self.wake: set[str] = set()
        """Workers that have something new to be told."""
        self.ended_jobs: list[int] = []
        self.after: list[Callable[[], None]] = []
        """Called on the event loop once the commit holds."""

    def put(self, record: Record) -> None:
        kind = type(record)
        table = self.rows.get(kind)
        if table is None:
            table = self.rows[kind] = {}
        table[record[: KEYS[kind]]] = record

    @property
    def empty(self) -> bool:
        return not (self.jobs_new or self.job_status or self.attempts or self.rows or self.classes_new)

    def absorb(self, later: "Changes") -> None:
        """Add what happened later; it wins where both touch a row."""
        self.jobs_new += later.jobs_new
        self.job_status.update(later.job_status)
        self.attempts.update(later.attempts)
        self.classes_new.update(later.classes_new)
        for kind, table in later.rows.items():
            mine = self.rows.get(kind)
            if mine is None:
                self.rows[kind] = dict(table)
            else:
                mine.update(table)
        self.sweeps.update(later.sweeps)
        self.usage += later.usage
        self.wake |= later.wake
        self.ended_jobs += later.ended_jobs
        self.after += later.after
