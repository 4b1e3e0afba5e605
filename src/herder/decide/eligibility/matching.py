"""Whether a job may run in a place: pool, labels and taints. It ignores sizes.

One set of rules for placement (on workers), scaling (on templates) and admission, so that a job that is let in can be
placed and a worker made for a job can take it. Kinds are the places a job class can tell apart, numbered.
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from herder.decide.eligibility.affinity import Labels, labels_fulfil
from herder.model.fleet.cluster import POOL_LABEL
from herder.model.fleet.membership import Membership
from herder.model.fleet.offer import Offer, offers_of
from herder.model.fleet.pool import PoolSpec, Taint, TaintEffect, Template
from herder.model.ids import PoolName
from herder.model.work.demand import Asks, Work
from herder.model.work.job import WHOLE_GPU

AUTO = "auto"

#: Labels under this name are ours: of which model a worker's GPUs are, and into how many parts each is split.
RESERVED = "herder/"
GPU_MODEL = f"{RESERVED}gpu-model"
GPU_PARTS = f"{RESERVED}gpu-parts"
CONTAINERS = f"{RESERVED}containers"
ZONE_LABEL = "topology.kubernetes.io/zone"
#: What every node of a cluster has that its pool does not say. A pool whose nodes differ says so in its labels.
NODE_LABELS = {"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Everything of a worker, or of a worker to be, that decides which jobs may use it."""

    pool: PoolName
    default_eligible: bool
    takes: tuple[Work, ...]
    labels: Labels
    taints: tuple[Taint, ...]
    cluster: str = ""
    """Whose node it is: pods of another cluster cannot run there."""


def template_labels(pool: PoolSpec, template: Template | Offer) -> Labels:
    """The pool's labels and the template's, which win, and what says of what kind its GPUs are; sorted by name."""
    labels = {**dict(pool.labels), **dict(template.labels)}
    if template.gpu_model:
        labels[GPU_MODEL] = template.gpu_model
    if template.gpu_parts > 1:
        labels[GPU_PARTS] = str(template.gpu_parts)
    if pool.jobs.containers:
        labels[CONTAINERS] = "yes"
    return tuple(sorted(labels.items()))


def kind_of_template(pool: PoolSpec, template: Template | Offer) -> Kind:
    zone = template.zone if isinstance(template, Offer) else ""
    return kind_of_worker(
        pool, template_labels(pool, template), pool.taints, template=template.name, zone=zone
    )


def work_of(membership: Membership) -> tuple[Work, ...]:
    return _WORK[membership.takes_jobs, membership.takes_pods]


_WORK = {
    (False, False): (),
    (True, False): (Work.JOBS,),
    (False, True): (Work.PODS,),
    (True, True): (Work.JOBS, Work.PODS),
}


def kind_of_worker(
    pool: PoolSpec, labels: Labels, taints: tuple[Taint, ...], *, template: str = "", zone: str = ""
) -> Kind:
    """A worker keeps the labels and taints it was made with, also when its pool has changed since."""
    if pool.cluster:
        labels = tuple({**labels_of_nodes(pool, template, zone), **dict(labels)}.items())
    return Kind(
        pool=pool.name,
        default_eligible=pool.jobs.default_eligible,
        takes=work_of(pool.membership),
        labels=tuple(sorted(labels)),
        taints=tuple(sorted(taints)),
        cluster=pool.cluster,
    )


def labels_of_nodes(pool: PoolSpec, template: str, zone: str) -> dict[str, str]:
    """What a node of the pool has without anybody's saying so; labels of pool and template win over it."""
    where = {ZONE_LABEL: zone} if zone else {}
    return {**NODE_LABELS, POOL_LABEL: pool.name, "node.kubernetes.io/instance-type": template, **where}


def job_may_use(job_class: Asks, pool: PoolSpec) -> bool:
    """Whether any template of the pool would do, leaving size aside."""
    if not pool.templates:
        return may_use_kind(job_class, kind_of_worker(pool, pool.labels, pool.taints))
    return any(job_may_use_template(job_class, pool, template) for template in pool.templates)


def job_may_use_template(job_class: Asks, pool: PoolSpec, template: Template) -> bool:
    """In any zone, spot or not."""
    return any(may_use_kind(job_class, kind_of_template(pool, offer)) for offer in offers_of(template))


def may_use_kind(job_class: Asks, kind: Kind) -> bool:
    if job_class.work not in kind.takes:
        return False
    if job_class.work is Work.PODS and job_class.cluster != kind.cluster:
        return False
    named = job_class.pool == kind.pool
    if not named and not (kind.default_eligible and job_class.pool == AUTO):
        return False
    if (job_class.selector or job_class.affinity.required) and not labels_fulfil(job_class, kind.labels):
        return False
    if job_class.request.gpu and not gpus_fit(job_class, kind.labels):
        return False
    # Who asks for a pool by name knows what it is: its taints keep others out.
    return named or not kind.taints or not untolerated(job_class, kind.taints)


def gpus_fit(job_class: Asks, labels: Labels) -> bool:
    """Whether each GPU counted there is of a model and a size that was asked for. A whole one is never made of parts, and
    a share never takes a whole one: what is split says so. A job of several shares may get them of one device."""
    have = dict(labels)
    if job_class.gpu_models and have.get(GPU_MODEL) not in job_class.gpu_models:
        return False
    parts = int(have.get(GPU_PARTS, "1"))
    if job_class.gpu_share_milli >= WHOLE_GPU:
        return parts == 1
    return parts > 1 and job_class.gpu_share_milli * parts <= WHOLE_GPU


def asked_of_places(job_class: Asks) -> Hashable:
    """All of a class that decides where it may run, but for its size: equal for classes that may use the same kinds."""
    gpus = (job_class.gpu_share_milli, job_class.gpu_models) if job_class.request.gpu else None
    return (
        job_class.work,
        job_class.pool,
        job_class.cluster,
        job_class.selector,
        job_class.affinity.required,
        job_class.tolerations,
        gpus,
    )


def untolerated(job_class: Asks, taints: Iterable[Taint]) -> tuple[Taint, ...]:
    """The taints that keep this job away. PreferNoSchedule is a preference and keeps nobody away."""
    return tuple(
        taint
        for taint in taints
        if taint.effect is not TaintEffect.PREFER_NO_SCHEDULE
        and not any(toleration.tolerates(taint) for toleration in job_class.tolerations)
    )


class Kinds:
    """Numbers kinds in the order in which they are first seen."""

    def __init__(self) -> None:
        self.known: dict[Kind, int] = {}
        self._allowed: dict[object, frozenset[int]] = {}

    def number(self, kind: Kind) -> int:
        number = self.known.get(kind)
        if number is None:
            number = self.known[kind] = len(self.known)
            self._allowed.clear()
        return number

    def allowed(self, job_class: Asks) -> frozenset[int]:
        """The kinds known so far that this job may use."""
        asked = asked_of_places(job_class)
        found = self._allowed.get(asked)
        if found is None:
            found = frozenset(number for kind, number in self.known.items() if may_use_kind(job_class, kind))
            self._allowed[asked] = found
        return found
