"""How many jobs of each class the quotas let start now. One function for placement, the planner and explanations.

`allow` is read top-down: every project gets its nominal quota first, then what the others of its cohort leave unused. Within
a project the more urgent go first, then users by what they hold for their weight, then whoever had a turn longest ago. A job
that has waited past `aged_ms` and does not fit into what is left keeps others of its project from using it up. It looks at
quotas only: whether there is a worker for a job is for others to say, and nothing is ever taken from who has it.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from herder.decide.placement.max_min import Claim, water_fill
from herder.decide.quotas.usage import Held, Rooms, open_rooms
from herder.model.demand import DemandGroup
from herder.model.ids import ClassId, UserName
from herder.model.resources import PLAIN
from herder.model.sharing import NOTHING, Amounts, Sharing, amounts_of

G = TypeVar("G", bound=DemandGroup)

#: Times that a project's room is shared out anew; each is caused by one kind of amount that is used up.
ROUNDS_MAX = 6
#: Times that all users get one more job each, of what sharing in parts leaves over.
TURNS_MAX = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """What quotas look at. `held`: of live attempts. `turns`: of users, when they were last served; none before all others.
    `firsts`: room is kept for so many jobs of the class, whoever else waits. `aged_ms`: who was ready before has waited long.
    `unfit`: classes that no worker has room for now, so that they would keep quota from others for nothing."""

    sharing: Sharing
    held: Held
    weights: Mapping[UserName, int] = field(default_factory=dict)
    turns: Mapping[UserName, int] = field(default_factory=dict)
    firsts: Mapping[ClassId, int] = field(default_factory=dict)
    aged_ms: int | None = None
    unfit: Set[ClassId] = frozenset()


@dataclass(slots=True)
class Line(Generic[G]):
    """The waiting jobs of one class, or the like of another source."""

    queued: G
    amount: Amounts
    """Of one job."""
    left: int
    user: UserName
    project: str
    granted: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance(Generic[G]):
    """`lines`: of all classes, with what each may start. `rooms`: what is left when they have. `kept`: classes for which room
    is kept until it is enough; they are to be the `firsts` of the next call."""

    lines: tuple[Line[G], ...]
    rooms: Rooms
    kept: tuple[ClassId, ...] = ()

    @property
    def granted(self) -> dict[ClassId, int]:
        return {line.queued.class_id: line.granted for line in self.lines}

    @property
    def short(self) -> bool:
        """Whether some job waits for a quota, and not only for room on a worker."""
        shut = _Shut(self.rooms)
        return any(line.left and shut.to(line) for line in self.lines)

    @property
    def held_back(self) -> tuple[Line[G], ...]:
        return tuple(line for line in self.lines if line.left)

    def capped(self) -> list[G]:
        """What may start now."""
        return [
            line.queued if not line.left else replace(line.queued, count=line.granted)
            for line in self.lines
            if line.granted
        ]


def allow(waiting: Iterable[G], books: Books) -> Allowance[G]:
    lines = [
        Line(queued, amounts_of(asks.request), queued.count, asks.user, asks.project)
        for queued in waiting
        if queued.count > 0
        for asks in (queued.asks,)
    ]
    table = max((line.amount.table for line in lines), key=lambda each: len(each.declared), default=PLAIN)
    rooms = open_rooms(books.sharing, books.held, table)
    by_project: dict[str, list[Line[Any]]] = {}
    aged_ms = -1 if books.aged_ms is None else books.aged_ms
    shut = _Shut(rooms)
    bound = [
        line
        for line in lines
        # Rooms only shrink from here on: where not one job fits now, there is nothing to share out.
        if _is_bound(line, rooms) and (not shut.to(line) or line.queued.oldest_ready_at_ms <= aged_ms)
    ]
    for line in sorted(bound, key=lambda each: (each.queued.oldest_ready_at_ms, each.queued.class_id)):
        by_project.setdefault(line.project, []).append(line)
    hand_out = _HandOut(rooms, books, by_project)
    hand_out.keep_firsts()
    hand_out.keep_aged()
    hand_out.nominal()
    hand_out.borrowed()
    return Allowance(lines=tuple(lines), rooms=rooms, kept=hand_out.give_back())


class _Shut:
    """Rooms as they are at one moment, looked up for many lines."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._projects: dict[str, Amounts] = {}

    def to(self, line: Line[Any]) -> bool:
        """Whether not one job of the line may start."""
        project = self._projects.get(line.project)
        if project is None:
            project = self._projects[line.project] = self._rooms.of_project(line.project)
        if not line.amount.fits_in(project):
            return True
        return line.user in self._rooms.users and not line.amount.fits_in(self._rooms.of_user(line.user))


