"""Format `bitbrains`: CPU use of virtual machines, one row for each machine and five minutes.

CSV columns: `vm_id`, `unix_s`, `duration_s`, `cpu_count`, `cpu_mhz` (use). Each sample becomes one job: it runs for the sample's
length and asks for the cores that were used, at `MHZ_OF_A_CORE`. The user is the machine. Samples without use are no
job; a sample longer than `LONGEST_S` stands after a gap in the record and counts with that length.
"""

from math import ceil

from herder.model.values.resources import Resources
from herder.simulate.traces.rows import Row, Rows, has_columns
from herder.simulate.traces.trace import Trace, TraceJob, trace_of

COLUMNS = ("vm_id", "unix_s", "duration_s", "cpu_count", "cpu_mhz")
#: The clock of the machines' cores: 2.6 GHz, as in the published description of the data.
MHZ_OF_A_CORE = 2600.0
#: Amounts are rounded up to whole steps of this many thousandths of a core, so that shapes repeat.
STEP_MILLI = 50
LONGEST_S = 900.0


def looks_like(head: str) -> bool:
    return has_columns(head, COLUMNS)


def read(rows: Rows) -> Trace:
    return trace_of("bitbrains", rows.jobs(COLUMNS, _job), skipped=rows.skipped)


def _job(row: Row) -> TraceJob | None:
    steps = ceil(row.number("cpu_mhz") / MHZ_OF_A_CORE * 1000 / STEP_MILLI)
    run_s = min(row.number("duration_s"), LONGEST_S)
    if not steps or not run_s:
        return None
    return TraceJob(
        arrival_s=row.number("unix_s"),
        run_s=run_s,
        request=Resources(cpu_milli=STEP_MILLI * steps),
        user=row.text("vm_id"),
    )
