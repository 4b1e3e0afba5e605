"""From an offer to the full specification of a worker. Used by the planner and by scale requests."""

from herder.decide.eligibility.matching import template_labels
from herder.model.fleet.offer import Offer
from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.worker import WorkerSpec
from herder.model.ids import PlanNumber, worker_name


def worker_spec(pool: PoolSpec, template: Offer, plan: PlanNumber, ordinal: int, reason: str) -> WorkerSpec:
    """The `ordinal`-th worker of a plan in this pool; labels of the template win over the pool's."""
    return WorkerSpec(
        name=worker_name(pool.name, plan, ordinal),
        pool=pool.name,
        template=template.name,
        driver=template.driver or pool.driver,
        membership=pool.membership,
        cluster=pool.cluster,
        bootstrap=pool.bootstrap,
        bootstrap_fingerprint=pool.bootstrap_fingerprint,
        allocatable=template.allocatable,
        slots=template.slots,
        gpu_parts=template.gpu_parts,
        price_pico_per_hour=template.price_pico_per_hour,
        labels=template_labels(pool, template),
        taints=pool.taints,
        zone=template.zone,
        spot=template.spot,
        driver_options=pool.options_of(template.driver, template.driver_options),
        plan=plan,
        reason=reason,
    )
