"""A measured figure, and what it is held against. Made by the measurements, shown by `report`.

The floor is what must be reached, the goal what is wanted. Nothing here decides what is measured or how.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Reached(StrEnum):
    GOAL = "goal"
    FLOOR = "floor"
    NO = "no"
    UNSAID = "–"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    floor: float
    goal: float
    more_is_better: bool = False

    def verdict(self, value: float) -> Reached:
        sign = 1 if self.more_is_better else -1
        if sign * value >= sign * self.goal:
            return Reached.GOAL
        return Reached.FLOOR if sign * value >= sign * self.floor else Reached.NO


def _rate(floor: float, goal: float) -> Target:
    return Target(floor=floor, goal=goal, more_is_better=True)


#: By measurement and name of the figure.
TARGETS: dict[tuple[str, str], Target] = {
    ("bulk-submit", "rate"): _rate(20_000, 50_000),
    ("single-submits", "rate"): _rate(1_000, 3_000),
    ("noop-jobs", "rate"): _rate(2_000, 6_000),
    ("noop-jobs", "CPU, all processes"): Target(floor=500, goal=200),
    ("graphs", "rate"): _rate(5_000, 5_000),
    ("users", "furthest from the mean"): Target(floor=1, goal=1),
    ("users", "rate against one user"): _rate(0.9, 1.0),
    ("process-jobs", "rate"): _rate(300, 600),
    ("python-client", "call p50"): Target(floor=20, goal=20),
    ("python-client", "batch"): Target(floor=15, goal=15),
    ("python-client", "server memory, peak"): Target(floor=300, goal=300),
    ("submit-to-start", "p50"): Target(floor=10, goal=5),
    ("submit-to-start", "p99"): Target(floor=50, goal=50),
    ("long-queue", "no-op CPU against a short queue"): Target(floor=1.20, goal=1.05),
    ("long-queue", "no-op wall time against a short queue"): Target(floor=1.20, goal=1.05),
    ("long-queue", "memory"): Target(floor=400, goal=150),
    ("long-queue", "submit-to-start p50"): Target(floor=10, goal=5),
    ("long-queue", "submit-to-start p99"): Target(floor=50, goal=50),
    ("idle-workers", "submit-to-start p50"): Target(floor=10, goal=5),
    ("idle-workers", "submit-to-start p99"): Target(floor=50, goal=50),
    ("replay", "a million job events"): Target(floor=60, goal=20),
    ("retention", "size after ten times the jobs"): Target(floor=1.2, goal=1.05),
    ("retention", "pruning transaction p99"): Target(floor=50, goal=30),
    ("retention", "pruning transaction, longest"): Target(floor=50, goal=50),
    ("retention", "pruning transaction, most CPU"): Target(floor=50, goal=50),
    ("usage", "use by day, computed anew"): Target(floor=12, goal=12),
    ("ledger-rebuild", "ten million events"): Target(floor=300, goal=300),
    ("ledger-rebuild", "memory, peak"): Target(floor=2_000, goal=2_000),
    ("focus-export", "a million lines"): Target(floor=60, goal=60),
    ("focus-export", "server memory, peak"): Target(floor=500, goal=500),
    ("focus-export", "command memory, peak"): Target(floor=500, goal=500),
    ("budget-decisions", "reserve, p99"): Target(floor=1_000, goal=1_000),
    ("budget-decisions", "renew, p99"): Target(floor=1_000, goal=1_000),
    ("budget-decisions", "settle, p99"): Target(floor=1_000, goal=1_000),
    ("budget-decisions", "price of use, p99"): Target(floor=1_000, goal=1_000),
    ("recovery", "time"): Target(floor=3, goal=3),
    ("reconnect", "last answer"): Target(floor=10, goal=5),
    ("cluster", "first picture"): Target(floor=30, goal=30),
    ("cluster", "memory, peak"): Target(floor=900, goal=450),
    ("data", "file, of obstore alone"): _rate(0.7, 0.9),
    ("data", "http, of obstore alone"): _rate(0.7, 0.9),
    ("containers", "job against podman run"): Target(floor=1.3, goal=1.0),
    ("cluster", "CPU of a core"): Target(floor=10, goal=10),
    ("cluster", "change to picture p99"): Target(floor=1_000, goal=300),
    ("decisions", "mixed items, one template"): Target(floor=1.05, goal=1.02),
    ("decisions", "mixed items, 24 templates"): Target(floor=1.03, goal=1.01),
    ("decisions", "anti-correlated items, one template"): Target(floor=1.10, goal=1.05),
    ("decisions", "anti-correlated items, 24 templates"): Target(floor=1.10, goal=1.05),
    ("decisions", "100,000 items of 500 shapes on 10,000 workers"): Target(floor=2.0, goal=1.0),
    ("decisions", "the same when one shape has changed"): Target(floor=0.2, goal=0.05),
    ("decisions", "fair share of 10,000 users"): Target(floor=20, goal=20),
    ("decisions", "200 VMs on 8 nodes of Proxmox"): Target(floor=1.0, goal=0.2),
    ("decisions", "placement pass, 100,000 pending"): Target(floor=100, goal=100),
    ("decisions", "expected starts of 100,000 jobs"): Target(floor=100, goal=100),
    ("decisions", "plan, 100,000 pending, and why pool"): Target(floor=50, goal=50),
    ("decisions", "why job, in the server"): Target(floor=50, goal=50),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """`value` is the median of `runs`, or the only one there is."""

    measurement: str
    name: str
    unit: str
    value: float
    runs: tuple[float, ...] = ()
    note: str = ""

    @property
    def target(self) -> Target | None:
        return TARGETS.get((self.measurement, self.name))

    @property
    def reached(self) -> Reached:
        return self.target.verdict(self.value) if self.target else Reached.UNSAID


def median_of(measurement: str, name: str, unit: str, runs: Sequence[float], note: str = "") -> Figure:
    return Figure(
        measurement=measurement,
        name=name,
        unit=unit,
        value=statistics.median(runs),
        runs=tuple(runs),
        note=note,
    )


def percentile(values: Sequence[float], percent: int) -> float:
    """The smallest value that at least so many per cent of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]
