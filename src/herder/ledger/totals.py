"""Running totals of what has ended: by account (user, project, pool), by batch, by pool. Booked once for each interval.

Held by the kernel, filled at each hand-over with the engine's intervals, written with the commit that carries them.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from herder.ledger.prices import cost
from herder.model.ids import BatchId, PoolName, UserName
from herder.model.usage import AttemptUsage, UsageInterval

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
    changed_accounts: set[Account] = field(default_factory=set)
    changed_batches: set[BatchId] = field(default_factory=set)
    changed_pools: set[PoolName] = field(default_factory=set)
    """What was booked on since the last commit took it along."""

    def book(self, intervals: Iterable[UsageInterval]) -> None:
        for usage in intervals:
            if isinstance(usage, AttemptUsage):
                self._book_attempt(usage)
            else:
                pool = usage.machine.pool
                self.pools[pool] = self.pools.get(pool, 0) + cost(usage)
                self.changed_pools.add(pool)

    def _book_attempt(self, usage: AttemptUsage) -> None:
        account, pico = (usage.user, usage.project, usage.machine.pool), cost(usage)
        spent = self.accounts.get(account)
        if spent is None:
            spent = self.accounts[account] = Spent()
        spent.attempts += 1
        spent.cost_pico += pico
        self.changed_accounts.add(account)
        if usage.batch is not None:
            self.batches[usage.batch] = self.batches.get(usage.batch, 0) + pico
            self.changed_batches.add(usage.batch)

    def end_batch(self, batch: BatchId) -> None:
        """Its total is in its row for good."""
        self.batches.pop(batch, None)
