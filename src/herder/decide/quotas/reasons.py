"""Which quota holds jobs back, in words, with the smallest change that would let them start.

Called for the planner's scene: no workers are made for what quotas hold back, and the plan says so. The words are read from an
`Allowance`; nothing is decided here.
"""

from dataclasses import dataclass
from typing import Any

from herder.decide.quotas.allowed_starts import Books, Line, allow
from herder.decide.quotas.usage import UNLIMITED, Project, Rooms
from herder.model.demand import DemandGroup
from herder.model.observed import Observed
from herder.model.plan import Reason, ReasonKind
from herder.model.sharing import Amounts, dimension_at


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBack:
    """`count` of the waiting jobs of a class; the others may start."""

    queued: DemandGroup
    count: int
    reason: Reason


def within_quotas(observed: Observed) -> tuple[list[DemandGroup], tuple[HeldBack, ...]]:
    """What of the queue may start, and what not."""
    if not observed.sharing.has_quotas:
        return [queued for queued in observed.demand if queued.count > 0], ()
    books = Books(
        sharing=observed.sharing,
        held={(user, project): amounts for user, project, amounts in observed.held},
        weights=dict(observed.weights),
        aged_ms=observed.aged_ms,
    )
    allowance = allow(observed.demand, books)
    held_back = tuple(
        HeldBack(queued=line.queued, count=line.left, reason=reason_of(line, allowance.rooms))
        for line in sorted(allowance.held_back, key=lambda line: line.queued.class_id)
    )
    return allowance.capped(), held_back


def _name(line: Line[Any], place: int) -> str:
    """As herder.yaml calls it."""
    dimension = dimension_at(line.amount.table, place)
    return "jobs" if dimension is None else dimension.key


def _text(line: Line[Any], place: int, amount: int) -> str:
    """An amount with its unit, by its place in `Amounts`."""
    dimension = dimension_at(line.amount.table, place)
    return f"{amount} live attempts" if dimension is None else dimension.text(amount)


def reason_of(line: Line[Any], rooms: Rooms) -> Reason:
    """Why the rest of this class may not start now. `rooms`: when all that may start have."""
    ceiling = rooms.ceiling_of(line.project, line.user)
    for number, ask in enumerate(line.amount):
        if ask > ceiling[number]:
            return _never(line, number, ceiling)
    short = _first_short(line.amount, rooms.of_user(line.user))
    if short is not None:
        return _user(line, rooms, short)
    short = _first_short(line.amount, rooms.of_project(line.project))
    project = rooms.projects.get(line.project)
    if project is not None and short is not None:
        return _project(line, rooms, project, short)
    text = f"{_jobs(line)} wait for an older job of project {line.project}, for which its quota is kept"
    evidence = (
        ("quota", f"project {line.project}"),
        ("held_back", line.left),
        ("flips", "the start of that job"),
    )
    return Reason(kind=ReasonKind.QUOTA, text=text, evidence=evidence)


def lent_out(line: Line[Any], rooms: Rooms) -> Amounts | None:
    """What others have borrowed and one job of the line lacks; None when its project is not owed that."""
    project = rooms.projects.get(line.project)
    if project is None or _first_short(line.amount, rooms.of_user(line.user)) is not None:
        return None
    with_it = project.held.plus(line.amount)
    room = rooms.of_project(line.project)
    if not with_it.fits_in(project.nominal):
        return None
    missing = line.amount.beyond(room)
    return missing if any(missing) else None


def _first_short(amount: Amounts, room: Amounts) -> int | None:
    return next((number for number, ask in enumerate(amount) if ask > room[number]), None)


def _jobs(line: Line[Any]) -> str:
    return f"{line.left} of {line.left + line.granted} such jobs"


def _never(line: Line[Any], number: int, ceiling: Amounts) -> Reason:
    most = _text(line, number, ceiling[number])
    text = (
        f"{_jobs(line)} ask for {_text(line, number, line.amount[number])} each, and the quotas of project "
        f"{line.project} and user {line.user} never allow more than {most}"
    )
    evidence: tuple[tuple[str, int | float | str], ...] = (
        ("quota", f"project {line.project}, user {line.user}"),
        ("resource", _name(line, number)),
        ("ceiling", ceiling[number]),
        ("held_back", line.left),
        ("flips", f"a quota of {_text(line, number, line.amount[number])}, or smaller jobs"),
    )
    return Reason(kind=ReasonKind.QUOTA, text=text, evidence=evidence)


def _user(line: Line[Any], rooms: Rooms, number: int) -> Reason:
    limit, held = rooms.users[line.user][number], rooms.user_held[line.user][number]
    wanted = held + line.amount[number] * line.left
    name = _name(line, number)
    text = (
        f"{_jobs(line)} are held back: user {line.user} has {_text(line, number, held)} running or about to, "
        f"of a quota of {_text(line, number, limit)}"
    )
    evidence: tuple[tuple[str, int | float | str], ...] = (
        ("quota", f"user {line.user}"),
        ("resource", name),
        ("limit", limit),
        ("used", held),
        ("held_back", line.left),
        ("flips", f"quota {name} of user {line.user} at least {_text(line, number, wanted)}"),
    )
    return Reason(kind=ReasonKind.QUOTA, text=text, evidence=evidence)


def _project(line: Line[Any], rooms: Rooms, project: Project, number: int) -> Reason:
    name, held = _name(line, number), project.held[number]
    nominal, most = project.nominal[number], project.most[number]
    wanted = held + line.amount[number] * line.left
    lent = max(0, rooms.pools[project.quota.cohort][number])
    if held + line.amount[number] > most:
        bound = (
            f"its nominal quota is {_text(line, number, nominal)} and it may borrow "
            f"{_text(line, number, most - nominal)}"
        )
        flips = f"nominal_quota or borrowing_limit {name} of project {line.project} up by {_text(line, number, wanted - most)}"
    elif held + line.amount[number] > nominal:
        bound = f"its nominal quota is {_text(line, number, nominal)}, and nobody has enough to lend"
        flips = (
            f"nominal_quota {name} of project {line.project} at least {_text(line, number, wanted)}, or the end of "
            "other attempts of its cohort"
        )
    else:
        bound = f"its nominal quota is {_text(line, number, nominal)}, but others have borrowed of it"
        flips = "the end of borrowed attempts, or fair_share: {preemption: {reclaim: any}}"
    text = (
        f"{_jobs(line)} are held back: project {line.project} has {_text(line, number, held)} running or about to; "
        f"{bound}"
    )
    evidence: tuple[tuple[str, int | float | str], ...] = (
        ("quota", f"project {line.project}"),
        ("resource", name),
        ("nominal", nominal),
        ("most", most if most < UNLIMITED else "no limit"),
        ("used", held),
        ("borrowed", project.borrowed[number]),
        ("lent_by_others", lent),
        ("held_back", line.left),
        ("flips", flips),
    )
    return Reason(kind=ReasonKind.QUOTA, text=text, evidence=evidence)
