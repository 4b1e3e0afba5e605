"""How much of the quotas is left: of users, of projects, and of what the projects of a cohort lend one another.

Used by `quota` only, which takes from it step by step. The rule is Kueue's: a project may have its nominal quota and, up to its
borrowing limit, what the others of its cohort lend and do not use. What has been borrowed is not taken back here: a lender
waits for it below its own nominal quota. Together a cohort never holds more than its nominal quotas.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from herder.model.ids import UserName
from herder.model.sharing import NOTHING, Amounts, ProjectQuota, Sharing

#: Where there is no limit. More than any fleet has, and far within 64 bits when added up.
UNLIMITED = 2**60

Held = Mapping[tuple[UserName, str], Amounts]


@dataclass(slots=True, kw_only=True)
class Project:
    quota: ProjectQuota
    nominal: Amounts
    most: Amounts
    """Nominal and what may be borrowed at the utmost."""
    kept: Amounts
    """What of nominal is never lent; everything of what it has no quota of, so that it takes no part in lending that."""
    held: Amounts = NOTHING

    @property
    def borrowed(self) -> Amounts:
        return Amounts(*(max(0, has - own) for has, own in zip(self.held, self.nominal, strict=True)))


def _project(quota: ProjectQuota) -> Project:
    nominal, borrow = _filled(quota.nominal), _filled(quota.borrowing_limit)
    kept = (
        UNLIMITED if own is None else 0 if most is None else own - most
        for own, most in zip(quota.nominal, quota.lending_limit, strict=True)
    )
    most = (min(UNLIMITED, own + more) for own, more in zip(nominal, borrow, strict=True))
    return Project(quota=quota, nominal=nominal, most=Amounts(*most), kept=Amounts(*kept))


@dataclass(slots=True)
class Rooms:
    """`pools`: by cohort, what is lent and not used; below zero after a quota was lowered."""

    projects: dict[str, Project] = field(default_factory=dict)
    users: dict[UserName, Amounts] = field(default_factory=dict)
    """The quota of each user that has one."""
    user_held: dict[UserName, Amounts] = field(default_factory=dict)
    pools: dict[str, Amounts] = field(default_factory=dict)
    lendable: dict[str, Amounts] = field(default_factory=dict)

    def of_user(self, user: UserName) -> Amounts:
        limit = self.users.get(user)
        return _EVERYTHING if limit is None else _left(limit, self.user_held[user])

    def of_project(self, name: str) -> Amounts:
        """With all that it can borrow now."""
        project = self.projects.get(name)
        if project is None:
            return _EVERYTHING
        pool = self.pools[project.quota.cohort]
        return Amounts(
            *(
                UNLIMITED if own is None else max(0, min(most - has, max(0, kept - has) + max(0, lent)))
                for own, most, has, kept, lent in zip(
                    project.quota.nominal, project.most, project.held, project.kept, pool, strict=True
                )
            )
        )

    def nominal_of(self, name: str) -> Amounts:
        """Without borrowing."""
        project = self.projects.get(name)
        if project is None:
            return _EVERYTHING
        return least(self.of_project(name), _left(project.nominal, project.held))

    def ceiling_of(self, name: str, user: UserName) -> Amounts:
        """What could be had if nobody held anything."""
        limit = self.users.get(user, _EVERYTHING)
        project = self.projects.get(name)
        if project is None:
            return limit
        lent = self.lendable[project.quota.cohort]
        reach = [
            UNLIMITED if own is None else kept + all_lent
            for own, kept, all_lent in zip(project.quota.nominal, project.kept, lent, strict=True)
        ]
        return least(limit, least(project.most, Amounts(*reach)))

    def take(self, name: str, user: UserName, amounts: Amounts) -> None:
        if user in self.users:
            self.user_held[user] = self.user_held[user].plus(amounts)
        project = self.projects.get(name)
        if project is not None:
            before = project.held
            project.held = after = before.plus(amounts)
            cohort, kept = project.quota.cohort, project.kept
            # All above what it never lends comes from the pool.
            self.pools[cohort] = Amounts(
                *(
                    lent + max(0, was - own) - max(0, has - own)
                    for lent, was, has, own in zip(self.pools[cohort], before, after, kept, strict=True)
                )
            )


def open_rooms(sharing: Sharing, held: Held) -> Rooms:
    """What live attempts leave of the quotas."""
    rooms = Rooms(
        projects={each.name: _project(each) for each in sharing.projects},
        users={each.user: _filled(each.limits) for each in sharing.users},
    )
    rooms.user_held = dict.fromkeys(rooms.users, NOTHING)
    for project in rooms.projects.values():
        quota = project.quota
        lend = [
            0 if own is None else own - kept for own, kept in zip(quota.nominal, project.kept, strict=True)
        ]
        rooms.lendable[quota.cohort] = rooms.lendable.get(quota.cohort, NOTHING).plus(Amounts(*lend))
    rooms.pools = dict(rooms.lendable)
    for (user, name), amounts in held.items():
        rooms.take(name, user, amounts)
    return rooms


def how_many(amount: Amounts, room: Amounts) -> int:
    """How many jobs of this amount the room holds; every job counts as one, so it is never without limit."""
    cpu, memory, gpu, jobs = amount
    count = room[3] // jobs
    if cpu:
        count = min(count, room[0] // cpu)
    if memory:
        count = min(count, room[1] // memory)
    if gpu:
        count = min(count, room[2] // gpu)
    return max(0, count)


def least(one: Amounts, other: Amounts) -> Amounts:
    if other is _EVERYTHING:
        return one
    return Amounts(*map(min, one, other))


_EVERYTHING = Amounts(UNLIMITED, UNLIMITED, UNLIMITED, UNLIMITED)


def _filled(limits: tuple[int | None, ...]) -> Amounts:
    return Amounts(*(UNLIMITED if limit is None else limit for limit in limits))


def _left(limit: Amounts, held: Amounts) -> Amounts:
    return Amounts(
        *(
            UNLIMITED if most >= UNLIMITED else max(0, most - has)
            for most, has in zip(limit, held, strict=True)
        )
    )
