"""The columns of every kind of thing. NAME STATUS … AGE; what is only for experts is `wide`."""

from collections.abc import Callable
from typing import Any

from herder.cli.output.plans import action_line
from herder.cli.output.view import Column, View
from herder.cli.output.words import age, amounts, between, gpus, offer_words, percent, shape, usd


def _text(
    header: str, attribute: str, *, wide: bool = False, right: bool = False, long: bool = False
) -> Column:
    def raw(item: Any) -> Any:
        return getattr(item, attribute)

    def show(item: Any, now_s: float) -> str:
        value = getattr(item, attribute)
        return "-" if value is None or value == "" else str(value)

    return Column(header=header, show=show, raw=raw, wide=wide, right=right, long=long)


def _age(header: str, attribute: str, *, wide: bool = False) -> Column:
    def show(item: Any, now_s: float) -> str:
        return age(getattr(item, attribute), now_s)

    return Column(header=header, show=show, raw=lambda item: getattr(item, attribute), wide=wide, right=True)


def _money(header: str, attribute: str, *, wide: bool = False) -> Column:
    def show(item: Any, now_s: float) -> str:
        return usd(getattr(item, attribute))

    return Column(header=header, show=show, raw=lambda item: getattr(item, attribute), wide=wide, right=True)


def _made(
    header: str,
    make: Callable[[Any], Any],
    *,
    wide: bool = False,
    right: bool = False,
    state: bool = False,
    long: bool = False,
) -> Column:
    def show(item: Any, now_s: float) -> str:
        value = make(item)
        return "-" if value is None or value == "" else str(value)

    return Column(header=header, show=show, raw=make, wide=wide, right=right, state=state, long=long)


def pool_status(pool: Any) -> str:
    if pool.frozen:
        return "frozen"
    if pool.in_flight:
        return "growing"
    if pool.draining:
        return "shrinking"
    return "at limit" if pool.actual >= pool.max_workers else "ok"


def worker_status(worker: Any) -> str:
    return f"{worker.state},cordoned" if worker.cordoned else str(worker.state)


def _used(pool: Any) -> str:
    return percent(pool.used.get("cpu_milli", 0), pool.capacity.get("cpu_milli", 0))


def _ended(batch: Any) -> int:
    return sum(batch.counts.get(state, 0) for state in ("succeeded", "failed", "cancelled", "skipped"))


POOLS = View(
    noun="pool",
    name=lambda pool: str(pool.name),
    columns=(
        _text("NAME", "name"),
        _made("STATUS", pool_status, state=True),
        _made("READY", lambda pool: f"{pool.ready}/{pool.desired}", right=True),
        _text("MIN", "min_workers", right=True),
        _text("MAX", "max_workers", right=True),
        _text("QUEUED", "queued_jobs", right=True),
        _made("CPU USED", _used, right=True),
        _money("COST", "cost_usd"),
        _text("DRIVER", "driver", wide=True),
        _text("ACTUAL", "actual", wide=True, right=True),
        _text("COMING", "in_flight", wide=True, right=True),
        _text("DRAINING", "draining", wide=True, right=True),
        _made("TEMPLATES", lambda pool: ",".join(each.name for each in pool.templates), wide=True),
    ),
    empty="No pools. Write a herder.yaml and type: herder apply -f herder.yaml",
)

WORKERS = View(
    noun="worker",
    name=lambda worker: str(worker.name),
    columns=(
        _text("NAME", "name"),
        _made("STATUS", worker_status, state=True),
        _made("HEALTH", lambda worker: worker.health or "-", state=True),
        _text("POOL", "pool"),
        _text("TEMPLATE", "template"),
        _text("JOBS", "attempts", right=True),
        _text("DONE", "attempts_done", right=True),
        _age("EXPIRES", "expires_at"),
        _money("COST", "cost_usd"),
        _age("AGE", "requested_at"),
        _text("DRIVER", "driver", wide=True),
        _made("ZONE", lambda worker: worker.zone or "-", wide=True),
        _made("SPOT", lambda worker: "spot" if worker.spot else "-", wide=True),
        _made(
            "SIZE",
            lambda worker: shape(worker.cpu_milli, worker.memory_mib, 0, worker.gpu, worker.resources),
            wide=True,
        ),
        _money("PRICE/H", "price_per_hour_usd", wide=True),
        _age("LAST SEEN", "last_seen_at", wide=True),
        _text("HANDLE", "handle", wide=True),
        _made("HEALTH REASON", lambda worker: worker.health_reason or "-", wide=True, long=True),
        _text("WHY MADE", "why_made", wide=True, long=True),
        _text("WHY REMOVED", "why_removed", wide=True, long=True),
    ),
    empty="No workers. They come when jobs wait; to make some by hand type: herder pool scale POOL 1",
)

BATCHES = View(
    noun="batch",
    name=lambda batch: str(batch.id),
    columns=(
        _text("ID", "id", right=True),
        _text("NAME", "name"),
        _made("STATUS", lambda batch: batch.state, state=True),
        _text("JOBS", "jobs", right=True),
        _made("ENDED", _ended, right=True),
        _made("FAILED", lambda batch: batch.counts.get("failed", 0), right=True),
        _text("USER", "user"),
        _money("COST", "cost_usd"),
        _age("AGE", "created_at"),
        _text("PROJECT", "project", wide=True),
        Column(
            header="TOOK",
            show=lambda batch, now_s: between(batch.committed_at, batch.ended_at, now_s),
            raw=lambda batch: batch.ended_at,
            wide=True,
            right=True,
        ),
    ),
    empty="No batches. Submit one with: herder batch submit FILE",
)

