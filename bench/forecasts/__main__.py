"""`python -m bench.forecasts FOLDER`: how forecasts and anomalies do on the traces of a folder. Rows are one trace each; the machines of one are averaged."""

import sys
from collections.abc import Mapping
from pathlib import Path
from time import process_time

from bench.forecasts.judge import HOURLY, WEEKLY, Judged, judge, mean_of
from bench.forecasts.nab import judged, synthetic
from bench.forecasts.series import hourly, weekly

ROW = "{:<7} {:<14} {:>9} {:>9} {:>9} {:>9} {:>9}"


def main(folder: Path) -> None:
    hours = hourly(folder)
    say(ROW.format("WAY", "TRACE", "SERIES", "FORECASTS", "sMAPE", "NAIVE", "WITHIN %"))
    for way, series in ((HOURLY, hours), (WEEKLY, weekly(hours))):
        began = process_time()
        found = judge(series, way)
        for trace in sorted({name.split()[0] for name in found}):
            _show(way.name, trace, {name: each for name, each in found.items() if name.split()[0] == trace})
        if found:
            _show(way.name, "all", found)
        say(f"{process_time() - began:.0f} s of CPU")
    for name, values in (("traces", hours), ("synthetic", synthetic())):
        if values:
            count, score, threshold = judged(values)
            say(
                f"anomalies that were put into {count} series ({name}): {score:.1f} as NAB scores them, threshold {threshold}"
            )


def _show(way: str, trace: str, found: Mapping[str, Judged]) -> None:
    mean = mean_of(list(found.values()))
    figures = (f"{each:.2f}" for each in (mean.smape, mean.naive, mean.covered))
    say(ROW.format(way, trace, len(found), mean.forecasts, *figures))


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
