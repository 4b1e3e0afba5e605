"""Reports of use: requests to models that a gateway reports over the API, and use by day that is computed anew from all of them.

Half of the events of the second part are of counters, and all of them come up to 40 days late, over the close of a month.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
from sqlalchemy import insert

from bench.bench import Bench
from bench.figures import Figure, median_of
from bench.server.calls import Caller
from herder.control.kernel.clock import now_ms
from herder.ledger.metering import UsageEvent, metered_days
from herder.ledger.quantities import DAY_MS
from herder.model.values.times import iso
from herder.store.opening.database import migrate, open_engine, sqlite_url
from herder.store.rows.metering_tables import usage_events
from herder.store.rows.usage_event_rows import all_events, record_of

PER_CALL = 2_000
USERS = 200
_BEGIN_MS = 1_793_491_200_000
_CLOSED = {"2026-11": _BEGIN_MS + 31 * DAY_MS}


async def measure(bench: Bench) -> list[Figure]:
    events, figures = bench.sizes.usage_events, []
    async with bench.world() as world:
        runs = [
            await world.metered(events, _report(world.caller, run, events))
            for run in range(bench.sizes.runs + 1)
        ][1:]
        rates = [run.jobs / run.wall_s for run in runs]
        figures.append(median_of("usage", "rate", "events/s", rates))
        cpu = [run.cpu.server / run.jobs * 1e6 for run in runs]
        figures.append(median_of("usage", "CPU, server", "µs/event", cpu))
    folder = bench.folder / "usage"
    folder.mkdir()
    try:
        took = [_computed_anew(folder, events, first=run == 0) for run in range(bench.sizes.runs + 1)][1:]
    finally:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
    return [*figures, median_of("usage", "use by day, computed anew", "µs/event", took)]


async def _report(caller: Caller, run: int, events: int) -> None:
    at = iso(now_ms())
    for begin in range(0, events, PER_CALL):
        requests = [
            {
                "id": f"{run}-{number}",
                "time": at,
                "model": "a-model",
                "tokens": {"input": 100 + number, "output": 10},
                "user": f"user-{number % USERS}",
                "project": "alpha",
            }
            for number in range(begin, min(events, begin + PER_CALL))
        ]
        body = msgspec.json.encode({"source": "gateway", "requests": requests})
        await caller.call("POST", "/usage/tokens", body)


def _computed_anew(folder: Path, events: int, *, first: bool) -> float:
    """µs of CPU an event."""
    engine = open_engine(sqlite_url(folder))
    try:
        if first:
            migrate(engine)
            with engine.begin() as connection:
                rows = [record_of(each, "bench")._asdict() for each in _events(events)]
                connection.execute(insert(usage_events), rows)
        began = time.process_time()
        with engine.connect() as connection:
            days = metered_days(all_events(connection), _CLOSED)
        took = time.process_time() - began
    finally:
        engine.dispose()
    assert days
    return took / events * 1e6


def _events(events: int) -> Iterator[UsageEvent]:
    for number in range(events):
        counter, place = divmod(number // 2, 100)
        name = f"c{counter}" if number % 2 else ""
        at_ms = _BEGIN_MS + (place * 600_000 if name else _scattered(number))
        yield UsageEvent(
            "gateway", f"id-{number}", "tokens.input", at_ms, at_ms + _scattered(number + 1), "a-model", "", "alpha",
            f"user-{counter % USERS}", name, place * 1_000,
        )  # fmt: skip


def _scattered(number: int) -> int:
    """Over 40 days, the same in each run."""
    return number * 2_654_435_761 % (40 * DAY_MS)
