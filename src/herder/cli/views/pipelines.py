"""Pipelines as a table."""

from herder.cli.output.columns import field, made, since
from herder.cli.output.rows import View

PIPELINES = View(
    noun="pipeline",
    name=lambda pipeline: str(pipeline.name),
    columns=(
        field("NAME", "name"),
        field("BYTES", "bytes", right=True),
        made("FROM", lambda each: each.user or "herder.yaml", key="user"),
        field("PROJECT", "project", drop=2),
        since("CHANGED", "changed_at", drop=1),
        field("BY", "changed_by", wide=True, drop=3),
    ),
    empty="No pipelines. Store one with: herder pipeline set NAME --file pipeline.yaml",
)