def _is_bound(line: Line[Any], rooms: Rooms) -> bool:
    """Whether any quota is about it; else all of it may start."""
    if line.project in rooms.projects or line.user in rooms.users:
        return True
    line.granted, line.left = line.left, 0
    return False


class _HandOut:
    """One call of `allow`: the rooms shrink as lines are granted jobs."""

    def __init__(self, rooms: Rooms, books: Books, by_project: dict[str, list[Line[Any]]]) -> None:
        self._rooms = rooms
        self._books = books
        self._lines = by_project
        self._nothing = rooms.everything.filled(0)
        self._kept: list[Line[Any]] = []
        self._held = dict(books.held)
        """With what was granted in this call."""

    def keep_firsts(self) -> None:
        if not self._books.firsts:
            return
        for line in (line for lines in self._lines.values() for line in lines):
            wanted = min(line.left, self._books.firsts.get(line.queued.class_id, 0))
            if wanted:
                self._take(line, min(wanted, line.amount.how_many_in(self._room(line))))

    def keep_aged(self) -> None:
        """For the oldest of each project that does not fit now but can one day."""
        aged_ms = self._books.aged_ms
        for lines in self._lines.values() if aged_ms is not None else ():
            for line in lines:
                if line.queued.oldest_ready_at_ms > (aged_ms or 0):
                    break
                if line.left and not line.amount.how_many_in(self._room(line)):
                    ceiling = self._rooms.ceiling_of(line.project, line.user)
                    if line.amount.fits_in(ceiling):
                        self._rooms.take(line.project, line.user, line.amount)
                        self._kept.append(line)
                        break

    def give_back(self) -> tuple[ClassId, ...]:
        for line in self._kept:
            self._rooms.take(line.project, line.user, NOTHING.minus(line.amount))
        return tuple(line.queued.class_id for line in self._kept)

    def nominal(self) -> None:
        for name in self._in_order(self._lines):
            self._fill(self._lines[name], self._rooms.nominal_of(name))

    def borrowed(self) -> None:
        """What is lent in equal parts first, then whatever is left of it."""
        wanting = [
            name
            for name in self._in_order(self._lines)
            if name in self._rooms.projects and any(line.left for line in self._lines[name])
        ]
        sizes: dict[str, int] = {}
        for name in wanting:
            cohort = self._rooms.projects[name].quota.cohort
            sizes[cohort] = sizes.get(cohort, 0) + 1
        parts = {
            cohort: self._rooms.pools[cohort].not_below_zero().scaled_down(size)
            for cohort, size in sizes.items()
        }
        for name in wanting:
            if sizes[self._rooms.projects[name].quota.cohort] > 1:
                part = parts[self._rooms.projects[name].quota.cohort].plus(self._rooms.nominal_of(name))
                self._fill(self._lines[name], part.least(self._rooms.of_project(name)))
        for name in wanting:
            self._fill(self._lines[name], self._rooms.of_project(name))

    def _in_order(self, names: Iterable[str]) -> list[str]:
        """Who has least of its nominal quota goes first."""

        def level(name: str) -> tuple[int, str]:
            project = self._rooms.projects.get(name)
            if project is None:
                return 0, name
            levels = zip(project.held, project.limits, strict=True)
            return max(
                (has * 2**20 // max(1, own) for has, own in levels if own is not None), default=0
            ), name

        return sorted(names, key=level)

    def _room(self, line: Line[Any]) -> Amounts:
        return self._rooms.of_project(line.project).least(self._rooms.of_user(line.user))

    def _take(self, line: Line[Any], count: int) -> Amounts:
        taken = line.amount.times(count)
        line.left -= count
        line.granted += count
        whose = (line.user, line.project)
        self._held[whose] = self._held.get(whose, self._nothing).plus(taken)
        self._rooms.take(line.project, line.user, taken)
        return taken

    def _fill(self, lines: Sequence[Line[Any]], room: Amounts) -> None:
        """Give these lines, all of one project, what fits into the room, the most urgent first."""
        if room.jobs <= 0:
            return
        for priority in sorted({line.queued.asks.priority for line in lines if line.left}, reverse=True):
            mine = [line for line in lines if line.queued.asks.priority == priority]
            for _ in range(ROUNDS_MAX):
                open_now = [line for line in mine if self._fits(line, room)]
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

    def _fits(self, line: Line[Any], room: Amounts) -> int:
        if not line.left or line.queued.class_id in self._books.unfit:
            return 0
        fits = min(line.left, line.amount.how_many_in(room))
        if line.user in self._rooms.users:
            return min(fits, line.amount.how_many_in(self._rooms.of_user(line.user)))
        return fits

    def _all(self, lines: Sequence[Line[Any]], room: Amounts) -> Amounts | None:
        """Everything they want, if it fits; answers what is left of the room."""
        asked: dict[UserName, Amounts] = {}
        for line in lines:
            asked[line.user] = asked.get(line.user, self._nothing).plus(line.amount.times(line.left))
        total = self._nothing
        for user, amounts in asked.items():
            total = total.plus(amounts)
            if not amounts.fits_in(self._rooms.of_user(user)):
                return None
        if not total.fits_in(room):
            return None
        for line in lines:
            self._take(line, line.left)
        return room.minus(total)

    def _share(self, lines: Sequence[Line[Any]], room: Amounts) -> Amounts:
        """By weight, in the amount that is scarcest; whole jobs only."""
        scarce = _scarcest(lines, room)
        wanted: dict[UserName, int] = {}
        for line in lines:
            wanted[line.user] = wanted.get(line.user, 0) + line.amount[scarce] * line.left
        project = lines[0].project
        claims = [
            Claim(
                user=user,
                weight=max(1, self._books.weights.get(user, 1)),
                used=self._held.get((user, project), self._nothing)[scarce],
                wanted=min(amount, self._rooms.of_user(user)[scarce]),
            )
            for user, amount in sorted(wanted.items())
        ]
        filled = water_fill(room[scarce], claims)
        # Without what rounding gave away: whose turn that is, `_in_turn` says, or the same would have it for ever.
        purses = {user: got - (filled.deficits.get(user, 0) < 0) for user, got in filled.grants.items()}
        for line in lines:
            ask = line.amount[scarce]
            count = self._fits(line, room)
            count = min(count, purses[line.user] // ask) if ask else 0
            if count:
                purses[line.user] -= ask * count
                room = room.minus(self._take(line, count))
        return room

    def _in_turn(self, lines: Sequence[Line[Any]], room: Amounts) -> Amounts:
        """One job each, who holds least first, then who had a turn longest ago."""
        by_user: dict[UserName, list[Line[Any]]] = {}
        for line in lines:
            by_user.setdefault(line.user, []).append(line)
        scarce = _scarcest(lines, room)
        project = lines[0].project

        def rank(user: UserName) -> tuple[int, int, UserName]:
            weight = max(1, self._books.weights.get(user, 1))
            held = self._held.get((user, project), self._nothing)[scarce]
            return held * 2**20 // weight, self._books.turns.get(user, -1), user

        order = sorted(by_user, key=rank)
        for _ in range(TURNS_MAX):
            before = room
            for user in order:
                first = next((line for line in by_user[user] if self._fits(line, room)), None)
                if first is not None:
                    room = room.minus(self._take(first, 1))
            if room == before:
                break
        return room


def _scarcest(lines: Sequence[Line[Any]], room: Amounts) -> int:
    """The amount of which most is asked for against what is there."""
    asked = room.filled(0)
    for line in lines:
        asked = asked.plus(line.amount.times(line.left))
    return max(range(len(room)), key=lambda number: (asked[number] * 2**20 // max(1, room[number]), -number))
