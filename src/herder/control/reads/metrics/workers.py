"""Metrics of the lives of workers: states, creations, scaling, interruptions, health and repairs."""

from collections import Counter

from herder.control.kernel.core import Core
from herder.control.kernel.tallies import DIRECTIONS
from herder.control.reads.fleet.drivers import driver_views
from herder.control.reads.metrics.series import Series
from herder.engine.memory.state import EngineState
from herder.engine.workers.draining.drain_texts import is_blocked
from herder.engine.workers.repairs import breaker
from herder.engine.workers.repairs.repair import needs_person
from herder.model.fleet.notice import NoticeSource
from herder.model.fleet.repair import Outcome


def fill(series: Series, core: Core, now_ms: int) -> None:
    state = core.state
    for (pool, status), count in Counter(
        (w.spec.pool, w.state.value) for w in state.workers.values()
    ).items():
        series.add("herder_workers", count, pool, status)
    for name in state.pools:
        for source in NoticeSource:
            count = state.interruptions.get((name, source), 0)
            series.add("herder_interruptions_total", count, name, source.value)
        history = state.history.get(name)
        failures = 0 if history is None else history.failures_in_row
        series.add("herder_creation_failures_in_row", failures, name)
        for direction in DIRECTIONS.values():
            series.add("herder_scaling_events_total", core.tallies.scaling[name, direction], name, direction)
    for labels, count in sorted(state.creation_failures.items()):
        series.add("herder_creation_failures_total", count, *labels)
    for view in driver_views(core):
        for step, count in view.creations.steps.items():
            series.add("herder_workers_creating", count, view.name, step)
    _repairs(series, state)
    _health(series, state, now_ms)


def _repairs(series: Series, state: EngineState) -> None:
    failed: Counter[str] = Counter()
    for (pool, condition, rung, outcome), count in sorted(state.repairs.items()):
        series.add("herder_worker_repairs_total", count, pool, condition.value, rung.value, outcome.value)
        failed[pool] += count * (outcome is Outcome.FAILED)
    for name in sorted(state.pools):  # from 0 on: an increase that is not seen raises no alert
        series.add("herder_repair_failures_total", failed[name], name)


def _health(series: Series, state: EngineState, now_ms: int) -> None:
    workers = list(state.workers.values())
    sick = Counter(
        (w.spec.pool, condition)
        for w in workers
        for condition in {each.value for _, each in w.health.conditions}
    )
    for (pool, condition), count in sorted(sick.items()):
        series.add("herder_workers_sick", count, pool, condition)
    seen = {w.spec.pool for w in workers if w.health.repair is not None}
    seen |= {name for name, history in state.history.items() if history.repairs_ms}
    under_repair, is_open = Counter[str](), Counter[str]()
    for name in sorted(seen & state.pools.keys()):
        found = breaker.under_repair(state, state.pools[name], now_ms)
        under_repair[name] = len(found)
        is_open[name] = int(bool(found) and len(found) >= breaker.limit(state, state.pools[name]))
    for metric, counts in (
        ("herder_workers_escalated", Counter(w.spec.pool for w in workers if needs_person(w))),
        (
            "herder_workers_quarantined",
            Counter(w.spec.pool for w in workers if w.health.quarantined_at_ms is not None),
        ),
        ("herder_drains_blocked", Counter(w.spec.pool for w in workers if is_blocked(w))),
        ("herder_workers_under_repair", under_repair),
        ("herder_repair_breaker_open", is_open),
    ):
        for name in sorted(state.pools):
            series.add(metric, counts[name], name)
