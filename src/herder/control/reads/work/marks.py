"""Groups and attributes of jobs as views show them."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, and_, select

from herder.store.rows import tables as t


@dataclass(frozen=True, slots=True)
class Mark:
    group: str = ""
    attributes: dict[str, str] = field(default_factory=dict)


Marks = Mapping[int, Mark]
"""By the first job of a range."""
NO_MARK = Mark()


def marks_of(connection: Connection, ranges: Collection[int]) -> Marks:
    """Of one page of jobs, most of which are in no range."""
    if not ranges:
        return {}
    r, g = t.job_ranges.c, t.job_groups.c
    query = (
        select(r.first_job, r.attributes, g.path)
        .outerjoin(t.job_groups, and_(g.batch_id == r.batch_id, g.id == r.group_id))
        .where(r.first_job.in_(set(ranges)))
    )
    return {
        row.first_job: Mark(row.path or "", json.loads(row.attributes)) for row in connection.execute(query)
    }
