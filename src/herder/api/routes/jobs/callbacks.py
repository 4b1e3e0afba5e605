"""Routes for the messages about the ends of batches and job groups."""

from fastapi import Request

from herder.api.http.replies import is_number, page_size
from herder.api.http.route_table import RouteTable, Write
from herder.control.kernel.bounds.errors import Invalid
from herder.model.permissions import Action, Kind, Principal
from herder.wire.api.callbacks import CallbackSecret
from herder.wire.api.resources import Page, Result


def add(front: RouteTable) -> None:
    commands, reads = front.commands, front.reads

    async def list_callbacks(request: Request, who: Principal) -> Page:
        """Callbacks of batches and job groups that have ended, newest batch first."""
        state = request.query_params.get("state")
        return await reads.callbacks(who, state, _after(request), page_size(request))

    async def show_secret(request: Request, who: Principal) -> CallbackSecret:
        """The secret with which the caller's callbacks are signed."""
        return reads.callback_secret(who)

    async def find(request: Request, who: Principal) -> None:
        request.state.callback = await commands.find_callback(
            who, _batch(request), request.query_params.get("group", "")
        )

    def retry_callback(write: Write) -> Result:
        """Send the callback of a batch, or of one of its groups, again."""
        return commands.retry_callback(write.who, write.request.state.callback, write.changes, write.now_ms)

    front.read(
        "/callbacks", list_callbacks, Page, (Action.SEE, Kind.BATCH), query=("state", "after", "limit")
    )
    front.read("/callbacks/secret", show_secret, CallbackSecret, (Action.CREATE, Kind.BATCH))
    front.write(
        "POST",
        "/callbacks/{batch}/retry",
        retry_callback,
        None,
        Result,
        (Action.CHANGE, Kind.BATCH),
        before=find,
        query=("group",),
    )


def _after(request: Request) -> tuple[int, str] | None:
    """`next` of a page: a batch, or a group of it (`3/align/sample-1`)."""
    text = request.query_params.get("after")
    if not text:
        return None
    batch, _, group = text.partition("/")
    if not is_number(batch):
        raise Invalid(f"{text[:50]!r} is not the end of a page of callbacks.", field="after")
    return int(batch), group


def _batch(request: Request) -> int:
    text = str(request.path_params["batch"])
    if not is_number(text):
        raise Invalid(f"{text[:50]!r} is not the id of a batch.", field="batch")
    return int(text)
