"""Budgets through the real kernel and store: whatever is lost – a commit, an answer, a holder, the server – nothing is overspent, nothing leaks."""

from random import Random

import pytest
from sqlalchemy import Engine

from herder.control.budgets import leasing
from herder.control.budgets import settings as budget_settings
from herder.ledger.budgets.leases import Lease, broken
from herder.model.stored.changes import Changes
from herder.store.writing.retention import forget_leases
from tests.budgets.worlds import HOUR_MS, MINUTE_MS, World, picture
from tests.support.budgets import books_balance

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


async def test_no_fault_overspends_or_leaks(engine: Engine) -> None:
    await histories(engine, range(12))


@pytest.mark.slow
async def test_no_fault_overspends_or_leaks_in_many_histories(engine: Engine) -> None:
    await histories(engine, range(1_000, 1_030))


async def test_rows_of_ended_leases_are_deleted_and_what_they_cost_stays(engine: Engine) -> None:
    world = World(engine)
    changes, now = Changes(), world.clock.ms
    wanted = budget_settings.wanted(world.core, {"a": {"limit": "5"}}, now)
    budget_settings.change(world.core, changes, wanted, now, actor="user/ann")
    for name in ("one", "two", "three"):
        leasing.reserve(world.core, changes, "a", name, QUANTUM, now + HOUR_MS)
    leasing.settle(world.core, changes, "one", 7)
    leasing.settle(world.core, changes, "two", 8)
    await world.core.commit(changes)
    with engine.begin() as connection:
        assert forget_leases(connection, 0, before_ms=now, piece=1) is None, "not old enough"
        assert forget_leases(connection, 0, before_ms=now + 1, piece=1) == 0, "there may be more"
        assert forget_leases(connection, 0, before_ms=now + 1, piece=10) is None
    await world.crash()
    assert list(world.core.budgets.live) == ["three"]
    assert world.core.budgets.budgets["a"].used(now) == 15 + QUANTUM
    await world.close()
