"""Views of workers, pools and plans, and the summary of the fleet."""

import json
from collections import Counter
from typing import Any

from sqlalchemy import Row, select

from herder import __version__
from herder.control.budgets.outlook import of_actions
from herder.control.kernel.bounds.errors import Invalid, NotKnown
from herder.control.kernel.core import Core
from herder.control.kernel.jobs.usage_ledger import worker_cost
from herder.control.pools.pool_actions import pool_named
from herder.control.reads.explanations import attention, failures
from herder.control.reads.fleet import clusters, drivers
from herder.control.reads.fleet.creations import add_failed_step, add_step
from herder.control.reads.fleet.expiry import add_expiry
from herder.control.reads.fleet.worker_faults import has_fault, refuse_past_faults
from herder.control.reads.visibility import PAGE_MAX
from herder.engine.attempts.worker_health import health_of
from herder.engine.memory.dirty_rows import worker_record
from herder.engine.memory.state import WorkerLife
from herder.engine.workers.cluster.node_texts import unseen_text
from herder.engine.workers.draining.drain_texts import drain_word, progress_text, until_ms
from herder.model.fleet.offer import offers_of
from herder.model.fleet.pool import PoolSpec, Template
from herder.model.fleet.worker import Health, WorkerState
from herder.model.ids import PoolName, WorkerName
from herder.model.permissions import Principal, scope_of
from herder.model.planning.plan import Plan
from herder.model.values.money import usd_text
from herder.model.values.phrases import counted, sentences
from herder.model.values.resources import ZERO, stored_amounts
from herder.model.values.times import iso, iso_or_none
from herder.model.work.job import FAULTS_OF_WORKERS, Cause, JobState
from herder.ports.leadership import ServerNote
from herder.settings import pool_to_plain
from herder.store.rows import tables as t
from herder.store.rows.json_forms import plain_plan
from herder.store.rows.usage_rows import worker_row_cost
from herder.wire.api.resources import (
    OfferView,
    Page,
    PlanView,
    PoolView,
    ServerView,
    Status,
    TemplateView,
    WorkerView,
)


async def worker_page(
    core: Core,
    who: Principal,
    *,
    pool: str | None,
    state: str | None,
    ended: bool,
    faults: bool,
    after: str | None,
    limit: int = 100,
) -> Page:
    """Live workers from memory, oldest first; with `ended` those of the past from the store, newest first."""
    refuse_past_faults(state, ended, faults)
    limit = max(1, min(limit, PAGE_MAX))
    states = [each.value for each in WorkerState]
    if state is not None and state not in states:
        raise Invalid(
            f"{state[:50]!r} is not a state of a worker.",
            field="state",
            hint=f"Choose one of {', '.join(states)}.",
        )
    start = int(after) if after is not None and after.isdecimal() and len(after) <= 18 else 0
    if not ended and state not in (WorkerState.TERMINATED, WorkerState.FAILED):
        found = [
            worker
            for worker in core.state.workers.values()
            if pool in (None, worker.spec.pool) and state in (None, worker.state)
            if not faults or has_fault(core, worker)
        ]
        return _cut(core, who, found, after, limit)
    query = select(t.workers).order_by(t.workers.c.requested_at_ms.desc(), t.workers.c.name)
    if pool is not None:
        query = query.where(t.workers.c.pool == pool)
    if state is not None:
        query = query.where(t.workers.c.state == state)
    query = query.offset(start).limit(limit + 1)
    rows = await core.read(lambda connection: connection.execute(query).all())
    items = [_ended_worker(core, who, row) for row in rows[:limit]]
    return Page(items=items, next=str(start + limit) if len(rows) > limit else None)


def _cut(core: Core, who: Principal, found: list[WorkerLife], after: str | None, limit: int) -> Page:
    start = int(after) if after is not None and after.isdecimal() and len(after) <= 18 else 0
    items = [live_worker(core, who, worker) for worker in found[start : start + limit]]
    return Page(
        items=items, next=str(start + limit) if len(found) > start + limit else None, total=len(found)
    )


