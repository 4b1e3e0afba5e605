"""Format `openb`: pods of a GPU cluster, with parts of GPUs, as in Alibaba's cluster-trace-gpu-v2023.

CSV columns: `name`, `cpu_milli`, `memory_mib`, `num_gpu`, `gpu_milli` (thousandths of each GPU), `qos`, `creation_time`,
`deletion_time` (seconds). A pod arrives when it was created and holds its request until it was deleted, so what it waited then
counts as run time (the mean is 61 s of 25,839 s); pods that never lived for a moment are left out. `scheduled_time`, `gpu_spec`
(allowed models) and `pod_phase` are not used.
"""

from herder.model.values.resources import Resources
from herder.simulate.traces.rows import Row, Rows, has_columns
from herder.simulate.traces.trace import Trace, TraceJob, trace_of

COLUMNS = (
    "name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli", "qos", "creation_time", "deletion_time",
)  # fmt: skip


def looks_like(head: str) -> bool:
    return has_columns(head, COLUMNS)


def read(rows: Rows) -> Trace:
    return trace_of("openb", rows.jobs(COLUMNS, _job), skipped=rows.skipped)


def _job(row: Row) -> TraceJob | None:
    if not row.text("deletion_time"):
        return None
    run_s = row.number("deletion_time") - row.number("creation_time")
    if run_s <= 0:
        return None
    return TraceJob(
        arrival_s=row.number("creation_time"),
        run_s=run_s,
        request=Resources(
            cpu_milli=row.whole("cpu_milli"),
            memory_mib=row.whole("memory_mib"),
            gpu=row.whole("num_gpu", most=10**6) * row.whole("gpu_milli", most=1000),
        ),
        kind=row.text("qos"),
        id=row.text("name"),
    )
