"""The text of a scrape: all families of the catalogue, and those of the process."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import Metric

from herder.control.kernel.core import Core
from herder.control.reads.metrics import costs, documented, pools, server, workers
from herder.control.reads.metrics.series import Series
from herder.model.permissions import Principal, scope_of


class _Collector:
    def __init__(self, core: Core, who: Principal) -> None:
        self._core = core
        self._scope = scope_of(who)

    def collect(self) -> Iterator[Metric]:
        core, now, series = self._core, self._core.clock.now_ms(), Series()
        core.tallies.forget_pools(core.state.pools.keys())
        documented.fill(series, core, now)
        server.fill(series, core)
        pools.fill(series, core, now)
        workers.fill(series, core, now)
        costs.fill(series, core, self._scope, now)
        yield from series.collect()
        for family in core.tallies.registry.collect():
            # The client adds the time at which it made each series: one more series for each that there is.
            family.samples = [each for each in family.samples if not each.name.endswith("_created")]
            yield family


def metrics_text(core: Core, who: Principal) -> bytes:
    """In Prometheus' text format. What each user and project used is told to operators; others hear of their own."""
    registry = CollectorRegistry()
    registry.register(_Collector(core, who))
    ProcessCollector(registry=registry)
    return generate_latest(registry)
