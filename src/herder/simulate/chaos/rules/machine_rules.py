"""Rules of machines, each minute: no machine is without a row, and no row is without its machine, for longer than the sweep needs.

Only time in which the server, the driver and its provider all work counts.
"""

from collections.abc import Iterator

from herder.model.fleet.worker import WorkerState
from herder.simulate.chaos.rules.worker_rules import WorkerRules
from herder.simulate.chaos.world import World

#: How long a machine may be without a row, or a row without its machine.
LEFT_OVER_S = 1_200.0
_EXPECTED = frozenset({WorkerState.JOINING, WorkerState.READY, WorkerState.UNHEALTHY, WorkerState.DRAINING})


class MachineRules:
    def __init__(self, world: World) -> None:
        self._world = world
        self._since: dict[tuple[str, str, str], float] = {}
        """Seconds by (what, driver, worker)."""

    def look(self, workers: WorkerRules, seconds: float) -> Iterator[tuple[str, str]]:
        world, left = self._world, dict[tuple[str, str, str], float]()
        for driver, provider in world.providers.items():
            there = {str(name) for _, name in provider.machines}
            works = self._works(driver)
            odd = [("orphan", driver, name) for name in there if name not in workers.rows]
            odd += [
                ("ghost", driver, name)
                for name, row in workers.rows.items()
                if row.state in _EXPECTED and self._driver_of(row.pool) == driver and name not in there
            ]
            for key in odd:
                left[key] = self._since.get(key, 0.0) + (seconds if works else 0.0)
        self._since = left
        for (what, driver, name), since_s in sorted(left.items()):
            if since_s > LEFT_OVER_S:
                yield (
                    _SAYS[what][0],
                    _SAYS[what][1].format(driver=driver, name=name, minutes=round(since_s / 60)),
                )

    def _driver_of(self, pool: str) -> str:
        return self._world.driver_of_pool.get(pool, "")

    def _works(self, driver: str) -> bool:
        world, server = self._world, self._world.server
        return (
            server is not None
            and world.loop.running(server.host)
            and driver not in server.core.state.frozen_drivers
            and driver not in world.calls.stuck
            and world.providers[driver].listed_most is None
        )


_SAYS = {
    "orphan": (
        "no machine is left over",
        "Driver {driver} has machine {name} without a row for {minutes} min in which everything worked.",
    ),
    "ghost": (
        "no row is left over",
        "Worker {name} has no machine at driver {driver} for {minutes} min in which everything worked.",
    ),
}
