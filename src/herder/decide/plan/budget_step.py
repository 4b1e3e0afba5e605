"""The step of a plan that holds all proposals against what is left of the budgets. Called by the planner; the rule is `scaling/spending`."""

from dataclasses import replace
from functools import partial

from herder.decide.scaling.combine import Combined
from herder.decide.scaling.failed_triggers import Failures
from herder.decide.scaling.snapshot import Snapshot
from herder.decide.scaling.spending import Paid, paid


def paid_for(snapshot: Snapshot, combined: Combined, failures: Failures) -> Combined:
    """Where it is not known what can be paid, nothing is made in pools that have a budget."""
    pools = [view.spec.name for view in snapshot.pools if view.budgets]
    if not pools:
        return combined
    free = tuple(proposal for proposal in combined.proposals if proposal.pool not in pools)
    unknown = partial(Paid, proposals=free, missing={}, notes={})
    answer = failures.attempt(pools, "budget", partial(paid, snapshot, combined.proposals), unknown)
    return replace(combined, proposals=answer.proposals, unpaid=answer.missing, unpaid_notes=answer.notes)
