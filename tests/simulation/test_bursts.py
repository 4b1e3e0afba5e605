"""Bursts of interruptions in the simulated world: the table is what the excerpts of the spot traces say, and a burst takes its machines."""

import csv
import gzip
import io
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.resources import files
from itertools import pairwise

from herder.simulate.chaos.faults.bursts import BURSTS, Burst, parts
from herder.simulate.chaos.faults.chance import stream

#: Minutes without a loss that end a burst.
GAP = 5


def rows(name: str) -> list[dict[str, str]]:
    packed = (files("herder.simulate") / "excerpts" / name).read_bytes()
    return list(csv.DictReader(io.StringIO(gzip.decompress(packed).decode()), skipinitialspace=True))


def bursts_of(losses: Mapping[int, int], of: int) -> list[Burst]:
    """`losses`: machines by minute."""
    found: list[list[int]] = []
    minutes = sorted(losses)
    for before, minute in pairwise([minutes[0] - 2 * GAP, *minutes]):
        if minute - before > GAP:
            found.append([])
        else:
            found[-1] += [0] * (minute - before - 1)
        found[-1].append(losses[minute])
    return [Burst(of, tuple(each)) for each in found if sum(each) * 8 >= of]


def test_the_table_is_that_of_the_records() -> None:
    removed = Counter(
        int(row["ms"]) // 60_000 for row in rows("spot_events.csv.gz") if row["event"] == "remove"
    )
    live = sorted(
        (
            datetime.strptime(f"{row['date']} {row['time']}", "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC),
            int(row["count"]),
        )
        for row in {(row["date"], row["time"]): row for row in rows("spot_count.csv.gz")}.values()
    )
    fallen = Counter[int]()
    for (_, before), (at, after) in pairwise(live):
        if after < before:
            fallen[int(at.timestamp()) // 60] += before - after
    derived = [*bursts_of(removed, 32), *bursts_of(fallen, 80)]
    assert tuple(dict.fromkeys(derived)) == BURSTS


def test_a_burst_takes_machines_once_and_some_at_least() -> None:
    for seed in range(60):
        machines = [f"spot-{number}" for number in range(seed % 20)]
        taken = [each for _, chosen in parts(stream(seed, "bursts"), machines) for each in chosen]
        assert len(taken) == len(set(taken))
        assert set(taken) <= set(machines)
        assert bool(taken) is bool(machines)
