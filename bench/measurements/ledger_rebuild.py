"""The ledger computed anew, by `herder cost rebuild --check` in a process of its own: half of the events are attempts in the log of use, half reports that came
shuffled, twice and up to 40 days late, over the close of a month. Not a byte may differ; what is kept of the reports is compared with what they give in order, each once, too."""

import shutil

from bench.bench import Bench
from bench.figures import Figure
from bench.ledger.filled import MONTH, Filling, in_order
from bench.ledger.filled import closes as closed_then
from bench.server.usage import run_command
from herder.ledger.metering import metered_days
from herder.store.opening.database import migrate, open_engine, sqlite_url
from herder.store.rows.usage_event_rows import read_metered_days

NAME = "ledger-rebuild"


class Differs(AssertionError):
    """The ledger is wrong."""


async def measure(bench: Bench) -> list[Figure]:
    events = bench.sizes.ledger_events
    folder = bench.folder / NAME
    folder.mkdir()
    try:
        engine = open_engine(sqlite_url(folder))
        try:
            migrate(engine)
            took = Filling(engine).fill(events)
            with engine.connect() as connection:
                kept = sorted(read_metered_days(connection))
        finally:
            engine.dispose()
        if kept != metered_days(in_order(events // 2), closed_then(late=True)):
            raise Differs("Reports that came shuffled and twice are not kept as they are in order.")
        done = run_command(["cost", "rebuild", "--check", "--data-dir", str(folder)])
        if done.code:
            raise Differs(done.said)
    finally:
        shutil.rmtree(folder)
    half, note = events / 2, f"{events:,} events, {MONTH} closed between"
    return [
        Figure(measurement=NAME, name="CPU", unit="s", value=done.cpu_s, note=note),
        Figure(
            measurement=NAME, name="ten million events", unit="s", value=done.cpu_s * 1e7 / events, note="CPU"
        ),
        Figure(measurement=NAME, name="memory, peak", unit="MiB", value=done.peak_bytes / 2**20),
        Figure(measurement=NAME, name="to log an attempt", unit="µs", value=took.log / half * 1e6),
        Figure(measurement=NAME, name="to add it up", unit="µs", value=took.fold / half * 1e6),
        Figure(measurement=NAME, name="to take a report in twice", unit="µs", value=took.intake / half * 1e6),
    ]
