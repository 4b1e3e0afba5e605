"""Format `spot_events`: spot machines as they came and went.

CSV columns: `ms` (since the start), `event` (add or remove), `node`. As a trace of work, each machine's life is a job of one
core, so that a pool that follows it is what is simulated; as `--spot` it interrupts the workers of spot templates.
"""

from herder.model.values.resources import Resources
from herder.simulate.traces.rows import Row, Rows, TraceError, has_columns
from herder.simulate.traces.trace import Trace, TraceJob, trace_of

COLUMNS = ("ms", "event", "node")


def looks_like(head: str) -> bool:
    return has_columns(head, COLUMNS)


def read(rows: Rows) -> Trace:
    born: dict[str, float] = {}
    lives: list[TraceJob] = []
    levels: list[tuple[float, int]] = []
    for row in rows.rows(COLUMNS):
        try:
            at_s = _take(row, born, lives)
        except TraceError as error:
            if not rows.skip_bad:
                raise
            rows.skip(str(error))
            continue
        if levels and levels[-1][0] == at_s:
            levels.pop()
        levels.append((at_s, len(born)))
    last_s = levels[-1][0] if levels else 0.0
    lives += [_life(start_s, last_s, node) for node, start_s in born.items() if last_s > start_s]
    return trace_of("spot_events", lives[: rows.limit], levels=levels, skipped=rows.skipped)


def _take(row: Row, born: dict[str, float], lives: list[TraceJob]) -> float:
    at_s, event, node = row.number("ms") / 1000, row.text("event"), row.text("node")
    if event not in ("add", "remove"):
        raise row.bad_cell(
            "event", event, "is neither add nor remove", "Correct it, or skip bad rows with --skip-bad."
        )
    if (event == "add") is (node in born):
        what = "exists already" if event == "add" else "does not exist"
        raise row.bad_cell("node", node, what, "Correct the order, or skip bad rows with --skip-bad.")
    if event == "add":
        born[node] = at_s
    elif at_s > (start_s := born.pop(node)):
        lives.append(_life(start_s, at_s, node))
    return at_s


def _life(start_s: float, end_s: float, node: str) -> TraceJob:
    return TraceJob(arrival_s=start_s, run_s=end_s - start_s, request=Resources(cpu_milli=1000), id=node)
