"""The route that waits for the first of many jobs to end. Part of the routes of jobs; `client/executor` asks it."""

from fastapi import Request

from herder.api.http.replies import held_s, is_number
from herder.api.http.route_table import RouteTable
from herder.control.kernel.bounds.errors import Invalid
from herder.control.reads.work.ended_jobs import JOBS_MAX
from herder.model.permissions import Action, Kind, Principal
from herder.wire.api.work import EndedJobs


def add(front: RouteTable) -> None:
    async def ended(request: Request, who: Principal) -> EndedJobs:
        """Those of the given jobs that have ended, with their results, as soon as there is one or the time is over."""
        jobs = _numbers(request.query_params.get("jobs", ""))
        return EndedJobs(ended=await front.reads.wait_ended(front.again(request), jobs, held_s(request)))

    front.read("/jobs/ended", ended, EndedJobs, (Action.SEE, Kind.JOB), query=("jobs", "timeout_s"))


def _numbers(text: str) -> list[int]:
    """`17,20-29`: each number once. Raises Invalid."""
    found: dict[int, None] = {}
    for part in text.split(","):
        first, dash, last = part.partition("-")
        last = last if dash else first
        if not (is_number(first) and is_number(last) and int(first) <= int(last)):
            raise _wrong(text)
        if int(last) - int(first) >= JOBS_MAX or len(found) > JOBS_MAX:
            raise Invalid(
                f"{text[:50]!r} names more than {JOBS_MAX:,} jobs.",
                field="jobs",
                hint="Ask about them in several calls.",
            )
        found.update(dict.fromkeys(range(int(first), int(last) + 1)))
    return list(found)


def _wrong(text: str) -> Invalid:
    return Invalid(
        f"{text[:50]!r} is not a list of numbers of jobs.",
        field="jobs",
        hint="Write numbers and ranges: jobs=17,20-29.",
    )
