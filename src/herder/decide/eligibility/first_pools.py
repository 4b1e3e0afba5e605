"""The pool in which queued jobs of a class are counted: the one they name, else the one with the cheapest template that fits.

Asked by what is shown of queues. It decides nothing: the planner weighs what there is and may put the jobs elsewhere.
"""

from collections.abc import Mapping

from herder.decide.eligibility.matching import AUTO, Kinds, kind_of_template
from herder.model.fleet.offer import Offer, offers_of
from herder.model.fleet.pool import PoolSpec
from herder.model.ids import ClassId, PoolName
from herder.model.work.demand import Asks


class FirstPools:
    """Remembers its answers for the classes of the last question, as long as the pools stay the same."""

    def __init__(self) -> None:
        self._pools: dict[PoolName, PoolSpec] = {}
        self._known: dict[ClassId, PoolName | None] = {}
        self._kinds = Kinds()
        self._offers: list[tuple[Offer, int, PoolName]] = []

    def of(
        self, pools: Mapping[PoolName, PoolSpec], classes: Mapping[ClassId, Asks]
    ) -> Mapping[ClassId, PoolName | None]:
        """None: no pool has a template that such a job may use and that is large enough."""
        if self._pools != pools:
            self._begin(pools)
        known = self._known
        self._known = {
            class_id: known[class_id] if class_id in known else self._first(asks)
            for class_id, asks in classes.items()
        }
        return self._known

    def _begin(self, pools: Mapping[PoolName, PoolSpec]) -> None:
        self._pools, self._known, self._kinds = dict(pools), {}, Kinds()
        found = [
            (offer, self._kinds.number(kind_of_template(pool, offer)), name)
            for name, pool in pools.items()
            if pool.size.max_workers > 0
            for template in pool.templates
            if template.slots > 0
            for offer in offers_of(template)
        ]
        self._offers = sorted(found, key=lambda each: (each[0].price_pico_per_hour, each[2]))

    def _first(self, asks: Asks) -> PoolName | None:
        if asks.pool != AUTO:
            return PoolName(asks.pool) if asks.pool in self._pools else None
        allowed = self._kinds.allowed(asks)
        for offer, kind, name in self._offers:
            if kind in allowed and asks.request.fits_in(offer.allocatable):
                return name
        return None
