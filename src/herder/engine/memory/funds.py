"""What budgets of users and projects have left for jobs that start before the next look of `control/loops/account_leases.py`.

Made anew at each look, in memory only. Placement starts no more jobs than can pay for their next quantum; a job counts with the most that it
can cost on any worker. Installations without such budgets have none of it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from herder.model.ids import UserName
from herder.model.work.demand import DemandGroup
from herder.model.work.job import JobClass

G = TypeVar("G", bound=DemandGroup)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpaid:
    """So many jobs of a class that a budget does not pay."""

    queued: DemandGroup
    count: int
    budget: str
    left: int
    needs: int
    """Of one job, for its next quantum; pico-USD."""


@dataclass(slots=True)
class Funds:
    left: dict[str, int]
    """By budget, in pico-USD; those without a limit are not among them."""
    budgets_of: Callable[[UserName, str], tuple[str, ...]]
    """Of a user and project: the budgets with a limit that pay, those above them as well."""
    price_of: Callable[[JobClass], int]
    """The most that a job of the class can cost in its next quantum."""
    held_back: bool = False
    """Whether a job had to wait since they were made."""
    _prices: dict[JobClass, int] = field(default_factory=dict)

    def capped(self, pending: Sequence[G], with_count: Callable[[G, int], G]) -> list[G]:
        """What of it may start, in the same order; the most urgent are paid first, then the oldest."""
        unpaid = {each.queued.class_id: each.count for each in self.unpaid(pending)}
        if not unpaid:
            return list(pending)
        self.held_back = True
        return [
            item if not (less := unpaid.get(item.class_id, 0)) else with_count(item, item.count - less)
            for item in pending
            if item.count > unpaid.get(item.class_id, 0)
        ]

    def unpaid(self, pending: Iterable[DemandGroup]) -> list[Unpaid]:
        left, found = dict(self.left), []
        for item in sorted(
            pending, key=lambda each: (-each.asks.priority, each.oldest_ready_at_ms, each.class_id)
        ):
            if not isinstance(item.asks, JobClass):
                continue
            names = self.budgets_of(item.asks.user, item.asks.project)
            least = min(names, key=lambda name: left[name], default=None)
            price = self._price(item.asks)
            if least is None or not price:
                continue
            starts = min(item.count, max(0, left[least]) // price)
            for name in names:
                left[name] -= starts * price
            if starts < item.count:
                unpaid = item.count - starts
                found.append(
                    Unpaid(queued=item, count=unpaid, budget=least, left=self.left[least], needs=price)
                )
        return found

    def pays(self, job_class: JobClass) -> bool:
        """For one more job of the class."""
        price = self._price(job_class)
        return all(self.left[name] >= price for name in self.budgets_of(job_class.user, job_class.project))

    def take(self, job_class: JobClass, count: int) -> None:
        """So many have started."""
        for name in self.budgets_of(job_class.user, job_class.project):
            self.left[name] -= count * self._price(job_class)

    def _price(self, job_class: JobClass) -> int:
        price = self._prices.get(job_class)
        if price is None:
            price = self._prices[job_class] = self.price_of(job_class)
        return price
