"""A real kernel over a real store, with a clock that a test moves. It can die before a commit, and between a commit and its answer."""

from types import SimpleNamespace

from sqlalchemy import Engine

from herder.control.kernel.core import Core
from herder.control.kernel.jobs.usage_ledger import read_ledger
from herder.control.kernel.settings import CoreSettings
from herder.control.recovery.recover import recover
from herder.ledger.budgets.leases import LATE_MS, Leases
from herder.store.sql_store import SqlStore

#: 1 November 2026, 00:00 UTC.
NOVEMBER_MS = 1_793_491_200_000
MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000


class Clock:
    def __init__(self, now_ms: int = NOVEMBER_MS) -> None:
        self.ms = now_ms

    def now_ms(self) -> int:
        return self.ms

    def monotonic_ms(self) -> int:
        return self.ms


class World:
    def __init__(self, engine: Engine, now_ms: int = NOVEMBER_MS) -> None:
        self.engine, self.clock, self.fatal = engine, Clock(now_ms), list[BaseException]()
        self.core = self.open()

    def open(self) -> Core:
        with self.engine.connect() as connection:
            state, directory, _ = recover(connection, self.clock.ms)
            ledger = read_ledger(connection)
        return Core(
            settings=CoreSettings(server_url="http://127.0.0.1:1", installation="test", secret="s"),
            state=state,
            ledger=ledger,
            store=SqlStore(self.engine, self.fatal.append),
            directory=directory,
            drivers={},
            on_fatal=self.fatal.append,
            clock=self.clock,
        )

    async def crash(self) -> None:
        """What was not handed over is lost; what was committed is read back."""
        await SqlStore.__mro__[1].close(self.core.store)  # type: ignore[attr-defined]
        self.core = self.open()

    async def close(self) -> None:
        await self.core.close()
        assert not self.fatal


def picture(leases: Leases, now_ms: int) -> object:
    """All that must be the same after a restart: of the periods those that count, or in which something is reserved."""
    spans = {
        (name, span.start_ms): (span.spent, span.reserved, span.moved, span.lent, span.leases)
        for name, budget in leases.budgets.items()
        for span in (*budget.counting(now_ms), *(each for each in budget.spans.values() if each.leases))
        if (span.spent, span.reserved, span.moved, span.lent, span.leases) != (0, 0, 0, 0, 0)
    }
    specs = {name: (each.spec, each.lasting) for name, each in leases.budgets.items()}
    parts = {"specs": specs, "spans": spans, "live": leases.live, "transfers": leases.transfers}
    late = {id_: each for id_, each in leases.expired.items() if each.until_ms > now_ms - LATE_MS}
    return SimpleNamespace(**parts, late=late)
