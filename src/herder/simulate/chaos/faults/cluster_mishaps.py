"""Mishaps of a cluster: its API restarts, fails, is slow, forgets versions, lets watches fall silent; kubelets fall silent, machines go, people
delete and cordon nodes. Drawn as those in `mishaps.py`; each ends by itself, and `heal` ends all.
"""

import asyncio

from herder.simulate.chaos.actors.cluster import PlayedCluster
from herder.simulate.chaos.actors.cluster_users import NODES, ClusterUsers
from herder.simulate.chaos.faults.mishaps import TICK_S
from herder.simulate.chaos.world import World
from herder.testing.kubernetes import Rule

#: As `mishaps.MISHAPS`.
CLUSTER_MISHAPS = {
    "watch silent": ("watch_silent", "_stall"),
    "versions gone": ("versions_gone", "_compact"),
    "api restart": ("api_restart", "_restart"),
    "api errors": ("api_errors", "_refuse"),
    "api slow": ("api_slow", "_delay"),
    "node deleted": ("node_deleted", "_delete_node"),
    "node cordoned": ("node_cordoned", "_cordon"),
    "kubelet silent": ("kubelet_silent", "_silence"),
    "node machine lost": ("node_machine_lost", "_lose"),
    "budget blocks": ("budget_blocks", "_block"),
}
_ERRORS = (429, 500, 503, 504)


class ClusterMishaps:
    def __init__(self, world: World, kube: PlayedCluster, users: ClusterUsers) -> None:
        self._world, self._kube, self._users = world, kube, users
        self._chance = world.dice.of("cluster mishaps")

    async def run(self) -> None:
        dice = self._world.dice
        causes = tuple(
            (kind, getattr(dice.odds, name), getattr(self, method))
            for kind, (name, method) in CLUSTER_MISHAPS.items()
        )
        while True:
            for kind, per_second, cause in causes:
                if dice.happens(kind, per_second * TICK_S):
                    cause()
            await asyncio.sleep(TICK_S)

    def heal(self) -> None:
        """What lasts ends; a watch that has fallen silent is left to the server."""
        self._kube.api.faults.clear()
        for name in sorted(self._kube.silent):
            self._kube.hear(name)
        for app in self._users.apps.values():
            self._users.unblock(app)

    # --- inside

    def _begins(self, what: str, seconds: float) -> None:
        self._world.trace(what, round(seconds))
        self._kube.trouble(seconds)

    def _stall(self) -> None:
        self._begins("watches fall silent", 0.0)
        self._kube.api.stall_watches()

    def _compact(self) -> None:
        """All watches break, and what they would go on from is gone."""
        self._begins("versions are gone", 0.0)
        self._kube.api.compact()
        self._kube.api.restart(self._kube.times.now_ms())

    def _restart(self) -> None:
        seconds = self._chance.uniform(1.0, 180.0)
        self._begins("the API restarts", seconds)
        self._kube.api.restart(self._kube.times.now_ms(), away_ms=int(seconds * 1000))

    def _refuse(self) -> None:
        seconds, status = self._chance.uniform(5.0, 300.0), self._chance.choice(_ERRORS)
        self._begins(f"the API answers {status}", seconds)
        method = self._chance.choice(("", "GET", "POST", "PATCH", "DELETE"))
        self._lasting(Rule(status=status, times=-1, method=method), seconds)

    def _delay(self) -> None:
        seconds = self._chance.uniform(30.0, 600.0)
        self._begins("the API is slow", seconds)
        self._lasting(Rule(delay_ms=int(self._chance.uniform(500, 40_000)), times=-1), seconds)

    def _lasting(self, rule: Rule, seconds: float) -> None:
        rules = self._kube.api.faults.rules
        rules.append(rule)
        self._world.loop.call_later(seconds, lambda: rules.remove(rule) if rule in rules else None)

    def _some(self, names: set[str]) -> str | None:
        return self._chance.choice(sorted(names)) if names else None

    def _delete_node(self) -> None:
        name = self._some(self._kube.there)
        if name is not None and self._kube.node(name) is not None:
            self._world.trace("node is deleted by a person", name)
            self._kube.ask("DELETE", f"{NODES}/{name}")

    def _cordon(self) -> None:
        name = self._some(self._kube.there)
        if name is not None and self._users.cordon(name):
            self._world.loop.call_later(self._chance.uniform(60.0, 7200.0), self._users.uncordon, name)

    def _silence(self) -> None:
        name = self._some(self._kube.there - self._kube.silent)
        if name is not None:
            self._kube.silence(name)
            self._world.loop.call_later(self._chance.uniform(5.0, 1500.0), self._kube.hear, name)

    def _lose(self) -> None:
        name = self._some(self._kube.there)
        if name is not None:
            self._world.trace("machine is lost", name)
            for provider in self._world.providers.values():
                provider.lose(name)

    def _block(self) -> None:
        self._users.block(self._chance, self._chance.uniform(600.0, 7200.0))
