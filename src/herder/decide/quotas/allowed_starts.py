"""How many jobs of each class the quotas let start now. One function for placement, the planner and explanations.

`allow` is read top-down: every project gets its nominal quota first, then what the others of its cohort leave unused. Within
a project the more urgent go first, then users by what they hold for their weight, then whoever had a turn longest ago. A job
that has waited past `aged_ms` and does not fit into what is left keeps others of its project from using it up. It looks at
quotas only: whether there is a worker for a job is for others to say, and nothing is ever taken from who has it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from herder.decide.placement.water_filling import Claim, water_fill
from herder.decide.quotas.type_rooms import type_of
from herder.decide.quotas.usage import NO_TYPES, Held, RemainingQuota, remaining_quota
from herder.model.ids import ClassId, UserName
from herder.model.values.resources import PLAIN
from herder.model.work.demand import DemandGroup
from herder.model.work.sharing import NOTHING, Amounts, Sharing, amounts_of

G = TypeVar("G", bound=DemandGroup)

#: Times that a project's room is shared out anew; each is caused by one kind of amount that is used up.
ROUNDS_MAX = 6
#: Times that all users get one more job each, of what sharing in parts leaves over.
TURNS_MAX = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaInput:
    """What quotas look at. `held`: of live attempts. `last_served`: of users, when they were last served; none before all others.
    `firsts`: room is kept for so many jobs of the class, whoever else waits. `aged_ms`: who was ready before has waited long.
    `unfit`: classes that no worker has room for now, so that they would keep quota from others for nothing."""

    sharing: Sharing
    held: Held
    running_types: Mapping[str, int] = field(default_factory=lambda: NO_TYPES)
    """Live attempts by job type."""
    weights: Mapping[UserName, int] = field(default_factory=dict)
    last_served: Mapping[UserName, int] = field(default_factory=dict)
    firsts: Mapping[ClassId, int] = field(default_factory=dict)
    aged_ms: int | None = None
    unfit: Set[ClassId] = frozenset()


@dataclass(slots=True)
class QuotaEntry(Generic[G]):
    """The waiting jobs of one class, or the like of another source."""

    queued: G
    amount: Amounts
    """Of one job."""
    left: int
    user: UserName
    project: str
    granted: int = 0
    type: str = ""
    """Of a job that has one: its type's limits hold beside the quotas."""
    group: str = ""
    """Shares in one room with others of the group: its project, if that has a quota; empty: those without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance(Generic[G]):
    """`entries`: of all classes, with what each may start. `remaining`: what is left when they have. `kept`: classes for which room
    is kept until it is enough; they are to be the `firsts` of the next call."""

    entries: tuple[QuotaEntry[G], ...]
    remaining: RemainingQuota
    kept: tuple[ClassId, ...] = ()

    @property
    def granted(self) -> dict[ClassId, int]:
        return {entry.queued.class_id: entry.granted for entry in self.entries}

    @property
    def short(self) -> bool:
        """Whether some job waits for a quota, and not only for room on a worker."""
        shut = _Shut(self.remaining)
        return any(entry.left and shut.to(entry) for entry in self.entries)

    @property
    def held_back(self) -> tuple[QuotaEntry[G], ...]:
        return tuple(entry for entry in self.entries if entry.left)

    def capped(self) -> list[G]:
        """What may start now."""
        return [
            entry.queued if not entry.left else replace(entry.queued, count=entry.granted)
            for entry in self.entries
            if entry.granted
        ]


def allow(waiting: Iterable[G], quota_input: QuotaInput) -> Allowance[G]:
    entries = [
        QuotaEntry(
            queued, amounts_of(asks.request), queued.count, asks.user, asks.project, type=type_of(asks)
        )
        for queued in waiting
        if queued.count > 0
        for asks in (queued.asks,)
    ]
    table = max((entry.amount.table for entry in entries), key=lambda each: len(each.declared), default=PLAIN)
    remaining = remaining_quota(quota_input.sharing, quota_input.held, table, quota_input.running_types)
    by_project: dict[str, list[QuotaEntry[Any]]] = {}
    aged_ms = -1 if quota_input.aged_ms is None else quota_input.aged_ms
    shut = _Shut(remaining)
    bound = [
        entry
        for entry in entries
        # Rooms only shrink from here on: where not one job fits now, there is nothing to share out.
        if _is_bound(entry, remaining) and (not shut.to(entry) or entry.queued.oldest_ready_at_ms <= aged_ms)
    ]
    for entry in sorted(bound, key=lambda each: (each.queued.oldest_ready_at_ms, each.queued.class_id)):
        entry.group = entry.project if entry.project in remaining.projects else ""
        by_project.setdefault(entry.group, []).append(entry)
    hand_out = _HandOut(remaining, quota_input, by_project)
    hand_out.keep_firsts()
    hand_out.keep_aged()
    hand_out.nominal()
    hand_out.borrowed()
    return Allowance(entries=tuple(entries), remaining=remaining, kept=hand_out.give_back())


class _Shut:
    """Rooms as they are at one moment, looked up for many lines."""

    def __init__(self, remaining: RemainingQuota) -> None:
        self._remaining = remaining
        self._projects: dict[str, Amounts] = {}
        self._users: dict[UserName, Amounts] = {}

    def to(self, entry: QuotaEntry[Any]) -> bool:
        """Whether not one job of the line may start."""
        if entry.type and not self._remaining.types.room(entry.type):
            return True
        project = self._projects.get(entry.project)
        if project is None:
            project = self._projects[entry.project] = self._remaining.of_project(entry.project)
        if not entry.amount.fits_in(project):
            return True
        if entry.user not in self._remaining.users:
            return False
        user = self._users.get(entry.user)
        if user is None:
            user = self._users[entry.user] = self._remaining.of_user(entry.user)
        return not entry.amount.fits_in(user)


def _is_bound(entry: QuotaEntry[Any], remaining: RemainingQuota) -> bool:
    """Whether any quota is about it; else all of it may start."""
    if entry.project in remaining.projects or entry.user in remaining.users:
        return True
    if entry.type and remaining.types.binds(entry.type):
        return True
    entry.granted, entry.left = entry.left, 0
    return False


class _HandOut:
    """One call of `allow`: the rooms shrink as lines are granted jobs."""

    def __init__(
        self, remaining: RemainingQuota, quota_input: QuotaInput, by_project: dict[str, list[QuotaEntry[Any]]]
    ) -> None:
        self._remaining = remaining
        self._quota_input = quota_input
        self._entries = by_project
        self._nothing = remaining.everything.filled(0)
        self._kept: list[QuotaEntry[Any]] = []
        self._held: dict[tuple[UserName, str], Amounts] = {}
        """By user and group, with what was granted in this call."""
        for (user, project), amounts in quota_input.held.items():
            whose = user, project if project in remaining.projects else ""
            self._held[whose] = self._held.get(whose, self._nothing).plus(amounts)

    def keep_firsts(self) -> None:
        if not self._quota_input.firsts:
            return
        for entry in (entry for entries in self._entries.values() for entry in entries):
            wanted = min(entry.left, self._quota_input.firsts.get(entry.queued.class_id, 0))
            if wanted:
                self._take(entry, min(wanted, self._may_start(entry)))

    def keep_aged(self) -> None:
        """For the oldest of each project that does not fit now but can one day."""
        aged_ms = self._quota_input.aged_ms
        for entries in self._entries.values() if aged_ms is not None else ():
            for entry in entries:
                if entry.queued.oldest_ready_at_ms > (aged_ms or 0):
                    break
                if not entry.left or not self._remaining.types.own_room(entry.type):
                    continue  # of its type as many run as may: to keep a quota for it would be for nothing
                if not self._may_start(entry):
                    ceiling = self._remaining.ceiling_of(entry.project, entry.user)
                    if entry.amount.fits_in(ceiling):
                        self._remaining.take(entry.project, entry.user, entry.amount)
                        self._remaining.types.take(entry.type, 1)
                        self._kept.append(entry)
                        break

    def give_back(self) -> tuple[ClassId, ...]:
        for entry in self._kept:
            self._remaining.take(entry.project, entry.user, NOTHING.minus(entry.amount))
            self._remaining.types.take(entry.type, -1)
        return tuple(entry.queued.class_id for entry in self._kept)

    def nominal(self) -> None:
        for name in self._in_order(self._entries):
            self._fill(self._entries[name], self._remaining.nominal_of(name))

    def borrowed(self) -> None:
        """What is lent in equal parts first, then whatever is left of it."""
        wanting = [
            name
            for name in self._in_order(self._entries)
            if name in self._remaining.projects and any(entry.left for entry in self._entries[name])
        ]
        sizes: dict[str, int] = {}
        for name in wanting:
            cohort = self._remaining.projects[name].quota.cohort
            sizes[cohort] = sizes.get(cohort, 0) + 1
        parts = {
            cohort: self._remaining.pools[cohort].not_below_zero().scaled_down(size)
            for cohort, size in sizes.items()
        }
        for name in wanting:
            if sizes[self._remaining.projects[name].quota.cohort] > 1:
                part = parts[self._remaining.projects[name].quota.cohort].plus(
                    self._remaining.nominal_of(name)
                )
                self._fill(self._entries[name], part.least(self._remaining.of_project(name)))
        for name in wanting:
            self._fill(self._entries[name], self._remaining.of_project(name))

    def _in_order(self, names: Iterable[str]) -> list[str]:
        """Who has least of its nominal quota goes first."""

        def level(name: str) -> tuple[int, str]:
            project = self._remaining.projects.get(name)
            if project is None:
                return 0, name
            levels = zip(project.held, project.limits, strict=True)
            return max(
                (has * 2**20 // max(1, own) for has, own in levels if own is not None), default=0
            ), name

        return sorted(names, key=level)

    def _room(self, entry: QuotaEntry[Any]) -> Amounts:
        return self._remaining.of_project(entry.project).least(self._remaining.of_user(entry.user))

    def _may_start(self, entry: QuotaEntry[Any]) -> int:
        """Jobs of the line for which there is room now, however many wait."""
        return min(entry.amount.how_many_in(self._room(entry)), self._remaining.types.room(entry.type))

    def _take(self, entry: QuotaEntry[Any], count: int) -> Amounts:
        taken = entry.amount.times(count)
        entry.left -= count
        entry.granted += count
        whose = (entry.user, entry.group)
        self._held[whose] = self._held.get(whose, self._nothing).plus(taken)
        self._remaining.types.take(entry.type, count)
        self._remaining.take(entry.project, entry.user, taken)
        return taken

    def _fill(self, entries: Sequence[QuotaEntry[Any]], room: Amounts) -> None:
        """Give these lines, all of one group, what fits into the room, the most urgent first."""
        if room.jobs <= 0:
            return
        for priority in sorted({entry.queued.asks.priority for entry in entries if entry.left}, reverse=True):
            mine = [entry for entry in entries if entry.queued.asks.priority == priority]
            for _ in range(ROUNDS_MAX):
                open_now = [entry for entry in mine if self._fits(entry, room)]
                if not open_now:
                    break
                everything = self._all(open_now, room)
                if everything is not None:
                    room = everything
                    break
                left = self._share(open_now, room)
                if left == room:
                    room = self._in_turn(open_now, room)
                    break
                room = left

    def _fits(self, entry: QuotaEntry[Any], room: Amounts) -> int:
        if not entry.left or entry.queued.class_id in self._quota_input.unfit:
            return 0
        fits = min(entry.left, entry.amount.how_many_in(room), self._remaining.types.room(entry.type))
        if entry.user in self._remaining.users:
            return min(fits, entry.amount.how_many_in(self._remaining.of_user(entry.user)))
        return fits

    def _all(self, entries: Sequence[QuotaEntry[Any]], room: Amounts) -> Amounts | None:
        """Everything they want, if it fits; answers what is left of the room."""
        asked: dict[UserName, Amounts] = {}
        for entry in entries:
            asked[entry.user] = asked.get(entry.user, self._nothing).plus(entry.amount.times(entry.left))
        total = self._nothing
        for user, amounts in asked.items():
            total = total.plus(amounts)
            if not amounts.fits_in(self._remaining.of_user(user)):
                return None
        if not total.fits_in(room) or not self._all_of_types(entries):
            return None
        for entry in entries:
            self._take(entry, entry.left)
        return room.minus(total)

    def _all_of_types(self, entries: Sequence[QuotaEntry[Any]]) -> bool:
        """Whether the limits of their types let all of them start."""
        typed = [entry for entry in entries if entry.type]
        if not typed:
            return True
        for entry in typed:
            self._remaining.types.take(entry.type, entry.left)
        over = self._remaining.types.over({entry.type for entry in typed})
        for entry in typed:
            self._remaining.types.take(entry.type, -entry.left)
        return not over

    def _parts(self, entries: Sequence[QuotaEntry[Any]]) -> dict[str, int]:
        """By type, how many jobs each user who waits may start in one round, so that none takes all that its limits leave."""
        users: dict[str, set[UserName]] = {}
        for entry in entries:
            if entry.type:
                users.setdefault(entry.type, set()).add(entry.user)
        return {name: self._remaining.types.room(name) // len(some) for name, some in users.items()}

    def _share(self, entries: Sequence[QuotaEntry[Any]], room: Amounts) -> Amounts:
        """By weight, in the amount that is scarcest; whole jobs only."""
        scarce = _scarcest(entries, room)
        parts, started = self._parts(entries), Counter[tuple[UserName, str]]()
        wanted: dict[UserName, int] = {}
        for entry in entries:
            wanted[entry.user] = wanted.get(entry.user, 0) + entry.amount[scarce] * entry.left
        group = entries[0].group
        claims = [
            Claim(
                user=user,
                weight=max(1, self._quota_input.weights.get(user, 1)),
                used=self._held.get((user, group), self._nothing)[scarce],
                wanted=min(amount, self._remaining.of_user(user)[scarce]),
            )
            for user, amount in sorted(wanted.items())
        ]
        filled = water_fill(room[scarce], claims)
        # Without what rounding gave away: whose turn that is, `_in_turn` says, or the same would have it for ever.
        purses = {user: got - (filled.deficits.get(user, 0) < 0) for user, got in filled.grants.items()}
        for entry in entries:
            ask = entry.amount[scarce]
            count = self._fits(entry, room)
            count = min(count, purses[entry.user] // ask) if ask else 0
            if entry.type:
                count = min(count, parts[entry.type] - started[entry.user, entry.type])
            if count > 0:
                started[entry.user, entry.type] += count
                purses[entry.user] -= ask * count
                room = room.minus(self._take(entry, count))
        return room

    def _in_turn(self, entries: Sequence[QuotaEntry[Any]], room: Amounts) -> Amounts:
        """One job each, who holds least first, then who had a turn longest ago."""
        by_user: dict[UserName, list[QuotaEntry[Any]]] = {}
        for entry in entries:
            by_user.setdefault(entry.user, []).append(entry)
        scarce = _scarcest(entries, room)
        group = entries[0].group

        def rank(user: UserName) -> tuple[int, int, UserName]:
            weight = max(1, self._quota_input.weights.get(user, 1))
            held = self._held.get((user, group), self._nothing)[scarce]
            return held * 2**20 // weight, self._quota_input.last_served.get(user, -1), user

        order = sorted(by_user, key=rank)
        for _ in range(TURNS_MAX):
            before = room
            for user in order:
                first = next((entry for entry in by_user[user] if self._fits(entry, room)), None)
                if first is not None:
                    room = room.minus(self._take(first, 1))
            if room == before:
                break
        return room


def _scarcest(entries: Sequence[QuotaEntry[Any]], room: Amounts) -> int:
    """The amount of which most is asked for against what is there."""
    asked = room.filled(0)
    for entry in entries:
        asked = asked.plus(entry.amount.times(entry.left))
    return max(range(len(room)), key=lambda number: (asked[number] * 2**20 // max(1, room[number]), -number))
