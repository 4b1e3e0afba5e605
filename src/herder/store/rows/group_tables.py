"""The tables of job groups and attributes. Part of `tables.py`, through which they are used."""

from sqlalchemy import Index, Table

from herder.store.rows.columns import int_column, metadata, text_column

job_groups = Table(
    "job_groups",
    metadata,
    int_column("batch_id", key=True),
    int_column("id", key=True),
    text_column("path"),
    text_column("attributes"),
    int_column("cancel_after_failures", null=True),
    int_column("cancelled"),
    text_column("counts"),
    int_column("jobs"),
)
Index("job_groups_by_path", job_groups.c.batch_id, job_groups.c.path, unique=True)

# Groups and attributes of jobs that follow one another; most jobs have neither.
job_ranges = Table(
    "job_ranges",
    metadata,
    int_column("first_job", key=True),
    int_column("jobs"),
    int_column("batch_id", null=True),
    int_column("group_id", null=True),
    text_column("attributes"),
)
Index("job_ranges_by_batch", job_ranges.c.batch_id, job_ranges.c.first_job)
