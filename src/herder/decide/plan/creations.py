"""The last step of a plan: proposals become fully specified creations. Called by the planner."""

from collections.abc import Sequence

from herder.decide.scaling.offers.worker_specs import worker_spec
from herder.decide.scaling.proposals import Proposal
from herder.decide.scaling.snapshot import Snapshot
from herder.model.fleet.lifetime import lifetime_ms
from herder.model.ids import PlanNumber
from herder.model.planning.plan import CreateWorker


def creations(
    snapshot: Snapshot, proposals: Sequence[Proposal], plan: PlanNumber, now_ms: int
) -> tuple[CreateWorker, ...]:
    """Ordinals run through the whole plan, in the order in which the packing opened the workers."""
    each = [proposal for proposal in proposals for _ in range(proposal.count)]
    return tuple(
        _creation(snapshot, proposal, plan, ordinal, now_ms) for ordinal, proposal in enumerate(each, start=1)
    )


def _creation(
    snapshot: Snapshot, proposal: Proposal, plan: PlanNumber, ordinal: int, now_ms: int
) -> CreateWorker:
    view = snapshot.pool(proposal.pool)
    pool, offer = view.spec, view.offers[proposal.offer]
    spec, lifetime = worker_spec(pool, offer, plan, ordinal, proposal.reason.text), pool.lifetime
    ends = (
        None
        if lifetime.ttl_s is None
        else now_ms + lifetime_ms(lifetime.ttl_s, lifetime.ttl_jitter, spec.name)
    )
    return CreateWorker(
        spec=spec,
        expires_at_ms=ends,
        reason=proposal.reason,
    )
