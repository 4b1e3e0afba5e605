"""Random histories of budgets through the real kernel and store, with crashes before a commit and after it. `python -m tests.budgets.histories 2000 postgres` runs so many
on one store; the everyday tests run a few on each."""

import asyncio
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from time import process_time

from sqlalchemy import Engine

from herder.control.budgets import leasing
from herder.control.budgets import settings as budget_settings
from herder.ledger.budgets.leases import Lease, broken
from herder.model.stored.changes import Changes
from herder.store.opening.database import migrate, open_engine, sqlite_url
from tests.budgets.worlds import HOUR_MS, MINUTE_MS, World, picture
from tests.support.budgets import books_balance

#: Histories that one after the other write to the same store.
EACH = 50

TREE = {
    "org": {"limit": "1", "scope": "organisation"},
    "compute": {"limit": "0.7", "parent": "org", "period": "day"},
    "burst": {
        "limit": "0.4",
        "parent": "compute",
        "scope": "pool",
        "period": "day",
        "timezone": "Europe/Berlin",
    },
    "spot": {"limit": "0.4", "parent": "compute", "scope": "pool", "period": "rolling 24h", "borrow": True},
    "ann": {"limit": None, "parent": "org", "scope": "user"},
}
QUANTUM = 10**11
LEAVES = ("burst", "spot", "ann")


class Run:
    """One random history."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.random, self.prefix, self.made = world, Random(seed), f"{seed}/", 0
        self.known: dict[str, Lease] = {}
        """What holders were told."""
        self.used: dict[str, int] = {}

    async def step(self) -> None:
        core, random = self.world.core, self.random
        changes = Changes()
        what = random.choice(("reserve", "reserve", "renew", "renew", "settle", "expire", "wait"))
        id_ = random.choice(sorted(self.known)) if self.known else ""
        told: Lease | None = None
        now = core.clock.now_ms()
        with core.change(changes):
            if what == "reserve":
                self.made += 1
                names = random.choice((("burst",), ("spot",), ("ann",), ("burst", "ann")))
                until = now + random.randint(1, 30) * MINUTE_MS
                found = leasing.reserve(
                    core, changes, names, f"{self.prefix}{self.made}", random.randint(1, QUANTUM), until
                )
                told = found if isinstance(found, Lease) else None
            elif what == "renew" and id_ and (id_ in core.budgets.live or id_ in core.budgets.expired):
                old = self.known[id_]
                cost, until = self._cost(id_), now + 20 * MINUTE_MS
                amount = random.randint(1, QUANTUM)
                found = leasing.renew(core, changes, id_, old.number, cost, amount, until, remote=True)
                told = found if isinstance(found, Lease) else None
            elif what == "settle" and id_:
                leasing.settle(core, changes, id_, self._cost(id_))
                del self.known[id_]
            elif what == "expire":
                leasing.expire(core, changes, now)
        if what == "wait":
            self.world.clock.ms += random.randint(1, 40) * MINUTE_MS
        await self._deliver(changes, told)
        core = self.world.core
        assert broken(core.budgets, core.clock.now_ms()) == []
        books_balance(core.budgets)

    def _cost(self, lease_id: str) -> int:
        """From its beginning: never more than its holder may use. An answer that was lost lets it use no more."""
        lease = self.known[lease_id]
        self.used[lease_id] = max(
            self.used.get(lease_id, 0), lease.cost + self.random.randint(0, lease.amount)
        )
        return self.used[lease_id]

    async def _deliver(self, changes: Changes, told: Lease | None) -> None:
        """The commit, the answer, or neither."""
        fate = self.random.random()
        if fate < 0.1:
            await self.world.crash()  # before the commit
            return
        committed = self.world.core.commit(changes)
        await committed
        if fate < 0.2:
            before = picture(self.world.core.budgets, self.world.clock.ms)
            await self.world.crash()  # the answer is lost
            assert picture(self.world.core.budgets, self.world.clock.ms) == before
            return
        if told is not None:
            self.known[told.id] = told


async def histories(engine: Engine, seeds: range, steps: int = 40) -> None:
    world = World(engine)
    changes = Changes()
    wanted = budget_settings.wanted(world.core, TREE, world.clock.ms)
    budget_settings.change(world.core, changes, wanted, world.clock.ms, actor="user/ann")
    await world.core.commit(changes)
    for seed in seeds:
        run = Run(world, seed)
        for _ in range(steps):
            await run.step()
        world.clock.ms += 30 * HOUR_MS
        changes = Changes()
        leasing.expire(world.core, changes, world.clock.ms)
        await world.core.commit(changes)
        leases = world.core.budgets
        assert not leases.live, "nothing leaks"
        assert all(span.reserved == 0 for each in leases.budgets.values() for span in each.spans.values())
        assert sorted(leases.budgets) == sorted(TREE)
    await world.close()


@contextmanager
def _fresh_store(which: str) -> Iterator[Engine]:
    if which == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            engine = open_engine(sqlite_url(Path(folder)))
            migrate(engine)
            yield engine
            engine.dispose()
        return
    from tests.support import postgres

    with postgres.running_server() as server:
        engine = open_engine(server.url(server.create_database()))
        migrate(engine)
        yield engine
        engine.dispose()


def main(count: int, which: str) -> None:
    began = process_time()
    for first in range(0, count, EACH):
        with _fresh_store(which) as engine:
            asyncio.run(histories(engine, range(first, min(count, first + EACH))))
    print(
        f"{count:,} histories on {which}, {process_time() - began:.0f} s of CPU: nothing is overspent, nothing leaks"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
