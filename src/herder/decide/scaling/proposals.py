"""The result of a trigger: a number of workers of a template in a pool, and the reason. Data only."""

from dataclasses import dataclass

from herder.model.fleet.offer import OfferName
from herder.model.ids import PoolName
from herder.model.planning.plan import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    pool: PoolName
    template: str
    count: int
    reason: Reason
    zone: str = ""
    spot: bool = False

    @property
    def offer(self) -> OfferName:
        return OfferName(self.template, self.zone, self.spot)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRequest:
    """`count` workers more than the queue needs, of whatever template is cheapest. A `minimum` waits for no cooldown."""

    pool: PoolName
    count: int
    reason: Reason
    minimum: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerResult:
    """What a trigger asks for, and what it has to say although it asks for nothing."""

    asks: tuple[WorkerRequest, ...] = ()
    notes: tuple[Reason, ...] = ()


def workers_by_pool(proposals: tuple[Proposal, ...]) -> dict[PoolName, int]:
    result: dict[PoolName, int] = {}
    for proposal in proposals:
        result[proposal.pool] = result.get(proposal.pool, 0) + proposal.count
    return result


def workers_by_offer(proposals: tuple[Proposal, ...], pool: PoolName) -> dict[OfferName, int]:
    result: dict[OfferName, int] = {}
    for proposal in proposals:
        if proposal.pool == pool:
            result[proposal.offer] = result.get(proposal.offer, 0) + proposal.count
    return result
