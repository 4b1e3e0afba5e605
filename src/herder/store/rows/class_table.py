"""The tables of job classes. Part of `tables.py`, through which they are used."""

from sqlalchemy import Table

from herder.store.rows.columns import metadata, number, words

job_classes = Table(
    "job_classes",
    metadata,
    number("id", key=True),
    words("user"),
    words("project"),
    words("pool"),
    words("spec"),
)

# Of jobs that were tried again in another class (more memory, on-demand only): the class of their attempts up to each number. A job's own row
# has the class of the others.
earlier_classes = Table(
    "earlier_classes",
    metadata,
    number("job_id", key=True),
    number("attempt", key=True),
    number("class_id"),
)
