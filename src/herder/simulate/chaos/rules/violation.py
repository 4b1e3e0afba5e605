"""A broken rule, as a sentence, with the time at which it was found; and the names of all rules."""

from dataclasses import dataclass

RULES = frozenset(
    {
        "memory is consistent",
        "rows are consistent",
        "nothing inside fails",
        "every action has a reason",
        "one live attempt",
        "an end is final",
        "a job that ended has no live attempt",
        "held jobs do not start",
        "as many jobs of a batch run as may",
        "counts of groups are those of their jobs",
        "jobs of cancelled groups do not start",
        "an attempt begins once",
        "no attempt begins before its row is durable",
        "a success was done",
        "a failure was seen",
        "no attempt is given up that its agent has",
        "nothing accepted is lost",
        "nothing is accepted twice",
        "each accepted job ends",
        "the end of a batch is announced",
        "types keep their limits",
        "no job starts after its deadline",
        "jobs end at their deadline",
        "no job starts after its queue timeout",
        "a record becomes one job",
        "the end of a record is written back",
        "a closed row stays closed",
        "a terminating worker does not return",
        "a pool never exceeds its maximum",
        "a pool never exceeds its live maximum",
        "limits per cycle are respected",
        "cooldowns are respected",
        "quotas are respected",
        "offers rest after a failure",
        "capacity in flight counts",
        "a minimum is kept over an expiry",
        "short lives are made rarely",
        "a pool is not drained below its minimum",
        "who is drained as idle is idle",
        "gradual limits are respected",
        "disruption budgets are respected",
        "a worker costs what its offer cost",
        "rows have the time of the clock",
        "only legal transitions",
        "starts keep their distance",
        "few machines are made at a time",
        "creations are tried a few times",
        "tries keep their distance",
        "a creation is followed by its operation",
        "a worker with a notice gets no work",
        "a notice is acted upon",
        "attempts know the end of their machine",
        "attempts have the time of a notice",
        "attempts end with their notice",
        "boots end",
        "drains end",
        "the dead are noticed",
        "no worker is dead while it calls",
        "a machine has its row first",
        "a closed row has no machine",
        "no machine is left over",
        "no row is left over",
        "no worker is gone while its machine exists",
        "no worker is gone while it calls",
        "a provider that lies costs few workers",
        "no driver is frozen for nothing",
        "pods that fit are bound",
        "no node is left over",
        "no Job is left over",
        "a Job runs one pod",
        "no node is removed whose machine exists",
        "no machine is removed under pods",
        "no pod is deleted before its deadline",
        "pods are evicted within their budgets",
        "cordons of others stay",
        "the fleet reaches what the policy wants",
        "a fleet at rest stays as it is",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    rule: str
    """One of `RULES`."""
    text: str
    at_s: float

    def __post_init__(self) -> None:
        assert self.rule in RULES, f"no rule has the name {self.rule!r}"
