"""Format `azure_llm`: requests to a language model, each with its arrival and its tokens in and out.

CSV columns: `TIMESTAMP`, `ContextTokens`, `GeneratedTokens`. A request becomes a job that holds one of the 32 places of a GPU (a
usual batch) for the time its tokens take: prompts are read at `CONTEXT_TOKENS_PER_S` and answers written at
`GENERATED_TOKENS_PER_S`, round figures for a model of 70 billion parameters.
"""

from herder.model.values.resources import Resources
from herder.simulate.traces.rows import Row, Rows, has_columns
from herder.simulate.traces.timestamps import seconds_of
from herder.simulate.traces.trace import Trace, TraceJob, trace_of

COLUMNS = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
CONTEXT_TOKENS_PER_S = 2000.0
GENERATED_TOKENS_PER_S = 25.0
PLACES_ON_A_GPU = 32


def looks_like(head: str) -> bool:
    return has_columns(head, COLUMNS)


def read(rows: Rows) -> Trace:
    return trace_of("azure_llm", rows.jobs(COLUMNS, _job), skipped=rows.skipped)


def _job(row: Row) -> TraceJob:
    read_s = row.whole("ContextTokens") / CONTEXT_TOKENS_PER_S
    write_s = row.whole("GeneratedTokens") / GENERATED_TOKENS_PER_S
    return TraceJob(
        arrival_s=seconds_of(row, "TIMESTAMP", row.text("TIMESTAMP")),
        run_s=max(0.001, read_s + write_s),
        request=Resources(gpu=1000 // PLACES_ON_A_GPU),
    )
