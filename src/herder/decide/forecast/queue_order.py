"""The order of the queue as amounts: how much capacity must start before a given job.

Made once for a scene by `start_time.py`; every class then reads its own place. The order is placement's: more urgent jobs, then
users by what they hold and have been given for their weight, in the dominant resource, each user's older jobs first. With
the level rising, each user takes from its classes at a steady pace, so what is ahead is a line with a bend wherever a
class begins or ends: sorted once, summed once. It looks at classes, never at jobs, and decides nothing.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from herder.decide.forecast.run_times import RunTime
from herder.model.ids import ClassId, UserName
from herder.model.planning.observed import QueuedClass
from herder.model.values.resources import ZERO, Resources
from herder.model.values.vectors import pairs
from herder.model.work.job import JobClass

#: What asks for nothing that counts still takes a place in the line: so much of the fleet.
LEAST_SHARE = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a user is due and holds. Users who are not named have weight 1 and hold nothing."""

    weight: int = 1
    used: Resources = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stretch:
    """All of one class: it is given from one level to another, `each` for a job."""

    queued: QueuedClass
    begin: float
    each: float

    @property
    def end(self) -> float:
        return self.begin + self.each * self.queued.count


@dataclass(slots=True)
class _Line:
    """What is given until a level, of one priority. `given[i]` until `levels[i]`; from there on `pace[i]` for each level."""

    levels: list[float] = field(default_factory=list)
    given: list[tuple[float, ...]] = field(default_factory=list)
    pace: list[tuple[float, ...]] = field(default_factory=list)

    def at(self, level: float) -> tuple[float, ...]:
        place = bisect_right(self.levels, level) - 1
        on = level - self.levels[place]
        return tuple(
            there + pace * on for there, pace in zip(self.given[place], self.pace[place], strict=True)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """Of what starts from one amount to the next: `parts` by run time, amounts; together `upto` less what was before."""

    upto: float
    parts: tuple[tuple[RunTime, float], ...]


class Order:
    """`rivals`: all that wait for the same places. Shares are parts of `total`."""

    def __init__(
        self, rivals: Iterable[QueuedClass], users: Mapping[UserName, Held], total: Resources
    ) -> None:
        self._total = total
        self._stretches: dict[int, list[_Stretch]] = {}
        """By priority, the most urgent first."""
        self._places: dict[ClassId, tuple[_Stretch, _Line, tuple[float, ...]]] = {}
        by_priority: dict[int, dict[UserName, list[QueuedClass]]] = {}
        for queued in rivals:
            mine = by_priority.setdefault(queued.job_class.priority, {})
            mine.setdefault(queued.job_class.user, []).append(queued)
        before: tuple[float, ...] = ()
        for priority in sorted(by_priority, reverse=True):
            stretches = self._stretches[priority] = self._levels(by_priority[priority], users)
            line = _line(stretches)
            for stretch in stretches:
                self._places[stretch.queued.class_id] = stretch, line, before
            before = _plus(before, line.given[-1])
        self.all = before
        """What waits in all, in each resource."""
        self.jobs = sum(s.queued.count for some in self._stretches.values() for s in some)

    def _levels(
        self, queues: Mapping[UserName, list[QueuedClass]], users: Mapping[UserName, Held]
    ) -> list[_Stretch]:
        found: list[_Stretch] = []
        nobody = Held()
        for user, mine in queues.items():
            held = users.get(user, nobody)
            weight = max(1, held.weight)
            level = share(held.used, self._total) / weight
            for queued in sorted(mine, key=lambda queued: (queued.oldest_ready_at_ms, queued.class_id)):
                each = max(share(queued.job_class.request, self._total) / weight, LEAST_SHARE)
                found.append(_Stretch(queued=queued, begin=level, each=each))
                level += each * queued.count
        return found

    def ahead(self, class_id: ClassId, before: int) -> tuple[float, ...]:
        """What starts until the job has, it with them, that has `before` others of its class in front of it."""
        stretch, line, urgent = self._places[class_id]
        return _plus(urgent, line.at(stretch.begin + stretch.each * (before + 1)))

    def mixes(self, dimension: int, run_of: Callable[[JobClass], RunTime]) -> list[Mix]:
        """What starts, one after the other, in one resource. `run_of` should know few answers: each bend has all of them."""
        found: list[Mix] = []
        at = 0.0
        for stretches in self._stretches.values():
            for some in _bends(stretches, dimension, run_of):
                at += sum(amount for _, amount in some)
                found.append(Mix(upto=at, parts=some))
        return found


def share(amount: Resources, total: Resources) -> float:
    return max((part / whole for part, whole in pairs(amount, total) if whole > 0), default=0.0)


def _plus(one: Sequence[float], other: Sequence[float]) -> tuple[float, ...]:
    return tuple(a + b for a, b in zip_longest(one, other, fillvalue=0.0))


def _line(stretches: Sequence[_Stretch]) -> _Line:
    turns: list[tuple[float, tuple[float, ...]]] = []
    for stretch in stretches:
        pace = tuple(part / stretch.each for part in stretch.queued.job_class.request)
        turns.append((stretch.begin, pace))
        turns.append((stretch.end, tuple(-part for part in pace)))
    turns.sort()
    line = _Line()
    width = max(len(stretch.queued.job_class.request) for stretch in stretches)
    given: tuple[float, ...] = (0.0,) * width
    pace = given
    at = turns[0][0]
    for level, change in turns:
        if level > at or not line.levels:
            given = tuple(there + per * (level - at) for there, per in zip(given, pace, strict=True))
            line.levels.append(level)
            line.given.append(given)
            line.pace.append(pace)
            at = level
        pace = line.pace[-1] = _plus(pace, change)
    line.pace[-1] = (0.0,) * width
    return line


def _bends(
    stretches: Iterable[_Stretch], dimension: int, run_of: Callable[[JobClass], RunTime]
) -> Iterable[tuple[tuple[RunTime, float], ...]]:
    """Between two bends: how much of each run time."""
    turns: list[tuple[float, int, RunTime, float]] = []
    for number, stretch in enumerate(stretches):
        job_class = stretch.queued.job_class
        pace = job_class.request[dimension] / stretch.each
        if pace > 0:
            run = run_of(job_class)
            turns.append((stretch.begin, number, run, pace))
            turns.append((stretch.end, number, run, -pace))
    turns.sort(key=lambda turn: turn[:2])
    paces: dict[RunTime, float] = {}
    active: dict[RunTime, int] = {}
    at = turns[0][0] if turns else 0.0
    for level, _, run, pace in turns:
        if level > at:
            yield tuple((each, per * (level - at)) for each, per in paces.items())
            at = level
        paces[run] = paces.get(run, 0.0) + pace
        active[run] = active.get(run, 0) + (1 if pace > 0 else -1)
        if not active[run]:
            del paces[run], active[run]
