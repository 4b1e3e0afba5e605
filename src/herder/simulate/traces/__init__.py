"""Traces of real work: one module for each format, and `read_trace`, which recognises the format of a file.

Each module has `COLUMNS` or its like in its docstring, `looks_like(head)` and `read(rows)`. Readers know nothing of policies.
"""

from pathlib import Path
from types import ModuleType

from herder.settings.syntax.problems import did_you_mean
from herder.simulate.traces.formats import (
    azure_llm,
    bitbrains,
    csv_jobs,
    helios,
    metacentrum,
    openb,
    spot_count,
    spot_events,
    surf,
    swf,
    wfformat,
)
from herder.simulate.traces.rows import Rows, TraceError, has_columns, open_rows
from herder.simulate.traces.trace import Trace

#: By name, in the order in which they are tried on a file.
FORMATS: dict[str, ModuleType] = {
    "surf": surf,
    "metacentrum": metacentrum,
    "openb": openb,
    "bitbrains": bitbrains,
    "helios": helios,
    "azure_llm": azure_llm,
    "spot_events": spot_events,
    "spot_count": spot_count,
    "wfformat": wfformat,
    "swf": swf,
    "csv": csv_jobs,
}
#: Files that come with traces and hold no jobs, by their columns: what to do with them.
NO_JOBS = {
    (
        "cpu_milli",
        "memory_mib",
        "gpu",
    ): "this is a list of machines and has no jobs. Give it as --template FILE, with a trace of jobs",
    (
        "timestamp",
        "carbon_intensity",
    ): "this is a series of carbon intensity and has no jobs. Name a trace of jobs with --trace",
}


def read_trace(
    path: Path, format_name: str | None = None, *, limit: int | None = None, skip_bad: bool = False
) -> Trace:
    """The first `limit` jobs of a file, or of stdin when it is `-`. Raises TraceError for what cannot be read, with the place and a remedy."""
    if format_name is not None and format_name not in FORMATS:
        raise TraceError(
            f"Trace format {format_name!r} does not exist. {did_you_mean(format_name, list(FORMATS))}"
        )
    with open_rows(path, skip_bad=skip_bad, limit=limit) as rows:
        reader = FORMATS[format_name] if format_name is not None else _detect(rows)
        trace: Trace = reader.read(rows)
        if not len(trace):
            raise TraceError(f"{rows.path}: the file has no job. A trace needs at least one.")
        return trace


def _detect(rows: Rows) -> ModuleType:
    head = rows.head()
    for module in FORMATS.values():
        if module.looks_like(head):
            return module
    for columns, what in NO_JOBS.items():
        if has_columns(head, columns):
            raise TraceError(f"{rows.path}:1:1: {what}.")
    first = head.partition("\n")[0].strip()[:80]
    raise TraceError(
        f"{rows.path}:1:1: {first!r} is not the first line of a known trace format. "
        f"Name its format with --format ({', '.join(FORMATS)}), or convert it to a CSV file with arrival_s, run_s and cpu."
    )
