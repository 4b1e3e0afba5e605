"""Cheaper workers for the queue when budgets do not pay for those that it would get: several pools may share what is left, and one worker of one offer more can leave another
unpaid. Called by the planner after the queue was packed; it asks again within what is left, and takes the answer in which more jobs have a place.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from herder.decide.scaling.limits import GrowthLimit
from herder.decide.scaling.proposals import workers_by_offer
from herder.decide.scaling.snapshot import PoolView, Snapshot
from herder.decide.scaling.spending import Paid, bound_of, first_quantum, paid
from herder.decide.scaling.triggers.queued_jobs import QueueResult
from herder.model.fleet.offer import OfferName
from herder.model.ids import PoolName
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.values.money import dollars
from herder.model.values.times import span

#: How often what is left is shared out anew: each time a pool may ask for what another has taken.
ROUNDS = 4

Limits = Mapping[PoolName, GrowthLimit]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """`limits`: those within which the queue was packed. `notes`: by pool, why its workers are cheaper ones."""

    queue: QueueResult
    limits: Limits
    notes: Mapping[PoolName, tuple[Reason, ...]]


def within_budgets(
    snapshot: Snapshot, limits: Limits, queue: QueueResult, ask: Callable[[Limits], QueueResult]
) -> Settled:
    """`queue`: what `ask` has answered for `limits`. Where all of it is paid, or nothing better is found, it stays."""
    settled = paid(snapshot, queue.proposals)
    if not settled.missing:
        return _told(snapshot, limits, queue)
    first = _jobs(ask(_beside(snapshot, limits, settled, more=False)))
    found, tried = queue, limits
    for _ in range(ROUNDS):
        tried = _beside(snapshot, limits, settled, more=True)
        found = ask(tried)
        settled = paid(snapshot, found.proposals)
        if not settled.missing:
            break
    if settled.missing or _jobs(found) <= first:
        return _told(snapshot, limits, queue)
    return _told(snapshot, tried, found)


def _jobs(queue: QueueResult) -> int:
    """That have a place."""
    return sum(each.ready + each.in_flight + each.new for each in queue.outcome.values())


def _beside(snapshot: Snapshot, limits: Limits, settled: Paid, *, more: bool) -> dict[PoolName, GrowthLimit]:
    """Of each offer as many as are paid, and with `more` also what the rest pays for."""
    return {
        view.spec.name: _limit_beside(view, limits[view.spec.name], settled, more=more)
        for view in snapshot.pools
    }


def _limit_beside(view: PoolView, growth_limit: GrowthLimit, settled: Paid, *, more: bool) -> GrowthLimit:
    if not view.budgets:
        return growth_limit
    mine = workers_by_offer(settled.proposals, view.spec.name)
    offers = []
    for offer, limit in zip(view.templates, growth_limit.offers, strict=True):
        bound = bound_of(view, offer, settled.left)
        if bound is None:
            offers.append(limit)
            continue
        most = mine.get(offer.id, 0) + (bound[0] if more else 0)
        binds = most < limit.at_most(growth_limit.workers)
        offers.append(replace(limit, limit=most, reason=bound[1]) if binds else limit)
    return replace(growth_limit, offers=tuple(offers))


def _told(snapshot: Snapshot, limits: Limits, queue: QueueResult) -> Settled:
    notes = {}
    for view in snapshot.pools:
        name = view.spec.name
        created = workers_by_offer(queue.proposals, name)
        if view.budgets and created and (reason := _note(view, limits[name], created)) is not None:
            notes[name] = (reason,)
    return Settled(queue=queue, limits=limits, notes=notes)


def _note(view: PoolView, growth_limit: GrowthLimit, created: Collection[OfferName]) -> Reason | None:
    dearest = max(first_quantum(view, view.offers[name]) for name in created)
    for offer, limit in zip(view.templates, growth_limit.offers, strict=True):
        reason, each = limit.reason, first_quantum(view, offer)
        if reason is None or reason.kind is not ReasonKind.BUDGET or limit.limit or each <= dearest:
            continue
        text = (
            f"Pool {view.spec.name} creates cheaper workers: budget {dict(reason.evidence)['budget']} has too little left for a worker of {offer.id.template}, "
            f"which reserves {dollars(each)} for its first {span(view.quantum_ms)}."
        )
        return replace(reason, text=text)
    return None
