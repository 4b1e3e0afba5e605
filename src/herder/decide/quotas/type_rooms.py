"""How many more jobs of each type may start: `max_concurrent` of the type, and the slots that all types share.

Part of `usage.RemainingQuota`; `allowed_starts` takes from it step by step. A type that is no longer defined has no limit of its own,
and its running jobs take one slot each.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from herder.model.work.demand import Asks
from herder.model.work.job import JobClass
from herder.model.work.job_type import SLOT, JobType
from herder.model.work.sharing import Sharing

#: Where there is no limit.
UNLIMITED_JOBS = 2**60


def type_of(asks: Asks) -> str:
    """Of a job; pods and other demand have none."""
    return asks.type if isinstance(asks, JobClass) else ""


@dataclass(slots=True)
class TypeRooms:
    types: Mapping[str, JobType] = field(default_factory=dict)
    running: dict[str, int] = field(default_factory=dict)
    slots_milli: int | None = None
    """All that there are; None: no limit."""
    taken_milli: int = 0

    def weight_milli(self, name: str) -> int:
        known = self.types.get(name)
        return SLOT if known is None else known.weight_milli

    def own_room(self, name: str) -> int:
        """By `max_concurrent` alone."""
        known = self.types.get(name)
        if known is None or known.max_concurrent is None:
            return UNLIMITED_JOBS
        return max(0, known.max_concurrent - self.running.get(name, 0))

    def slot_room(self, name: str) -> int:
        """By the shared slots alone."""
        if self.slots_milli is None:
            return UNLIMITED_JOBS
        return max(0, self.slots_milli - self.taken_milli) // max(1, self.weight_milli(name))

    def room(self, name: str) -> int:
        """Jobs of the type that may start now; without limit of jobs that have none."""
        if not name:
            return UNLIMITED_JOBS
        return min(self.own_room(name), self.slot_room(name))

    def binds(self, name: str) -> bool:
        """Whether any limit is about the type."""
        if not name:
            return False
        known = self.types.get(name)
        return self.slots_milli is not None or (known is not None and known.max_concurrent is not None)

    def over(self, names: Iterable[str]) -> bool:
        """Whether more was taken than the limits of these types allow: only while something is tried."""
        if self.slots_milli is not None and self.taken_milli > self.slots_milli:
            return True
        return any(
            known.max_concurrent is not None and self.running.get(name, 0) > known.max_concurrent
            for name in names
            if (known := self.types.get(name)) is not None
        )

    def take(self, name: str, count: int) -> None:
        """So many of its jobs start; a negative count gives them back."""
        if name:
            self.running[name] = self.running.get(name, 0) + count
            self.taken_milli += count * self.weight_milli(name)


def type_rooms(sharing: Sharing, running: Mapping[str, int]) -> TypeRooms:
    """`running`: live attempts by type."""
    rooms = TypeRooms(
        types={each.name: each for each in sharing.job_types},
        slots_milli=None if sharing.job_slots is None else sharing.job_slots * SLOT,
    )
    for name, count in running.items():
        rooms.take(name, count)
    return rooms
