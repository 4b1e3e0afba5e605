"""Budgets as limits of the planner: how many workers what is left can pay for, and what becomes of proposals that it cannot.

Called for the growth limits of each pool, before anything asks for workers, and once more for all proposals together, because pools may
share a budget. A worker counts with what it reserves when it is created: its price for the first quantum. A plan never costs more than is left.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from herder.decide.scaling.offers.backoff import OfferLimit
from herder.decide.scaling.proposals import Proposal
from herder.decide.scaling.snapshot import PoolView, Snapshot
from herder.model.fleet.offer import Offer
from herder.model.ids import PoolName
from herder.model.planning.budgets import BudgetLeft
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.values.money import PICO_PER_CENT, dollars, limit_text, most_cost_of, usd_text
from herder.model.values.phrases import counted, sentences
from herder.model.values.times import span


def limits_of_budget(view: PoolView) -> list[tuple[int, Reason]]:
    """What binds the whole pool: how many of its cheapest offer are paid. Empty without a budget."""
    if not view.budgets or not view.templates:
        return []
    cheapest = min(view.templates, key=lambda offer: (offer.price_pico_per_hour, offer.id))
    bound = bound_of(view, cheapest)
    return [] if bound is None else [bound]


def offers_within_budget(view: PoolView, offers: tuple[OfferLimit, ...], most: int) -> tuple[OfferLimit, ...]:
    """Beside the templates of the pool: of each no more than is paid. `most`: how many the pool may create."""
    if not view.budgets:
        return offers
    return tuple(
        _offer(view, offer, limit, most) for offer, limit in zip(view.templates, offers, strict=True)
    )


def _offer(view: PoolView, offer: Offer, limit: OfferLimit, most: int) -> OfferLimit:
    bound = bound_of(view, offer)
    if bound is None or bound[0] >= limit.at_most(most):
        return limit
    return replace(limit, limit=bound[0], reason=bound[1])


def bound_of(
    view: PoolView, offer: Offer, left: Mapping[str, int] | None = None
) -> tuple[int, Reason] | None:
    """How many of an offer are paid, and why not more; None: it costs nothing. `left`: by budget, where it is less than what was observed."""
    each = first_quantum(view, offer)
    if each == 0:
        return None  # it costs nothing
    budgets = view.budgets if left is None else [replace(each, left=left[each.name]) for each in view.budgets]
    least = min(budgets, key=lambda budget: budget.left or 0)
    count = max(0, (least.left or 0) // each)
    return count, _reason(view, least, each, count)


def first_quantum(view: PoolView, offer: Offer) -> int:
    """What a worker of it reserves when it is created, in pico-USD."""
    return most_cost_of(offer.price_pico_per_hour, view.quantum_ms)


def _reason(view: PoolView, budget: BudgetLeft, each: int, count: int) -> Reason:
    have = f"Budget {budget.name} has {_left(budget)}"
    reserves = (
        f"a worker of pool {view.spec.name} reserves {dollars(each)} for its first {span(view.quantum_ms)}"
    )
    text = f"{have}, and {reserves}."
    if count:
        text = f"{have}, enough for {counted(count, 'more worker')}: {reserves}."
    return Reason(kind=ReasonKind.BUDGET, text=text, evidence=_evidence(budget, each))


def _evidence(budget: BudgetLeft, each: int) -> tuple[tuple[str, int | float | str], ...]:
    return (
        ("budget", budget.name),
        ("left_usd", usd_text(budget.left or 0)),
        ("limit_usd", usd_text((budget.limit_cents or 0) * PICO_PER_CENT)),
        ("reserves_usd", usd_text(each)),
        ("flips", f"a higher limit of budget {budget.name}, or its next period"),
    )


def _left(budget: BudgetLeft) -> str:
    limit = limit_text(budget.limit_cents or 0, budget.left or 0)
    return (
        f"nothing of {limit} left"
        if (budget.left or 0) <= 0
        else f"{dollars(budget.left or 0)} of {limit} left"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """`proposals` that can be paid together; `missing`: by pool, workers that cannot; `notes` say which budget binds. `left`: by budget, what they leave."""

    proposals: tuple[Proposal, ...]
    missing: Mapping[PoolName, int]
    notes: Mapping[PoolName, tuple[Reason, ...]]
    left: Mapping[str, int] = field(default_factory=dict)


def paid(snapshot: Snapshot, proposals: tuple[Proposal, ...]) -> Paid:
    """In their order: who comes first is paid first."""
    if not any(view.budgets for view in snapshot.pools):
        return Paid(proposals=proposals, missing={}, notes={})
    left = {budget.name: budget.left or 0 for view in snapshot.pools for budget in view.budgets}
    found: list[Proposal] = []
    missing: dict[PoolName, int] = {}
    binding: dict[PoolName, Reason] = {}
    for proposal in proposals:
        view = snapshot.pool(proposal.pool)
        each = first_quantum(view, view.offers[proposal.offer])
        least = min(view.budgets, key=lambda budget: left[budget.name], default=None)
        count = proposal.count
        if least is not None and each:
            count = min(count, max(0, left[least.name] // each))
            for budget in view.budgets:
                left[budget.name] -= count * each
        if count:
            found.append(proposal if count == proposal.count else replace(proposal, count=count))
        if count < proposal.count and least is not None:
            missing[proposal.pool] = missing.get(proposal.pool, 0) + proposal.count - count
            now = replace(least, left=left[least.name])
            binding.setdefault(proposal.pool, _reason(view, now, each, 0))
    return Paid(
        proposals=tuple(found),
        missing=missing,
        notes={pool: (_short(binding[pool], count),) for pool, count in missing.items()},
        left=left,
    )


def _short(binding: Reason, count: int) -> Reason:
    text = sentences(binding.text, f"That keeps {counted(count, 'worker')} from being created")
    return replace(binding, text=text, evidence=(*binding.evidence, ("missing", count)))
