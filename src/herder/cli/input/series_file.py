"""Reads a series of measurements: a CSV file with the columns time and value, oldest first, evenly spaced. Used by `herder cost`."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from herder.cli.input.file_faults import FileFaults, unopened
from herder.settings.syntax.csv_text import CsvText
from herder.settings.syntax.files import DAMAGED, Unreadable, opened
from herder.settings.syntax.numbers import number

ROWS_MOST = 1_000_000
VALUE_MOST = 1e30
_COLUMNS = ("time", "value")
_HINT = "Nothing was computed. The file needs the columns time and value, with the oldest row first."
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Series:
    """`times` as the file writes them. `step_s`: the usual distance of two rows; None: the times are not read as times."""

    times: tuple[str, ...]
    values: tuple[float, ...]
    step_s: float | None

    @property
    def rows_of_a_day(self) -> int:
        """1 where no row, or less than two, fit into a day."""
        if not self.step_s or self.step_s > _DAY_S / 2:
            return 1
        return round(_DAY_S / self.step_s)

    def following(self, count: int) -> list[str]:
        """The times after the last one, as the file writes its times; empty texts where they are not read as times. Months and years have no fixed step and get none."""
        if self.step_s is None or self.step_s > _DAY_S * 27:
            return [""] * count
        last, step = self.times[-1], self.step_s
        if number(last) is not None:
            return [f"{(number(last) or 0) + step * ahead:.15g}" for ahead in range(1, count + 1)]
        begin = datetime.fromisoformat(last)
        try:
            later = [begin + timedelta(seconds=step * ahead) for ahead in range(1, count + 1)]
        except OverflowError:
            return [""] * count
        only_day = len(last) == len("2026-11-28") and step % _DAY_S == 0
        return [f"{each:%Y-%m-%d}" if only_day else each.isoformat() for each in later]


def read_series(path: Path) -> Series:
    """Raises CommandError, with each fault's line and column."""
    faults = FileFaults(path, _HINT)
    times: list[str] = []
    values: list[float] = []
    try:
        with opened(path) as file:
            _read(CsvText(file), times, values, faults)
    except Unreadable as error:
        faults.found(error)
    except DAMAGED as error:
        raise unopened(faults.name, error) from None
    if not values and not faults.lines:
        faults.add(1, 1, "the file has no rows", "write one line for each measurement")
    faults.check()
    moments = [_moment_s(each) for each in times]
    return Series(tuple(times), tuple(values), _step_s(moments, faults))


def _read(table: CsvText, times: list[str], values: list[float], faults: FileFaults) -> None:
    head = table.begin()
    missing = [name for name in _COLUMNS if name not in head]
    if missing:
        faults.add(1, 1, f"the header line lacks {' and '.join(missing)}", "begin the file with: time,value")
        return
    time_at, value_at = head.index("time"), head.index("value")
    for found in table.rows():
        if isinstance(found, Unreadable):
            faults.found(found)
            continue
        _, cells = found
        time = cells[time_at].strip() if time_at < len(cells) else ""
        text = cells[value_at].strip() if value_at < len(cells) else ""
        value = number(text)
        if not time:
            faults.add(*table.place(time_at), "the time is empty", "write when the value was measured")
        elif value is None or abs(value) > VALUE_MOST:
            remedy = "write a number; leave no gap: a series is evenly spaced"
            faults.add(*table.place(value_at), f"the value is {text[:50]!r}", remedy)
        elif len(values) >= ROWS_MOST:
            faults.add(*table.place(0), f"there are more than {ROWS_MOST:,} rows", "give the newest of them")
            return
        else:
            times.append(time)
            values.append(value)


def _step_s(moments: Sequence[float | None], faults: FileFaults) -> float | None:
    known = [each for each in moments if each is not None]
    if len(known) < 2 or len(known) < len(moments):
        return None
    for place, (before, after) in enumerate(itertools.pairwise(known)):
        if after <= before:
            faults.add(
                place + 3, 1, "the time is not later than that of the row before", "sort the rows by time"
            )
            faults.check()
    return median(after - before for before, after in itertools.pairwise(known))


def _moment_s(text: str) -> float | None:
    """Seconds since the epoch, or an ISO time; UTC where no zone is said."""
    seconds = number(text)
    if seconds is not None:
        return seconds
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
