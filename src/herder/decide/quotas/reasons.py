"""Reasons for jobs that wait for quota, with the smallest change that would let them start.

Called for the planner's scene: no workers are made for what quotas hold back, and the plan says so. The words are read from an
`Allowance`; nothing is decided here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from herder.decide.quotas.allowed_starts import QuotaEntry, QuotaInput, allow
from herder.decide.quotas.usage import UNLIMITED, Project, RemainingQuota
from herder.model.ids import ClassId
from herder.model.planning.observed import Observed
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.values.phrases import agree, counted
from herder.model.work.demand import DemandGroup
from herder.model.work.job_type import SLOT
from herder.model.work.sharing import Amounts, dimension_at


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBack:
    """`count` of the waiting jobs of a class; the others may start."""

    queued: DemandGroup
    count: int
    reason: Reason


def held_back(
    observed: Observed,
    waiting: Sequence[DemandGroup],
    counts: Mapping[ClassId, int],
    reason: Callable[[DemandGroup, int], Reason],
) -> tuple[list[DemandGroup], tuple[HeldBack, ...]]:
    """What of `waiting` may start, and what not. `counts`: by class, of how many waiting jobs that is so."""
    if not counts:
        return list(waiting), ()
    there = {queued.class_id: queued.count for queued in observed.demand}
    free, held = [], []
    for queued in waiting:
        less = counts.get(queued.class_id, 0)
        most = min(queued.count, there[queued.class_id] - less) if less else queued.count
        if most > 0:
            free.append(queued if most == queued.count else replace(queued, count=most))
        if most < queued.count:
            count = queued.count - max(0, most)
            held.append(HeldBack(queued=queued, count=count, reason=reason(queued, count)))
    return free, tuple(held)


def within_quotas(observed: Observed) -> tuple[list[DemandGroup], tuple[HeldBack, ...]]:
    """What of the queue may start, and what not."""
    if not observed.sharing.has_quotas:
        return [queued for queued in observed.demand if queued.count > 0], ()
    quota_input = QuotaInput(
        sharing=observed.sharing,
        held={(user, project): amounts for user, project, amounts in observed.held},
        running_types=dict(observed.running_types),
        weights=dict(observed.weights),
        aged_ms=observed.aged_ms,
    )
    allowance = allow(observed.demand, quota_input)
    held_back = tuple(
        HeldBack(queued=entry.queued, count=entry.left, reason=reason_of(entry, allowance.remaining))
        for entry in sorted(allowance.held_back, key=lambda entry: entry.queued.class_id)
    )
    return allowance.capped(), held_back


def _name(entry: QuotaEntry[Any], place: int) -> str:
    """As herder.yaml calls it."""
    dimension = dimension_at(entry.amount.table, place)
    return "jobs" if dimension is None else dimension.key


def _text(entry: QuotaEntry[Any], place: int, amount: int) -> str:
    """An amount with its unit, by its place in `Amounts`."""
    dimension = dimension_at(entry.amount.table, place)
    return counted(amount, "running job") if dimension is None else dimension.text(amount)


def reason_of(entry: QuotaEntry[Any], remaining: RemainingQuota) -> Reason:
    """Why the rest of this class may not start now. `remaining`: when all that may start have."""
    if entry.type and not remaining.types.own_room(entry.type):
        return _type(entry, remaining)
    ceiling = remaining.ceiling_of(entry.project, entry.user)
    for number, ask in enumerate(entry.amount):
        if ask > ceiling[number]:
            return _never(entry, number, ceiling)
    short = _first_short(entry.amount, remaining.of_user(entry.user))
    if short is not None:
        return _user(entry, remaining, short)
    short = _first_short(entry.amount, remaining.of_project(entry.project))
    project = remaining.projects.get(entry.project)
    if project is not None and short is not None:
        return _project(entry, remaining, project, short)
    if entry.type and not remaining.types.room(entry.type):
        return _type(entry, remaining)
    text = f"{_jobs(entry)} {_wait(entry)} for an older job of project {entry.project}, for which its quota is reserved."
    evidence = (
        ("quota", f"project {entry.project}"),
        ("held_back", entry.left),
        ("flips", "the start of that job"),
    )
    return Reason(kind=ReasonKind.QUOTA, text=text, evidence=evidence)


def _type(entry: QuotaEntry[Any], remaining: RemainingQuota) -> Reason:
    types, name = remaining.types, entry.type
    running, known = types.running.get(name, 0), types.types.get(name)
    if known is not None and known.max_concurrent is not None and not types.own_room(name):
        setting, limit, used = "max_concurrent", known.max_concurrent, float(running)
        text = (
            f"{_jobs(entry)} {_wait(entry)} for job type {name}: {running:,} of its jobs run or may start, "
            f"and max_concurrent is {limit:,}."
        )
        flips = f"max_concurrent of job type {name} at least {running + entry.left:,}"
    else:
        setting, limit, used = "slots", (types.slots_milli or 0) // SLOT, types.taken_milli / SLOT
        weight = types.weight_milli(name) / SLOT
        text = (
            f"{_jobs(entry)} {_wait(entry)} for slots of job types: each job of type {name} takes {weight:g}, "
            f"and {used:g} of {limit:,} are in use."
        )
        flips = f"fair_share: {{job_types: {{slots}}}} of at least {used + entry.left * weight:g}"
    evidence: tuple[tuple[str, int | float | str], ...] = (
        ("quota", f"job type {name}"),
        ("resource", setting),
        ("limit", limit),
        ("used", used),
        ("held_back", entry.left),
        ("flips", flips),
    )
    return Reason(kind=ReasonKind.QUOTA, text=text, evidence=evidence)


def lent_out(entry: QuotaEntry[Any], remaining: RemainingQuota) -> Amounts | None:
    """What others have borrowed and one job of the line lacks; None when its project is not owed that."""
    project = remaining.projects.get(entry.project)
    if project is None or _first_short(entry.amount, remaining.of_user(entry.user)) is not None:
        return None
    with_it = project.held.plus(entry.amount)
    room = remaining.of_project(entry.project)
    if not with_it.fits_in(project.nominal):
        return None
    missing = entry.amount.beyond(room)
    return missing if any(missing) else None


def _first_short(amount: Amounts, room: Amounts) -> int | None:
    return next((number for number, ask in enumerate(amount) if ask > room[number]), None)


def _jobs(entry: QuotaEntry[Any]) -> str:
    return f"{entry.left:,} of {entry.left + entry.granted:,} such jobs"


def _wait(entry: QuotaEntry[Any]) -> str:
    return agree(entry.left, "waits", "wait")


def _never(entry: QuotaEntry[Any], number: int, ceiling: Amounts) -> Reason:
    most = _text(entry, number, ceiling[number])
    text = (
        f"{_jobs(entry)} can never start: each requests {_text(entry, number, entry.amount[number])}, and the quotas of project "
        f"{entry.project} and user {entry.user} allow at most {most}."
    )
    evidence: tuple[tuple[str, int | float | str], ...] = (
        ("quota", f"project {entry.project}, user {entry.user}"),
        ("resource", _name(entry, number)),
        ("ceiling", ceiling[number]),
        ("held_back", entry.left),
        ("flips", f"a quota of {_text(entry, number, entry.amount[number])}, or smaller jobs"),
    )
    return Reason(kind=ReasonKind.QUOTA, text=text, evidence=evidence)


def _user(entry: QuotaEntry[Any], remaining: RemainingQuota, number: int) -> Reason:
    limit, held = remaining.users[entry.user][number], remaining.user_held[entry.user][number]
    wanted = held + entry.amount[number] * entry.left
    name = _name(entry, number)
    text = (
        f"{_jobs(entry)} {_wait(entry)} for quota: user {entry.user} uses {_text(entry, number, held)} "
        f"of a quota of {_text(entry, number, limit)}."
    )
    evidence: tuple[tuple[str, int | float | str], ...] = (
        ("quota", f"user {entry.user}"),
        ("resource", name),
        ("limit", limit),
        ("used", held),
        ("held_back", entry.left),
        ("flips", f"quota {name} of user {entry.user} at least {_text(entry, number, wanted)}"),
    )
    return Reason(kind=ReasonKind.QUOTA, text=text, evidence=evidence)


def _project(entry: QuotaEntry[Any], remaining: RemainingQuota, project: Project, number: int) -> Reason:
    name, held = _name(entry, number), project.held[number]
    nominal, most = project.nominal[number], project.most[number]
    wanted = held + entry.amount[number] * entry.left
    lent = max(0, remaining.pools[project.quota.cohort][number])
    if held + entry.amount[number] > most:
        bound = (
            f"its nominal quota is {_text(entry, number, nominal)} and it may borrow "
            f"{_text(entry, number, most - nominal)}"
        )
        flips = f"nominal_quota or borrowing_limit {name} of project {entry.project} up by {_text(entry, number, wanted - most)}"
    elif held + entry.amount[number] > nominal:
        bound = f"its nominal quota is {_text(entry, number, nominal)}, and no project of its cohort has enough to lend"
        flips = (
            f"nominal_quota {name} of project {entry.project} at least {_text(entry, number, wanted)}, or the end of "
            "other attempts of its cohort"
        )
    else:
        bound = (
            f"its nominal quota is {_text(entry, number, nominal)}, but other projects have borrowed a part"
        )
        flips = "the end of borrowed attempts, or fair_share: {preemption: {reclaim: any}}"
    text = f"{_jobs(entry)} {_wait(entry)} for quota: project {entry.project} uses {_text(entry, number, held)}; {bound}."
    evidence: tuple[tuple[str, int | float | str], ...] = (
        ("quota", f"project {entry.project}"),
        ("resource", name),
        ("nominal", nominal),
        ("most", most if most < UNLIMITED else "no limit"),
        ("used", held),
        ("borrowed", project.borrowed[number]),
        ("lent_by_others", lent),
        ("held_back", entry.left),
        ("flips", flips),
    )
    return Reason(kind=ReasonKind.QUOTA, text=text, evidence=evidence)
