"""Where workers that a person adds are created: the offers that the planner would take, within the quotas of zones.

Called by `pool_actions.py`. It changes nothing, so that a dry run is refused for the same reason.
"""

from herder.control.kernel.bounds.errors import Conflict
from herder.control.kernel.core import Core
from herder.control.planning.observation import observe
from herder.decide.scaling.offers.backoff import cheapest_first, offer_limits
from herder.decide.scaling.snapshot import snapshot_of
from herder.model.fleet.offer import Offer, offers_of
from herder.model.fleet.pool import PoolSpec, Template
from herder.model.values.phrases import counted


def choose_offers(core: Core, pool: PoolSpec, template: Template, workers: int, now_ms: int) -> list[Offer]:
    """One for each worker: the cheapest that nothing is held against, then the others. Raises Conflict when quotas leave too few."""
    chosen: list[Offer] = []
    for offer in _in_order(core, pool, template, now_ms):
        left = workers - len(chosen)
        chosen += [offer] * (
            left if offer.most is None else min(left, max(0, offer.most - _there(core, pool, offer)))
        )
    if len(chosen) == workers:
        return chosen
    raise Conflict(_refusal(core, pool, template, workers), field="workers", hint=_remedy(template))


def _in_order(core: Core, pool: PoolSpec, template: Template, now_ms: int) -> list[Offer]:
    view = next(
        view for view in snapshot_of(observe(core.state, now_ms), now_ms).pools if view.spec.name == pool.name
    )
    ranked = [room.offer for room in cheapest_first(view, offer_limits(view, now_ms), {})]
    offers = sorted(offers_of(template), key=lambda offer: (offer.price_pico_per_hour, offer.id))
    return sorted(offers, key=lambda offer: ranked.index(offer.id) if offer.id in ranked else len(ranked))


def _there(core: Core, pool: PoolSpec, offer: Offer) -> int:
    """Everything that has not ended counts."""
    return sum(
        worker.spec.pool == pool.name and worker.spec.offer == offer.id
        for worker in core.state.workers.values()
    )


def _refusal(core: Core, pool: PoolSpec, template: Template, workers: int) -> str:
    offers = offers_of(template)
    wanted = f"Pool {pool.name} cannot get {counted(workers, 'more worker')} of template {template.name}"
    if not offers:
        return f"{wanted}: spot costs more than max_spot_price everywhere."
    found = [
        f"{_there(core, pool, offer)} of {offer.most} workers exist in zone {offer.zone}{' (spot)' if offer.spot else ''}"
        for offer in offers
    ]
    return f"{wanted}: {', '.join(found)}."


def _remedy(template: Template) -> str:
    if not offers_of(template):
        return "Raise max_spot_price with `herder apply`."
    return "Raise max_workers of a zone with `herder apply`, or request fewer workers."