JOBS = View(
    noun="job",
    name=lambda job: str(job.id),
    columns=(
        _text("ID", "id", right=True),
        _text("NAME", "key"),
        _made("STATUS", lambda job: job.state, state=True),
        _text("POOL", "pool"),
        _text("ATTEMPTS", "attempts", right=True),
        _text("EXIT", "exit_code", right=True),
        _text("CAUSE", "cause"),
        Column(
            header="TOOK",
            show=lambda job, now_s: between(job.started_at, job.ended_at, now_s),
            raw=lambda job: job.started_at,
            right=True,
        ),
        _age("AGE", "created_at"),
        _text("BATCH", "batch", wide=True, right=True),
        _text("USER", "user", wide=True),
        _text("PRIORITY", "priority", wide=True, right=True),
        _made(
            "ASKS FOR",
            lambda job: shape(job.cpu_milli, job.memory_mib, job.disk_mib, job.gpu, job.resources),
            wide=True,
        ),
        _text("MESSAGE", "message", wide=True, long=True),
    ),
    empty="No jobs. Submit one with: herder job submit -- echo hello",
)

ATTEMPTS = View(
    noun="attempt",
    name=lambda attempt: str(attempt.attempt),
    columns=(
        _text("ATTEMPT", "attempt", right=True),
        _made("STATUS", lambda attempt: attempt.state, state=True),
        _text("WORKER", "worker"),
        _text("EXIT", "exit_code", right=True),
        _text("CAUSE", "cause"),
        Column(
            header="TOOK",
            show=lambda attempt, now_s: between(attempt.started_at, attempt.ended_at, now_s),
            raw=lambda attempt: attempt.ended_at,
            right=True,
        ),
        _made(
            "MEMORY",
            lambda attempt: f"{attempt.memory_peak_mib} MiB" if attempt.memory_peak_mib is not None else "-",
            right=True,
        ),
        _money("COST", "cost_usd"),
        _text("MESSAGE", "message", long=True),
    ),
    empty="",
)

EVENTS = View(
    noun="event",
    name=lambda event: str(event.sequence),
    columns=(
        _text("NUMBER", "sequence", right=True),
        _text("AT", "at"),
        _text("KIND", "kind"),
        _text("OBJECT", "object"),
        _text("TEXT", "text", long=True),
        _text("ACTOR", "actor", wide=True),
    ),
    empty="No events.",
)

PLANS = View(
    noun="plan",
    name=lambda plan: str(plan.number),
    columns=(
        _text("NUMBER", "number", right=True),
        _made("ACTIONS", lambda plan: len(plan.actions), right=True),
        _made(
            "WHAT", lambda plan: "; ".join(action_line(each) for each in plan.actions[:3]) or "nothing to do"
        ),
        _age("AGE", "made_at"),
    ),
    empty="No plans yet. What would be done now shows: herder plan",
)

USERS = View(
    noun="user",
    name=lambda user: str(user.name),
    columns=(
        _text("NAME", "name"),
        _text("ROLE", "role"),
        _text("WEIGHT", "weight", right=True),
        _made("USED", lambda user: amounts(user.used)),
        _made("QUOTA", lambda user: amounts(user.quota)),
        _money("COST", "cost_usd"),
    ),
    empty="No users. Add one with: herder user create NAME",
)

TOKENS = View(
    noun="token",
    name=lambda token: str(token.id),
    columns=(
        _text("ID", "id"),
        _text("USER", "user"),
        _text("ROLE", "role"),
        _made("STATUS", lambda token: token.state, state=True),
        _age("EXPIRES", "expires_at"),
        _age("LAST USED", "last_used_at"),
        _age("AGE", "created_at"),
        _text("NOTE", "note", long=True),
        _age("REVOKED", "revoked_at", wide=True),
    ),
    empty="No tokens. Make one with: herder token create --save FILE",
)

PROJECTS = View(
    noun="project",
    name=lambda project: str(project.name),
    columns=(
        _text("NAME", "name"),
        _made("USED", lambda project: amounts(project.used)),
        _made("NOMINAL QUOTA", lambda project: amounts(project.nominal_quota)),
        _made("BORROWED", lambda project: amounts(project.borrowed)),
        _text("QUEUED", "queued_jobs", right=True),
        _made("MAY START", lambda project: amounts(project.may_start), wide=True),
        _made("BORROWING LIMIT", lambda project: amounts(project.borrowing_limit), wide=True),
        _made("LENDING LIMIT", lambda project: amounts(project.lending_limit), wide=True),
        _text("COHORT", "cohort", wide=True),
        _money("COST", "cost_usd"),
    ),
    empty="No project has a quota, or jobs that run or wait. Quotas stand in projects of herder.yaml.",
)

TEMPLATES = View(
    noun="template",
    name=lambda template: str(template.name),
    columns=(
        _text("TEMPLATE", "name"),
        _made("SIZE", lambda each: shape(each.cpu_milli, each.memory_mib, each.disk_mib, 0, each.resources)),
        _made("GPUS", lambda each: gpus(each.gpu, each.gpu_model, each.gpu_parts)),
        _text("SLOTS", "slots", right=True),
        _money("PRICE/H", "price_per_hour_usd"),
        _made(
            "SOLD AS", lambda each: ", ".join(offer_words(offer) for offer in each.offers) or "-", long=True
        ),
    ),
    empty="",
)
