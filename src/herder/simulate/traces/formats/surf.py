"""Format `surf`: batch jobs of a cluster of equal slices, as made from the OpenDC files of SURF Lisa.

CSV columns: `job_id`, `submit_s` (unix seconds), `duration_s`, `cores`. There is no user and no program.
"""

from herder.model.values.resources import AMOUNT_MAX, Resources
from herder.simulate.traces.rows import Row, Rows, has_columns
from herder.simulate.traces.trace import Trace, TraceJob, trace_of

COLUMNS = ("job_id", "submit_s", "duration_s", "cores")


def looks_like(head: str) -> bool:
    return has_columns(head, COLUMNS)


def read(rows: Rows) -> Trace:
    return trace_of("surf", rows.jobs(COLUMNS, _job), skipped=rows.skipped)


def _job(row: Row) -> TraceJob:
    return TraceJob(
        arrival_s=row.number("submit_s"),
        run_s=row.number("duration_s"),
        request=Resources(cpu_milli=1000 * row.whole("cores", least=1, most=AMOUNT_MAX // 1000)),
        id=row.text("job_id"),
    )
