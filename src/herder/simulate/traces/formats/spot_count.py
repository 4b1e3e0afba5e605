"""Format `spot_count`: how many spot machines of a wanted number were live, about once a minute.

CSV columns: `date`, `time`, `count`. As a trace of work, the count becomes jobs of one core; as `--spot`, each fall of the
count interrupts the same share of the workers of spot templates. Rows may be out of order: they are sorted by time.
"""

from herder.model.values.resources import Resources
from herder.simulate.traces.rows import Rows, TraceError, has_columns
from herder.simulate.traces.series import LEVEL_MAX, jobs_of_levels
from herder.simulate.traces.timestamps import seconds_of
from herder.simulate.traces.trace import Trace, trace_of

COLUMNS = ("date", "time", "count")


def looks_like(head: str) -> bool:
    return has_columns(head, COLUMNS)


def read(rows: Rows) -> Trace:
    levels: dict[float, int] = {}
    for row in rows.rows(COLUMNS):
        try:
            at_s = seconds_of(row, "time", f"{row.text('date')} {row.text('time')}")
            levels[at_s] = row.whole("count", most=LEVEL_MAX)
        except TraceError as error:
            if not rows.skip_bad:
                raise
            rows.skip(str(error))
    series = sorted(levels.items())
    jobs = jobs_of_levels(series, Resources(cpu_milli=1000), limit=rows.limit)
    return trace_of("spot_count", jobs, levels=series, skipped=rows.skipped)
