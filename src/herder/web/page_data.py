"""Everything the dashboard shows at one moment, read once and shared by all sections. Called by `live.py` and the page itself."""

from collections import Counter
from dataclasses import dataclass

from herder.control.reads.port import Reads
from herder.model.fleet.worker import WorkerState
from herder.model.ids import UserName
from herder.model.permissions import Principal, Role
from herder.web.decisions import Decision, decision
from herder.web.formatting import milliseconds
from herder.web.trend import Sample, Trend
from herder.wire.api.clusters import ClusterView
from herder.wire.api.resources import PoolView, Status, WorkerView

#: Rows of the table of workers; the command line has the rest.
WORKERS_MAX = 100
#: Plans shown, newest first.
PLANS_MAX = 10
#: A fault older than this is history and no longer at the top of the page.
FAULT_AGE_MS = 3_600_000

_ROLE_ORDER = ("ready", "starting", "draining", "unhealthy")
_ROLES = {
    WorkerState.REQUESTED: "starting",
    WorkerState.PROVISIONING: "starting",
    WorkerState.JOINING: "starting",
    WorkerState.READY: "ready",
    WorkerState.UNHEALTHY: "unhealthy",
    WorkerState.DRAINING: "draining",
    WorkerState.TERMINATING: "draining",
    WorkerState.TERMINATED: "draining",
    WorkerState.FAILED: "draining",
}

JOB_STATES = ("running", "ready", "blocked", "held", "pending", "succeeded", "failed", "cancelled", "skipped")
JOB_MEANINGS = {
    "running": "an attempt is running",
    "ready": "queued, can start",
    "blocked": "waiting for parents",
    "held": "held until released",
    "pending": "batch not committed",
    "succeeded": "ended with success",
    "failed": "ended, no attempts left",
    "cancelled": "cancelled by a user",
    "skipped": "a parent did not succeed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    at: str | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    now_ms: int
    sequence: int
    """Of the last event that may be in it."""
    status: Status
    clusters: list[ClusterView]
    workers: list[WorkerView]
    decisions: list[Decision]
    samples: tuple[Sample, ...]

    @property
    def pools(self) -> list[PoolView]:
        return self.status.pools

    @property
    def workers_total(self) -> int:
        return sum(self.status.workers.values())

    @property
    def workers_in_words(self) -> str:
        """`5 ready, 2 starting, 1 draining`; only what there is."""
        parts: Counter[str] = Counter()
        for state, number in self.status.workers.items():
            parts[_ROLES[WorkerState(state)]] += number
        return ", ".join(f"{parts[role]:,} {role}" for role in _ROLE_ORDER if parts[role]) or "none"

    @property
    def span_s(self) -> int:
        """How long the trend is."""
        return (self.samples[-1].at_ms - self.samples[0].at_ms) // 1000 if self.samples else 0

    @property
    def queued_jobs(self) -> int:
        """Of the moment of the last sample, as the chart has it."""
        return self.samples[-1].queued if self.samples else self.status.jobs.get("ready", 0)

    @property
    def running_jobs(self) -> int:
        return self.samples[-1].running if self.samples else self.status.jobs.get("running", 0)

    def values(self, figure: str) -> list[int]:
        return [getattr(sample, figure) for sample in self.samples]

    @property
    def jobs(self) -> list[tuple[str, str, int]]:
        """(state, what it means, how many), those with a future first."""
        return [(state, JOB_MEANINGS[state], self.status.jobs.get(state, 0)) for state in JOB_STATES]

    @property
    def faults(self) -> list[Fault]:
        """What a person should look at now."""
        now = (*self.status.attention, *self.status.drivers)
        found = [Fault(at=None, text=sentence) for sentence in now]
        for line in self.status.recent_failures:
            at, _, text = line.partition(" ")
            said = any(sentence in text for sentence in now)
            if not said and self.now_ms - milliseconds(at) < FAULT_AGE_MS:
                found.append(Fault(at=at, text=text))
        return found


#: The sections are rendered once for everybody, so they show what everybody may see.
_ANYBODY = Principal(UserName(""), Role.VIEWER)


async def look(reads: Reads, trend: Trend) -> Picture:
    sequence = reads.last_event
    workers = await reads.workers(_ANYBODY, limit=WORKERS_MAX)
    plans = await reads.plans(_ANYBODY, limit=PLANS_MAX)
    return Picture(
        now_ms=reads.now_ms(),
        sequence=sequence,
        status=await reads.status(_ANYBODY),
        clusters=reads.clusters(_ANYBODY).items,
        workers=workers.items,
        decisions=[decision(plan) for plan in plans.items],
        samples=trend.samples,
    )
