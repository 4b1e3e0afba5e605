"""The loop that renews the leases of workers on the budgets of their pools; what no budget pays any more is drained and removed in time.

A lease is renewed when a third of its quantum is left: what the worker has cost is settled, and the next quantum is reserved. Where that is
refused, the workers of the lowest value go, until what is left and what comes back of them pays for the others. A worker whose
lease cannot be renewed by its end is removed with what runs on it. One that its provider has not confirmed to be gone
keeps being charged: that is the only way in which a budget is overspent.
"""

import asyncio
from collections import defaultdict

from herder.control.budgets import leasing
from herder.control.budgets.words import amount
from herder.control.budgets.worker_leases import is_due, next_quantum, quantum_ms, reserve_first, unused
from herder.control.kernel.core import Core
from herder.control.kernel.worker_leases import cost_of_lease, lease_of
from herder.decide.scaling.scale_down.unpaid import Payee, given_up
from herder.engine.memory.events import record_event
from herder.engine.memory.state import EngineState, WorkerLife, pool_of
from herder.engine.workers.worker import drain, terminate
from herder.ledger.budgets.leases import Lease, Refused
from herder.ledger.budgets.spec import Priority, Unit
from herder.model.fleet.worker import WorkerState
from herder.model.ids import WorkerName
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.stored.changes import Changes
from herder.model.values.money import most_cost_of, usd_text
from herder.model.values.phrases import agree, counted, listed
from herder.model.values.times import span
from herder.model.work.job import Cause

#: Looks in the time in which a lease can be renewed; and no look is later than this.
LOOKS = 20
PERIOD_MOST_S = 5.0
WORKERS_NAMED = 5
_RANKS = {each: rank for rank, each in enumerate(Priority)}


async def run(core: Core) -> None:
    period_s = min(PERIOD_MOST_S, core.settings.budget_quantum_s / 3 / LOOKS)
    while True:
        if core.budgets.budgets and core.leadership.holds():
            with core.change(Changes()) as changes:
                look(core, changes, core.clock.now_ms(), int(2000 * period_s))
            if not changes.empty:
                core.workers_changed.set()
                await core.commit(changes)
        await asyncio.sleep(period_s)


def look(core: Core, changes: Changes, now_ms: int, soon_ms: int) -> None:
    """`soon_ms`: what ends within it would end before the next look."""
    _settle_unpaid(core, changes, now_ms)
    due: list[tuple[WorkerLife, Lease | None]] = []
    for worker in core.state.workers.values():
        lease = lease_of(core.budgets, worker.spec.name)
        if lease is None:
            if not worker.state.leaving and leasing.budget_of_pool(core, worker.spec.pool) is not None:
                due.append((worker, None))
        elif not worker.state.leaving:
            if is_due(core, lease, now_ms):
                due.append((worker, lease))
        elif not soon_ms < lease.until_ms - now_ms <= quantum_ms(core):
            _keep_charging(core, changes, worker, lease, now_ms)
    refused: dict[str, list[WorkerName]] = defaultdict(list)
    for worker, lease in sorted(due, key=lambda each: _value(core, each[0]), reverse=True):
        answer = _renewed(core, changes, worker, lease, now_ms)
        if isinstance(answer, Refused):
            refused[answer.budget].append(worker.spec.name)
    for budget, names in refused.items():
        _give_up(core, changes, budget, names, now_ms, soon_ms)


def _settle_unpaid(core: Core, changes: Changes, now_ms: int) -> None:
    """Of budgets that are being deleted: their workers go on without them."""
    for worker in core.state.workers.values():
        lease = lease_of(core.budgets, worker.spec.name)
        if lease is not None and not core.budgets.pays(lease):
            leasing.settle(core, changes, lease.id, cost_of_lease(lease, worker, now_ms))


def _renewed(
    core: Core, changes: Changes, worker: WorkerLife, lease: Lease | None, now_ms: int
) -> Lease | Refused | None:
    """One that has no lease has got its budget while it lived. None: it needs none."""
    if lease is None:
        return reserve_first(core, changes, worker.spec, now_ms, worker)
    cost = cost_of_lease(lease, worker, now_ms)
    needs, until_ms = next_quantum(core, worker.spec), now_ms + quantum_ms(core)
    return leasing.renew(core, changes, lease.id, lease.number, cost, needs, until_ms)


def _keep_charging(core: Core, changes: Changes, worker: WorkerLife, lease: Lease, now_ms: int) -> None:
    """It is on its way out, and costs until its provider confirms that it is gone. While attempts run on it, it needs a lease."""
    part_ms = quantum_ms(core) // 3
    cost = cost_of_lease(lease, worker, now_ms)
    needs = most_cost_of(worker.spec.price_pico_per_hour, part_ms)
    answer = leasing.renew(core, changes, lease.id, lease.number, cost, needs, now_ms + part_ms)
    if not isinstance(answer, Refused):
        return
    if worker.state is not WorkerState.TERMINATING:
        reason = _reason(core, worker, answer.budget, answer.left, now_ms)
        terminate(core.state, changes, worker, reason, now_ms, cause=Cause.DRAINED)
    leasing.renew(core, changes, lease.id, lease.number, cost, 0, now_ms + part_ms)