async def worker_view(core: Core, who: Principal, name: str) -> WorkerView:
    """Alive or not. Raises NotKnown."""
    worker = core.state.workers.get(WorkerName(name))
    if worker is not None:
        return live_worker(core, who, worker)
    query = select(t.workers).where(t.workers.c.name == name)
    row = await core.read(lambda connection: connection.execute(query).first())
    if row is None:
        raise NotKnown(
            f"Worker {name!r} does not exist.",
            hint="`herder worker list --ended` also shows workers that have ended.",
        )
    view = _row_view(row)
    add_failed_step(row.creation, view)
    return view


def live_worker(core: Core, who: Principal, worker: WorkerLife) -> WorkerView:
    record, now = worker_record(worker), core.clock.now_ms()
    view = _view(
        record,
        free=worker.free.amounts(),
        attempts=len(worker.live),
        cost_pico=worker_cost(worker, now),
        health=health_of(worker, now),
    )
    view.drain = drain_word(core.state, worker)
    view.drain_text = progress_text(core.state, worker, now, with_users=scope_of(who) is None)
    view.drain_until = iso_or_none(until_ms(worker) if view.drain in ("draining", "blocked") else None)
    view.drain_keeps = worker.drain is not None and worker.drain.keep
    if worker.node is not None:
        view.node, view.pods = worker.node.name, worker.node.pods
    if worker.health.notice is not None:
        view.interrupted_at = iso(worker.health.notice.at_ms)
        view.interrupted_by = worker.health.notice.source.value
    add_expiry(core, worker, view)
    add_step(core, worker, view)
    return view


def _ended_worker(core: Core, who: Principal, row: Row[Any]) -> WorkerView:
    worker = core.state.workers.get(WorkerName(row.name))
    return live_worker(core, who, worker) if worker is not None else _row_view(row)


def _row_view(row: Row[Any]) -> WorkerView:
    until_ms = row.ended_at_ms or row.last_seen_at_ms or row.requested_at_ms
    return _view(row, free=ZERO.amounts(), attempts=0, cost_pico=worker_row_cost(row, until_ms))


def _view(
    row: Any,
    *,
    free: dict[str, int],
    attempts: int,
    cost_pico: int,
    health: tuple[Health | None, str] = (None, ""),
) -> WorkerView:
    spec = json.loads(row.spec)
    shape = stored_amounts(spec["allocatable"])
    return WorkerView(
        name=row.name,
        pool=row.pool,
        template=row.template,
        driver=row.driver,
        state=row.state,
        cordoned=bool(row.cordoned),
        cpu_milli=shape.pop("cpu_milli"),
        memory_mib=shape.pop("memory_mib"),
        disk_mib=shape.pop("disk_mib"),
        gpu=shape.pop("gpu"),
        resources={name: amount for name, amount in shape.items() if amount},
        free=free,
        attempts=attempts,
        attempts_done=row.attempts_done,
        price_per_hour_usd=usd_text(spec["price"]),
        cost_usd=usd_text(cost_pico),
        requested_at=iso(row.requested_at_ms),
        ready_at=iso_or_none(row.ready_at_ms),
        last_seen_at=iso_or_none(row.last_seen_at_ms),
        expires_at=iso_or_none(row.expires_at_ms if row.ended_at_ms is None else None),
        ended_at=iso_or_none(row.ended_at_ms),
        why_made=json.loads(row.reason_made).get("text", ""),
        why_removed=json.loads(row.reason_removed).get("text", ""),
        plan=row.plan,
        handle=row.handle,
        zone=spec.get("zone", ""),
        spot=spec.get("spot", False),
        phase=row.phase,
        health=health[0] or "",
        health_reason=health[1],
        extensions=row.extensions,
        agent_version=row.agent_version,
        cluster=spec.get("cluster", ""),
    )


