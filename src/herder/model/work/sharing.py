"""The settings of sharing: priority classes, quotas of projects and users, preemption.

What people want, as they wrote it down, beside pools. Read by `decide/quotas/allowed_starts.py`, `decide/placement/preemption.py` and whoever shows it.
`Amounts` are derived from the table of `resources`: what of it quotas count, and live attempts. A limit of None means that there is none.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from operator import itemgetter
from typing import ClassVar

from herder.model.ids import UserName
from herder.model.permissions import Role
from herder.model.values.resources import BUILT_IN, PLAIN, Dimension, Dimensions, Resources
from herder.model.values.vectors import Vector, Wide, new_vector
from herder.model.work.job_type import JobType
from herder.model.work.pipeline import Pipeline

_OF_BUILT_IN = tuple(place for place, each in enumerate(BUILT_IN) if each.quota)
#: Names of the places: the built-in resources that quotas count, live attempts, and what the server declares beyond.
JOBS = "jobs"
AMOUNTS = (*(BUILT_IN[place].name for place in _OF_BUILT_IN), JOBS)


def counted(table: Dimensions) -> tuple[Dimension, ...]:
    """The declared resources that quotas count, in the order of their places after `AMOUNTS`."""
    return tuple(each for each in table.declared if each.quota)


def amount_names(table: Dimensions) -> tuple[str, ...]:
    return (*AMOUNTS, *(each.name for each in counted(table)))


class Amounts(Vector):
    """What quotas count: thousandths of a core, MiB of memory, whole GPUs, live attempts, and what the server declares."""

    __slots__ = ()

    table: ClassVar[Dimensions] = PLAIN

    def __new__(cls, cpu_milli: int = 0, memory_mib: int = 0, gpu: int = 0, jobs: int = 0) -> "Amounts":
        """Of four places; longer ones come from requests (`amounts_of`) and limits."""
        return new_vector(cls, (cpu_milli, memory_mib, gpu, jobs))

    @property
    def jobs(self) -> int:
        return self[_JOBS]

    def named(self) -> dict[str, int]:
        return dict(zip(amount_names(self.table), self, strict=True))


_JOBS = AMOUNTS.index(JOBS)


class _WideAmounts(Wide, Amounts):
    __slots__ = ()


@lru_cache(maxsize=64)
def _kind(table: Dimensions) -> type[Amounts]:
    if not counted(table):
        return Amounts
    return type("Amounts", (_WideAmounts,), {"__slots__": (), "table": table})


NOTHING = Amounts()


_pick = itemgetter(*_OF_BUILT_IN)


@lru_cache(maxsize=4096)
def _of_built_in(request: Resources) -> Amounts:
    """Asked often, of few requests."""
    return new_vector(Amounts, (*_pick(request), 1))


def amounts_of(request: Resources) -> Amounts:
    """What a job with this request takes of a quota."""
    if len(request) == len(BUILT_IN):
        return _of_built_in(request)
    table = request.table
    more = (
        amount
        for each, amount in zip(table.all, request, strict=True)
        if each in table.declared and each.quota
    )
    return new_vector(_kind(table), (*_pick(request), 1, *more))


def dimension_at(table: Dimensions, place: int) -> Dimension | None:
    """What a place of `Amounts` counts; None: live attempts."""
    if place == _JOBS:
        return None
    return BUILT_IN[_OF_BUILT_IN[place]] if place < _JOBS else counted(table)[place - len(AMOUNTS)]


def amounts_from(table: Dimensions, given: Iterable[int]) -> Amounts:
    """By place; places that are not given are 0."""
    amounts = tuple(given)
    return new_vector(_kind(table), amounts + (0,) * (len(amount_names(table)) - len(amounts)))


class Limits(tuple[int | None, ...]):
    """A limit for each of `Amounts`; None where there is none."""

    __slots__ = ()

    table: ClassVar[Dimensions] = PLAIN

    def __new__(
        cls,
        cpu_milli: int | None = None,
        memory_mib: int | None = None,
        gpu: int | None = None,
        jobs: int | None = None,
    ) -> "Limits":
        """Of four places; longer ones are made by `limits_of`."""
        return tuple.__new__(cls, (cpu_milli, memory_mib, gpu, jobs))

    @property
    def any(self) -> bool:
        return any(limit is not None for limit in self)

    def named(self) -> dict[str, int]:
        """Those that there are."""
        names = amount_names(self.table)
        return {name: limit for name, limit in zip(names, self, strict=True) if limit is not None}

    def amounts(self, without: int) -> Amounts:
        """As amounts; `without` where there is no limit."""
        return new_vector(_kind(self.table), [without if limit is None else limit for limit in self])


@lru_cache(maxsize=64)
def _limits_kind(table: Dimensions) -> type[Limits]:
    return type("Limits", (Limits,), {"__slots__": (), "table": table}) if counted(table) else Limits


def limits_of(table: Dimensions, given: Mapping[str, int]) -> Limits:
    """By name; what is not named has no limit."""
    if not given:
        return NO_LIMITS
    return tuple.__new__(_limits_kind(table), [given.get(name) for name in amount_names(table)])


def limits_from(table: Dimensions, given: Iterable[int | None]) -> Limits:
    """By place; places that are not given have no limit."""
    limits = tuple(given)
    return tuple.__new__(_limits_kind(table), limits + (None,) * (len(amount_names(table)) - len(limits)))


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
    queued_jobs: int | None = None
    """How many of its jobs may wait; None: no limit of its own."""
    division: str = ""
    """Which division it belongs to, for costs."""
    rate_card: str = "internal"
    """At which it is charged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserQuota:
    """A hard limit over all projects: a user neither lends nor borrows."""

    user: UserName
    limits: Limits
    queued_jobs: int | None = None
    """How many of their jobs may wait; None: as many as anybody's."""


#: Priorities lie between its negative and it.
PRIORITY_MAX = 1_000_000


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
    """A job that was preempted so often is not any more, so that every job ends at some time."""
    reclaim: Reclaim = Reclaim.NEVER
    """Off, because lost work is lost: lenders get their quota back as attempts end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharing:
    priority_classes: tuple[PriorityClass, ...] = ()
    projects: tuple[ProjectQuota, ...] = ()
    users: tuple[UserQuota, ...] = ()
    preemption: Preemption = Preemption()
    job_types: tuple[JobType, ...] = ()
    pipelines: tuple[Pipeline, ...] = ()
    job_slots: int | None = None
    """The running jobs that have a type may take so many slots together, each the weight of its type. None: no limit."""

    @property
    def has_quotas(self) -> bool:
        return bool(self.projects or self.users or self.job_types)

    def job_type(self, name: str) -> JobType | None:
        return next((each for each in self.job_types if each.name == name), None)

    def pipeline(self, name: str) -> Pipeline | None:
        return next((each for each in self.pipelines if each.name == name), None)

    @property
    def preempting(self) -> frozenset[int]:
        """The priorities that may take the place of lower ones."""
        return frozenset(each.value for each in self.priority_classes if each.preempts)


NO_SHARING = Sharing()
