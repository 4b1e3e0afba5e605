"""The scale loop: observe, plan, check, and record the plan with its intents in one commit. Runs after changes and every second.

A large plan is made beside the event loop. Before it is applied it is held against the state as it is then: what changed
meanwhile is not overwritten, and no limit is passed.
"""

import asyncio
import logging
from functools import partial
from typing import Any

import msgspec

from herder.control.kernel.core import Core
from herder.control.planning.observation import note_pressure, observation_at
from herder.control.planning.plans import apply_plan, paid_plan, record_plan, remember_needs, still_right
from herder.decide.plan.checks import check_plan
from herder.decide.plan.planner import decide
from herder.decide.scaling.failed_triggers import Failures
from herder.engine.memory.events import record_event
from herder.model.planning.observed import Observed
from herder.model.planning.plan import Plan
from herder.model.stored.changes import Changes
from herder.model.values.phrases import counted, sentence
from herder.store.rows.json_forms import plain_plan

log = logging.getLogger(__name__)


async def run(core: Core) -> None:
    last_report = b""
    while True:
        last_report = await cycle(core, last_report)
        core.placer.samples.look(core.state, core.placer.run_times, core.clock.now_ms())
        try:
            # Not `wait_for`: before Python 3.12 it forgets a cancellation that comes together with what it waits for.
            async with asyncio.timeout(core.settings.scale_period_s):
                await core.demand_changed.wait()
            await asyncio.sleep(core.settings.scale_settle_s)
        except TimeoutError:
            pass
        core.demand_changed.clear()


async def cycle(core: Core, last_report: bytes) -> bytes:
    """One plan. An empty one is recorded only when its report says something new; answers what it said."""
    now = core.clock.now_ms()
    observed = observation_at(core, now)
    failures = note_pressure(core.state, observed, now)
    begun_ms = core.clock.monotonic_ms()
    plan, findings = await core.planning.run(observed, partial(_plan, observed, now))
    core.tallies.plan.observe((core.clock.monotonic_ms() - begun_ms) / 1000)
    core.tallies.planned_at_ms = now
    await _tell_failed(core, plan, failures, now)
    checked = still_right(core.state, observed, plan, core.clock.now_ms())
    if checked is None:
        core.demand_changed.set()  # pools were changed or workers requested meanwhile: plan again
        return last_report
    plan = core.planning.last = checked
    remember_needs(core.state, plan)
    changes = Changes()
    if findings:
        told = "; ".join(findings).encode()
        if told != last_report:
            _refuse(core, changes, plan, findings, now)
            await core.commit(changes)
        return told
    report = _reasons(plan)
    if plan.empty and report == last_report:
        return last_report
    with core.change(changes):
        plan = paid_plan(core, changes, plan, now)
        record_plan(core.state, changes, plan)
        if core.recorder is not None:
            changes.put(core.recorder.frame(observed, now))
        apply_plan(core, changes, plan, now)
    if not plan.empty:
        core.workers_changed.set()
    await core.commit(changes)
    return report


def _plan(observed: Observed, now: int) -> tuple[Plan, tuple[str, ...]]:
    """With what a check finds wrong in it."""
    plan = decide(observed, now)
    return plan, check_plan(observed, plan)


def _reasons(plan: Plan) -> bytes:
    """What the plan says, without figures that change with every cycle: kinds of reasons by pool and of unplaced demand."""
    pools = [(report.pool, [reason.kind for reason in report.reasons]) for report in plan.pools]
    return msgspec.json.encode((pools, [(each.class_id, each.reason.kind) for each in plan.unplaced]))


async def _tell_failed(core: Core, plan: Plan, failures: Failures, now: int) -> None:
    """Triggers and steps that failed in this plan: the plan does without them, and each is logged and recorded once."""
    fresh = core.planning.faults.note(plan, core.state.pools.keys(), failures.all())
    if not fresh:
        return
    changes = Changes()
    for pool, reason in fresh:
        log.error("Plan %s: %s (at %s)", plan.number, reason.text, dict(reason.evidence)["at"])
        data: dict[str, Any] = dict(reason.evidence)
        record_event(core.state, changes, now, "trigger.failed", f"pool/{pool}", reason.text, data=data)
    await core.commit(changes)


def _refuse(core: Core, changes: Changes, plan: Plan, findings: tuple[str, ...], now: int) -> None:
    """A plan that breaks a rule is a bug of Herder: it is not applied, and an event is recorded."""
    log.error(
        "Plan %s was not applied, because it breaks %s: %s",
        plan.number,
        counted(len(findings), "rule"),
        "; ".join(findings),
    )
    record_event(
        core.state,
        changes,
        now,
        "plan.refused",
        f"plan/{plan.number}",
        sentence(f"Plan {plan.number} was not applied, because it breaks a rule: {findings[0]}"),
        data={"findings": list(findings), "plan": plain_plan(plan)},
    )
    core.state.next_plan += 1
