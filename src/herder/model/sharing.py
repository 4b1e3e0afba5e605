"""How a fleet is shared: priority classes, quotas of projects and users, and when work may be preempted.

What people want, as they wrote it down, beside pools. Read by `decide/quota.py`, `decide/preemption.py` and whoever shows it.
Amounts are integers in the units of `Resources`; a limit of None means that there is none.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from herder.model.ids import UserName
from herder.model.principal import Role
from herder.model.resources import Resources


class Amounts(NamedTuple):
    """What quotas count: thousandths of a core, MiB of memory, whole GPUs, and live attempts."""

    cpu_milli: int = 0
    memory_mib: int = 0
    gpu: int = 0
    jobs: int = 0

    def plus(self, other: "Amounts") -> "Amounts":
        return Amounts(self[0] + other[0], self[1] + other[1], self[2] + other[2], self[3] + other[3])

    def minus(self, other: "Amounts") -> "Amounts":
        return Amounts(self[0] - other[0], self[1] - other[1], self[2] - other[2], self[3] - other[3])

    def times(self, count: int) -> "Amounts":
        return Amounts(self[0] * count, self[1] * count, self[2] * count, self[3] * count)


NOTHING = Amounts()


def amounts_of(request: Resources, count: int = 1) -> Amounts:
    """What `count` jobs with this request take of a quota."""
    return Amounts(request[0] * count, request[1] * count, request[3] * count, count)


class Limits(NamedTuple):
    """A limit for each of `Amounts`."""

    cpu_milli: int | None = None
    memory_mib: int | None = None
    gpu: int | None = None
    jobs: int | None = None

    @property
    def any(self) -> bool:
        return any(limit is not None for limit in self)


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectQuota:
    """The terms are Kueue's. A project takes part in lending only for amounts that it has a nominal quota of."""

    name: str
    nominal: Limits = NO_LIMITS
    borrowing_limit: Limits = NO_LIMITS
    """How far above nominal it may go with what others of its cohort leave unused; None: as far as that reaches."""
    lending_limit: Limits = NO_LIMITS
    """How much of its nominal quota others may have while it does not use it; None: all."""
    cohort: str = ""
    """Projects lend to one another within a cohort; those that name none are one."""
    members: tuple[tuple[str, Role], ...] = ()
    """Who sees its jobs (viewers), and submits and cancels them too (users). None named: anybody may submit, each sees their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserQuota:
    """A hard limit over all projects: a user neither lends nor borrows."""

    user: UserName
    limits: Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorityClass:
    """A name for a priority. Jobs carry the number, so no two classes have the same."""

    name: str
    value: int
    preempts: bool = False
    role: Role = Role.USER
    """The least role that may use it."""
    description: str = ""


class Reclaim(StrEnum):
    """Whose attempts a project may take the place of, to get back what others have borrowed of its nominal quota."""

    NEVER = "never"
    LOWER_PRIORITY = "lower_priority"
    ANY = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preemption:
    """Times in seconds."""

    minimum_run_s: float = 600.0
    """No attempt is preempted before: what ran for ten minutes has shown that it starts, and one that was just placed is left."""
    wait_first_s: float = 5.0
    """A job waits so long before it preempts: the planner has had its say about new workers by then."""
    soon_s: float = 120.0
    """Capacity on its way that is expected within this time is waited for: about the boot of a cloud machine."""
    protected_after: int = 3
    """A job that was preempted so often is not any more, so that everybody ends at last."""
    reclaim: Reclaim = Reclaim.NEVER
    """Off, because lost work is lost: lenders get their quota back as attempts end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharing:
    priority_classes: tuple[PriorityClass, ...] = ()
    projects: tuple[ProjectQuota, ...] = ()
    users: tuple[UserQuota, ...] = ()
    preemption: Preemption = Preemption()

    @property
    def has_quotas(self) -> bool:
        return bool(self.projects or self.users)

    @property
    def preempting(self) -> frozenset[int]:
        """The priorities that may take the place of lower ones."""
        return frozenset(each.value for each in self.priority_classes if each.preempts)


NO_SHARING = Sharing()
