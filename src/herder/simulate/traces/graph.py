"""Dependencies of jobs: every parent must exist, and no job may depend on itself. Used by readers of workflows."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from herder.simulate.traces.rows import Rows, TraceError
from herder.simulate.traces.trace import TraceJob


def check_parents(
    jobs: list[TraceJob],
    where: str,
    *,
    cut_off: Callable[[set[str]], set[str]],
    leave_out: Callable[[str, str], None] | None = None,
) -> None:
    """Raises TraceError. `cut_off` says which of these ids were left out of the trace: as parents they are forgotten. A job whose
    parent is nowhere is left out and told with its id where `leave_out` is given, else it is an error."""
    if not any(job.parents for job in jobs):
        return
    places = {job.id: place for place, job in enumerate(jobs)}
    if len(places) < len(jobs):
        name = next(job.id for place, job in enumerate(jobs) if places[job.id] != place)
        raise TraceError(
            f"{where}: two jobs have the same id {name!r}. Jobs with parents need ids that differ."
        )
    missing = {parent for job in jobs for parent in job.parents if parent not in places}
    if missing:
        nowhere = missing - cut_off(missing)
        _leave_out(jobs, nowhere, where, leave_out)
        places = {job.id: place for place, job in enumerate(jobs)}
        for place, job in enumerate(jobs):
            known = tuple(parent for parent in job.parents if parent in places)
            if known != job.parents:
                jobs[place] = replace(job, parents=known)
    _refuse_circles(jobs, places, where)


def _leave_out(
    jobs: list[TraceJob], nowhere: set[str], where: str, leave_out: Callable[[str, str], None] | None
) -> None:
    for job in list(jobs) if nowhere else ():
        lost = next((parent for parent in job.parents if parent in nowhere), None)
        if lost is not None:
            text = f"{where}: job {job.id!r} waits for {lost!r}, which does not exist. Add it or remove the parent."
            if leave_out is None:
                raise TraceError(text)
            leave_out(text, job.id)
            jobs.remove(job)


def check_rows(jobs: list[TraceJob], rows: Rows) -> None:
    """The same for rows of a file: only what --limit or --skip-bad cut off is forgotten."""
    check_parents(
        jobs,
        rows.path,
        cut_off=lambda ids: (ids & rows.cut) | rows.after_limit(ids - rows.cut),
        leave_out=rows.skip if rows.skip_bad else None,
    )


def _refuse_circles(jobs: Sequence[TraceJob], places: dict[str, int], where: str) -> None:
    left = [len(job.parents) for job in jobs]
    children: dict[int, list[int]] = {}
    for place, job in enumerate(jobs):
        for parent in job.parents:
            children.setdefault(places[parent], []).append(place)
    free = [place for place, count in enumerate(left) if not count]
    done = 0
    while free:
        done += 1
        for child in children.get(free.pop(), ()):
            left[child] -= 1
            if not left[child]:
                free.append(child)
    if done < len(jobs):
        stuck = next(job.id for job, count in zip(jobs, left, strict=True) if count > 0)
        raise TraceError(
            f"{where}: job {stuck!r} depends on itself through other jobs. Remove one of the dependencies."
        )
