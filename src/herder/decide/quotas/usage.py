"""How much of the quotas is left: of users, of projects, and of what the projects of a cohort lend one another.

Used by `allowed_starts` only, which takes from it step by step. The rule is Kueue's: a project may have its nominal quota and, up to its
borrowing limit, what the others of its cohort lend and do not use. What has been borrowed is not taken back here: a lender
waits for it below its own nominal quota. Together a cohort never holds more than its nominal quotas.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from herder.decide.quotas.type_rooms import TypeRooms, type_rooms
from herder.model.ids import UserName
from herder.model.values.resources import PLAIN, Dimensions
from herder.model.work.sharing import (
    NOTHING,
    Amounts,
    Limits,
    ProjectQuota,
    Sharing,
    amounts_from,
    limits_from,
)

#: Where there is no limit. More than any fleet has, and far within 64 bits when added up.
UNLIMITED = 2**60

Held = Mapping[tuple[UserName, str], Amounts]
NO_TYPES: Mapping[str, int] = {}


@dataclass(slots=True, kw_only=True)
class Project:
    quota: ProjectQuota
    limits: Limits
    """Its nominal quota, by all places of the table."""
    nominal: Amounts
    most: Amounts
    """Nominal and what may be borrowed at the utmost."""
    kept: Amounts
    """What of nominal is never lent; everything of what it has no quota of, so that it takes no part in lending that."""
    held: Amounts = NOTHING

    @property
    def borrowed(self) -> Amounts:
        return self.held.beyond(self.nominal)


def _project(quota: ProjectQuota, table: Dimensions) -> Project:
    own_limits, lend = limits_from(table, quota.nominal), limits_from(table, quota.lending_limit)
    nominal = own_limits.amounts(UNLIMITED)
    kept = (
        UNLIMITED if own is None else 0 if most is None else own - most
        for own, most in zip(own_limits, lend, strict=True)
    )
    most = nominal.plus(limits_from(table, quota.borrowing_limit).amounts(UNLIMITED))
    return Project(
        quota=quota,
        limits=own_limits,
        nominal=nominal,
        most=most.least(nominal.filled(UNLIMITED)),
        kept=amounts_from(table, kept),
        held=amounts_from(table, NOTHING),
    )


@dataclass(slots=True)
class RemainingQuota:
    """`pools`: by cohort, what is lent and not used; below zero after a quota was lowered."""

    everything: Amounts
    """Where there is no limit at all."""
    projects: dict[str, Project] = field(default_factory=dict)
    users: dict[UserName, Amounts] = field(default_factory=dict)
    """The quota of each user that has one."""
    user_held: dict[UserName, Amounts] = field(default_factory=dict)
    pools: dict[str, Amounts] = field(default_factory=dict)
    lendable: dict[str, Amounts] = field(default_factory=dict)
    types: TypeRooms = field(default_factory=TypeRooms)

    def of_user(self, user: UserName) -> Amounts:
        limit = self.users.get(user)
        return self.everything if limit is None else _left(limit, self.user_held[user])

    def of_project(self, name: str) -> Amounts:
        """With all that it can borrow now."""
        project = self.projects.get(name)
        if project is None:
            return self.everything
        pool = self.pools[project.quota.cohort]
        return self.everything.like(
            [
                UNLIMITED if own is None else max(0, min(most - has, max(0, kept - has) + max(0, lent)))
                for own, most, has, kept, lent in zip(
                    project.limits, project.most, project.held, project.kept, pool, strict=True
                )
            ]
        )

    def nominal_of(self, name: str) -> Amounts:
        """Without borrowing."""
        project = self.projects.get(name)
        if project is None:
            return self.everything
        return self.of_project(name).least(_left(project.nominal, project.held))

    def ceiling_of(self, name: str, user: UserName) -> Amounts:
        """What could be had if nobody held anything."""
        limit = self.users.get(user, self.everything)
        project = self.projects.get(name)
        if project is None:
            return limit
        lent = self.lendable[project.quota.cohort]
        reach = self.everything.like(
            [
                UNLIMITED if own is None else kept + all_lent
                for own, kept, all_lent in zip(project.limits, project.kept, lent, strict=True)
            ]
        )
        return limit.least(project.most.least(reach))

    def take(self, name: str, user: UserName, amounts: Amounts) -> None:
        if user in self.users:
            self.user_held[user] = self.user_held[user].plus(amounts)
        project = self.projects.get(name)
        if project is not None:
            before = project.held
            project.held = after = before.plus(amounts)
            cohort, kept = project.quota.cohort, project.kept
            # All above what it never lends comes from the pool.
            self.pools[cohort] = self.pools[cohort].plus(before.beyond(kept)).minus(after.beyond(kept))


def remaining_quota(
    sharing: Sharing, held: Held, table: Dimensions = PLAIN, running_types: Mapping[str, int] = NO_TYPES
) -> RemainingQuota:
    """What live attempts leave of the quotas. `table`: of the jobs that wait, if they may ask for more than quotas and what runs.
    `running_types`: live attempts by job type."""
    limits: list[Limits] = [each.limits for each in sharing.users]
    for each in sharing.projects:
        limits += each.nominal, each.borrowing_limit, each.lending_limit
    tables = (*(amounts.table for amounts in held.values()), *(limit.table for limit in limits))
    table = max((table, *tables), key=lambda each: len(each.declared))
    nothing = amounts_from(table, NOTHING)
    remaining = RemainingQuota(
        everything=nothing.filled(UNLIMITED),
        projects={each.name: _project(each, table) for each in sharing.projects},
        users={each.user: limits_from(table, each.limits).amounts(UNLIMITED) for each in sharing.users},
        types=type_rooms(sharing, running_types),
    )
    remaining.user_held = dict.fromkeys(remaining.users, nothing)
    for project in remaining.projects.values():
        quota = project.quota
        lend = project.nominal.minus(project.kept)
        remaining.lendable[quota.cohort] = remaining.lendable.get(quota.cohort, nothing).plus(lend)
    remaining.pools = dict(remaining.lendable)
    for (user, name), amounts in held.items():
        remaining.take(name, user, amounts)
    return remaining


def _left(limit: Amounts, held: Amounts) -> Amounts:
    return limit.like(
        [
            UNLIMITED if most >= UNLIMITED else max(0, most - has)
            for most, has in zip(limit, held, strict=True)
        ]
    )
