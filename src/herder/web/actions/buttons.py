"""Which actions a page offers: those that the visitor may ask for and that make sense for the object as it is.

The server checks them anyway. Used by the pages of pools, workers, jobs and batches.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from herder.model.permissions import Action, Kind, Principal, Thing, Verdict, may
from herder.web.actions.verbs import FLEET_VERBS
from herder.web.actions.work_verbs import WORK_VERBS
from herder.wire.api.resources import PoolView, WorkerView
from herder.wire.api.work import BatchView, JobDetail

_ENDED = ("succeeded", "failed", "cancelled", "skipped")


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    words: str
    address: str
    grave: bool


def of_pool(who: Principal, pool: PoolView) -> list[Button]:
    return _buttons(who, _FLEET, "pool", pool.name, ("scale", "unfreeze" if pool.frozen else "freeze"))


def of_worker(who: Principal, worker: WorkerView) -> list[Button]:
    if worker.ended_at is not None or worker.state == "terminating":
        return []
    kept_back = worker.cordoned or worker.drain or worker.health == "quarantined"
    names = ("uncordon" if kept_back else "cordon", "drain", "extend", "remove")
    return _buttons(who, _FLEET, "worker", worker.name, names)


def of_job(who: Principal, job: JobDetail) -> list[Button]:
    thing = Thing(kind=Kind.JOB, name=str(job.id), owner=job.user, project=job.project)
    if job.state in _ENDED:
        return _buttons(who, thing, "job", str(job.id), ("retry",))
    holding = {"held": ("release",), "ready": ("hold",)}.get(job.state, ())
    return _buttons(who, thing, "job", str(job.id), (*holding, "cancel"))


def of_batch(who: Principal, batch: BatchView) -> list[Button]:
    thing = Thing(kind=Kind.BATCH, name=str(batch.id), owner=batch.user, project=batch.project)
    names = ["retry"] if batch.counts.get("failed") else []
    if batch.ended_at is None:
        names.append("cancel")
    return _buttons(who, thing, "batch", str(batch.id), names)


_FLEET = Thing(kind=Kind.FLEET)


def _buttons(who: Principal, thing: Thing, noun: str, target: str, names: Sequence[str]) -> list[Button]:
    if may(who, Action.CHANGE, thing) is not Verdict.ALLOWED:
        return []
    verbs = {each.name: each for each in (*FLEET_VERBS, *WORK_VERBS) if each.noun == noun}
    return [
        Button(
            words=verbs[name].words,
            address=f"{verbs[name].address(quote(target))}/{name}",
            grave=verbs[name].grave,
        )
        for name in names
    ]
