"""`model.permissions.Scope` as conditions of queries: lists contain what the caller may see, found by index.

Called by the reads of this folder. What is asked of single objects goes through `control/access/access_check.py`; a test holds the two together.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, Table, func, literal_column, or_, select, union

from herder.model.permissions import Scope
from herder.store.rows import tables as t

#: Entries of one page of a list.
PAGE_MAX = 1_000
#: Projects whose newest jobs are looked for one by one, each by its index; of more, all jobs are gone through from the newest.
PROJECTS_ONE_BY_ONE = 50


def in_view(scope: Scope | None, table: Table) -> list[Any]:
    """For batches, and others of which there are few."""
    if scope is None:
        return []
    if not scope.projects:
        return [table.c.user == scope.user]
    return [or_(table.c.user == scope.user, table.c.project.in_(sorted(scope.projects)))]


def events_in_view(scope: Scope | None) -> list[Any]:
    """Those that are about the fleet, and the own ones."""
    if scope is None:
        return []
    mine = [t.events.c.user == "", *in_view(scope, t.events)]
    return [or_(*mine)]


def newest_jobs(
    query: Select[Any], scope: Scope | None, user: str | None, where: Sequence[Any], limit: int
) -> Select[Any]:
    """The newest jobs in view, of one user when asked for. `where`: what else must hold, of jobs and batches."""
    parts = _parts(scope, user)
    if len(parts) > 1:
        found = [select(_first(where, part, limit).subquery().c.id) for part in parts]  # each is short
        return query.where(t.jobs.c.id.in_(union(*found))).order_by(t.jobs.c.id.desc()).limit(limit)
    return query.where(*where, *parts[0]).order_by(t.jobs.c.id.desc()).limit(limit)


def jobs_of_batch(
    query: Select[Any], batch: int, after: int | None, state: str | None, where: Sequence[Any], limit: int
) -> Select[Any]:
    """In the order in which they were added, after a job. By the index of batches, or of states where that is the shorter way: a large
    batch must not be sorted for one page. `state`: what `where` asks for, if that."""
    j, other = t.jobs.c, t.jobs.alias()
    query = query.where(j.batch_id == batch, *where)
    if after is not None:
        query = query.where(j.id > after)
    if state not in (None, "succeeded", "held"):
        return query.order_by(j.id).limit(limit)
    if after is not None:
        place = select(other.c.position).where(other.c.id == after).scalar_subquery()
        query = query.where(j.position >= func.coalesce(place, 0))
    return query.order_by(j.position).limit(limit)


def _first(where: Sequence[Any], part: Sequence[Any], limit: int) -> Select[Any]:
    return (
        select(t.jobs.c.id)
        .outerjoin(t.batches, t.batches.c.id == t.jobs.c.batch_id)
        .where(*where, *part)
        .order_by(t.jobs.c.id.desc())
        .limit(limit)
    )


def _parts(scope: Scope | None, user: str | None) -> list[list[Any]]:
    """Conditions of which one must hold; each can be answered by one index."""
    of_user = [] if user is None else [t.jobs.c.user == user]
    if scope is None or user == scope.user:
        return [of_user]
    own = [] if user is not None else [[t.jobs.c.user == scope.user]]
    projects = sorted(scope.projects)
    if len(projects) > PROJECTS_ONE_BY_ONE:
        return [[or_(*(each[0] for each in own), t.jobs.c.project.in_(projects)), *of_user]]
    return [*own, *([*_of_project(name), *of_user] for name in projects)] or [[literal_column("1") == 0]]


def _of_project(name: str) -> list[Any]:
    condition = [t.jobs.c.project == name]
    if name != t.DEFAULT_PROJECT:  # said in the very words of the index, or it is not used
        condition.append(t.jobs.c.project != literal_column(f"'{t.DEFAULT_PROJECT}'"))
    return condition
