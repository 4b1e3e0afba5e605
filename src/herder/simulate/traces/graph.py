"""Jobs that wait for others: every parent must be there, and nobody may wait for itself. Used by readers of workflows."""

from collections.abc import Sequence
from dataclasses import replace

from herder.simulate.traces.form import TraceJob
from herder.simulate.traces.rows import TraceError


def check_parents(jobs: list[TraceJob], where: str, *, whole: bool) -> None:
    """Raises TraceError. When only a part was read (`whole` is false), parents outside of it are forgotten."""
    if not any(job.parents for job in jobs):
        return
    places = {job.id: place for place, job in enumerate(jobs)}
    if len(places) < len(jobs):
        raise TraceError(f"{where}: two jobs have the same id. Jobs with parents need ids that differ.")
    for place, job in enumerate(jobs):
        known = tuple(parent for parent in job.parents if parent in places)
        if known != job.parents:
            if whole:
                lost = next(parent for parent in job.parents if parent not in places)
                raise TraceError(
                    f"{where}: job {job.id!r} waits for {lost!r}, which is not there. Add it or drop the parent."
                )
            jobs[place] = replace(job, parents=known)
    _refuse_circles(jobs, places, where)


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
        raise TraceError(f"{where}: job {stuck!r} waits, through others, for itself. Break the circle.")
