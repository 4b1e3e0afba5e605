"""Callbacks of batches and job groups as tables and as lines."""

from typing import TYPE_CHECKING, Any

from herder.cli.output.columns import field, since
from herder.cli.output.rows import Column, View
from herder.model.values.phrases import counted

if TYPE_CHECKING:
    from herder.wire.api.callbacks import CallbackView


def _status(view: Any) -> int | None:
    return view.http_status  # type: ignore[no-any-return]


CALLBACKS = View(
    noun="callback",
    name=lambda callback: str(callback.batch),
    columns=(
        field("BATCH", "batch", right=True),
        field("STATUS", "state", state=True),
        field("TRIES", "tries", right=True),
        Column(
            header="HTTP",
            key="http_status",
            show=lambda callback, now_s: "-" if _status(callback) is None else str(_status(callback)),
            raw=_status,
            right=True,
            drop=2,
        ),
        since("NEXT TRY", "next_try_at", drop=1),
        field("GROUP", "group", long=True, drop=3),
        field("URL", "url", long=True),
        field("ERROR", "error", wide=True, long=True, drop=5),
        field("ID", "id", wide=True, drop=6),
    ),
    empty="No callbacks. Ask for one with: herder batch submit FILE --callback https://example.org/hook",
)


def callback_text(view: "CallbackView") -> str:
    """One line of `herder batch get`."""
    if view.state == "waiting":
        return f"{view.url} (sent when the batch has ended)"
    tries = counted(view.tries, "try")
    if view.state == "delivered":
        return f"{view.url} (delivered after {tries})"
    why = f": {view.error}" if view.error else ""
    if view.state == "failed":
        return f"{view.url} (given up after {tries}{why})"
    return f"{view.url} (due at {view.next_try_at}, {tries} so far{why})"
