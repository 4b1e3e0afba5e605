"""The ready jobs of one class, first come, first served. A job takes 0 or 8 bytes, or 16 when it was submitted alone.

Used by `engine/` only. Jobs that were submitted together have consecutive numbers and stand here as one range; others as
arrays of 64-bit numbers beside the times at which they became ready. The jobs stand in the order of these times, but for a few
that were put in front of all. What is taken or withdrawn is let go, at a cost that spreads over the calls: memory is proportional to what
waits. The queue knows nothing of a job but its number, its batch and when it became ready.
"""

from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import repeat

from herder.model.ids import BatchId, JobId

#: Up to so many jobs that come together join an array of others; more stand as a range of their own.
FEW = 64
#: Taken numbers, or withdrawn ones, that stay until they are half of all.
LEFT_BEHIND = 64

Taken = tuple[BatchId | None, int, int]
"""A job with its batch, and when it became ready."""


class Segment:
    """Jobs of one batch (None: of no batch) that became ready one after another. `times` is one number for a range, whose jobs
    became ready together, and an array as long as `ids` for an array. Those before `start` are taken."""

    __slots__ = ("batch", "ids", "start", "times")

    def __init__(self, batch: BatchId | None, ids: "range | array[int]", times: "int | array[int]") -> None:
        self.batch = batch
        self.ids = ids
        self.start = 0
        self.times = times

    def __len__(self) -> int:
        return len(self.ids) - self.start

    @property
    def first_ms(self) -> int:
        return self.times if isinstance(self.times, int) else self.times[self.start]

    @property
    def last_ms(self) -> int:
        return self.times if isinstance(self.times, int) else self.times[-1]

    def take(self, count: int) -> list[Taken]:
        """Up to so many from the front; they are let go."""
        start, batch, ids, times = self.start, self.batch, self.ids, self.times
        if isinstance(times, int):
            self.ids = ids[count:]
            return [(batch, job, times) for job in ids[:count]]
        stop = self.start = min(start + count, len(ids))
        taken = [(batch, job, at) for job, at in zip(ids[start:stop], times[start:stop], strict=True)]
        if self.start > LEFT_BEHIND and self.start * 2 > len(ids):
            self.ids, self.times, self.start = ids[self.start :], times[self.start :], 0
        return taken

    def find(self, job: int) -> int | None:
        """How many stand in front of it here."""
        ids, start = self.ids, self.start
        if isinstance(ids, range):
            return ids.index(job) if job in ids else None
        try:
            return ids.index(job, start) - start
        except ValueError:
            return None

    def __contains__(self, job: int) -> bool:
        return self.find(job) is not None

    def jobs(self) -> Iterator[Taken]:
        times = repeat(self.times) if isinstance(self.times, int) else self.times[self.start :]
        for job, at in zip(self.ids[self.start :], times, strict=False):
            yield self.batch, job, at

    def change_times(self, change: Callable[[int], int]) -> None:
        """Of all its jobs; they stay in order."""
        times = self.times
        self.times = change(times) if isinstance(times, int) else array("q", map(change, times))

    def split(self, ready_at_ms: int) -> "tuple[Segment, Segment]":
        """Those that became ready before, and the others. Only of an array: the jobs of a range became ready together."""
        assert not isinstance(self.ids, range)
        assert not isinstance(self.times, int)
        at = bisect_left(self.times, ready_at_ms, self.start)
        return (
            Segment(self.batch, self.ids[self.start : at], self.times[self.start : at]),
            Segment(self.batch, self.ids[at:], self.times[at:]),
        )


Part = Callable[[Segment], tuple[list[Segment], list[Segment]]]
"""Tells which jobs of a segment stay, and which go; each in their order."""


