"""Format `metacentrum`: multi-user batch jobs with requested wall time, memory, queue and user.

CSV columns: `job_id`, `submit_s`, `run_s`, `cores`, `req_wall_s` (the user's limit), `req_mem_kib`, `user`, `queue` (its
name is the class of wall times); `wait_s` and `nodespec` are left alone.
"""

from herder.model.values.resources import AMOUNT_MAX, Resources
from herder.simulate.traces.rows import Row, Rows, has_columns
from herder.simulate.traces.trace import Trace, TraceJob, trace_of

COLUMNS = ("job_id", "submit_s", "run_s", "cores", "req_wall_s", "req_mem_kib", "user", "queue")


def looks_like(head: str) -> bool:
    return has_columns(head, COLUMNS)


def read(rows: Rows) -> Trace:
    return trace_of("metacentrum", rows.jobs(COLUMNS, _job), skipped=rows.skipped)


def _job(row: Row) -> TraceJob:
    limit_s = row.number("req_wall_s", default=0.0)
    return TraceJob(
        arrival_s=row.number("submit_s"),
        run_s=row.number("run_s"),
        request=Resources(
            1000 * row.whole("cores", least=1, most=AMOUNT_MAX // 1000),
            -(-row.whole("req_mem_kib", default=0) // 1024),
        ),
        user=row.text("user"),
        kind=row.text("queue"),
        limit_s=limit_s or None,
        id=row.text("job_id"),
    )
