"""Routes for the job groups of a batch. The path of a group is a part of the address: `/batches/3/groups/align/sample-1`."""

from fastapi import Request

from herder.api.http.replies import number, page_size, path_number
from herder.api.http.route_table import DRY_RUN, RouteTable, Write
from herder.control.reads.visibility import PAGE_MAX
from herder.model.permissions import Action, Kind, Principal
from herder.wire.api.resources import Message, Page, Result
from herder.wire.api.work import GroupView


def add(front: RouteTable) -> None:
    reads, commands = front.reads, front.commands

    async def list_groups(request: Request, who: Principal) -> Page:
        """The job groups of a batch, each after the one above it."""
        batch, after = path_number(request, "batch"), number(request, "after")
        return await reads.groups(who, batch, after=after, limit=page_size(request, PAGE_MAX))

    async def get_group(request: Request, who: Principal) -> GroupView:
        """One job group, with its counts by state."""
        return await reads.group(who, path_number(request, "batch"), request.path_params["path"])

    async def find(request: Request, who: Principal) -> None:
        await commands.find_batch(who, path_number(request, "batch"))

    def cancel_group(write: Write) -> Result:
        """Cancel the jobs of a group, and of the groups below it, that have not ended."""
        batch, path = path_number(write.request, "batch"), write.request.path_params["path"]
        said, dry = write.body.message, write.dry_run
        return commands.cancel_group(
            write.who, batch, path, write.changes, write.now_ms, message=said, dry_run=dry
        )

    async def find_ended(request: Request, who: Principal) -> None:
        batch, path = path_number(request, "batch"), request.path_params["path"]
        request.state.ended = await commands.find_ended(who, batch, path)

    def retry_group(write: Write) -> Result:
        """Retry the failed jobs of a group, and of the groups below it, with those that were skipped because of them."""
        found = write.request.state.ended
        return commands.retry_batch(write.who, found, write.changes, write.now_ms, dry_run=write.dry_run)

    front.write(
        "POST",
        "/batches/{batch}/groups/{path:path}/retry",
        retry_group,
        None,
        Result,
        (Action.CHANGE, Kind.BATCH),
        before=find_ended,
        query=DRY_RUN,
    )
    sees = (Action.SEE, Kind.BATCH)
    front.write(
        "POST",
        "/batches/{batch}/groups/{path:path}/cancel",
        cancel_group,
        Message,
        Result,
        (Action.CHANGE, Kind.BATCH),
        before=find,
        query=DRY_RUN,
    )
    front.read("/batches/{batch}/groups", list_groups, Page, sees, query=("after", "limit"))
    front.read("/batches/{batch}/groups/{path:path}", get_group, GroupView, sees)
