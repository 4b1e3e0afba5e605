"""Ready jobs that no worker gets now: a person holds them, or as many jobs of their batch run as may at once.

Part of `EngineState`. They are in no queue of their class, so placement and plans do not see them. `engine/jobs/job.py` puts jobs here and
takes them out; `engine/jobs/holding.py` has the commands. Those of a held batch are counted as held, those that only wait for their turn
as ready. Their rows are the same as those of queued jobs.
"""

from array import array
from bisect import insort
from collections.abc import Iterator
from dataclasses import dataclass, field

from herder.engine.memory.queue import Part, Segment
from herder.model.ids import BatchId, ClassId


class Parked:
    """Jobs of one class, those first that became ready first."""

    __slots__ = ("count", "segments")

    def __init__(self) -> None:
        self.segments: list[Segment] = []
        self.count = 0

    def add(self, segment: Segment) -> None:
        self.count += len(segment)
        if not self.segments or self.segments[-1].last_ms <= segment.first_ms:
            if not (self.segments and _joined(self.segments[-1], segment)):
                self.segments.append(segment)
        else:
            insort(self.segments, segment, key=lambda each: each.first_ms)

    def take(self, count: int | None) -> list[Segment]:
        """Up to so many; None: all."""
        taken: list[Segment] = []
        while self.segments and (count is None or count > 0):
            first = self.segments[0]
            if count is None or len(first) <= count:
                taken.append(self.segments.pop(0))
            else:
                taken.append(_first_of(first, count))
            self.count -= len(taken[-1])
            count = None if count is None else count - len(taken[-1])
        return taken

    def take_part(self, part: Part) -> list[Segment]:
        """What it tells to go."""
        parts = [part(segment) for segment in self.segments]
        self.segments = [each for stay, _ in parts for each in stay]
        taken = [each for _, go in parts for each in go]
        self.count -= sum(map(len, taken))
        return taken

    def withdraw(self, job: int) -> int | None:
        """Take one out; answers when it became ready, None when it is not here."""
        for place, segment in enumerate(self.segments):
            at = segment.find(job)
            if at is None:
                continue
            before = _first_of(segment, at)
            ready_at_ms = segment.first_ms
            segment.take(1)
            self.segments[place : place + 1] = [each for each in (before, segment) if len(each)]
            self.count -= 1
            return ready_at_ms
        return None

    def __contains__(self, job: int) -> bool:
        return any(job in segment for segment in self.segments)


def _joined(last: Segment, following: Segment) -> bool:
    """Whether a range could be made longer."""
    ids, more = last.ids, following.ids
    if not (isinstance(ids, range) and isinstance(more, range)) or last.times != following.times:
        return False
    if ids.stop != more.start:
        return False
    last.ids = range(ids.start, more.stop)
    return True


def _first_of(segment: Segment, count: int) -> Segment:
    """The first jobs of a segment, which loses them."""
    ids, times, start = segment.ids, segment.times, segment.start
    if isinstance(times, int):
        first = Segment(segment.batch, ids[:count], times)
        segment.ids = ids[count:]
        return first
    assert isinstance(ids, array)
    first = Segment(segment.batch, ids[start : start + count], times[start : start + count])
    segment.ids, segment.times, segment.start = ids[start + count :], times[start + count :], 0
    return first


@dataclass(slots=True, kw_only=True)
class Keeping:
    """What a batch keeps back."""

    hold: bool = False
    parallel_max: int | None = None
    """At most so many of its jobs are queued or run."""
    parked: dict[ClassId, Parked] = field(default_factory=dict)
    """By class; none is empty."""

    @property
    def count(self) -> int:
        return sum(each.count for each in self.parked.values())

    @property
    def waiting(self) -> int:
        """Those that are counted as ready."""
        return 0 if self.hold else self.count

    @property
    def segments(self) -> Iterator[Segment]:
        for each in self.parked.values():
            yield from each.segments

    def take_part(self, class_id: ClassId, part: Part) -> list[Segment]:
        """As `Parked.take_part`."""
        parked = self.parked[class_id]
        taken = parked.take_part(part)
        if not parked.count:
            del self.parked[class_id]
        return taken

    def park(self, class_id: ClassId, segment: Segment) -> None:
        self.parked.setdefault(class_id, Parked()).add(segment)

    def has(self, class_id: ClassId, job: int) -> bool:
        return class_id in self.parked and job in self.parked[class_id]

    def withdraw(self, class_id: ClassId, job: int) -> int | None:
        """As `Parked.withdraw`."""
        parked = self.parked.get(class_id)
        ready_at_ms = None if parked is None else parked.withdraw(job)
        if parked is not None and not parked.count:
            del self.parked[class_id]
        return ready_at_ms

    def move(self, by_ms: int) -> None:
        """The clock was set."""
        for each in self.parked.values():
            for segment in each.segments:
                segment.change_times(lambda at_ms: at_ms + by_ms)


@dataclass(slots=True, kw_only=True)
class HeldJob:
    """A ready job that is held by itself. Its row says so."""

    class_id: ClassId
    batch: BatchId | None
    ready_at_ms: int