def _give_up(
    core: Core,
    changes: Changes,
    budget: str,
    refused: list[WorkerName],
    now_ms: int,
    soon_ms: int,
) -> None:
    payees, coming = [], 0
    left = core.budgets.budgets[budget].left(now_ms) or 0
    for worker in core.state.workers.values():
        lease = lease_of(core.budgets, worker.spec.name)
        mine = worker.spec.name in refused
        if not mine and (lease is None or budget not in _names(core, lease)):
            continue
        back = 0 if lease is None else unused(lease, worker, now_ms)
        if worker.state.leaving:
            coming += back
        else:
            needs = max(0, next_quantum(core, worker.spec) - back) if mine else 0
            payees.append(
                Payee(worker=worker.spec.name, needs=needs, returns=back, value=_value(core, worker))
            )
    going = [*given_up(payees, left + coming)]
    going += [name for name in refused if name not in going and _is_last(core, name, now_ms, soon_ms)]
    for name in going:
        _stop(core, changes, core.state.workers[name], budget, left, now_ms)
    if going:
        _tell(core, changes, budget, left, going, now_ms)


def _is_last(core: Core, name: WorkerName, now_ms: int, soon_ms: int) -> bool:
    """What was to come back has not come: its lease ends before the next look."""
    lease = lease_of(core.budgets, name)
    return lease is None or lease.until_ms - now_ms <= soon_ms


def _stop(core: Core, changes: Changes, worker: WorkerLife, budget: str, left: int, now_ms: int) -> None:
    """Its attempts may run until its lease ends, and no longer than in any drain."""
    lease = lease_of(core.budgets, worker.spec.name)
    grace_s = pool_of(core.state, worker).lifetime.drain_grace_s
    if lease is not None:
        grace_s = min(grace_s, max(0.0, (lease.until_ms - now_ms) / 1000))
    reason = _reason(core, worker, budget, left, now_ms)
    drain(core.state, changes, worker, reason, now_ms, timeout_s=grace_s)


def _reason(core: Core, worker: WorkerLife, budget: str, left: int, now_ms: int) -> Reason:
    text = (
        f"{_has(core, budget, left, now_ms)}, and {worker.spec.name} needs {amount(next_quantum(core, worker.spec), Unit.USD)} "
        f"for its next {span(quantum_ms(core))}."
    )
    evidence = (
        ("budget", budget),
        ("left_usd", usd_text(left)),
        ("flips", f"a higher limit of budget {budget}"),
    )
    return Reason(kind=ReasonKind.BUDGET, text=text, evidence=evidence)


def _has(core: Core, budget: str, left: int, now_ms: int) -> str:
    limit = core.budgets.budgets[budget].limit(now_ms) or 0
    return f"Budget {budget} has {amount(max(0, left), Unit.USD)} of {amount(limit, Unit.USD)} left"


def _tell(core: Core, changes: Changes, budget: str, left: int, going: list[WorkerName], now_ms: int) -> None:
    named = [
        *going[:WORKERS_NAMED],
        *([f"{len(going) - WORKERS_NAMED} more"] if len(going) > WORKERS_NAMED else []),
    ]
    text = (
        f"{_has(core, budget, left, now_ms)}, too little for all its workers. {counted(len(going), 'worker')} "
        f"{agree(len(going), 'is', 'are')} drained and removed: {listed(named)}."
    )
    data: dict[str, object] = {"left_usd": usd_text(left), "workers": going}
    record_event(core.state, changes, now_ms, "budget.exhausted", f"budget/{budget}", text, data=data)


def _names(core: Core, lease: Lease) -> set[str]:
    return {each.spec.name for each in core.budgets.chain(lease.budgets)}


def _value(core: Core, worker: WorkerLife) -> tuple[int, ...]:
    """Its budget's priority, then whether it works, the priority of its work and how much that is; of equals the oldest is worth most."""
    budget = leasing.budget_of_pool(core, worker.spec.pool)
    rank = -1 if budget is None else _RANKS[core.budgets.budgets[budget].spec.priority]
    return (
        rank,
        worker.manual,
        worker.state is not WorkerState.UNHEALTHY,
        worker.busy > 0,
        _priority(core.state, worker),
        worker.busy,
        -worker.requested_at_ms,
    )


def _priority(state: EngineState, worker: WorkerLife) -> int:
    return max((state.classes[each.class_id].priority for each in worker.live.values()), default=0)
