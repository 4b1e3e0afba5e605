"""A closed month of many lines as FOCUS: through the server and `herder cost export`, each a process of its own. Read back, every line is as it was."""

import gzip
import io
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from bench.bench import Bench
from bench.figures import Figure
from bench.server.usage import run_command
from bench.server.world import World
from herder.ledger.lines import COST, Kind, Line, Payer, Place
from herder.ledger.months import begin_of
from herder.ledger.quantities import DAY_MS
from herder.model.stored.changes import Changes
from herder.model.stored.ledger_records import MonthLinesRecord, MonthRecord
from herder.reports.focus.files import line_of, read_rows
from herder.store.opening.database import open_engine, sqlite_url
from herder.store.rows.month_rows import bodies_of, digest_of
from herder.store.writing.change_rows import ChangeRows

NAME, MONTH = "focus-export", "2026-10"
DAYS, WORKERS = 31, 200


async def measure(bench: Bench) -> list[Figure]:
    count = bench.sizes.focus_lines
    async with bench.world() as world:
        _close(world, count)
        before = world.cpu().server
        file = world.folder / "costs.csv.gz"
        words = ["cost", "export", "--format", "focus", "--from", MONTH, "--to", MONTH, "-o", str(file)]
        access = {"HERDER_URL": world.url, "HERDER_TOKEN": world.token}
        done = run_command(words, access, world.server)
        assert done.code == 0, done.said
        cpu_s = done.cpu_s + world.cpu().server - before
        _compare(file, count)
    note = f"{count:,} lines"
    return [
        Figure(measurement=NAME, name="CPU, both processes", unit="s", value=cpu_s, note=note),
        Figure(measurement=NAME, name="a million lines", unit="s", value=cpu_s * 1e6 / count, note="CPU"),
        Figure(measurement=NAME, name="server memory, peak", unit="MiB", value=done.watched_bytes / 2**20),
        Figure(measurement=NAME, name="command memory, peak", unit="MiB", value=done.peak_bytes / 2**20),
    ]  # fmt: skip


def _lines(count: int) -> Iterator[Line]:
    for number in range(count):
        use, day = divmod(number, DAYS)
        user, worker = divmod(use, WORKERS)
        payer = Payer(f"division-{user % 7}", f"project-{user % 40}", f"user-{user}")
        place = Place("burst", f"burst-{worker}", "large", "gcp", "europe-west1-b", "spot")
        yield Line(
            MONTH, begin_of(MONTH) + day * DAY_MS, "", COST, Kind.WORKLOAD, payer, place, "machine", "",
            1_000_003 * (number % 997), "350000000000", 97_222_514 * (number % 997) // 1_000,
        )  # fmt: skip


def _close(world: World, count: int) -> None:
    """Written beside the server, which reads what it exports from the store."""
    bodies = list(bodies_of(_lines(count)))
    changes = Changes()
    changes.put(MonthRecord(MONTH, 0, begin_of("2026-11"), "user/bench", count, digest_of(bodies), "{}"))
    for place, body in enumerate(bodies):
        changes.put(MonthLinesRecord(MONTH, place, body))
    engine = open_engine(world.store_url or sqlite_url(world.folder / "data"))
    try:
        with engine.begin() as connection:
            ChangeRows(engine.dialect.name).write(connection, changes)
    finally:
        engine.dispose()


def _compare(file: Path, count: int) -> None:
    with gzip.open(file, "rb") as packed:
        rows = read_rows(io.TextIOWrapper(packed, encoding="utf-8", newline=""), file.name)
        for row, line in zip_longest(rows, _lines(count)):
            assert row is not None, "a line is missing"
            assert line_of(row, "row") == line
