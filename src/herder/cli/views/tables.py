"""The columns of every kind of object, from which tables, CSV, JSON and YAML are made. Columns for experts are shown with `-o wide`.

`key` is a column's name for programs: the field of the API where it is one, else a name with its unit.
"""

from collections.abc import Callable
from typing import Any

from herder.cli.output.columns import field, made, money, since, took, words
from herder.cli.output.humanize import amounts, exit_cell, gpus, offer_words, shape
from herder.cli.output.rows import Column, View
from herder.cli.views.fleet.health import health_column
from herder.cli.views.plans import action_line, action_row, reason_text


def pool_status(pool: Any) -> str:
    if pool.frozen:
        return "frozen"
    if pool.unseen:
        return "unseen"
    if pool.in_flight:
        return "growing"
    if pool.draining:
        return "shrinking"
    return "at limit" if pool.actual >= pool.max_workers else "ok"


def worker_status(worker: Any) -> str:
    """`ready`, `ready,cordoned`, `ready,drained`, `draining`, `draining,blocked`, `draining,interrupted`."""
    beside = worker.drain or ("cordoned" if worker.cordoned else "")
    if worker.interrupted_at and beside == "draining":
        beside = "interrupted"
    return f"{worker.state},{beside}" if beside not in ("", worker.state) else str(worker.state)


def _of_action(key: str) -> Callable[[Any], Any]:
    return lambda action: action_row(action).get(key)


def _whole_seconds(at: str) -> str:
    """A time without parts of a second."""
    head, dot, rest = at.partition(".")
    return f"{head}{rest.lstrip('0123456789')}" if dot else at


