"""Which rung of the repair ladder comes next for one worker, and when. Pure: a policy, what is known of the worker, and the time.

Called by `repair.py` twice a second for workers with a condition, and by reads. The rungs of one condition follow in the order of the table,
each at its time. The time between two rows is the time that a rung has to take effect. A rung that cannot be carried out is skipped, and the
next one takes its place and its time; a skipped `clean_up` makes no other rung earlier. The last rung is repeated after the cooldown. When
the tries are used up, only `replace` is left; without it, the problem is escalated.
"""

from dataclasses import dataclass, replace

from herder.engine.memory.worker_repair import AGENT, SERVER, ConditionSeen, HealthLife
from herder.model.fleet.repair import ALWAYS, COUNTED, Condition, RepairPolicy, RepairRule, Rung

#: The shortest time that a rung has to work before the next one comes.
RUNG_WORKS_MS = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class NextRung:
    """`at_ms`: when it is due; None: when it has been counted `count` times."""

    condition: Condition
    rung: Rung
    at_ms: int | None
    count: int = 0
    skipped: tuple[Rung, ...] = ()
    """Rungs of the table that were skipped because they cannot be carried out."""
    why: str = ""
    """Why it is `escalate` although the table says otherwise."""

    def due(self, now_ms: int) -> bool:
        return self.at_ms is not None and self.at_ms <= now_ms


def next_rungs(
    policy: RepairPolicy, health: HealthLife, available: frozenset[Rung], now_ms: int
) -> list[NextRung]:
    """One for each condition: those that are due, strongest first, then the others by time."""
    found = [
        each
        for condition, seen in active(health).items()
        if (each := _of_condition(policy, health, available, condition, seen, now_ms)) is not None
    ]

    def order(each: NextRung) -> tuple[int, int, str]:
        if each.at_ms is None:
            return 2, 0, each.condition
        return (
            (0, -each.rung.strength, each.condition) if each.due(now_ms) else (1, each.at_ms, each.condition)
        )

    return sorted(found, key=order)


def active(health: HealthLife) -> dict[Condition, ConditionSeen]:
    """The conditions of all sources, each once, with the earliest start and the highest count. Reports of a silent agent are left out,
    because they may no longer be true."""
    found: dict[Condition, ConditionSeen] = {}
    silent = (SERVER, Condition.NOT_READY) in health.conditions
    for (source, condition), seen in health.conditions.items():
        if silent and source == AGENT:
            continue
        other = found.get(condition)
        if other is None:
            found[condition] = seen
        else:
            first = min(seen, other, key=lambda each: each.since_ms)
            found[condition] = ConditionSeen(
                since_ms=first.since_ms,
                last_seen_ms=max(seen.last_seen_ms, other.last_seen_ms),
                message=first.message,
                count=max(seen.count, other.count),
            )
    return found


def _of_condition(
    policy: RepairPolicy,
    health: HealthLife,
    available: frozenset[Rung],
    condition: Condition,
    seen: ConditionSeen,
    now_ms: int,
) -> NextRung | None:
    rules, why = policy.of(condition), ""
    if not rules:
        return None
    spent = health.repair is not None and health.repair.tries >= policy.tries
    last, at_ms = _last_done(health, rules)
    if spent and any(rule.rung in ALWAYS for rule in rules):
        rules = tuple(rule for rule in rules if rule.rung in ALWAYS)
        last, at_ms = _last_done(health, rules)
    elif spent:
        available, why = ALWAYS, f"repair_tries is {policy.tries}"
    found = _above(rules, last, at_ms, seen, available, now_ms)
    if found is None and last is not None and rules[last].rung is not Rung.ESCALATE:
        rung, again_ms = rules[last].rung, at_ms + int(policy.cooldown_s * 1000)
        found = NextRung(condition=condition, rung=rung, at_ms=again_ms)
        if rung not in available:
            found = _unavailable(condition, again_ms, (rung,))
    if found is None or not found.why:
        return found
    told = health.repair is not None and health.repair.escalated
    return None if told else replace(found, why=why or found.why)


def _last_done(health: HealthLife, rules: tuple[RepairRule, ...]) -> tuple[int | None, int]:
    """The last row of the table that was carried out in this repair, and when."""
    repair = health.repair
    for place in reversed(range(len(rules)) if repair is not None else ()):
        assert repair is not None
        at_ms = repair.done.get((rules[place].condition, rules[place].rung))
        if at_ms is not None:
            return place, at_ms
    return None, 0


def _above(
    rules: tuple[RepairRule, ...],
    last: int | None,
    at_ms: int,
    seen: ConditionSeen,
    available: frozenset[Rung],
    now_ms: int,
) -> NextRung | None:
    """The first row after `last` that can be carried out, at the time of the first skipped row."""
    place = 0 if last is None else last + 1
    before = None if last is None else rules[last]
    skipped: list[Rung] = []
    first_ms: int | None = None
    due_ms: int | None = None
    hastened = False
    for rule in rules[place:]:
        if not hastened:
            due_ms = _due_ms(rule, before, at_ms, seen, now_ms)
        first_ms = first_ms if skipped else due_ms
        if rule.rung in available:
            return NextRung(
                condition=rule.condition,
                rung=rule.rung,
                at_ms=due_ms,
                count=rule.count,
                skipped=tuple(skipped),
            )
        skipped.append(rule.rung)
        hastened = hastened or rule.rung.disrupts
    return _unavailable(rules[0].condition, first_ms, tuple(skipped), rules[place].count) if skipped else None


def _unavailable(
    condition: Condition, at_ms: int | None, skipped: tuple[Rung, ...], count: int = 0
) -> NextRung:
    why = "no rung of the table can be carried out here"
    return NextRung(
        condition=condition, rung=Rung.ESCALATE, at_ms=at_ms, count=count, skipped=skipped, why=why
    )


def _due_ms(
    rule: RepairRule, before: RepairRule | None, before_ms: int, seen: ConditionSeen, now_ms: int
) -> int | None:
    if rule.condition in COUNTED:
        if seen.count < rule.count:
            return None
        at_ms = min(now_ms, seen.last_seen_ms)
        distance_ms = 0
    else:
        at_ms = seen.since_ms + int(rule.after_s * 1000)
        distance_ms = 0 if before is None else int((rule.after_s - before.after_s) * 1000)
    return at_ms if before is None else max(at_ms, before_ms + max(distance_ms, RUNG_WORKS_MS))
