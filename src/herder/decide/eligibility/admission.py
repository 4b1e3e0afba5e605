"""Whether a job could ever run in the current pools, and if not, what to change. Called when a job is submitted, and by `why`.

Only what is impossible whatever the load is refused: a job that merely has to wait is let in. Sizes are compared with
templates, not with the workers there happen to be.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum

from herder.decide.eligibility.affinity import labels_fulfil, text
from herder.decide.eligibility.matching import (
    AUTO,
    CONTAINERS,
    GPU_MODEL,
    gpus_fit,
    job_may_use,
    job_may_use_template,
    template_labels,
    untolerated,
    work_of,
)
from herder.model.fleet.offer import offers_of
from herder.model.fleet.pool import PoolSpec, Template
from herder.model.ids import PoolName
from herder.model.values.phrases import listed
from herder.model.values.resources import Resources
from herder.model.values.vectors import pairs
from herder.model.work.demand import Asks, Work
from herder.model.work.job import WHOLE_GPU


class RefusalKind(StrEnum):
    UNKNOWN_POOL = "unknown_pool"
    NO_POOL = "no_pool"
    NO_WORKERS_WANTED = "no_workers_wanted"
    SELECTOR = "selector"
    TAINTS = "taints"
    GPU = "gpu"
    CONTAINERS = "containers"
    TOO_LARGE = "too_large"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """`text` says what is wrong with which object, `remedy` what to do next: a sentence each."""

    kind: RefusalKind
    text: str
    remedy: str
    evidence: tuple[tuple[str, int | float | str], ...] = ()

    def __str__(self) -> str:
        return f"{self.text} {self.remedy}"


def refusal(job_class: Asks, pools: Mapping[PoolName, PoolSpec]) -> Refusal | None:
    """None when some pool could run the job, be it after making a worker."""
    if job_class.pool != AUTO and job_class.pool not in pools:
        return _unknown_pool(job_class.pool, pools)
    asked = [pools[name] for name in sorted(pools) if job_class.pool in (name, AUTO)]
    if job_class.pool == AUTO:
        asked = [pool for pool in asked if pool.jobs.default_eligible]
    if not asked:
        return _no_pool(pools)
    willing = [pool for pool in asked if job_class.work in work_of(pool.membership)]
    if job_class.work is Work.PODS:
        willing = [pool for pool in willing if pool.cluster == job_class.cluster]
    if not willing:
        return _takes_none(job_class, asked)
    asked = willing
    usable = [pool for pool in asked if job_may_use(job_class, pool)]
    if not usable:
        return _kept_out(job_class, asked)
    growing = [pool for pool in usable if pool.size.max_workers > 0 and pool.templates]
    if not growing:
        return _no_workers(usable)
    return _too_large(job_class, growing)


def _unknown_pool(name: str, pools: Mapping[PoolName, PoolSpec]) -> Refusal:
    near = get_close_matches(name, sorted(pools), n=1)
    if near:
        remedy = f"Did you mean {near[0]!r}?"
    elif pools:
        remedy = f"Use one of {', '.join(sorted(pools))}, or {AUTO!r} for the cheapest pool that fits."
    else:
        remedy = "No pools exist yet: define one and apply it."
    return Refusal(
        kind=RefusalKind.UNKNOWN_POOL,
        text=f"Pool {name!r} does not exist.",
        remedy=remedy,
        evidence=(("pool", name),),
    )


def _no_pool(pools: Mapping[PoolName, PoolSpec]) -> Refusal:
    remedy = f"Name one of {', '.join(sorted(pools))}." if pools else "Define a pool and apply it."
    return Refusal(
        kind=RefusalKind.NO_POOL,
        text="No pool runs jobs that do not name a pool.",
        remedy=remedy,
        evidence=(("pools", len(pools)),),
    )


def _takes_none(job_class: Asks, asked: list[PoolSpec]) -> Refusal:
    """Their workers join something that does not take such work."""
    names = listed([f"{pool.name} ({pool.membership.name})" for pool in asked], "or")
    work, remedy = str(job_class.work), "Use another pool, or give the pool another membership."
    if job_class.cluster:
        work = f"{work} of cluster {job_class.cluster}"
        remedy = f"Define a pool with cluster: {job_class.cluster}."
    return Refusal(
        kind=RefusalKind.NO_POOL,
        text=f"No worker of {_pools(asked)} {names} runs {work}.",
        remedy=remedy,
        evidence=tuple((f"{pool.name}.membership", pool.membership.name) for pool in asked),
    )


def _no_workers(pools: list[PoolSpec]) -> Refusal:
    names = listed([pool.name for pool in pools])
    return Refusal(
        kind=RefusalKind.NO_WORKERS_WANTED,
        text=f"{_pools(pools).capitalize()} {names} cannot have workers: max_workers is 0, or there is no template.",
        remedy="Set max_workers above 0 and add a template.",
        evidence=tuple((f"{pool.name}.max_workers", pool.size.max_workers) for pool in pools),
    )


def _kept_out(job_class: Asks, asked: list[PoolSpec]) -> Refusal:
    """Every pool that was asked for has the wrong labels or a taint that the job does not tolerate."""
    gpus, what = _no_such_gpus(job_class, asked), _thing(job_class)
    if gpus is not None:
        return gpus
    if _wants_containers(job_class) and not any(pool.jobs.containers for pool in asked):
        return Refusal(
            kind=RefusalKind.CONTAINERS,
            text=f"No worker of {_named(asked)} runs containers, and the job has an image.",
            remedy="Set containers: true on a pool whose machines have Docker or Podman.",
            evidence=tuple((f"{pool.name}.containers", "no") for pool in asked),
        )
    tainted = [(pool, untolerated(job_class, pool.taints)) for pool in asked]
    labelled = [pool for pool in asked if _labels_fit(job_class, pool)]
    if labelled and job_class.pool == AUTO:
        pool, taints = next((pool, taints) for pool, taints in tainted if pool in labelled)
        shown = ", ".join(f"{taint.key}={taint.value}:{taint.effect}" for taint in taints)
        return Refusal(
            kind=RefusalKind.TAINTS,
            text=f"The {what} does not tolerate the taint {shown} of pool {pool.name!r}.",
            remedy="Add a toleration for it."
            if what == "pod"
            else f"Add a toleration for it, or name pool {pool.name!r} in the job.",
            evidence=tuple((pool.name, len(taints)) for pool, taints in tainted),
        )
    terms = (" and ".join(map(text, term)) for term in job_class.affinity.required)
    wanted = ", ".join(
        [*(f"{key}={value}" for key, value in job_class.selector), *filter(None, [" or ".join(terms)])]
    )
    return Refusal(
        kind=RefusalKind.SELECTOR,
        text=f"No template of {_named(asked)} has the labels {wanted}.",
        remedy=f"Change the selector or affinity of the {what}, or add the labels to the pool or the template.",
        evidence=(("selector", wanted), ("pools", len(asked))),
    )


def _no_such_gpus(job_class: Asks, asked: list[PoolSpec]) -> Refusal | None:
    """None unless it is the GPUs, and not only labels or taints, that keep the job out."""
    templates = [template_labels(pool, template) for pool in asked for template in pool.templates]
    if not job_class.request.gpu or not templates or any(gpus_fit(job_class, labels) for labels in templates):
        return None
    wanted = f"{job_class.gpus_asked:g} GPU"
    if job_class.gpu_models:
        wanted += f" of model {' or '.join(job_class.gpu_models)}"
    models = {dict(labels).get(GPU_MODEL, "") for labels in templates} - {""}
    if job_class.gpu_models and not models & set(job_class.gpu_models):
        known = (
            f"Request one of {', '.join(sorted(models))}"
            if models
            else "No template names its gpu_model: add it"
        )
        remedy = f"{known}, or add a template with that gpu_model."
    elif job_class.gpu_share_milli < WHOLE_GPU:
        most = WHOLE_GPU // job_class.gpu_share_milli
        remedy = f"Request whole GPUs, or split those of a template into at most {most} parts (gpu_parts)."
        if most == 1:
            remedy = "Request 1 GPU, or at most half of one."
    else:
        remedy = (
            "Request a share of a GPU, or add a template with such GPUs that are not split (gpu_parts: 1)."
        )
    return Refusal(
        kind=RefusalKind.GPU,
        text=f"No template of {_named(asked)} offers {wanted}.",
        remedy=remedy,
        evidence=(
            ("gpu_share_milli", job_class.gpu_share_milli),
            ("gpu_models", "|".join(job_class.gpu_models)),
        ),
    )


def _wants_containers(job_class: Asks) -> bool:
    return any(each.key == CONTAINERS for term in job_class.affinity.required for each in term)


def _thing(asks: Asks) -> str:
    return "pod" if asks.work is Work.PODS else "job"


def _pools(pools: list[PoolSpec]) -> str:
    return "pool" if len(pools) == 1 else "pools"


def _named(pools: list[PoolSpec]) -> str:
    return f"{_pools(pools)} {listed([pool.name for pool in pools], 'or')}"


def _labels_fit(job_class: Asks, pool: PoolSpec) -> bool:
    sets = [template_labels(pool, offer) for template in pool.templates for offer in offers_of(template)] or [
        pool.labels
    ]
    return any(labels_fulfil(job_class, labels) for labels in sets)


def _too_large(job_class: Asks, pools: list[PoolSpec]) -> Refusal | None:
    """None when a template is large enough. Else the one that lacks least, judged by its worst dimension."""
    request = job_class.request
    candidates: list[tuple[float, PoolSpec, Template]] = []
    for pool in pools:
        for template in pool.templates:
            if template.slots > 0 and job_may_use_template(job_class, pool, template):
                if request.fits_in(template.allocatable):
                    return None
                candidates.append((_excess(request, template.allocatable), pool, template))
    if not candidates:
        return _no_workers(pools)
    _, pool, template = min(candidates, key=lambda found: (found[0], found[1].name, found[2].name))
    lacking = request.lacking_in(template.allocatable)
    shown = ", ".join(request.table.named(name).text(amount) for name, amount in lacking.items())
    return Refusal(
        kind=RefusalKind.TOO_LARGE,
        text=f"The {_thing(job_class)} requests {request}, more than any worker has. The nearest is template {template.name!r} of pool "
        f"{pool.name!r} ({template.allocatable}), which lacks {shown}.",
        remedy="Request less, or add a larger template to the pool.",
        evidence=tuple((f"short_{name}", amount) for name, amount in lacking.items()),
    )


def _excess(request: Resources, have: Resources) -> float:
    """How many times too large, in the worst dimension; something that is not there at all counts as a millionfold."""
    return max(ask / there if there else 1e6 for ask, there in pairs(request, have) if ask > there)
