"""Format `helios`: how many GPUs of a virtual cluster were in use and asked for, minute by minute.

CSV columns: `time` (local, YYYY-MM-DD HH:MM:SS), `running_gpu_num`, `pending_gpu_num`. The demand is both together; it
becomes jobs of one GPU whose running count is the demand. The other columns are left alone.
"""

from herder.model.values.resources import Resources
from herder.simulate.traces.rows import Row, Rows, TraceError, has_columns
from herder.simulate.traces.series import LEVEL_MAX, jobs_of_levels
from herder.simulate.traces.timestamps import seconds_of
from herder.simulate.traces.trace import Trace, trace_of

COLUMNS = ("time", "running_gpu_num", "pending_gpu_num")


def looks_like(head: str) -> bool:
    return has_columns(head, COLUMNS)


def read(rows: Rows) -> Trace:
    levels: list[tuple[float, int]] = []
    for row in rows.rows(COLUMNS):
        try:
            levels.append(_level(row))
        except TraceError as error:
            if not rows.skip_bad:
                raise
            rows.skip(str(error))
    levels.sort(key=lambda level: level[0])
    jobs = jobs_of_levels(levels, Resources(gpu=1000), limit=rows.limit)
    return trace_of("helios", jobs, levels=levels, skipped=rows.skipped)


def _level(row: Row) -> tuple[float, int]:
    gpus = (row.whole(name, most=LEVEL_MAX) for name in ("running_gpu_num", "pending_gpu_num"))
    return seconds_of(row, "time", row.text("time")), sum(gpus)
