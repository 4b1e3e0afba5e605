"""Queries from jobs to their ranges (`group_tables.py`), and from the groups of a batch to their jobs.

SQLite keeps the order of tables that are joined by CROSS JOIN: from ranges to jobs it goes by keys, and the other way it would compare each
job with each range.
"""

from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, TextClause, bindparam, case, column, func, select, text
from sqlalchemy.sql.selectable import TextualSelect

from herder.store.rows import tables as t


def range_of_job() -> ScalarSelect[Any]:
    """First job of the range in which a row of `jobs` is; NULL: in none. A step down the index."""
    r = t.job_ranges.c
    inside = case((r.first_job + r.jobs > t.jobs.c.id, r.first_job))
    nearest = select(inside).where(r.first_job <= t.jobs.c.id).order_by(r.first_job.desc()).limit(1)
    return nearest.correlate(t.jobs).scalar_subquery()


def in_group(batch: int, path: str) -> ColumnElement[bool]:
    """Of a row of `jobs`: whether it is in a group or in one below it. A step down the index for each row that is looked at."""
    r, g = t.job_ranges.c, t.job_groups.c
    below = func.substr(g.path, 1, len(path) + 1) == f"{path}/"
    groups = select(g.id).where(g.batch_id == batch, (g.path == path) | below)
    return range_of_job().in_(select(r.first_job).where(r.batch_id == batch, r.group_id.in_(groups)))


def jobs_of_group(batch: int, path: str, after: int, limit: int) -> TextualSelect:
    """Numbers of the jobs of a group and of those below it, in their order."""
    query = text(
        "SELECT j.id AS id FROM job_ranges r CROSS JOIN jobs j WHERE r.batch_id = :batch AND r.group_id IN"
        " (SELECT g.id FROM job_groups g WHERE g.batch_id = :batch AND (g.path = :path OR substr(g.path, 1, :size) = :below))"
        " AND r.first_job + r.jobs > :after AND j.id > :after AND j.id >= r.first_job AND j.id < r.first_job + r.jobs"
        " ORDER BY r.first_job, j.id LIMIT :most"
    )
    values = {"batch": batch, "path": path, "below": f"{path}/", "size": len(path) + 1}
    return query.bindparams(**values, after=after, most=limit).columns(column("id"))


def jobs_of_cancelled_groups(*, without_classes: bool) -> TextClause:
    """Takes `batch`, `states`, `most`, and `classes` that are left out."""
    left_out = " AND j.class_id NOT IN :classes" if without_classes else ""
    expanding = ["states", "classes"] if without_classes else ["states"]
    return text(
        "SELECT j.id FROM job_ranges r CROSS JOIN jobs j WHERE r.batch_id = :batch AND r.group_id IN"  # noqa: S608 - every part is ours
        " (SELECT g.id FROM job_groups g WHERE g.batch_id = :batch AND g.cancelled <> 0)"
        " AND j.id >= r.first_job AND j.id < r.first_job + r.jobs"
        f" AND j.state IN :states{left_out} LIMIT :most"
    ).bindparams(*(bindparam(name, expanding=True) for name in expanding))
