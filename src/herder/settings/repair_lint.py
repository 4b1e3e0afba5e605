"""Warnings about a pool's repair ladder: rungs that never come, and a ladder that nothing can climb. Called by `lint`; pure."""

from collections.abc import Iterator

from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.repair import COUNTED, RESTARTS, Condition, RepairRule, Rung
from herder.settings.syntax.durations import format_duration

Finding = tuple[str, str, str]
"""(setting, what is wrong, remedy)."""


def repair_findings(pool: PoolSpec) -> Iterator[Finding]:
    policy = pool.repair
    if not policy.rules:
        if policy.quarantine:
            yield (
                "quarantine",
                "quarantine has no effect, because repair is off and sick workers are not replaced.",
                "Write repair: default, or quarantine: 0.",
            )
        return
    for condition in dict.fromkeys(rule.condition for rule in policy.rules):
        yield from _of_condition(policy.of(condition))
    silent = {rule.rung for rule in policy.of(Condition.NOT_READY)}
    if silent & RESTARTS and Rung.REPLACE not in silent:
        yield (
            "repair",
            "A silent worker that no restart brings back stays and costs, because NotReady has no row with replace.",
            "Add for example `- {condition: NotReady, after: 20m, rung: replace}`.",
        )
    if policy.cooldown_s == 0:
        yield (
            "repair_cooldown",
            "With repair_cooldown 0 the last rung is repeated without a pause, and tries are forgotten at once.",
            "Write for example 15m.",
        )
    if policy.breaker.limit(1) == 0:
        which = "workers" if policy.breaker.workers == 0 else "percent"
        yield (
            "repair_breaker",
            f"No worker is ever restarted, rebooted or replaced by its repair, because {which} of repair_breaker is 0.",
            f"Set {which} to 1 or more, or write repair: off.",
        )
    if policy.quarantine >= pool.size.max_workers > 0:
        yield (
            "quarantine",
            f"{policy.quarantine} workers in quarantine can fill the pool (max_workers {pool.size.max_workers}), and none is left for jobs.",
            "Lower quarantine, or raise max_workers.",
        )


def _of_condition(rules: tuple[RepairRule, ...]) -> Iterator[Finding]:
    last: RepairRule | None = None
    for rule in rules:
        if last is not None and last.rung is Rung.REPLACE:
            yield (
                "repair",
                f"{rule.rung} of {rule.condition} never comes, because a row before it replaces the worker.",
                "Remove the row, or write it above replace.",
            )
        elif last is not None and _when(rule) <= _when(last):
            yield (
                "repair",
                f"{rule.rung} of {rule.condition} ({_shown(rule)}) never comes in time, because the row before it has {_shown(last)}.",
                f"Give {rule.rung} more than {_shown(last)}, or change the order of the rows.",
            )
        last = rule


def _when(rule: RepairRule) -> float:
    return rule.count if rule.condition in COUNTED else rule.after_s


def _shown(rule: RepairRule) -> str:
    return f"count {rule.count}" if rule.condition in COUNTED else f"after {format_duration(rule.after_s)}"
