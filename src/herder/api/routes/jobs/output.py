"""The route of a job's output: whole, in parts, or followed while the job runs. Part of the routes of jobs."""

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from herder.api.http.byte_ranges import ranged
from herder.api.http.replies import flag, number, path_number
from herder.api.http.route_table import RouteTable
from herder.control.kernel.bounds.errors import Invalid
from herder.control.reads.work.followed_output import PLAIN, How
from herder.control.reads.work.output_events import EVENTS, place_of
from herder.control.reads.work.output_parts import last_lines, lines_with
from herder.model.permissions import Action, Kind, Principal

_TEXT = "text/plain; charset=utf-8"
OFFSET = "Herder-Offset"
"""Header: at which byte of the output the answer begins."""


def add(front: RouteTable) -> None:
    reads = front.reads

    async def logs(request: Request, who: Principal) -> Response:
        """The output of a job: with tail its last lines, with search the lines that contain a text, with a Range header some bytes; with
        follow=true until the job has ended, as text or as server-sent events (Accept: text/event-stream)."""
        job, attempt = path_number(request, "job"), number(request, "attempt")
        offset, tail = number(request, "offset", 0) or 0, number(request, "tail")
        search = request.query_params.get("search")
        if flag(request, "follow"):
            if search is not None:
                raise Invalid("An output that is followed cannot be searched.", field="search")
            return await follow(request, job, attempt, offset, tail)
        text = await reads.log(who, job, attempt, offset)
        if search is not None:
            text = lines_with(text, search)
        if tail is not None:
            whole, text = len(text.encode()), last_lines(text, tail)
            offset += whole - len(text.encode())
        headers = {OFFSET: str(offset)} if search is None else {}
        return ranged(text.encode(), request.headers.get("range", ""), _TEXT, headers)

    async def follow(
        request: Request, job: int, attempt: int | None, offset: int, tail: int | None
    ) -> Response:
        events = "text/event-stream" in request.headers.get("accept", "")
        begin = None
        if events and (place := place_of(request.headers.get("last-event-id", ""))):
            begin, offset, tail = *place, None
        how = How(begin=begin, tail=tail, form=EVENTS if events else PLAIN)
        pieces = await reads.follow_log(front.again(request), job, attempt, offset, how)
        kind = "text/event-stream" if events else _TEXT
        return StreamingResponse(pieces, media_type=kind, headers={"Cache-Control": "no-store"})

    query = ("attempt", "offset", "tail", "search", "follow")
    front.read("/jobs/{job}/logs", logs, "text/plain", (Action.SEE, Kind.JOB), query=query)
