"""Adopts a machine whose worker row is lost: makes the row again, so that its agent can activate anew.

Called when a person decides (`sweep_decisions.py`). The name says pool and plan; the template is what the driver keeps with the machine, or
the only one of the pool. Only machines of a time that the store has forgotten are adopted: any other has, or had, a row that says more.
"""

from herder.control.kernel.bounds.errors import Refused
from herder.control.kernel.core import Core
from herder.control.kernel.driver_notes import UnknownMachine
from herder.control.kernel.secret_tokens import derived_token, hash_token
from herder.control.pools.pool_actions import check_growth
from herder.decide.scaling.offers.worker_specs import worker_spec
from herder.engine.workers import worker as life
from herder.model.fleet.driver import Machine, MachineTags, Phase
from herder.model.fleet.offer import offers_of
from herder.model.fleet.pool import PoolSpec, Template
from herder.model.fleet.worker import WorkerSpec
from herder.model.ids import PlanNumber, PoolName
from herder.model.planning.plan import CreateWorker, Reason, ReasonKind
from herder.model.stored.changes import Changes
from herder.model.stored.incarnation import plan_of
from herder.settings.schedule_windows import pool_in_force


class NotAdoptable(Exception):
    """The text is a sentence that says why, and what would help."""


def spec_of(core: Core, driver: str, unknown: UnknownMachine, user: str) -> WorkerSpec:
    """As the worker of this machine was made, as far as pools are the same. Raises NotAdoptable."""
    machine = unknown.machine
    plan = plan_of(machine.worker)
    if plan is None or not unknown.held:
        raise NotAdoptable(
            f"Worker {machine.worker} is not of a forgotten time: its row had ended. Remove the machine."
        )
    if machine.phase not in (Phase.RUNNING, Phase.CREATING):
        raise NotAdoptable(f"The machine of {machine.worker} is {machine.phase.value}. Remove it.")
    pool = _pool(core, driver, machine)
    template = _template(pool, machine)
    tags = machine.tags or MachineTags(pool=pool.name, template=template.name)
    offers = sorted(offers_of(template), key=lambda each: (each.price_pico_per_hour, each.id))
    if not offers:
        raise NotAdoptable(f"Template {template.name} of pool {pool.name} has no offer. Change its prices.")
    offer = next((each for each in offers if (each.zone, each.spot) == (tags.zone, tags.spot)), offers[0])
    ordinal = int(machine.worker.rpartition("-")[2])
    spec = worker_spec(
        pool, offer, PlanNumber(plan), ordinal, f"{user} adopted its machine after the store was restored."
    )
    if spec.name != machine.worker:
        raise NotAdoptable(f"{machine.worker} is not a name that pool {pool.name} gives. Remove the machine.")
    return spec


def adopt(
    core: Core, changes: Changes, spec: WorkerSpec, machine: Machine, now_ms: int, *, actor: str
) -> None:
    """From here on it is a worker that has yet to join. Raises NotAdoptable before anything is changed."""
    pool = core.state.pools[spec.pool]
    try:
        check_growth(core, pool_in_force(pool, now_ms), 1, "machines")
    except Refused as refused:
        raise NotAdoptable(refused.detail) from None
    ttl_s = pool.lifetime.ttl_s
    reason = Reason(kind=ReasonKind.REQUESTED, text=spec.reason, evidence=(("workers", 1),))
    expires_at_ms = None if ttl_s is None else now_ms + int(ttl_s * 1000)
    action = CreateWorker(spec=spec, expires_at_ms=expires_at_ms, reason=reason)
    activation = hash_token(derived_token(core.settings.secret, f"activation/{spec.name}"))
    worker = life.claim(core.state, changes, action, now_ms, actor=actor)
    life.provisioning(core.state, worker, activation)
    core.directory.activations[activation] = spec.name
    life.adopted(core.state, changes, worker, machine, now_ms, actor=actor)


def _pool(core: Core, driver: str, machine: Machine) -> PoolSpec:
    name = machine.tags.pool if machine.tags is not None else PoolName(machine.worker.rsplit("-", 2)[0])
    pool = core.state.pools.get(name)
    if pool is None:
        raise NotAdoptable(
            f"Pool {name} of {machine.worker} does not exist. Create it again with `herder apply`."
        )
    if pool.driver != driver:
        raise NotAdoptable(
            f"Pool {name} uses driver {pool.driver} now. Remove the machine of {machine.worker}."
        )
    return pool


def _template(pool: PoolSpec, machine: Machine) -> Template:
    names = [template.name for template in pool.templates]
    if machine.tags is not None:
        found = next((each for each in pool.templates if each.name == machine.tags.template), None)
        if found is None:
            raise NotAdoptable(
                f"Pool {pool.name} no longer has template {machine.tags.template}. Add it again with `herder apply`."
            )
        return found
    if len(names) != 1:
        raise NotAdoptable(
            f"The driver does not report the template of {machine.worker}, and pool {pool.name} has {len(names)} templates."
        )
    return pool.templates[0]