def _used_percent(pool: Any) -> int | None:
    capacity = pool.capacity.get("cpu_milli", 0)
    return int(100 * pool.used.get("cpu_milli", 0) // capacity) if capacity else None


def ended_jobs(batch: Any) -> int:
    return sum(batch.counts.get(state, 0) for state in ("succeeded", "failed", "cancelled", "skipped"))


POOLS = View(
    noun="pool",
    name=lambda pool: str(pool.name),
    columns=(
        field("NAME", "name"),
        made("STATUS", pool_status, key="status", state=True),
        Column(
            header="READY",
            key="ready",
            show=lambda pool, now_s: f"{pool.ready}/{pool.desired}",
            raw=lambda pool: pool.ready,
            right=True,
        ),
        field("MIN", "min_workers", right=True, drop=2),
        field("MAX", "max_workers", right=True, drop=1),
        field("QUEUED", "queued_jobs", right=True),
        Column(
            header="CPU USED",
            key="cpu_used_percent",
            show=lambda pool, now_s: "-" if (used := _used_percent(pool)) is None else f"{used}%",
            raw=_used_percent,
            right=True,
            drop=4,
        ),
        money("COST", "cost_usd", drop=3),
        field("DRIVER", "driver", wide=True, drop=10),
        field("DESIRED", "desired", wide=True, right=True, drop=14),
        field("ACTUAL", "actual", wide=True, right=True, drop=11),
        field("STARTING", "in_flight", wide=True, right=True, drop=12),
        field("DRAINING", "draining", wide=True, right=True, drop=13),
        made(
            "TEMPLATES",
            lambda pool: ",".join(each.name for each in pool.templates),
            key="template_names",
            wide=True,
            long=True,
            drop=15,
        ),
    ),
    empty="No pools. Write a herder.yaml, then run: herder apply -f herder.yaml",
)

WORKERS = View(
    noun="worker",
    name=lambda worker: str(worker.name),
    columns=(
        field("NAME", "name"),
        made("STATUS", worker_status, key="status", state=True),
        health_column(),
        field("POOL", "pool", drop=7),
        field("TEMPLATE", "template", drop=8),
        field("JOBS", "attempts", right=True),
        field("DONE", "attempts_done", right=True, drop=9),
        since("EXPIRES", "expires_at", drop=6),
        money("COST", "cost_usd", drop=5),
        since("AGE", "requested_at", drop=2),
        field("DRIVER", "driver", wide=True, drop=12),
        field("ZONE", "zone", wide=True, drop=13),
        words("SPOT", "spot", lambda spot: "spot" if spot else "-", wide=True, drop=14),
        made(
            "SIZE",
            lambda worker: shape(worker.cpu_milli, worker.memory_mib, 0, worker.gpu, worker.resources),
            key="size",
            wide=True,
            drop=11,
        ),
        money("PRICE/H", "price_per_hour_usd", wide=True, drop=15),
        since("LAST SEEN", "last_seen_at", wide=True, drop=16),
        field("HANDLE", "handle", wide=True, long=True, drop=20),
        field("HEALTH REASON", "health_reason", wide=True, long=True, drop=18),
        field("CREATED BECAUSE", "why_made", wide=True, long=True, drop=10),
        field("REMOVED BECAUSE", "why_removed", wide=True, long=True, drop=19),
    ),
    empty="No workers. Pools create them when jobs wait. To add one by hand: herder pool scale POOL 1",
)

BATCHES = View(
    noun="batch",
    name=lambda batch: str(batch.id),
    columns=(
        field("ID", "id", right=True),
        field("NAME", "name", long=True),
        field("STATUS", "state", state=True),
        field("JOBS", "jobs", right=True),
        made("ENDED", ended_jobs, key="jobs_ended", right=True, drop=1),
        made("FAILED", lambda batch: batch.counts.get("failed", 0), key="jobs_failed", right=True),
        field("USER", "user", drop=4),
        money("COST", "cost_usd", drop=3),
        since("AGE", "created_at", drop=2),
        field("PROJECT", "project", wide=True, drop=10),
        took("committed_at", wide=True, drop=9),
    ),
    empty="No batches. Submit one with: herder batch submit FILE",
)

JOBS = View(
    noun="job",
    name=lambda job: str(job.id),
    columns=(
        field("ID", "id", right=True),
        field("NAME", "key", long=True, drop=2),
        field("STATUS", "state", state=True),
        field("POOL", "pool", drop=6),
        field("ATTEMPTS", "attempts", right=True, drop=5),
        words("EXIT", "exit_code", exit_cell, right=True, drop=4),
        field("CAUSE", "cause", long=True, drop=3),
        took("started_at", drop=1),
        since("AGE", "created_at"),
        field("BATCH", "batch", wide=True, right=True, drop=11),
        field("GROUP", "group", wide=True, long=True, drop=15),
        field("USER", "user", wide=True, drop=12),
        field("TYPE", "type", wide=True, drop=15),
        field("PRIORITY", "priority", wide=True, right=True, drop=14),
        made(
            "REQUESTS",
            lambda job: shape(job.cpu_milli, job.memory_mib, job.disk_mib, job.gpu, job.resources),
            key="asks_for",
            wide=True,
            drop=13,
        ),
        field("MESSAGE", "message", wide=True, long=True, drop=10),
    ),
    empty="No jobs. Submit one with: herder job submit -- echo hello",
)

ATTEMPTS = View(
    noun="attempt",
    name=lambda attempt: str(attempt.attempt),
    columns=(
        field("ATTEMPT", "attempt", right=True),
        field("STATUS", "state", state=True),
        field("WORKER", "worker"),
        words("EXIT", "exit_code", exit_cell, right=True, drop=1),
        field("CAUSE", "cause", long=True, drop=2),
        took("started_at", drop=4),
        words("REQUESTED", "memory_mib", lambda mib: f"{mib} MiB" if mib else "-", right=True, drop=7),
        words(
            "MEMORY",
            "memory_peak_mib",
            lambda peak: f"{peak} MiB" if peak is not None else "-",
            right=True,
            drop=5,
        ),
        money("COST", "cost_usd", drop=6),
        field("MESSAGE", "message", wrap=True),
    ),
    empty="",
)

EVENTS = View(
    noun="event",
    name=lambda event: str(event.sequence),
    columns=(
        field("NUMBER", "sequence", right=True, drop=2),
        words("AT", "at", _whole_seconds),
        field("KIND", "kind", drop=3),
        field("OBJECT", "object", long=True),
        field("ACTOR", "actor", wide=True, drop=4),
        field("TEXT", "text", wrap=True),
    ),
    empty="No events.",
)

PLANS = View(
    noun="plan",
    name=lambda plan: str(plan.number),
    columns=(
        field("NUMBER", "number", right=True),
        made("ACTIONS", lambda plan: len(plan.actions), key="action_count", right=True),
        since("AGE", "made_at"),
        made(
            "SUMMARY",
            lambda plan: "; ".join(action_line(each) for each in plan.actions[:3]) or "nothing to do",
            key="what",
            long=True,
        ),
    ),
    empty="No plans with actions. To see the next plan: herder plan",
)

ACTIONS = View(
    noun="action",
    name=lambda action: str(action_row(action).get("worker", "")),
    columns=(
        *(
            made(header, _of_action(header.lower()), key=header.lower())
            for header in ("ACTION", "WORKER", "POOL", "TEMPLATE", "ZONE", "SPOT", "PRICE_PER_HOUR_USD")
        ),
        made("REASON", lambda action: reason_text(action.get("reason")), key="reason", wrap=True),
    ),
    empty="Nothing to do.",
)

FACTS = View(
    noun="fact",
    name=lambda fact: str(fact.kind),
    columns=(
        field("KIND", "kind"),
        field("TEXT", "text", wrap=True),
        field("EVIDENCE", "evidence", long=True),
    ),
    empty="",
)

CHANGES = View(
    noun="pool",
    name=lambda change: str(change.pool),
    columns=(
        field("POOL", "pool"),
        field("CHANGE", "change", state=True),
        field("FIELDS", "fields", long=True),
    ),
    empty="",
)

USERS = View(
    noun="user",
    name=lambda user: str(user.name),
    columns=(
        field("NAME", "name"),
        field("ROLE", "role"),
        field("WEIGHT", "weight", right=True, drop=2),
        words("USED", "used", amounts, long=True),
        words("QUOTA", "quota", amounts, long=True),
        money("COST", "cost_usd", drop=1),
    ),
    empty="No users. Add one with: herder user create NAME",
)

TOKENS = View(
    noun="token",
    name=lambda token: str(token.id),
    columns=(
        field("ID", "id"),
        field("USER", "user"),
        field("ROLE", "role"),
        field("STATUS", "state", state=True),
        since("EXPIRES", "expires_at"),
        since("LAST USED", "last_used_at", drop=4),
        since("AGE", "created_at", drop=3),
        since("REVOKED", "revoked_at", wide=True, drop=5),
        field("NOTE", "note", long=True, drop=2),
    ),
    empty="No tokens. Create one with: herder token create --save FILE",
)

PROJECTS = View(
    noun="project",
    name=lambda project: str(project.name),
    columns=(
        field("NAME", "name"),
        field("DIVISION", "division", drop=3),
        field("CARD", "rate_card", drop=4),
        words("USED", "used", amounts, long=True),
        words("NOMINAL QUOTA", "nominal_quota", amounts, long=True),
        words("BORROWED", "borrowed", amounts, long=True, drop=2),
        field("QUEUED", "queued_jobs", right=True),
        words("MAY START", "may_start", amounts, long=True, wide=True, drop=4),
        words("BORROWING LIMIT", "borrowing_limit", amounts, long=True, wide=True, drop=5),
        words("LENDING LIMIT", "lending_limit", amounts, long=True, wide=True, drop=6),
        field("COHORT", "cohort", wide=True, drop=3),
        money("COST", "cost_usd", drop=1),
    ),
    empty="No projects with a quota or with open jobs. Quotas are set under projects in herder.yaml.",
)

JOB_TYPES = View(
    noun="job type",
    name=lambda each: str(each.name),
    columns=(
        field("NAME", "name", long=True),
        field("PRIORITY", "priority", right=True),
        field("MAX CONCURRENT", "max_concurrent", right=True),
        field("WEIGHT", "resource_weight", right=True, drop=2),
        field("RUNNING", "running_jobs", right=True),
        field("QUEUED", "queued_jobs", right=True),
        field("MAY START", "may_start", right=True, drop=1),
        field("DESCRIPTION", "description", wide=True, long=True, drop=3),
    ),
    empty="No job types. They are defined under job_types in herder.yaml.",
)

TEMPLATES = View(
    noun="template",
    name=lambda template: str(template.name),
    columns=(
        field("TEMPLATE", "name"),
        made(
            "SIZE",
            lambda each: shape(each.cpu_milli, each.memory_mib, each.disk_mib, 0, each.resources),
            key="size",
            long=True,
        ),
        made("GPUS", lambda each: gpus(each.gpu, each.gpu_model, each.gpu_parts), key="gpus", drop=2),
        field("SLOTS", "slots", right=True, drop=3),
        money("PRICE/H", "price_per_hour_usd"),
        made(
            "OFFERS",
            lambda each: ", ".join(offer_words(offer) for offer in each.offers) or "-",
            key="sold_as",
            wrap=True,
        ),
    ),
    empty="",
)
