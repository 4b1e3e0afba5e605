"""The job groups of one batch: which jobs are in which, and how many of them are in which state.

Part of `BatchLife`; a batch without groups has none of this. Jobs are kept as ranges, since those of a group mostly stand together. The
counts of a group include its groups below. `engine/jobs/groups.py` has what is done to groups.
"""

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from herder.engine.memory.queue import Part, Segment
from herder.model.work.job import JobState

Runs = Iterable[int | range]
"""Jobs, one by one or as ranges."""


@dataclass(slots=True, kw_only=True, eq=False)
class Group:
    """`number` is unique in the batch, and higher than that of the group above."""

    number: int
    path: str
    above: "Group | None"
    attributes: str = "{}"
    cancel_after_failures: int | None = None
    cancelled: bool = False
    jobs: int = 0
    counts: dict[int, int] = field(default_factory=dict)
    cost_pico: int | None = 0
    """Of the ended attempts of its jobs and of those below; filled in by the kernel, from the ledger. None: unknown."""
    callback: str = ""
    ended_at_ms: int | None = None
    """Kept by `engine/jobs/group_end.py`; None also of one that ended before this was written down."""
    below: "list[Group]" = field(default_factory=list)


class Groups:
    """`dirty`: those whose rows are to be written with the next hand-over."""

    __slots__ = ("_firsts", "_of_run", "_stops", "by_path", "dirty")

    def __init__(self) -> None:
        self.by_path: dict[str, Group] = {}
        self.dirty: dict[int, Group] = {}
        self._firsts: array[int] = array("q")
        self._stops: array[int] = array("q")
        self._of_run: list[Group] = []

    def make(
        self,
        path: str,
        *,
        attributes: str = "{}",
        cancel_after_failures: int | None = None,
        callback: str = "",
    ) -> list[Group]:
        """A group, with those above it that there are not yet; answers the new ones, the highest first."""
        head, slash, _ = path.rpartition("/")
        new = self.make(head) if slash and head not in self.by_path else []
        group = Group(
            number=len(self.by_path) + 1,
            path=path,
            above=self.by_path[head] if slash else None,
            attributes=attributes,
            cancel_after_failures=cancel_after_failures,
            callback=callback,
        )
        self.put(group)
        self.dirty[group.number] = group
        return [*new, group]

    def put(self, group: Group) -> None:
        self.by_path[group.path] = group
        if group.above is not None:
            group.above.below.append(group)

    def mark_all(self) -> None:
        """The batch has changed in a way that concerns each group, also those without jobs."""
        self.dirty = {group.number: group for group in self.by_path.values()}

    def add(self, first: int, count: int, group: Group) -> None:
        """New jobs, whose numbers are higher than those of all before. Their states are counted by `move`."""
        for each in upwards(group):
            each.jobs += count
        self.place(first, count, group)

    def place(self, first: int, count: int, group: Group) -> None:
        if self._of_run and self._of_run[-1] is group and self._stops[-1] == first:
            self._stops[-1] = first + count
            return
        self._firsts.append(first)
        self._stops.append(first + count)
        self._of_run.append(group)

    def of(self, job: int) -> Group | None:
        at = bisect_right(self._firsts, job) - 1
        return self._of_run[at] if at >= 0 and job < self._stops[at] else None

    def pieces(self, jobs: range) -> Iterator[tuple[Group | None, range]]:
        """A range in parts that are of one group, or of none."""
        at, start = max(0, bisect_right(self._firsts, jobs.start) - 1), jobs.start
        while start < jobs.stop and at < len(self._firsts):
            first, stop = self._firsts[at], min(self._stops[at], jobs.stop)
            if first >= jobs.stop:
                break
            if first > start:
                yield None, range(start, first)
                start = first
            if stop > start:
                yield self._of_run[at], range(start, stop)
                start = stop
            at += 1
        if start < jobs.stop:
            yield None, range(start, jobs.stop)

    def runs(self) -> Iterator[tuple[range, Group]]:
        for first, stop, group in zip(self._firsts, self._stops, self._of_run, strict=True):
            yield range(first, stop), group

    def move(self, jobs: int | Runs | None, old: JobState | None, new: JobState) -> None:
        """Jobs went from `old` (None: they are new) to `new`. None: all that are in `old`."""
        if jobs is None:
            assert old is not None
            self._move_all(old, new)
            return
        for each in (jobs,) if isinstance(jobs, int) else jobs:
            if isinstance(each, int):
                self._count(self.of(each), old, new, 1)
                continue
            for group, piece in self.pieces(each):
                self._count(group, old, new, len(piece))

    def _count(self, group: Group | None, old: JobState | None, new: JobState, count: int) -> None:
        for each in upwards(group):
            if old is not None:
                each.counts[old] = each.counts.get(old, 0) - count
            each.counts[new] = each.counts.get(new, 0) + count
            if not new.ended:
                each.ended_at_ms = None  # it may end again before the next hand-over, and that is told
            self.dirty[each.number] = each

    def _move_all(self, old: JobState, new: JobState) -> None:
        for each in self.by_path.values():
            count = each.counts.pop(old, 0)
            if count:
                each.counts[new] = each.counts.get(new, 0) + count
                self.dirty[each.number] = each

    def within(self, top: Group) -> Callable[[int], bool]:
        """Whether a job is in this group, or in one below."""
        numbers = {each.number for each in downwards(top)}

        def inside(job: int) -> bool:
            group = self.of(job)
            return group is not None and group.number in numbers

        return inside

    def part(self, top: Group) -> Part:
        """What goes with this group."""
        inside = self.within(top)

        def split(segment: Segment) -> tuple[list[Segment], list[Segment]]:
            parts: tuple[list[Segment], list[Segment]] = ([], [])
            if isinstance(segment.ids, range) and isinstance(segment.times, int):
                for _, piece in self.pieces(segment.ids):
                    parts[inside(piece.start)].append(Segment(segment.batch, piece, segment.times))
                return parts
            for gone in (False, True):
                these = [(job, at) for _, job, at in segment.jobs() if inside(job) is gone]
                if these:
                    ids, times = array("q", [job for job, _ in these]), array("q", [at for _, at in these])
                    parts[gone].append(Segment(segment.batch, ids, times))
            return parts

        return split


def downwards(top: Group) -> Iterator[Group]:
    yield top
    for each in top.below:
        yield from downwards(each)


def upwards(group: Group | None) -> Iterator[Group]:
    while group is not None:
        yield group
        group = group.above


def runs_of(segments: Iterable[Segment]) -> Iterator[int | range]:
    for segment in segments:
        if isinstance(segment.ids, range):
            yield segment.ids
        else:
            yield from segment.ids[segment.start :]
