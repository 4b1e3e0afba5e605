"""Metrics under the names of the documents that Herder follows, in their units."""

from herder.control.kernel.core import Core
from herder.control.reads.metrics.measured import measured
from herder.control.reads.metrics.series import Series
from herder.model.fleet.pressure import Measured
from herder.model.fleet.worker import WorkerState
from herder.model.work.job import JobState

_NAMES = {Measured.CPU: "worker_cpu_utilization", Measured.MEMORY: "worker_memory_utilization"}


def fill(series: Series, core: Core, now_ms: int) -> None:
    state = core.state
    workers = list(state.workers.values())
    active = sum(each.state in (WorkerState.READY, WorkerState.UNHEALTHY) for each in workers)
    series.add("worker_pool_size", active, "active")
    series.add("worker_pool_size", sum(each.state.in_flight for each in workers), "pending")
    series.add("job_queue_length", state.counts.get(JobState.READY, 0))
    series.add("job_processing_rate", core.tallies.per_minute(now_ms))
    for kind, name in _NAMES.items():
        used, capacity = measured(workers, kind, now_ms)
        if capacity:
            series.add(name, 100 * used / capacity)
    for pool in state.pools:
        begun = [
            each.creation.begun_ms
            for each in workers
            if each.spec.pool == pool
            and each.state.in_flight
            and each.creation is not None
            and each.creation.begun_ms is not None
        ]
        if begun:
            series.add("worker_provision_start_time", min(begun) / 1000, pool)
    late = sum(each.expires_at_ms is not None and each.expires_at_ms < now_ms for each in workers)
    series.add("herder_workers_past_ttl", late)