def pool_costs(core: Core) -> dict[str, int]:
    """Pico-USD by pool: every worker it ever had, the live ones up to now."""
    costs: Counter[str] = Counter(core.ledger.pools)
    now = core.clock.now_ms()
    for worker in core.state.workers.values():
        costs[worker.spec.pool] += worker_cost(worker, now)
    return dict(costs)


async def pool_views(core: Core) -> list[PoolView]:
    return _pools(core, pool_costs(core))


async def pool_view(core: Core, name: str) -> PoolView:
    pool = pool_named(core, name)
    workers = [worker for worker in core.state.workers.values() if worker.spec.pool == name]
    return _pool(
        core, pool, workers, attention.queued_by_pool(core)[pool.name], pool_costs(core).get(name, 0)
    )


def _pools(core: Core, costs: dict[str, int]) -> list[PoolView]:
    """All pools. Workers and queues are gone through once, not once for each."""
    workers: dict[PoolName, list[WorkerLife]] = {}
    for worker in core.state.workers.values():
        workers.setdefault(worker.spec.pool, []).append(worker)
    queued = attention.queued_by_pool(core)
    return [
        _pool(core, pool, workers.get(name, []), queued[name], costs.get(name, 0))
        for name, pool in sorted(core.state.pools.items())
    ]


def _pool(
    core: Core, pool: PoolSpec, workers: list[WorkerLife], queued_jobs: int, cost_pico: int
) -> PoolView:
    states = Counter(worker.state for worker in workers)
    capacity = used = ZERO
    for worker in workers:
        if worker.state in (WorkerState.READY, WorkerState.UNHEALTHY, WorkerState.DRAINING):
            capacity = capacity.plus(worker.spec.allocatable)
            used = used.plus(worker.spec.allocatable.minus(worker.free))
    going = sum(count for state, count in states.items() if state.leaving)
    return PoolView(
        name=pool.name,
        driver=", ".join(pool.drivers),
        min_workers=pool.size.min_workers,
        max_workers=pool.size.max_workers,
        desired=len(workers) - going,
        actual=len(workers),
        ready=states[WorkerState.READY],
        in_flight=sum(count for state, count in states.items() if state.in_flight),
        draining=going,
        capacity=capacity.amounts(),
        used=used.amounts(),
        queued_jobs=queued_jobs,
        frozen=pool.frozen,
        cost_usd=usd_text(cost_pico),
        templates=[
            TemplateView(
                name=template.name,
                cpu_milli=template.allocatable.cpu_milli,
                memory_mib=template.allocatable.memory_mib,
                disk_mib=template.allocatable.disk_mib,
                gpu=template.allocatable.gpu,
                resources=template.allocatable.declared(),
                slots=template.slots,
                price_per_hour_usd=usd_text(template.price_pico_per_hour),
                offers=_offers(template),
                gpu_model=template.gpu_model,
                gpu_parts=template.gpu_parts,
            )
            for template in pool.templates
        ],
        settings=pool_to_plain(pool),
        unseen=unseen_text(core.state, pool),
    )


def _offers(template: Template) -> list[OfferView]:
    offers = offers_of(template)
    return [
        OfferView(
            zone=offer.zone,
            spot=offer.spot,
            price_per_hour_usd=usd_text(offer.price_pico_per_hour),
            max_workers=offer.most,
        )
        for offer in offers
        if len(offers) > 1 or offer.zone or offer.spot
    ]


