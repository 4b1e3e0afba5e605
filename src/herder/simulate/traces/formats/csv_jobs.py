"""Format `csv`: any list of jobs. Needs `arrival_s` and `run_s`, and `cpu` (cores) or `gpu`; further columns as you have them.

| column | unit | |
|---|---|---|
| `arrival_s` | seconds, from any origin | needed |
| `run_s` | seconds | needed |
| `cpu` | cores, may be a part | needed, unless there is `gpu` |
| `memory_mib`, `disk_mib` | MiB | none when absent |
| `gpu` | GPUs, may be a part | none when absent |
| `user`, `name` | text; jobs of equal user, name and shape are expected to be alike | |
| `limit_s` | the longest the user allows | |
| `id`, `parents` | a job's name, and those of the jobs that must end before it, separated by spaces | |
"""

from herder.model.values.resources import AMOUNT_MAX, Resources
from herder.settings.syntax.numbers import NUMBER_MAX
from herder.simulate.traces.graph import check_rows
from herder.simulate.traces.rows import Row, Rows, has_columns
from herder.simulate.traces.trace import Trace, TraceJob, trace_of

COLUMNS = ("arrival_s", "run_s")
#: Most cores, and most GPUs.
WHOLE_MAX = AMOUNT_MAX // 1000


def looks_like(head: str) -> bool:
    return has_columns(head, COLUMNS) and (has_columns(head, ("cpu",)) or has_columns(head, ("gpu",)))


def read(rows: Rows) -> Trace:
    columns = (*COLUMNS, "gpu" if has_columns(rows.head(), ("gpu",)) else "cpu")
    jobs = rows.jobs(columns, _job)
    check_rows(jobs, rows)
    return trace_of("csv", jobs, skipped=rows.skipped)


def _job(row: Row) -> TraceJob:
    limit_s = row.number("limit_s", default=0.0)
    return TraceJob(
        arrival_s=row.number("arrival_s", least=-NUMBER_MAX),
        run_s=row.number("run_s"),
        request=Resources(
            round(1000 * row.number("cpu", most=WHOLE_MAX, default=0.0)),
            row.whole("memory_mib", default=0),
            row.whole("disk_mib", default=0),
            round(1000 * row.number("gpu", most=WHOLE_MAX, default=0.0)),
        ),
        user=row.text("user", ""),
        kind=row.text("name", ""),
        limit_s=limit_s or None,
        id=row.text("id", ""),
        parents=tuple(row.text("parents", "").split()),
    )
