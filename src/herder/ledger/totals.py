"""Running totals of what has ended: by account (user, project, pool), by batch, by pool. Booked once for each interval.

Held by the kernel, filled at each hand-over with the engine's intervals, written with the commit that carries them.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from herder.ledger.alerts.raising import Alerts
from herder.ledger.budgets.leases import Leases
from herder.ledger.costs import cost
from herder.model.ids import BatchId, PoolName, UserName
from herder.model.stored.recommendation_records import RecommendationRecord
from herder.model.stored.report_records import ReportScheduleRecord
from herder.model.work.usage import AttemptUsage, UsageInterval

Account = tuple[UserName, str, PoolName]
"""(user, project, pool)."""


@dataclass(slots=True, kw_only=True)
class Spent:
    attempts: int = 0
    cost_pico: int = 0


@dataclass(slots=True)
class Totals:
    accounts: dict[Account, Spent] = field(default_factory=dict)
    """Of ended attempts."""
    batches: dict[BatchId, int] = field(default_factory=dict)
    """Pico-USD of the ended attempts of batches that have not ended; `end_batch` takes one out."""
    pools: dict[PoolName, int] = field(default_factory=dict)
    """Pico-USD of machines that are gone."""
    alerts: Alerts = field(default_factory=lambda: Alerts({}))
    recommendations: dict[str, RecommendationRecord] = field(default_factory=dict)
    """By id, as they are stored: what is recommended, and what became of it."""
    report_schedules: dict[str, ReportScheduleRecord] = field(default_factory=dict)
    """By name."""
    looked_ms: int | None = None
    """When facts were last looked at for recommendations; None: not since the server leads."""
    last_entry: int = 0
    """Of the log of use: the number of the last one."""
    folded: int | None = None
    """The last one that the rows by day count. None: the store knows it."""
    sample_due: bool = False
    """The next hand-over is to take a sample."""
    closed: dict[str, int] = field(default_factory=dict)
    """By closed month, what it knows: reports and rates that came by then."""
    closing: dict[str, str] = field(default_factory=dict)
    """Months that are to be closed, and who asked for it."""
    budgets: Leases = field(default_factory=Leases)
    changed_accounts: set[Account] = field(default_factory=set)
    changed_batches: set[BatchId] = field(default_factory=set)
    changed_pools: set[PoolName] = field(default_factory=set)
    """What was booked on since the last commit took it along."""

    def book(self, intervals: Iterable[UsageInterval]) -> None:
        """Attempts are many, and most of a hand-over are of few users and batches: these are summed up first."""
        accounts: dict[Account, tuple[int, int]] = {}
        batches: dict[BatchId, int] = {}
        for usage in intervals:
            pico, pool = cost(usage), usage.machine.pool
            if not isinstance(usage, AttemptUsage):
                self.pools[pool] = self.pools.get(pool, 0) + pico
                self.changed_pools.add(pool)
                continue
            account = (usage.user, usage.project, pool)
            attempts, so_far = accounts.get(account, (0, 0))
            accounts[account] = (attempts + 1, so_far + pico)
            if usage.batch is not None:
                batches[usage.batch] = batches.get(usage.batch, 0) + pico
        for account, (attempts, pico_sum) in accounts.items():
            spent = self.accounts.setdefault(account, Spent())
            spent.attempts += attempts
            spent.cost_pico += pico_sum
        for batch, pico_sum in batches.items():
            self.batches[batch] = self.batches.get(batch, 0) + pico_sum
        self.changed_accounts |= accounts.keys()
        self.changed_batches |= batches.keys()

    def end_batch(self, batch: BatchId) -> None:
        """Its total is in its row for good."""
        self.batches.pop(batch, None)