async def status(core: Core, who: Principal) -> Status:
    """What each user has spent is told to operators; others hear what they have spent themselves."""
    scope = scope_of(who)
    costs, now = pool_costs(core), core.clock.now_ms()
    users: Counter[str] = Counter()
    for (user, _, _), used in core.ledger.accounts.items():
        if scope is None or user == scope.user:
            users[user] += used.cost_pico
    workers = core.state.workers.values()
    recent = await failures.recent(core)
    return Status(
        version=__version__,
        now=iso(core.clock.now_ms()),
        started_at=iso(core.started_at_ms),
        jobs={JobState(number).label: count for number, count in sorted(core.state.counts.items())},
        pools=_pools(core, costs),
        workers=dict(Counter(worker.state.value for worker in workers)),
        spend_usd=usd_text(sum(costs.values())),
        spend_by_user={user: usd_text(cost) for user, cost in sorted(users.items())},
        price_per_hour_usd=usd_text(
            sum(worker.spec.price_pico_per_hour for worker in workers if worker.provisioned_at_ms is not None)
        ),
        recent_failures=[
            *_trouble(core),
            *(f"{iso(now)} jobs: {text}" for text in failed_jobs(core.state.failed_lately.by_cause(now))),
            *recent,
        ],
        drivers=drivers.troubles(core),
        clusters=[*clusters.states(core), *clusters.troubles(core)],
        attention=attention.attention(core, who),
        waiting=attention.waiting(core),
        servers=[_server(note) for note in core.leadership.servers()],
        epoch=core.leadership.epoch,
        as_of=iso_or_none(core.leadership.as_of_ms),
    )


def _server(note: ServerNote) -> ServerView:
    return ServerView(
        url=note.url,
        role="leader" if note.leads else "follower",
        version=note.version,
        started_at=iso(note.started_at_ms),
        seen_s=note.seen_ms / 1000,
    )


def failed_jobs(causes: Counter[str]) -> list[str]:
    """One sentence about the jobs that failed within the last hour, if any did."""
    failed = sum(causes.values())
    if not failed:
        return []
    by_workers = sum(causes[cause] for cause in (*FAULTS_OF_WORKERS, Cause.KILLED_WORKERS))
    counts = ", ".join(f"{count:,} {cause or 'unknown'}" for cause, count in causes.most_common())
    which = f", {by_workers:,} of them because of infrastructure" if by_workers else ""
    return [f"{counted(failed, 'job')} failed in the last hour{which} ({counts})."]


def _trouble(core: Core) -> list[str]:
    trouble = core.store.trouble
    return [] if trouble is None else [sentences(trouble.text, trouble.hint)]


async def plan_page(core: Core, *, after: int | None, limit: int = 50, empty: bool = True) -> Page:
    """Newest first."""
    limit = max(1, min(limit, PAGE_MAX))
    query = select(t.plans).order_by(t.plans.c.number.desc()).limit(limit + 1)
    if after is not None:
        query = query.where(t.plans.c.number < after)
    if not empty:
        query = query.where(t.plans.c.empty == 0)
    rows = await core.read(lambda connection: connection.execute(query).all())
    items = [plan_view(json.loads(row.body)) for row in rows[:limit]]
    return Page(items=items, next=str(items[-1].number) if len(rows) > limit else None)


async def plan_of(core: Core, number: int) -> PlanView:
    query = select(t.plans).where(t.plans.c.number == number)
    row = await core.read(lambda connection: connection.execute(query).first())
    if row is None:
        raise NotKnown(
            f"Plan {number} does not exist.",
            hint="`herder plan list` shows the plans that had actions. A plan that repeats the one before is not recorded.",
        )
    return plan_view(json.loads(row.body))


def next_plan_view(core: Core, plan: Plan) -> PlanView:
    """Of a plan that is not recorded, with what it means for budgets."""
    view = plan_view(plain_plan(plan))
    view.outlook = of_actions(core, plan.actions, core.clock.now_ms())
    return view


def plan_view(body: dict[str, Any]) -> PlanView:
    return PlanView(
        number=body["number"],
        made_at=iso(body["made_at_ms"]),
        empty=not body["actions"],
        actions=body["actions"],
        pools=body["pools"],
        unplaced=body["unplaced"],
        # Plans that were recorded before there was a bound have none.
        cost_pico_per_hour=body.get("cost_pico_per_hour", 0),
        bound_pico_per_hour=body.get("bound_pico_per_hour", 0),
    )
