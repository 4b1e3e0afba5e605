"""The ready jobs of one class, first come first served, at 8 bytes a job or less.

Used by `engine/` only. Jobs that were submitted together have consecutive numbers and stand here as one range; others as
arrays of 64-bit numbers. The queue knows nothing of a job but its number and batch.
"""

from array import array
from collections import deque
from collections.abc import Iterable, Iterator

from herder.model.ids import BatchId, JobId


class Segment:
    """Jobs of one batch (None: of no batch) that became ready one after another. `ids` is a range or an array."""

    __slots__ = ("batch", "ids", "ready_at_ms", "start")

    def __init__(self, batch: BatchId | None, ids: "range | array[int]", ready_at_ms: int) -> None:
        self.batch = batch
        self.ids = ids
        self.start = 0
        self.ready_at_ms = ready_at_ms

    def __len__(self) -> int:
        return len(self.ids) - self.start

    def take(self, count: int) -> "range | array[int]":
        taken = self.ids[self.start : self.start + count]
        self.start += len(taken)
        return taken

    def __contains__(self, job: int) -> bool:
        if isinstance(self.ids, range):
            return job in self.ids[self.start :]
        return job in self.ids[self.start :]


class ReadyQueue:
    """A bounded-memory queue. `count` leaves out the withdrawn jobs."""

    __slots__ = ("_segments", "_withdrawn", "count")

    def __init__(self) -> None:
        self._segments: deque[Segment] = deque()
        self._withdrawn: set[int] = set()
        self.count = 0

    @property
    def oldest_ready_at_ms(self) -> int:
        """When the first job became ready; only asked of a queue that is not empty."""
        return self._segments[0].ready_at_ms

    def move(self, by_ms: int) -> None:
        """The clock was set: what became ready before has waited as long as before."""
        for segment in self._segments:
            segment.ready_at_ms += by_ms

    def none_after(self, now_ms: int) -> None:
        """After a start: whatever the clock showed when a job became ready, it has not waited for less than nothing."""
        for segment in self._segments:
            segment.ready_at_ms = min(segment.ready_at_ms, now_ms)

    def push(self, batch: BatchId | None, ids: Iterable[int], now_ms: int) -> None:
        """Append jobs; a range stays a range."""
        jobs = ids if isinstance(ids, range) else array("q", ids)
        if not jobs:
            return
        self.count += len(jobs)
        last = self._segments[-1] if self._segments else None
        if last is not None and last.batch == batch:
            if isinstance(last.ids, array):
                last.ids.extend(jobs)
                return
            if isinstance(jobs, range) and last.ids.stop == jobs.start and last.ids.step == jobs.step == 1:
                last.ids = range(last.ids.start, jobs.stop)
                return
            if len(jobs) == 1 and len(last) == 1:
                last.ids, last.start = array("q", [last.ids[last.start], jobs[0]]), 0
                return
        self._segments.append(Segment(batch, jobs, now_ms))

    def push_first(self, batch: BatchId | None, job: JobId, ready_at_ms: int) -> None:
        """Put a job in front: one that is tried again does not lose its place."""
        self._segments.appendleft(Segment(batch, range(job, job + 1), ready_at_ms))
        self.count += 1

    def take(self, count: int) -> Iterator[tuple[BatchId | None, int]]:
        """Up to `count` jobs from the front, each with its batch."""
        while count > 0 and self._segments:
            segment = self._segments[0]
            batch = segment.batch
            taken = segment.take(count)
            if not len(segment):
                self._segments.popleft()
            for job in taken:
                if self._withdrawn and job in self._withdrawn:
                    self._withdrawn.discard(job)
                    continue
                count -= 1
                self.count -= 1
                yield batch, job

    def __contains__(self, job: int) -> bool:
        return job not in self._withdrawn and any(job in segment for segment in self._segments)

    def before(self, job: int) -> int | None:
        """How many stand in front of it; None when it is not here."""
        if job in self._withdrawn:
            return None
        front = 0
        for segment in self._segments:
            if job in segment:
                place = segment.ids.index(job) - segment.start
                gone = sum(
                    other in segment and segment.ids.index(other) < segment.ids.index(job)
                    for other in self._withdrawn
                )
                return front + place - gone
            front += len(segment) - sum(other in segment for other in self._withdrawn)
        return None

    def at(self, before: int) -> int | None:
        """The job that has so many in front of it, the withdrawn counted; None when there is none, or it was withdrawn."""
        for segment in self._segments:
            if before < len(segment):
                job = segment.ids[segment.start + before]
                return None if job in self._withdrawn else job
            before -= len(segment)
        return None

    def withdraw(self, job: JobId) -> bool:
        """Take one job out, wherever it stands. False when it is not here."""
        if job not in self:
            return False
        self._withdrawn.add(job)
        self.count -= 1
        self._drop_if_empty()
        return True

    def withdraw_batch(self, batch: BatchId) -> int:
        """Take out all jobs of a batch; answers how many there were. Costs one step a segment, not one a job."""
        kept: deque[Segment] = deque()
        gone = 0
        for segment in self._segments:
            if segment.batch != batch:
                kept.append(segment)
                continue
            gone += len(segment)
            if self._withdrawn:
                already = {job for job in self._withdrawn if job in segment}
                gone -= len(already)
                self._withdrawn -= already
        self._segments = kept
        self.count -= gone
        return gone

    def _drop_if_empty(self) -> None:
        if self.count == 0:
            self._segments.clear()
            self._withdrawn.clear()
