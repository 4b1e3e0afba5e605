"""Configurations of pipelines. Columns stand in the order of `PipelineRecord`, as in `tables.py`, which lists it."""

from sqlalchemy import Table

from herder.store.rows.columns import metadata, number, words

pipelines = Table(
    "pipelines",
    metadata,
    words("name", key=True),
    words("user"),
    words("project"),
    words("config"),
    number("bytes"),
    number("created_at_ms"),
    number("changed_at_ms"),
    words("changed_by"),
    number("deleted"),
)
