"""Series by hour and by week, made of public traces of load. A trace that is not in the folder has none."""

import csv
import gzip
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean

HOUR_S, WEEK_H = 3600, 168
#: By name, the file and the column of the value.
CARBON = ("carbon-nl-*.csv.gz", "timestamp", "carbon_intensity")
HELIOS = ("helios-*-demand.csv.gz", "time", "running_gpu_num")
BITBRAINS = "bitbrains-*-vm-cpu.csv.gz"
#: A machine that at times does less than this part of its mean is idle then.
IDLE = 0.1
#: Series with fewer hours, or of one value mostly, show nothing.
LEAST_HOURS, LEAST_DIFFERENT = 600, 50


def hourly(folder: Path) -> dict[str, list[float]]:
    """Evenly spaced means of hours, by trace and machine."""
    found: dict[str, list[float]] = {}
    for name, (pattern, time, value) in (("carbon", CARBON), ("helios", HELIOS)):
        rows = ((_seconds(row[time]), float(row[value])) for row in _rows(folder, pattern))
        found[name] = _means(rows)
    machines: dict[str, list[tuple[float, float]]] = {}
    for row in _rows(folder, BITBRAINS):
        machines.setdefault(row["vm_id"], []).append((float(row["unix_s"]), float(row["cpu_mhz"])))
    for machine, measured in machines.items():
        values = _means(iter(measured))
        found[f"bitbrains-{'busy' if min(values) > IDLE * fmean(values) else 'idle'} {machine}"] = values
    return {
        name: values
        for name, values in found.items()
        if len(values) >= LEAST_HOURS and len(set(values)) >= LEAST_DIFFERENT
    }


def weekly(hours: dict[str, list[float]]) -> dict[str, list[float]]:
    """Means of whole weeks, and of each hour of the day of a week: all of the one trace that has years."""
    carbon = hours.get("carbon", [])
    weeks = [carbon[at : at + WEEK_H] for at in range(0, len(carbon) - WEEK_H + 1, WEEK_H)]
    if not weeks:
        return {}
    found = {"carbon": [fmean(week) for week in weeks]}
    found.update({f"carbon {hour}:00": [fmean(week[hour::24]) for week in weeks] for hour in range(24)})
    return found


def _rows(folder: Path, pattern: str) -> Iterator[dict[str, str]]:
    for path in sorted(folder.glob(pattern)):
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            yield from csv.DictReader(file)


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def _means(rows: Iterator[tuple[float, float]]) -> list[float]:
    """An hour without a sample is as the one before it."""
    by_hour: dict[int, list[float]] = {}
    for at_s, value in rows:
        by_hour.setdefault(int(at_s // HOUR_S), []).append(value)
    values: list[float] = []
    for hour in range(min(by_hour, default=0), max(by_hour, default=-1) + 1):
        values.append(fmean(by_hour[hour]) if hour in by_hour else values[-1])
    return values
