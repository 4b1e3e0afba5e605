"""The kinds of events, `noun.verb`. A filter with an unknown kind is refused, and the answer lists these.

Whoever records a new kind adds it here; a test compares this list with what the source records.
"""

EVENT_KINDS = frozenset(
    {
        "batch.cancelled",
        "batch.committed",
        "batch.ended",
        "driver.fault",
        "driver.forgotten",
        "driver.frozen",
        "driver.missing",
        "driver.recovered",
        "driver.unavailable",
        "driver.unfrozen",
        "job.cancelled",
        "job.preempted",
        "job.preempts",
        "loop.failed",
        "offer.invalid",
        "plan.refused",
        "pool.created",
        "pool.deleted",
        "pool.frozen",
        "pool.quota_exceeded",
        "pool.unfrozen",
        "pool.updated",
        "server.away",
        "server.clock_set",
        "server.reloaded",
        "sharing.updated",
        "token.created",
        "token.revoked",
        "trigger.failed",
        "user.created",
        "user.deleted",
        "user.updated",
        "worker.cordoned",
        "worker.drain_blocked",
        "worker.drained",
        "worker.draining",
        "worker.expired",
        "worker.expires_soon",
        "worker.extended",
        "worker.failed",
        "worker.forgotten",
        "worker.orphan",
        "worker.provisioned",
        "worker.quarantined",
        "worker.ready",
        "worker.recovered",
        "worker.requested",
        "worker.terminated",
        "worker.terminating",
        "worker.tested",
        "worker.trouble",
        "worker.uncordoned",
        "worker.unhealthy",
    }
)


def is_filter(text: str) -> bool:
    """Whether it is a kind, or the beginning of one up to its noun: `worker`, `worker.`, `worker.ready`."""
    noun = text.removesuffix(".")
    return text in EVENT_KINDS or any(kind.startswith(f"{noun}.") for kind in EVENT_KINDS)
