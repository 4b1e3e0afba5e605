"""Format `swf`: the Standard Workload Format of the Parallel Workloads Archive.

Lines of 18 numbers (17 and more than 18 are read too), `;` begins a comment, -1 is unknown. Used: 1 job, 2 submit (s), 4 run (s), 5 processors,
8 requested processors, 9 requested time (s), 10 requested memory (KiB for each processor), 12 user, 14 program.
Jobs without run time or processors are left out: they never ran.
"""

import re
from collections.abc import Iterator
from functools import partial

from herder.model.values.resources import AMOUNT_MAX, Resources
from herder.settings.syntax.files import Unreadable
from herder.settings.syntax.numbers import number
from herder.simulate.traces.rows import Row, Rows
from herder.simulate.traces.trace import Trace, TraceJob, trace_of

_NAMES = (
    "job", "submit_s", "wait_s", "run_s", "processors", "cpu_s", "memory_kib", "req_processors", "req_time_s",
    "req_memory_kib", "status", "user", "group", "program", "queue", "partition", "preceding", "think_s",
)  # fmt: skip
_PLACES = {name: place for place, name in enumerate(_NAMES)}
#: Most processors of a job.
CORES_MAX = AMOUNT_MAX // 1000
#: Some archives leave the last field away; it is not used.
FIELDS_LEAST = 17
_FIELD = re.compile(r"\S+")


def looks_like(head: str) -> bool:
    """Comments and empty lines may stand before the first job, which is numbers and nothing else."""
    comments = 0
    for line in head.split("\n"):
        text = line.strip()
        if text and not text.startswith(";"):
            cells = text.split()
            return len(cells) >= FIELDS_LEAST and all(
                number(cell) is not None for cell in cells[:FIELDS_LEAST]
            )
        comments += bool(text)
    return comments > 0


def read(rows: Rows) -> Trace:
    return trace_of("swf", rows.gather(_rows(rows), _job), skipped=rows.skipped)


def _rows(rows: Rows) -> Iterator[Row]:
    for line, text in rows.lines():
        cells = text.split()
        if not cells or cells[0].startswith(";"):
            continue
        if len(cells) < FIELDS_LEAST:
            rows.bad(
                Unreadable(
                    line,
                    1,
                    f"A line of SWF has {len(_NAMES)} fields, but this line has {len(cells)}.",
                    "Complete the line.",
                )
            )
            continue
        yield Row(rows.path, line, _PLACES, cells, partial(_place, line, text))


def _place(line: int, text: str, place: int) -> tuple[int, int]:
    starts = [found.start() + 1 for found in _FIELD.finditer(text)]
    return line, starts[place] if place < len(starts) else len(text) + 1


def _job(row: Row) -> TraceJob | None:
    run_s = row.number("run_s", least=-1)
    processors = row.whole("processors", least=-1, most=CORES_MAX)
    if processors <= 0:
        processors = row.whole("req_processors", least=-1, most=CORES_MAX)
    if run_s <= 0 or processors <= 0:
        return None
    memory_kib = max(0.0, row.number("req_memory_kib", least=-1)) * processors
    if memory_kib > AMOUNT_MAX * 1024:
        text = row.text("req_memory_kib")
        raise row.bad_cell(
            "req_memory_kib",
            text,
            f"for {processors} processors is more memory than can be read",
            "Correct it.",
        )
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
