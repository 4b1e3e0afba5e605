"""The warm-worker trigger: idle workers that are worth their price, because demand has recently risen faster than workers boot.

Called by the planner after everything else is settled: what is made for other reasons and has nothing to do counts. It asks
for the template whose demand rose, never for more than the limits leave. Scale-down keeps what it wants, for the same reason.
"""

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from herder.decide.scaling.combine import over_offers
from herder.decide.scaling.limits import GrowthLimit
from herder.decide.scaling.offers.backoff import cheapest_first
from herder.decide.scaling.proposals import Proposal, WorkerRequest, workers_by_offer
from herder.decide.scaling.signals.utilisation import is_empty
from herder.decide.scaling.signals.warm_workers import Stock
from herder.decide.scaling.snapshot import PoolView
from herder.model.ids import WorkerName
from herder.model.planning.observed import ObservedWorker
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.values.phrases import agree, counted
from herder.model.values.times import iso


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmWorkersResult:
    """`cut`: what a limit keeps from it, with how many workers are missing."""

    proposals: tuple[Proposal, ...] = ()
    cut: tuple[tuple[WorkerRequest, int], ...] = ()


def needs_of(
    view: PoolView, leaving: Set[WorkerName], used: Set[WorkerName], queue: tuple[Proposal, ...]
) -> dict[str, int]:
    """By template: workers that work, and those that the queue needs, existing, starting or proposed."""
    needs = {template.name: 0 for template in view.templates}
    for worker in view.staying:
        if worker.spec.template in needs and worker.name not in leaving:
            needs[worker.spec.template] += not is_empty(worker, used)
    for proposal in queue:
        if proposal.pool == view.spec.name:
            needs[proposal.template] += proposal.count
    return needs


def empties_of(
    view: PoolView, leaving: Set[WorkerName], used: Set[WorkerName]
) -> dict[str, list[ObservedWorker]]:
    """By template: workers that may take work, now or when they have booted, and that nothing needs."""
    found: dict[str, list[ObservedWorker]] = {}
    for worker in view.staying:
        if worker.usable and worker.name not in leaving and is_empty(worker, used):
            found.setdefault(worker.spec.template, []).append(worker)
    return found


def ask(
    view: PoolView,
    growth_limit: GrowthLimit,
    stocks: Mapping[str, Stock],
    empties: Mapping[str, Sequence[ObservedWorker]],
    queue: tuple[Proposal, ...],
    others: tuple[Proposal, ...],
) -> WarmWorkersResult:
    """`queue`: proposals whose workers will be filled at once; `others`: those whose workers will have nothing to do."""
    name = view.spec.name
    used = workers_by_offer((*queue, *others), name)
    left = growth_limit.workers - sum(used.values())
    empty: Counter[str] = Counter()
    for proposal in others:
        if proposal.pool == name:
            empty[proposal.template] += proposal.count
    proposals: list[Proposal] = []
    cut: list[tuple[WorkerRequest, int]] = []
    for template, stock in stocks.items():
        there = len(empties.get(template, ())) + empty[template]
        lack = stock.count - there
        if lack <= 0:
            continue
        wanted = WorkerRequest(pool=name, count=lack, reason=_reason(view, template, stock, there))
        offers = [
            offer
            for offer in cheapest_first(view, growth_limit.offers, used)
            if offer.offer.template == template
        ]
        made = over_offers(wanted, max(0, min(lack, left)), offers, used)
        count = sum(proposal.count for proposal in made)
        proposals += made
        left -= count
        if lack > count:
            cut.append((wanted, lack - count))
    return WarmWorkersResult(proposals=tuple(proposals), cut=tuple(cut))


def kept(view: PoolView, template: str, stock: Stock, there: int) -> Reason:
    """Why workers stay although they have had nothing to do for long."""
    return _reason(view, template, stock, there)


def _reason(view: PoolView, template: str, stock: Stock, there: int) -> Reason:
    boot_s, worth = view.history.boot_s or 0.0, view.spec.scale_up.wait_cost or 0
    text = (
        f"The demand for {template} of pool {view.spec.name} rose by {counted(stock.count, 'worker')} within the {boot_s:.0f} s of a "
        f"boot, last at {iso(stock.last_ms)}. Until {iso(stock.until_ms)}, {counted(stock.count, 'idle worker')} "
        f"{agree(stock.count, 'costs', 'cost')} less than waiting for a boot (wait_cost); {there} {agree(there, 'is', 'are')} idle."
    )
    evidence = (
        ("template", template),
        ("rise", stock.count),
        ("rose_at_ms", stock.last_ms),
        ("idle_workers", there),
        ("boot_s", round(boot_s, 1)),
        ("chance", round(stock.chance, 3)),
        ("wait_cost", worth),
        ("flips", f"at {iso(stock.until_ms)}, or a lower wait_cost"),
    )
    return Reason(kind=ReasonKind.STOCK, text=text, evidence=evidence)
