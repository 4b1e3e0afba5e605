"""What alerts in force keep from starting: jobs of low priority of what an alert is about.

Made anew at each look of the loop of alerts (`control/alerts/actions.py`), in memory only. Where no action is in force there is none of it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeVar

from herder.model.ids import ClassId
from herder.model.work.demand import DemandGroup
from herder.model.work.job import JobClass

G = TypeVar("G", bound=DemandGroup)
NONE: Mapping[ClassId, int] = MappingProxyType({})


@dataclass(slots=True, kw_only=True)
class Restriction:
    """`room`: so many jobs may start until the next look."""

    alert: str
    """Its id."""
    policy: str
    action: str
    below: int
    """It is about jobs of a lower priority, without those that always run: they clean up."""
    until_ms: int | None
    """The end of the period. None: it ends when the use falls."""
    covers: Callable[[JobClass], bool]
    """Whether a job of the class belongs to what the alert is about."""
    room: int = 0

    def binds(self, job_class: JobClass) -> bool:
        return job_class.priority < self.below and not job_class.always_run and self.covers(job_class)


@dataclass(frozen=True, slots=True, kw_only=True)
class Withheld:
    """So many waiting jobs of a class that a restriction keeps from starting."""

    queued: DemandGroup
    count: int
    by: Restriction


@dataclass(slots=True)
class Restrictions:
    all: list[Restriction]
    _of: dict[JobClass, tuple[int, ...]] = field(default_factory=dict)

    def capped(
        self, pending: Sequence[G], with_count: Callable[[G, int], G], unfit: Mapping[ClassId, int] = NONE
    ) -> list[G]:
        """What of it may start, in the same order. `unfit`: as of `withheld`."""
        less = {each.queued.class_id: each.count for each in self.withheld(pending, unfit)}
        return [
            item if item.class_id not in less else with_count(item, item.count - less[item.class_id])
            for item in pending
            if item.count > less.get(item.class_id, 0)
        ]

    def withheld(self, pending: Iterable[DemandGroup], unfit: Mapping[ClassId, int] = NONE) -> list[Withheld]:
        """The most urgent take what room there is, then the oldest. `unfit`: by class, how many jobs of it have no place now. They may start as soon as they have one, but
        leave the room to others until then."""
        room, found = [each.room for each in self.all], []
        for item in sorted(
            pending, key=lambda each: (-each.asks.priority, each.oldest_ready_at_ms, each.class_id)
        ):
            if not isinstance(item.asks, JobClass):
                continue
            places = self._binding(item.asks)
            if not places:
                continue
            least = min(places, key=room.__getitem__)
            starts = min(item.count, max(0, room[least]))
            for place in places:
                room[place] -= max(0, starts - unfit.get(item.class_id, 0))
            if starts < item.count:
                found.append(Withheld(queued=item, count=item.count - starts, by=self.all[least]))
        return found

    def allow(self, job_class: JobClass) -> bool:
        """One more job of the class."""
        return all(self.all[place].room > 0 for place in self._binding(job_class))

    def take(self, job_class: JobClass, count: int) -> None:
        """So many have started."""
        for place in self._binding(job_class):
            self.all[place].room -= count

    def _binding(self, job_class: JobClass) -> tuple[int, ...]:
        found = self._of.get(job_class)
        if found is None:
            found = tuple(place for place, each in enumerate(self.all) if each.binds(job_class))
            self._of[job_class] = found
        return found