class ReadyQueue:
    """`count` leaves out the withdrawn jobs, of which none is the first. The first `_in_front` segments hold one job each, of any age."""

    __slots__ = ("_in_front", "_segments", "_withdrawn", "count")

    def __init__(self) -> None:
        self._in_front = 0
        self._segments: deque[Segment] = deque()
        self._withdrawn: set[int] = set()
        self.count = 0

    @property
    def oldest_ready_at_ms(self) -> int:
        """When the oldest job became ready; only asked of a queue that is not empty."""
        if not self._in_front:
            return self._segments[0].first_ms
        oldest_ms = self._segments[0].first_ms
        for place, segment in enumerate(self._segments):
            first_ms = next((at for _, job, at in segment.jobs() if job not in self._withdrawn), None)
            oldest_ms = oldest_ms if first_ms is None else min(oldest_ms, first_ms)
            if place >= self._in_front and first_ms is not None:
                break
        return oldest_ms

    @property
    def newest_ready_at_ms(self) -> int:
        """The same of the last job."""
        return self._segments[-1].last_ms

    def move(self, by_ms: int) -> None:
        """The clock was set: what became ready before has waited as long as before."""
        for segment in self._segments:
            segment.change_times(lambda at_ms: at_ms + by_ms)

    def none_after(self, now_ms: int) -> None:
        """After a start: whatever the clock showed when a job became ready, it has not waited for less than nothing."""
        for segment in self._segments:
            if segment.last_ms > now_ms or len(segment) == 1:
                segment.change_times(lambda at_ms: min(at_ms, now_ms))

    def push(self, batch: BatchId | None, ids: Iterable[int], now_ms: int) -> None:
        """Append jobs that have just become ready; a range stays a range. When the clock has gone back, they count as ready when
        the one before them did."""
        jobs = ids if isinstance(ids, range) else array("q", ids)
        count = len(jobs)
        if not count:
            return
        self.count += count
        segments = self._segments
        if segments:
            last = segments[-1]
            times = last.times
            latest = times if isinstance(times, int) else times[-1]
            now_ms = max(now_ms, latest)
            if last.batch == batch and len(segments) > self._in_front and _joined(last, jobs, count, now_ms):
                return
        whole = isinstance(jobs, range)
        segments.append(Segment(batch, jobs, now_ms if whole else array("q", [now_ms]) * count))

    def put_back(self, batch: BatchId | None, job: JobId, ready_at_ms: int) -> None:
        """One that was taken before: it stands by when it first became ready, among equals in front."""
        self._insert(Segment(batch, range(job, job + 1), ready_at_ms))

    def _insert(self, one: Segment) -> None:
        """Of jobs that became ready together."""
        segments, ready_at_ms = self._segments, one.first_ms
        self.count += len(one)
        again = [job for job in self._withdrawn if job in one.ids] if self._withdrawn else ()
        if again:  # it stands here still, as withdrawn
            if len(one) == 1 and self._time_of(again[0]) == ready_at_ms:
                self._withdrawn.discard(again[0])
                return
            self.merge(())
            segments = self._segments
            self.count += len(one)
        times = segments[0].times if segments else ready_at_ms
        if not self._in_front and ready_at_ms <= (
            times if isinstance(times, int) else times[segments[0].start]
        ):
            segments.appendleft(one)
            return
        at = bisect_left(segments, ready_at_ms, self._in_front, key=lambda segment: segment.last_ms)
        if at < len(segments) and segments[at].first_ms < ready_at_ms:
            before, after = segments[at].split(ready_at_ms)
            segments[at] = after
            segments.insert(at, before)
            at += 1
        segments.insert(at, one)

    def put_first(self, batch: BatchId | None, job: JobId, ready_at_ms: int) -> None:
        """One that had to give way: in front of all, whatever its age."""
        self._segments.appendleft(Segment(batch, range(job, job + 1), ready_at_ms))
        self._in_front += 1
        self.count += 1

    def merge(self, others: Iterable[Taken]) -> None:
        """Put many in by when they became ready, those in front among them; costs one step for each job there is."""
        mine, self._segments, self._in_front = self._segments, deque(), 0
        kept = [each for segment in mine for each in segment.jobs() if each[1] not in self._withdrawn]
        self._withdrawn.clear()
        self.count = 0
        for batch, job, ready_at_ms in sorted([*kept, *others], key=lambda each: each[2]):
            self.push(batch, range(job, job + 1), ready_at_ms)

    def take(self, count: int) -> list[Taken]:
        """Up to `count` jobs from the front."""
        segments, withdrawn = self._segments, self._withdrawn
        if count == 1 and segments and not withdrawn:
            self.count -= 1
            return [self._take_one(segments[0])]
        found: list[Taken] = []
        while count > 0 and segments:
            segment = segments[0]
            taken = segment.take(count)
            if not len(segment):
                self._drop_first()
            if withdrawn:
                gone = {each[1] for each in taken if each[1] in withdrawn}
                withdrawn -= gone
                taken = [each for each in taken if each[1] not in gone]
            count -= len(taken)
            found = found + taken if found else taken
        self.count -= len(found)
        if withdrawn:
            self._drop_withdrawn()
        return found

    def _take_one(self, segment: Segment) -> Taken:
        """What `Segment.take` does, written out: most jobs are taken singly."""
        ids, times, start = segment.ids, segment.times, segment.start
        left = len(ids) - start - 1
        if isinstance(times, int):
            found = (segment.batch, ids[0], times)
            segment.ids = ids[1:]
        else:
            found = (segment.batch, ids[start], times[start])
            segment.start = start + 1
            if start > left and start > LEFT_BEHIND and left:
                segment.ids, segment.times, segment.start = ids[start + 1 :], times[start + 1 :], 0
        if not left:
            self._drop_first()
        return found

    def _drop_first(self) -> None:
        self._segments.popleft()
        if self._in_front:
            self._in_front -= 1

    def __contains__(self, job: int) -> bool:
        return job not in self._withdrawn and any(job in segment for segment in self._segments)

    def before(self, job: int) -> int | None:
        """How many stand in front of it; None when it is not here."""
        if job in self._withdrawn:
            return None
        front = 0
        for segment in self._segments:
            place = segment.find(job)
            gone = [at for other in self._withdrawn if (at := segment.find(other)) is not None]
            if place is not None:
                return front + place - sum(at < place for at in gone)
            front += len(segment) - len(gone)
        return None

    def at(self, before: int) -> int | None:
        """The job that has so many in front of it, the withdrawn counted; None when there is none, or it was withdrawn."""
        for segment in self._segments:
            if before < len(segment):
                job = segment.ids[segment.start + before]
                return None if job in self._withdrawn else job
            before -= len(segment)
        return None

    def ready_at_ms(self, job: int) -> int | None:
        """When it became ready; None when it is not here."""
        return None if job in self._withdrawn else self._time_of(job)

    def _time_of(self, job: int) -> int | None:
        for segment in self._segments:
            place = segment.find(job)
            if place is not None:
                return (
                    segment.times if isinstance(segment.times, int) else segment.times[segment.start + place]
                )
        return None

    def withdraw(self, job: JobId) -> bool:
        """Take one job out, wherever it stands. False when it is not here."""
        if job not in self:
            return False
        self._withdrawn.add(job)
        self.count -= 1
        if len(self._withdrawn) > max(LEFT_BEHIND, self.count):
            self.merge(())
        self._drop_withdrawn()
        return True

    def withdraw_batch(self, batch: BatchId) -> int:
        """Take out all jobs of a batch; answers how many there were. Costs one step a segment, not one a job."""
        return sum(map(len, self.take_batch(batch)))

    def take_batch(self, batch: BatchId, part: Part | None = None) -> list[Segment]:
        """The same; answers which they were. `part`: only those that it tells to go."""
        kept: deque[Segment] = deque()
        taken: list[Segment] = []
        in_front = self._in_front
        for place, segment in enumerate(self._segments):
            if segment.batch != batch:
                kept.append(segment)
                continue
            stay, go = ([], [segment]) if part is None else part(segment)
            kept += stay
            self._in_front -= place < in_front and not stay
            taken += map(self._left_of, go)
        self._segments = kept
        self.count -= sum(map(len, taken))
        self._drop_withdrawn()
        return [segment for segment in taken if len(segment)]

    def _left_of(self, segment: Segment) -> Segment:
        """Without the jobs that were withdrawn, which are forgotten."""
        gone = {job for job in self._withdrawn if job in segment} if self._withdrawn else None
        if not gone:
            return segment
        self._withdrawn -= gone
        left = [(job, at) for _, job, at in segment.jobs() if job not in gone]
        ids, times = array("q", [job for job, _ in left]), array("q", [at for _, at in left])
        return Segment(segment.batch, ids, times)

    def put_back_all(self, segments: Iterable[Segment]) -> None:
        """By when they became ready, as `put_back`. Costs one step a range, and one for each job of an array."""
        for segment in sorted(segments, key=lambda each: each.first_ms, reverse=True):
            if isinstance(segment.ids, range):
                self._insert(segment)
                continue
            for batch, job, at in reversed(list(segment.jobs())):
                self._insert(Segment(batch, range(job, job + 1), at))

    def jobs(self) -> Iterator[tuple[BatchId | None, int]]:
        """All that wait, one by one, with their batches."""
        for segment in self._segments:
            yield from ((of, job) for of, job, _ in segment.jobs() if job not in self._withdrawn)

    def waiting_since(self, at_ms: int) -> Iterator[Taken]:
        """Those that became ready then or before."""
        for place, segment in enumerate(self._segments):
            if segment.first_ms > at_ms and place >= self._in_front:
                return
            for each in segment.jobs():
                if each[2] <= at_ms and each[1] not in self._withdrawn:
                    yield each

    def of_no_batch(self, most: int) -> list[int]:
        """The first jobs that are of no batch, up to so many."""
        found: list[int] = []
        for segment in self._segments:
            if segment.batch is None:
                jobs = segment.ids[segment.start : segment.start + most]
                found += [job for job in jobs if job not in self._withdrawn]
            if len(found) >= most:
                break
        return found[:most]

    def _drop_withdrawn(self) -> None:
        """Those at the front: the first is one that waits."""
        segments, withdrawn = self._segments, self._withdrawn
        while withdrawn and segments:
            segment = segments[0]
            job = segment.ids[segment.start]
            if job not in withdrawn:
                return
            withdrawn.discard(job)
            segment.take(1)
            if not len(segment):
                self._drop_first()


def _joined(last: Segment, jobs: "range | array[int]", count: int, now_ms: int) -> bool:
    """Whether the jobs could join the segment before them."""
    ids, times = last.ids, last.times
    if isinstance(times, int):
        if not isinstance(ids, range):
            return False
        follows = isinstance(jobs, range) and times == now_ms and ids.stop == jobs.start
        if follows and isinstance(jobs, range) and ids.step == jobs.step == 1:
            last.ids = range(ids.start, jobs.stop)
            return True
        if count > 1 or len(ids) > 1:
            return False
        last.ids, last.times = array("q", (ids[0], jobs[0])), array("q", (times, now_ms))
        return True
    if isinstance(ids, range) or (count > FEW and isinstance(jobs, range)):
        return False
    if count == 1:
        ids.append(jobs[0])
        times.append(now_ms)
    else:
        ids.extend(jobs)
        times.extend(repeat(now_ms, count))
    return True
