"""Records and applies plans: the row of a plan, which of its actions are still valid, and their effect on the engine.

Called by the scale loop, by scale requests and by dry runs, so that all three do the same.
"""

from collections import Counter
from dataclasses import replace

import msgspec

from herder.control.budgets.worker_leases import reserve_first
from herder.control.kernel.core import Core
from herder.control.planning.observation import pools_shown
from herder.decide.scaling.signals.warm_workers import boot_ms, learn
from herder.engine.memory.state import EngineState
from herder.engine.workers.worker import claim, drain, history_of
from herder.ledger.budgets.leases import Refused
from herder.model.ids import PoolName
from herder.model.planning.demand_rises import Rises
from herder.model.planning.observed import Observed
from herder.model.planning.plan import Action, CreateWorker, Plan, ReasonKind
from herder.model.stored.changes import Changes
from herder.model.stored.records import PlanRecord
from herder.settings.schedule_windows import pool_in_force
from herder.store.rows.json_forms import plain_plan
from herder.store.rows.versions import WRITTEN

#: Why a worker goes that would stay if it had more to do, or that would go later.
FOR_BEING_IDLE = frozenset(
    {
        ReasonKind.IDLE,
        ReasonKind.UNDER_USED,
        ReasonKind.CONSOLIDATED,
        ReasonKind.DRIFTED,
        ReasonKind.SOFT_EXPIRED,
        ReasonKind.EXPIRED,
    }
)


def remember_needs(state: EngineState, plan: Plan) -> None:
    """What the plan saw of the demand is learned from, whether it acts or not. Dry runs leave no trace."""
    for pool, template, need in plan.needs:
        history = history_of(state, pool)
        known = history.rises.get(template)
        if history.boot_s is not None and (known is not None or need):
            history.rises[template] = learn(known or Rises(), need, boot_ms(history.boot_s), plan.made_at_ms)


def still_right(state: EngineState, observed: Observed, plan: Plan, now_ms: int) -> Plan | None:
    """The plan without what the state has overtaken since `observed`; None when it has to be made anew.

    Most plans are applied in the moment in which they were made, and come back as they are.
    """
    if state.next_plan != plan.number:
        return None
    if pools_shown(state) != observed.pools:
        return None
    if not plan.actions:
        return plan
    seen = {worker.spec.name: worker.live_attempts for worker in observed.workers}
    more = _more_workers(state, now_ms)
    actions: list[Action] = []
    for action in plan.actions:
        if isinstance(action, CreateWorker):
            pool = action.spec.pool
            if action.spec.name in state.workers or more[pool] <= 0:
                continue
            more[pool] -= 1
        else:
            worker = state.workers.get(action.worker)
            busier = worker is not None and worker.busy > seen.get(action.worker, 0)
            if worker is None or (busier and action.reason.kind in FOR_BEING_IDLE):
                continue
            if action.reason.kind is ReasonKind.EXPIRED and now_ms < (worker.expires_at_ms or now_ms + 1):
                continue  # it was extended meanwhile
        actions.append(action)
    return plan if len(actions) == len(plan.actions) else replace(plan, actions=tuple(actions))


def _more_workers(state: EngineState, now_ms: int) -> dict[PoolName, int]:
    """How many each pool may have beyond what there are."""
    there: Counter[PoolName] = Counter()
    staying: Counter[PoolName] = Counter()
    for worker in state.workers.values():
        there[worker.spec.pool] += 1
        staying[worker.spec.pool] += not worker.state.leaving
    more = {}
    for name, spec in state.pools.items():
        pool = pool_in_force(spec, now_ms)
        live = pool.size.max_live_workers
        room = pool.size.max_workers - there[name]
        more[name] = room if live is None else min(room, live - staying[name])
    return more


def paid_plan(core: Core, changes: Changes, plan: Plan, now_ms: int) -> Plan:
    """The plan with a lease for each of its workers. What was reserved by others since it was made is missed: such workers are left out."""
    if not core.budgets.budgets:
        return plan
    actions = tuple(
        action
        for action in plan.actions
        if not isinstance(action, CreateWorker)
        or not isinstance(reserve_first(core, changes, action.spec, now_ms), Refused)
    )
    return plan if len(actions) == len(plan.actions) else replace(plan, actions=actions)


def record_plan(state: EngineState, changes: Changes, plan: Plan) -> None:
    """The plan as a row; its number is used up."""
    state.next_plan = max(state.next_plan, plan.number + 1)
    text = msgspec.json.encode(plain_plan(plan)).decode()
    changes.put(PlanRecord(plan.number, plan.made_at_ms, int(plan.empty), text, WRITTEN["plan"]))


def apply_plan(
    core: Core, changes: Changes, plan: Plan, now_ms: int, *, manual: bool = False, actor: str = "herder"
) -> None:
    """Intents only: claims and drains become rows in the same commit as the plan; the loops carry them out afterwards."""
    for action in plan.actions:
        if isinstance(action, CreateWorker):
            claim(core.state, changes, action, now_ms, manual=manual, actor=actor)
        else:
            worker = core.state.workers.get(action.worker)
            if worker is not None:
                drain(core.state, changes, worker, action.reason, now_ms, actor=actor)
