"""Body of the REST API about the health of a worker: conditions, the repair ladder, the breaker and the quarantine."""

import msgspec


class ConditionView(msgspec.Struct, kw_only=True):
    condition: str
    source: str
    """Who reports it: agent, server, cluster, or system (the operating system, asked by the bootstrap)."""
    since: str
    last_seen: str
    count: int
    """Of conditions that are counted: KubeletCrashLoop, RuntimeCrash, FailedAttempts."""
    message: str


class SystemView(msgspec.Struct, kw_only=True):
    """The operating system of the machine, as its bootstrap knows it."""

    bootstrap: str
    stage: str
    """maintenance, booting, running, upgrading, stopping or unknown; empty: it has not answered since the server started."""
    ready: bool | None
    """None: unknown."""
    version: str
    text: str
    """Why it is not ready; empty when it is."""
    seen_at: str | None
    """When it answered last."""
    trouble: str
    """Why the last question had no answer; empty when it had one."""


class RepairView(msgspec.Struct, kw_only=True):
    """The last rung, in the repair that is under way or not forgotten yet."""

    condition: str
    rung: str
    step: str
    """draining, due or acted."""
    since: str
    acted_at: str | None
    result: str
    tries: int
    tries_max: int
    escalated: bool
    """People were told, because nothing more can be done."""
    well_since: str | None


class NextRungView(msgspec.Struct, kw_only=True):
    condition: str
    rung: str
    at: str | None
    """None: when it has been counted `count` times."""
    count: int
    skipped: list[str]
    """Rungs of the table in whose place it comes, because nobody can carry them out."""


class BreakerView(msgspec.Struct, kw_only=True):
    open: bool
    """No further repair that takes a worker of the pool away may begin."""
    under_repair: list[str]
    limit: int
    window_s: float


class WorkerHealthView(msgspec.Struct, kw_only=True):
    worker: str
    pool: str
    state: str
    health: str
    reason: str
    conditions: list[ConditionView]
    repair: RepairView | None
    next: list[NextRungView]
    """At most one for each condition: those that are due, then the others as they come."""
    held: str
    """Why what is due is not done; empty when nothing is held back."""
    breaker: BreakerView
    quarantined_at: str | None
    quarantined_until: str | None
    system: SystemView | None
    """None: its pool has no bootstrap."""
