"""Metrics of each pool that exists: its limits, its capacity and what of it is in use. Rate, errors and duration of workers are in `workers`."""

from herder.control.kernel.core import Core
from herder.control.reads.metrics.measured import measured
from herder.control.reads.metrics.series import Series
from herder.engine.memory.state import EngineState, WorkerLife
from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.pressure import Measured
from herder.model.fleet.worker import WorkerState
from herder.model.ids import PoolName
from herder.model.values.resources import Unit
from herder.settings.schedule_windows import pool_in_force

_FACTOR = {Unit.MILLI: 0.001, Unit.MIB: 2**20, Unit.COUNT: 1}


def fill(series: Series, core: Core, now_ms: int) -> None:
    by_pool: dict[PoolName, list[WorkerLife]] = {name: [] for name in core.state.pools}
    for worker in core.state.workers.values():
        if worker.spec.pool in by_pool:
            by_pool[worker.spec.pool].append(worker)
    for name, spec in core.state.pools.items():
        _limits(series, pool_in_force(spec, now_ms))
        _capacity(series, core.state, name, by_pool[name])
        for kind in Measured:
            used, capacity = measured(by_pool[name], kind, now_ms)
            if capacity:
                series.add("herder_pool_utilization", used / capacity, name, kind.value)
        for metric, count in (
            (
                "herder_workers_idle",
                sum(each.state is WorkerState.READY and not each.busy for each in by_pool[name]),
            ),
            ("herder_workers_cordoned", sum(each.cordoned for each in by_pool[name])),
        ):
            series.add(metric, count, name)


def _limits(series: Series, spec: PoolSpec) -> None:
    series.add("herder_pool_min_workers", spec.size.min_workers, spec.name)
    series.add("herder_pool_max_workers", spec.size.max_workers, spec.name)
    series.add("herder_pool_frozen", int(spec.frozen), spec.name)


def _capacity(series: Series, state: EngineState, pool: PoolName, workers: list[WorkerLife]) -> None:
    ready = [each for each in workers if each.state is WorkerState.READY]
    for dimension in state.resources.all:
        capacity = allocated = 0
        for worker in ready:
            has = worker.spec.allocatable.amounts().get(dimension.name, 0)
            capacity += has
            allocated += has - max(0, worker.free.amounts().get(dimension.name, 0))
        factor = _FACTOR[dimension.unit]
        series.add("herder_pool_capacity", capacity * factor, pool, dimension.key)
        series.add("herder_pool_allocated", max(0, allocated) * factor, pool, dimension.key)
