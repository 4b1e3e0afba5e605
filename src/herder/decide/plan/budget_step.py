"""The steps of a plan that compare what it would create with what is left of the budgets. Called by the planner; the rules are `scaling/spending` and `scaling/cheaper`."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from herder.decide.scaling.cheaper import Settled, within_budgets
from herder.decide.scaling.combine import Combined
from herder.decide.scaling.failed_triggers import Failures
from herder.decide.scaling.limits import GrowthLimit
from herder.decide.scaling.snapshot import Snapshot
from herder.decide.scaling.spending import Paid, paid
from herder.decide.scaling.triggers.queued_jobs import QueueResult
from herder.model.ids import PoolName


def queue_paid_for(
    snapshot: Snapshot,
    limits: Mapping[PoolName, GrowthLimit],
    ask: Callable[[Mapping[PoolName, GrowthLimit]], QueueResult],
    failures: Failures,
) -> Settled:
    """The workers of the queue, cheaper ones where what is left does not pay for others."""
    queue = ask(limits)
    plain = Settled(queue=queue, limits=limits, notes={})
    pools = [view.spec.name for view in snapshot.pools if view.budgets]
    if not pools or not queue.known:
        return plain
    return failures.attempt(
        pools, "cheaper", partial(within_budgets, snapshot, limits, queue, ask), lambda: plain
    )


def paid_for(snapshot: Snapshot, combined: Combined, failures: Failures) -> Combined:
    """Where it is not known what can be paid, nothing is made in pools that have a budget."""
    pools = [view.spec.name for view in snapshot.pools if view.budgets]
    if not pools:
        return combined
    free = tuple(proposal for proposal in combined.proposals if proposal.pool not in pools)
    unknown = partial(Paid, proposals=free, missing={}, notes={})
    answer = failures.attempt(pools, "budget", partial(paid, snapshot, combined.proposals), unknown)
    return replace(combined, proposals=answer.proposals, unpaid=answer.missing, unpaid_notes=answer.notes)
