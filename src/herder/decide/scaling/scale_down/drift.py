"""Whether a worker differs from what its pool would create now, and in what.

Asked by `replacement` for each worker, so it is cheap. What counts: the template and its shape, slots and GPU parts, the labels, the taints,
the driver and its options, the bootstrap and what it would make, and the version of the agent. The price, the zone and the market do not: they are what an offer was, not what
the worker is. A pool without templates creates nothing, so nothing in it has drifted. Unknown is never different.
"""

from dataclasses import dataclass, field

from herder.decide.eligibility.matching import template_labels
from herder.decide.scaling.snapshot import PoolView
from herder.model.fleet.membership import LivesBy
from herder.model.fleet.pool import PoolSpec, Template
from herder.model.fleet.worker import WorkerSpec
from herder.model.ids import PlanNumber
from herder.model.planning.observed import ObservedWorker
from herder.model.values.phrases import listed

#: Differences that a sentence names.
NAMED_MOST = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Agents:
    """The agents that this server comes with: their version, and the first plan whose workers this server created."""

    version: str = ""
    since_plan: PlanNumber = PlanNumber(0)


@dataclass(slots=True)
class Drift:
    """Of one pool. Most of its workers look alike, so each look is compared once."""

    view: PoolView
    agents: Agents
    _templates: dict[str, Template] = field(init=False)
    _known: dict[object, tuple[str, ...]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._templates = {template.name: template for template in self.view.spec.templates}

    def differences(self, worker: ObservedWorker) -> tuple[str, ...]:
        """In words, each a clause; empty: it is as the pool wants it."""
        if not self._templates:
            return ()
        spec = worker.spec
        looks = (
            spec.template, spec.driver, spec.driver_options, spec.allocatable, spec.slots, spec.gpu_parts,
            spec.labels, spec.taints, spec.zone, spec.spot, spec.bootstrap, spec.bootstrap_fingerprint, worker.agent_version,
        )  # fmt: skip
        found = self._known.get(looks)
        if found is None:
            found = self._known[looks] = (*self._of_settings(spec), *self._of_agent(worker))
        if found and found[-1].startswith(_AGENT) and spec.plan >= self.agents.since_plan:
            return found[:-1]  # this server made it, so another would have the same agent
        return found

    def _of_settings(self, spec: WorkerSpec) -> list[str]:
        pool, template, found = self.view.spec, self._templates.get(spec.template), []
        own = "" if template is None else template.driver
        if spec.driver != (own or pool.driver):
            what = f"template {spec.template}'s is {own}" if own else f"the pool's is {pool.driver}"
            found.append(f"its driver is {spec.driver}, {what}")
        elif spec.driver_options != pool.options_of(own, template.driver_options if template else ()):
            found.append("the pool has other driver_options")
        found += _of_bootstrap(pool, spec)
        if template is None:
            return [*found, f"template {spec.template} is no longer in the pool"]
        if spec.allocatable != template.allocatable:
            found.append(
                f"it has {spec.allocatable}, and template {template.name} has {template.allocatable}"
            )
        if (spec.slots, spec.gpu_parts) != (template.slots, template.gpu_parts):
            found.append(f"template {template.name} has other slots or gpu_parts")
        labels = _labels(pool, template, spec)
        if dict(spec.labels) != labels:
            names = sorted({name for name, _ in {*spec.labels} ^ {*labels.items()}})
            found.append(f"the pool has another value of label {listed(names[:NAMED_MOST])}")
        if spec.taints != pool.taints:
            found.append("the pool has other taints")
        return found

    def _of_agent(self, worker: ObservedWorker) -> list[str]:
        if not self._older_agent(worker):
            return []
        return [f"{_AGENT}{worker.agent_version}, the server has {self.agents.version}"]

    def _older_agent(self, worker: ObservedWorker) -> bool:
        known = bool(worker.agent_version and self.agents.version)
        return (
            known
            and worker.spec.membership.lives_by is LivesBy.EXCHANGE
            and worker.agent_version != self.agents.version
        )

    def made_in_vain(self) -> ObservedWorker | None:
        """A worker that this server created and whose agent is another version all the same: its image has that agent."""
        made = (
            worker
            for worker in self.view.staying
            if worker.spec.plan >= self.agents.since_plan and self._older_agent(worker)
        )
        return next(made, None)


def _of_bootstrap(pool: PoolSpec, spec: WorkerSpec) -> list[str]:
    if spec.bootstrap != pool.bootstrap:
        return [f"its bootstrap is {spec.bootstrap or 'none'}, the pool's is {pool.bootstrap or 'none'}"]
    known = bool(spec.bootstrap_fingerprint and pool.bootstrap_fingerprint)
    if known and spec.bootstrap_fingerprint != pool.bootstrap_fingerprint:
        return [f"bootstrap {spec.bootstrap} has another configuration or version now"]
    return []


_AGENT = "its agent has version "


def _labels(pool: PoolSpec, template: Template, spec: WorkerSpec) -> dict[str, str]:
    """As a worker of this template would have them in the zone and the market of this one."""
    sold = ({"zone": spec.zone} if spec.zone else {}) | ({"spot": "true"} if spec.spot else {})
    own = dict(template.labels)
    labels = dict(template_labels(pool, template))
    return labels | {name: value for name, value in sold.items() if name not in own}


def only_agent(differences: tuple[str, ...]) -> bool:
    return len(differences) == 1 and differences[0].startswith(_AGENT)
