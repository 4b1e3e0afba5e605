"""Metrics of the server itself: its jobs, its store, its planner, its drivers and clusters, what it recorded, and active alerts."""

from collections import Counter

from herder import __version__
from herder.control.kernel.core import Core
from herder.control.reads.fleet.drivers import driver_views
from herder.control.reads.metrics.series import Series
from herder.decide.scaling.triggers import names_for
from herder.model.stored.event_kinds import EVENT_KINDS
from herder.model.work.job import JobState


def fill(series: Series, core: Core) -> None:
    series.add("herder_leader", int(core.leadership.holds()))
    series.add("herder_build_info", 1, __version__)
    series.add("herder_started_timestamp_seconds", core.started_at_ms / 1000)
    series.add("herder_store_trouble", int(core.store.trouble is not None))
    series.add("herder_store_commits_total", core.store.commits)
    series.add("herder_store_rows_total", core.store.rows)
    traces = core.tallies.traces
    series.add("herder_traces_exported_total", 0 if traces is None else traces.exported)
    series.add("herder_traces_dropped_total", 0 if traces is None else traces.dropped)
    if core.tallies.planned_at_ms is not None:
        series.add("herder_last_plan_timestamp_seconds", core.tallies.planned_at_ms / 1000)
    failures = {(pool, name): 0 for pool, spec in core.state.pools.items() for name in names_for(spec)}
    for (pool, name), times in (failures | core.planning.faults.counts).items():
        series.add("herder_trigger_failures_total", times, pool, name)
    for kind in sorted(EVENT_KINDS):  # from 0 on: an increase that is not seen raises no alert
        series.add("herder_events_total", core.tallies.events[kind], kind)
    _jobs(series, core)
    _drivers(series, core)
    for cluster, life in sorted(core.state.clusters.items()):
        series.add("herder_cluster_fresh", int(not life.stale), cluster)
        if not life.stale:
            series.add("herder_pending_pods", sum(each.count for each in life.seen.pending), cluster)
    active = (each for each in core.ledger.alerts.alerts.values() if each.active)
    for (policy, level), count in sorted(Counter((each.policy, each.level.word) for each in active).items()):
        series.add("herder_alerts", count, policy, level)


def _jobs(series: Series, core: Core) -> None:
    state = core.state
    for number, count in state.counts.items():
        series.add("herder_jobs", count, JobState(number).label)
    for ended, count in core.tallies.ended.items():
        series.add("herder_jobs_ended_total", count, ended.label)
    oldest_ms = min((each.oldest_ready_at_ms for each in state.queues.values() if each.count), default=None)
    waited_ms = 0 if oldest_ms is None else max(0, core.clock.now_ms() - oldest_ms)
    series.add("herder_oldest_job_seconds", waited_ms / 1000)


def _drivers(series: Series, core: Core) -> None:
    for view in driver_views(core):
        counts = {
            "under_way": len(view.calls) - view.abandoned,
            "abandoned": view.abandoned,
            "waiting": view.waiting,
        }
        for state, count in counts.items():
            series.add("herder_driver_calls", count, view.name, state)
        series.add("herder_driver_usable", int(view.state == "ready"), view.name)
