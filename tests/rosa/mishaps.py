"""What goes wrong at a ROSA cluster in the simulated world by itself, or by people: drawn by the seed, each for a while. `heal` ends it all."""

import asyncio
import contextlib
import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from herder.settings import pool_to_plain
from herder.simulate.chaos.actors.people import NotTaken
from herder.testing.fakes import Rule
from herder.testing.kubernetes import Rule as KubernetesRule
from herder.testing.ocm import OcmTimes, Pool
from tests.rosa.world import DRIVER, RosaWorld

TICK_S = 20.0
#: A person looks at the driver every quarter of an hour.
TICKS_OF_OPERATOR = 45
PLAIN_TIMES = OcmTimes()


class Mishaps:
    """`per_hour`: how often each kind happens."""

    def __init__(self, world: RosaWorld, per_hour: float) -> None:
        self._world, self._odds = world, per_hour / 3600 * TICK_S
        self._draw = world.dice.of("rosa mishaps")
        self.resized: set[str] = set()
        """Machine pools whose count a person has changed."""
        self._calls: list[asyncio.Future[None]] = []
        world.ocm.state.removes = self._draw.choice
        self._kinds: dict[str, Callable[[], None]] = {
            "ocm errors": self._ocm_errors,
            "tokens withdrawn": self._withdraw_tokens,
            "terms not accepted": self._refuse_terms,
            "nodes slow": self._slow_nodes,
            "sold out": self._sell_out,
            "node taken": self._take_node,
            "count changed by hand": self._resize,
            "machine pool deleted by hand": self._delete_pool,
            "labels edited": self._edit_labels,
            "settings changed": self._change_settings,
            "configmaps refused": self._refuse_names,
            "configmaps lost": self._lose_names,
            "node deleted by hand": self._delete_node,
            "node cordoned by hand": self._cordon,
            "api of kubernetes away": self._api_away,
            "api of kubernetes slow": self._api_slow,
            "watch silent": self._stall_watches,
        }

    async def run(self) -> None:
        for tick in itertools.count(1):
            await asyncio.sleep(TICK_S)
            if not tick % TICKS_OF_OPERATOR:
                await self.unfreeze()
            for kind, cause in self._kinds.items():
                if self._world.dice.happens(kind, self._odds):
                    self._world.trace("mishap", kind)
                    cause()
                    self._world.look()

    async def heal(self) -> None:
        await asyncio.gather(*self._calls)
        state = self._world.ocm.state
        state.faults.clear()
        state.terms_accepted = True
        state.times = PLAIN_TIMES
        self._in_stock()
        self._world.played.api.faults.clear()
        for node in self._world.nodes():
            self._uncordon(node)
        self._world.look()
        await self.unfreeze()

    async def unfreeze(self) -> None:
        """A person who has looked: what OCM lists is what there is."""
        server = self._world.server
        if server is not None and DRIVER in server.core.state.frozen_drivers:
            body = {"message": "it is well", "allow_removals": True}
            await self._world.people.call("root", "POST", f"/drivers/{DRIVER}/unfreeze", body)

    # --- inside

    def _lasts(self, least_s: float, most_s: float, ends: Callable[[], None]) -> None:
        def end() -> None:
            ends()
            self._world.look()

        self._world.loop.call_later(self._draw.uniform(least_s, most_s), end)

    def _pool(self) -> Pool | None:
        found = self._world.machine_pools()
        return self._draw.choice(found) if found else None

    def _node(self) -> str | None:
        found = sorted(self._world.nodes())
        return self._draw.choice(found) if found else None

    # --- OCM

    def _ocm_errors(self) -> None:
        status = self._draw.choice([429, 500, 502, 503])
        acts = status >= 500 and self._draw.random() < 0.5
        method = self._draw.choice(["", "GET", "PATCH", "POST"])
        rules = self._world.ocm.faults.rules
        rule = Rule(path="/clusters_mgmt/", method=method, status=status, acts=acts, times=-1)
        rules.append(rule)
        self._lasts(5, 600, lambda: rules.remove(rule) if rule in rules else None)

    def _withdraw_tokens(self) -> None:
        self._world.ocm.state.tokens.clear()

    def _refuse_terms(self) -> None:
        """Until a person accepts them."""
        self._world.ocm.state.terms_accepted = False

        def accepted() -> None:
            self._world.ocm.state.terms_accepted = True

        self._lasts(60, 1_800, accepted)

    def _slow_nodes(self) -> None:
        state = self._world.ocm.state
        state.times = replace(PLAIN_TIMES, node_starts_ms=int(self._draw.uniform(300_000, 3_000_000)))

        def usual() -> None:
            state.times = PLAIN_TIMES

        self._lasts(600, 3_600, usual)

    def _sell_out(self) -> None:
        """No node comes for as long."""
        self._world.ocm.state.sold_out |= {"m5.xlarge", "m5.2xlarge"}
        self._lasts(600, 7_200, self._in_stock)

    def _in_stock(self) -> None:
        state = self._world.ocm.state
        state.sold_out.clear()
        for pool in self._world.machine_pools():
            state.retry_starts(pool)

    def _take_node(self) -> None:
        pool = self._pool()
        if pool is not None and pool.nodes:
            self._world.ocm.state.interrupt(pool, self._draw.choice(pool.nodes))

    def _resize(self) -> None:
        pool = self._pool()
        if pool is not None:
            self.resized.add(pool.name)
            pool.body["replicas"] = max(0, pool.body["replicas"] + self._draw.choice([-2, -1, 1, 2]))
            self._world.ocm.state.settle(pool)

    def _delete_pool(self) -> None:
        pool = self._pool()
        if pool is not None:
            self._world.ocm.state.remove(pool)

    def _edit_labels(self) -> None:
        """As `rosa edit machinepool --labels` does it: the others are gone."""
        pool = self._pool()
        if pool is not None:
            self._world.ocm.state.label(pool, {"team": self._draw.choice(["blue", "red"])})

    def _change_settings(self) -> None:
        """A label of a pool: its workers are replaced, and its machine pool gets it."""
        server, labels = self._world.server, (("team", self._draw.choice(["green", "gold"])),)
        known = [] if server is None else sorted(server.core.state.pools.items())
        if known:
            plain = pool_to_plain(replace(self._draw.choice(known)[1], labels=labels))
            self._calls.append(asyncio.ensure_future(self._apply({"pools": [plain]})))

    async def _apply(self, body: dict[str, Any]) -> None:
        with contextlib.suppress(NotTaken):
            await self._world.people.call("root", "POST", "/apply", body)

    # --- the cluster

    def _refuse_names(self) -> None:
        status = self._draw.choice([403, 409, 429, 500, 503])
        self._rule(KubernetesRule(path="/configmaps", method="PUT", status=status, times=-1), 10, 900)

    def _lose_names(self) -> None:
        self._rule(KubernetesRule(path="/configmaps", method="PUT", lose_answer=True, times=-1), 10, 300)

    def _rule(self, rule: KubernetesRule, least_s: float, most_s: float) -> None:
        rules = self._world.played.api.faults.rules
        rules.append(rule)
        self._lasts(least_s, most_s, lambda: rules.remove(rule) if rule in rules else None)

    def _delete_node(self) -> None:
        node = self._node()
        if node is not None:
            self._world.ask("DELETE", f"/api/v1/nodes/{node}")

    def _cordon(self) -> None:
        node = self._node()
        if node is not None:
            self._world.ask("PATCH", f"/api/v1/nodes/{node}", {"spec": {"unschedulable": True}})
            self._lasts(60, 3_000, lambda: self._uncordon(node))

    def _uncordon(self, node: str) -> None:
        """Not one that the provider drains."""
        if not any(node in pool.draining for pool in self._world.ocm.state.pools.values()):
            self._world.ask("PATCH", f"/api/v1/nodes/{node}", {"spec": {"unschedulable": None}})

    def _api_away(self) -> None:
        self._world.played.api.restart(
            self._world.played.times.now_ms(), away_ms=int(self._draw.uniform(1_000, 400_000))
        )

    def _api_slow(self) -> None:
        self._rule(KubernetesRule(delay_ms=int(self._draw.uniform(500, 40_000)), times=-1), 30, 600)

    def _stall_watches(self) -> None:
        self._world.played.api.stall_watches()
