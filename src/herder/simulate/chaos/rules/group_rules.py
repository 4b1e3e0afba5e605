"""The rule of job groups, after each commit: no job of a cancelled group starts but those that always run. Called by `job_rules.py`."""

import json
from bisect import bisect_right
from collections.abc import Iterator, Set

from herder.model.stored.changes import Changes
from herder.model.stored.records import JobClassRecord, JobGroupRecord, JobRangeRecord

#: As in `watch.py`, of what became durable.
NOT_STARTED = "jobs of cancelled groups do not start"


class GroupRules:
    def __init__(self) -> None:
        self._ranges: dict[int, JobRangeRecord] = {}
        self._firsts: list[int] = []
        self._paths: dict[tuple[int, int], str] = {}
        self._cancelled: set[tuple[int, int]] = set()
        self._always: set[int] = set()
        """Classes of jobs that run always."""
        self._go_on: set[int] = set()
        """Jobs of such classes."""

    def note(self, changes: Changes) -> None:
        for record in changes.rows.get(JobClassRecord, {}).values():
            if isinstance(record, JobClassRecord) and json.loads(record.spec).get("always_run"):
                self._always.add(record.id)
        self._go_on.update(each.id for each in changes.jobs_new if each.class_id in self._always)
        for record in changes.rows.get(JobRangeRecord, {}).values():
            if isinstance(record, JobRangeRecord) and record.first_job not in self._ranges:
                self._ranges[record.first_job] = record
                self._firsts.append(record.first_job)
        self._firsts.sort()
        for record in changes.rows.get(JobGroupRecord, {}).values():
            if isinstance(record, JobGroupRecord):
                self._paths[record.batch_id, record.id] = record.path
                if record.cancelled:
                    self._cancelled.add((record.batch_id, record.id))

    def begun(self, jobs: Set[int]) -> Iterator[tuple[str, str]]:
        """Of attempts that were just given to a worker. A group that is cancelled in a batch that is not committed has no attempts."""
        for job in sorted(jobs - self._go_on):
            group = self._group_of(job)
            if group in self._cancelled:
                path = self._paths[group]
                yield (
                    NOT_STARTED,
                    f"Job {job} was started, and group {path} of batch {group[0]} was cancelled.",
                )

    def _group_of(self, job: int) -> tuple[int, int]:
        at = bisect_right(self._firsts, job) - 1
        found = self._ranges[self._firsts[at]] if at >= 0 else None
        if found is None or job >= found.first_job + found.jobs:
            return 0, 0
        return found.batch_id or 0, found.group_id or 0
