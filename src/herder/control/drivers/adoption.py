"""Adopts a machine whose worker row is lost: makes the row again, so that its agent can activate anew.

Called when a person decides (`sweep_decisions.py`) and when one looks (`control/reads/fleet/sweeps.py`): both ask `adoptions`, so that what is
shown, tried and done is the same. The name says pool and plan; the template is what the driver keeps with the machine, or the only one of
the pool. Only machines of a time that the store has forgotten are adopted: any other has, or had, a row that says more.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from herder.control.budgets.worker_leases import check_paid, reserve_first
from herder.control.drivers.calling import notes_of
from herder.control.kernel.bounds.errors import Refused
from herder.control.kernel.core import Core
from herder.control.kernel.driver_notes import UnknownMachine
from herder.control.kernel.secret_tokens import derived_token, hash_token
from herder.control.pools.growth import check_growth
from herder.decide.scaling.offers.worker_specs import worker_spec
from herder.engine.workers import worker as life
from herder.model.fleet.driver import Machine, MachineTags, Phase
from herder.model.fleet.offer import offers_of
from herder.model.fleet.pool import PoolSpec, Template
from herder.model.fleet.worker import WorkerSpec
from herder.model.ids import PlanNumber, PoolName, WorkerName
from herder.model.planning.plan import CreateWorker, Reason, ReasonKind
from herder.model.stored.changes import Changes
from herder.model.stored.incarnation import plan_of
from herder.model.values.phrases import at_limit, listed, sentence, sentences
from herder.settings.schedule_windows import pool_in_force


class NotAdoptable(Exception):
    """The text says why, and what would help. It does not name the machine, so that the same reason of several is told once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoptions:
    """What an adoption does with each of several machines."""

    specs: dict[WorkerName, WorkerSpec] = field(default_factory=dict)
    refused: dict[WorkerName, str] = field(default_factory=dict)
    """Why not."""


def not_now(core: Core, driver: str) -> str:
    """Why its machines can be neither adopted nor removed now, with the remedy; empty when they can. A freeze by the sweep itself asks
    for a decision; any other is ended first."""
    frozen = core.state.frozen_drivers.get(driver)
    return frozen.reason if frozen is not None and not frozen.by_sweep else ""


def adoptions(
    core: Core, driver: str, names: Sequence[WorkerName], user: str, now_ms: int, message: str = ""
) -> Adoptions:
    """Of unknown machines, one after the other: each takes a place in its pool. Changes nothing."""
    notes, found = notes_of(core, driver), Adoptions()
    workers = [worker.spec for worker in core.state.workers.values()]
    in_zone = Counter((spec.pool, spec.offer) for spec in workers)
    adopted: Counter[PoolName] = Counter()
    for name in names:
        try:
            spec = spec_of(core, driver, notes.unknown[name], user, message)
            pool = core.state.pools[spec.pool]
            _check_zone(pool, spec, in_zone[spec.pool, spec.offer])
            _check_pool(core, pool_in_force(pool, now_ms), adopted[spec.pool])
            mine = [*(each for each in found.specs.values() if each.pool == spec.pool), spec]
            _check_paid(core, mine)
        except NotAdoptable as error:
            found.refused[name] = str(error)
        else:
            found.specs[name] = spec
            adopted[spec.pool] += 1
            in_zone[spec.pool, spec.offer] += 1
    return found


def _check_zone(pool: PoolSpec, spec: WorkerSpec, there: int) -> None:
    template = next(each for each in pool.templates if each.name == spec.template)
    most = next((offer.most for offer in offers_of(template) if offer.id == spec.offer), None)
    if most is not None and there >= most:
        raise NotAdoptable(
            f"{at_limit(f'Zone {spec.offer.zone} of template {spec.template} in pool {pool.name}', there, most)}, including those adopted "
            "now. Raise max_workers of the zone with `herder apply`, or remove machines."
        )


def _check_pool(core: Core, pool: PoolSpec, adopted: int) -> None:
    try:
        check_growth(core, pool, 1, "machines", adopted=adopted, otherwise="remove machines")
    except Refused as refused:
        raise NotAdoptable(sentences(refused.detail, refused.hint)) from None


