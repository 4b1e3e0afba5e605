"""Groups and attributes of jobs that are submitted: checked, and put together as ranges of jobs that have the same.

Called by `submission.py`, also in dry runs. Most jobs have neither, and cost nothing here.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from herder.control.kernel.bounds.errors import Conflict, Invalid, TooLarge
from herder.control.kernel.bounds.limits import (
    FAILURES_MAX,
    GROUP_DEPTH,
    GROUP_NAME,
    GROUPS_PER_BATCH,
    OF_JOB,
    check_attributes,
)
from herder.engine.jobs.groups import JobRun, NewGroup
from herder.engine.memory.state import BatchLife
from herder.model.values.phrases import counted
from herder.wire.api.work import GroupCreate, JobSubmission

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(slots=True)
class Marks:
    """Of the jobs of one call, in their order."""

    runs: list[JobRun] = field(default_factory=list)
    paths: dict[str, str] = field(default_factory=dict)
    """Of groups that jobs name, with the place of the first that does."""
    new: list[NewGroup] = field(default_factory=list)
    size: int = 0
    """Bytes of attributes."""

    def add(self, job: JobSubmission, place: int, where: str) -> None:
        """Raises Refused."""
        attributes = "{}"
        if job.attributes:
            check_attributes(job.attributes, f"{where}attributes", OF_JOB)
            attributes = attributes_text(job.attributes)
            self.size += len(attributes)
        if job.group and job.group not in self.paths:
            check_path(job.group, f"{where}group")
            self.paths[job.group] = f"{where}group"
        last = self.runs[-1] if self.runs else None
        count = 1
        alike = last is not None and (last.group, last.attributes) == (job.group, attributes)
        if last is not None and alike and last.place + last.count == place:
            self.runs.pop()
            place, count = last.place, last.count + 1
        self.runs.append(JobRun(place=place, count=count, group=job.group, attributes=attributes))


def attributes_text(attributes: dict[str, str]) -> str:
    return json.dumps(attributes, separators=(",", ":"))


def check_path(path: str, where: str) -> None:
    """Raises Invalid."""
    names = path.split("/")
    if len(names) > GROUP_DEPTH:
        raise Invalid(
            f"Group {path[:100]!r} is nested {len(names)} levels deep; the maximum is {GROUP_DEPTH}.",
            field=where,
        )
    for name in names:
        if len(name) > GROUP_NAME or not _NAME.fullmatch(name):
            raise Invalid(
                f"{name[:100]!r} is not a valid name of a group.",
                field=where,
                hint=f"Use at most {GROUP_NAME} letters, digits, dots, dashes and underscores, beginning with a letter or digit. Separate a group "
                "and one below with a slash: align/sample-1.",
            )


def check_groups(batch: BatchLife, marks: Marks, wanted: Sequence[GroupCreate]) -> None:
    """What a call makes of groups, and that it may add its jobs to those that there are. Fills `marks`. Raises Refused."""
    known = {} if batch.groups is None else batch.groups.by_path
    given: dict[str, NewGroup] = {}
    for place, each in enumerate(wanted):
        group = _group(each, f"groups[{place}].")
        if group.path in given:
            raise Invalid(f"The call has two groups {group.path!r}.", field=f"groups[{place}].path")
        given[group.path] = group
        there = known.get(group.path)
        if there is None:
            marks.new.append(group)
            marks.size += len(group.attributes) + len(group.callback)
        elif (there.attributes, there.cancel_after_failures, there.callback) != (
            group.attributes,
            group.cancel_after_failures,
            group.callback,
        ):
            raise Conflict(
                f"Batch {batch.id} already has a group {group.path!r} with other settings.",
                hint="Leave the group out to keep its settings, or choose another path.",
            )
    # Those above others come first, so that their settings are not lost to a group that is made for the one below.
    marks.new.sort(key=lambda group: group.path.count("/"))
    named = {**marks.paths, **{path: f"groups[{place}].path" for place, path in enumerate(given)}}
    _check_number(batch, named)
    for path, where in named.items():
        _refuse_cancelled(batch, path, where)


def _group(given: GroupCreate, where: str) -> NewGroup:
    check_path(given.path, f"{where}path")
    check_attributes(given.attributes, f"{where}attributes")
    limit = given.cancel_after_failures
    if limit is not None and not 1 <= limit <= FAILURES_MAX:
        raise Invalid(
            f"cancel_after_failures must be between 1 and {FAILURES_MAX:,}.",
            field=f"{where}cancel_after_failures",
        )
    return NewGroup(
        path=given.path,
        attributes=attributes_text(given.attributes),
        cancel_after_failures=limit,
        callback=given.callback,
    )


def _check_number(batch: BatchLife, named: dict[str, str]) -> None:
    paths = set() if batch.groups is None else set(batch.groups.by_path)
    for path in named:
        names = path.split("/")
        paths.update("/".join(names[: count + 1]) for count in range(len(names)))
    if len(paths) > GROUPS_PER_BATCH:
        raise TooLarge(
            f"The batch would have {counted(len(paths), 'group')}; the maximum is {GROUPS_PER_BATCH:,}.",
            field="jobs",
            hint="Use attributes for what needs no counts and is not cancelled together.",
        )


def _refuse_cancelled(batch: BatchLife, path: str, where: str) -> None:
    above = path
    while above and batch.groups is not None:
        group = batch.groups.by_path.get(above)
        if group is not None and group.cancelled:
            raise Conflict(
                f"Group {above} of batch {batch.id} was cancelled, so no jobs can be added to it ({where}).",
                hint="Add the jobs to another group.",
            )
        above = above.rpartition("/")[0]
