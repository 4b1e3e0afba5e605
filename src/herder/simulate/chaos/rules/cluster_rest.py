"""Rules of a cluster after the faults stop: pods that wait and fit are bound; then all of them are to go, and they go."""

import asyncio
from collections import Counter
from collections.abc import Callable

from herder.model.fleet.cluster import POOL_LABEL
from herder.simulate.chaos.actors.cluster import PlayedCluster
from herder.simulate.chaos.actors.cluster_users import ClusterUsers
from herder.simulate.chaos.rules.rest import MINUTE_S
from herder.simulate.chaos.rules.watch import Watch
from herder.simulate.chaos.world import World

#: A dead node is noticed, replaced, and the new one boots; creations that failed are tried again after half an hour at most.
BOUND_WITHIN_S = 2 * 3600.0
GONE_WITHIN_S = 3600.0


class ClusterRest:
    def __init__(self, world: World, watch: Watch, kube: PlayedCluster, users: ClusterUsers) -> None:
        self._world, self._watch, self._kube, self._users = world, watch, kube, users

    async def wait(self) -> None:
        await self._until(self._bound, self._users.keep, BOUND_WITHIN_S)
        if not self._watch.found and not self._bound():
            self._watch.take(
                "pods that fit are bound",
                f"Pods still wait {BOUND_WITHIN_S / 3600:.0f} h after the last fault, and their pools may grow: {self._kube.summary()}.",
            )
        await self._until(self._empty, self._users.end_all, GONE_WITHIN_S)
        if not self._watch.found and not self._empty():
            self._watch.take("pods that fit are bound", f"Pods do not go: {self._kube.summary()}.")

    async def _until(self, holds: Callable[[], bool], go_on: Callable[[], None], within_s: float) -> None:
        loop = self._world.loop
        end_s = loop.time() + within_s
        while loop.time() < end_s and not self._watch.found:
            go_on()
            await asyncio.sleep(MINUTE_S)
            self._watch.minute(MINUTE_S)
            if holds():
                return

    def _bound(self) -> bool:
        """All pods, but those of pools that have their maximum."""
        server = self._world.server
        if server is None:
            return False
        pools, workers = server.core.state.pools, server.core.state.workers.values()
        count = Counter(str(each.spec.pool) for each in workers)
        room = {name for name, pool in pools.items() if count[name] < pool.size.max_workers}
        waiting = [each for each in self._kube.pods() if not each["spec"].get("nodeName")]
        return not any(each["spec"]["nodeSelector"][POOL_LABEL] in room for each in waiting)

    def _empty(self) -> bool:
        return not self._kube.pods()
