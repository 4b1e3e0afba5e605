"""Format `swf`: the Standard Workload Format of the Parallel Workloads Archive.

Lines of at least 18 numbers, `;` begins a comment, -1 is unknown. Used: 1 job, 2 submit (s), 4 run (s), 5 processors,
8 requested processors, 9 requested time (s), 10 requested memory (KiB for each processor), 12 user, 14 program.
Jobs without run time or processors are left out: they never ran.
"""

from collections.abc import Iterator

from herder.model.resources import Resources
from herder.simulate.traces.form import Trace, TraceJob, trace_of
from herder.simulate.traces.rows import Row, Rows

_NAMES = (
    "job", "submit_s", "wait_s", "run_s", "processors", "cpu_s", "memory_kib", "req_processors", "req_time_s",
    "req_memory_kib", "status", "user", "group", "program", "queue", "partition", "preceding", "think_s",
)  # fmt: skip
_PLACES = {name: place for place, name in enumerate(_NAMES)}
_LINES_TRIED = 40


def looks_like(head: str) -> bool:
    for line in head.splitlines()[:_LINES_TRIED]:
        if line.startswith(";"):
            continue
        cells = line.split()
        return len(cells) >= len(_NAMES) and all(_is_number(cell) for cell in cells[: len(_NAMES)])
    return head.startswith("; ")


def _is_number(text: str) -> bool:
    return text.lstrip("-").replace(".", "", 1).isdigit()


def read(rows: Rows) -> Trace:
    return trace_of("swf", rows.gather(_rows(rows), _job), skipped=rows.skipped)


def _rows(rows: Rows) -> Iterator[Row]:
    for line, text in rows.lines():
        if text.strip() and not text.lstrip().startswith(";"):
            yield Row(rows.path, line, _PLACES, text.split())


def _job(row: Row) -> TraceJob | None:
    run_s = row.number("run_s", least=-1)
    processors = row.whole("processors", least=-1)
    if processors <= 0:
        processors = row.whole("req_processors", least=-1)
    if run_s <= 0 or processors <= 0:
        return None
    memory_kib = max(0.0, row.number("req_memory_kib", least=-1)) * processors
    limit_s = row.number("req_time_s", least=-1)
    return TraceJob(
        arrival_s=row.number("submit_s"),
        run_s=run_s,
        request=Resources(1000 * processors, -(-int(memory_kib) // 1024)),
        user=row.text("user"),
        kind=row.text("program"),
        limit_s=limit_s if limit_s > 0 else None,
        id=row.text("job"),
    )