def _check_paid(core: Core, specs: Sequence[WorkerSpec]) -> None:
    """With those of the pool that are adopted in the same step."""
    try:
        check_paid(core, specs, "machines", otherwise="remove machines")
    except Refused as refused:
        raise NotAdoptable(sentences(refused.detail, refused.hint)) from None


def spec_of(core: Core, driver: str, unknown: UnknownMachine, user: str, message: str = "") -> WorkerSpec:
    """As the worker of this machine was made, as far as pools are the same. Raises NotAdoptable."""
    machine = unknown.machine
    plan = plan_of(machine.worker)
    if plan is None:
        raise NotAdoptable(
            "The name of the machine has no plan number, so its worker cannot be created again. Remove the machine."
        )
    if not unknown.held:
        raise NotAdoptable(
            "The store remembers the time of this machine, and its worker has ended. Remove the machine."
        )
    if machine.phase not in (Phase.RUNNING, Phase.CREATING):
        raise NotAdoptable(f"The machine is {machine.phase.value}. Remove it.")
    pool = _pool(core, driver, machine)
    template = _template(pool, driver, machine)
    tags = machine.tags or MachineTags(pool=pool.name, template=template.name)
    offers = sorted(offers_of(template), key=lambda each: (each.price_pico_per_hour, each.id))
    if not offers:
        raise NotAdoptable(f"Template {template.name} of pool {pool.name} has no offer. Change its prices.")
    offer = next((each for each in offers if (each.zone, each.spot) == (tags.zone, tags.spot)), offers[0])
    ordinal = int(machine.worker.rpartition("-")[2])
    why = sentences(f"{user} adopted its machine after the store was restored", sentence(message))
    spec = worker_spec(pool, offer, PlanNumber(plan), ordinal, why)
    if spec.name != machine.worker:
        raise NotAdoptable(
            f"The name of the machine is not one that pool {pool.name} gives. Remove the machine."
        )
    return spec


def adopt(
    core: Core, changes: Changes, spec: WorkerSpec, machine: Machine, now_ms: int, *, actor: str
) -> None:
    """From here on it is a worker that has yet to join. `spec`: of `adoptions`, with nothing changed since."""
    ttl_s = core.state.pools[spec.pool].lifetime.ttl_s
    reason = Reason(kind=ReasonKind.REQUESTED, text=spec.reason, evidence=(("workers", 1),))
    expires_at_ms = None if ttl_s is None else now_ms + int(ttl_s * 1000)
    action = CreateWorker(spec=spec, expires_at_ms=expires_at_ms, reason=reason)
    activation = hash_token(derived_token(core.settings.secret, f"activation/{spec.name}"))
    worker = life.claim(core.state, changes, action, now_ms, actor=actor)
    reserve_first(core, changes, spec, now_ms)
    life.provisioning(core.state, worker, activation)
    core.directory.activations[activation] = spec.name
    life.adopted(core.state, changes, worker, machine, now_ms, actor=actor)


def _pool(core: Core, driver: str, machine: Machine) -> PoolSpec:
    name = machine.tags.pool if machine.tags is not None else PoolName(machine.worker.rsplit("-", 2)[0])
    pool = core.state.pools.get(name)
    if pool is None:
        raise NotAdoptable(
            f"Pool {name} does not exist. Create it again with `herder apply`, or remove the machine."
        )
    if driver not in pool.drivers:
        raise NotAdoptable(f"Pool {name} uses driver {listed(pool.drivers)} now. Remove the machine.")
    return pool


def _template(pool: PoolSpec, driver: str, machine: Machine) -> Template:
    names = [template.name for template in pool.templates]
    if machine.tags is not None:
        found = next((each for each in pool.templates if each.name == machine.tags.template), None)
        if found is None:
            raise NotAdoptable(
                f"Pool {pool.name} no longer has template {machine.tags.template}. Add it again with `herder apply`."
            )
        if driver != (found.driver or pool.driver):
            raise NotAdoptable(
                f"Template {found.name} of pool {pool.name} has another driver now. Remove the machine."
            )
        return found
    if len(names) != 1:
        raise NotAdoptable(
            f"The driver does not report the template of the machine, and pool {pool.name} has {len(names)} templates. Remove the machine."
        )
    return pool.templates[0]
