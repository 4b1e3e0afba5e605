"""The tables of job groups and attributes. Part of `tables.py`, through which they are used."""

from sqlalchemy import Index, Table

from herder.store.rows.columns import later, metadata, number, words

job_groups = Table(
    "job_groups",
    metadata,
    number("batch_id", key=True),
    number("id", key=True),
    words("path"),
    words("attributes"),
    number("cancel_after_failures", null=True),
    number("cancelled"),
    words("counts"),
    number("jobs"),
    later("cost_pico"),
    later("callback"),
    number("ended_at_ms", null=True),
)
Index("job_groups_by_path", job_groups.c.batch_id, job_groups.c.path, unique=True)

# Groups and attributes of jobs that follow one another; most jobs have neither.
job_ranges = Table(
    "job_ranges",
    metadata,
    number("first_job", key=True),
    number("jobs"),
    number("batch_id", null=True),
    number("group_id", null=True),
    words("attributes"),
)
Index("job_ranges_by_batch", job_ranges.c.batch_id, job_ranges.c.first_job)
