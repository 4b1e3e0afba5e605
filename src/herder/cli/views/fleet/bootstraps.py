"""Tables of bootstraps and of their checks. Made of columns; it asks no server."""

from herder.cli.output.columns import field, made
from herder.cli.output.rows import View

BOOTSTRAPS = View(
    noun="bootstrap",
    name=lambda view: str(view.name),
    columns=(
        field("NAME", "name"),
        field("STATUS", "state", state=True),
        field("WORKERS", "workers", right=True),
        field("WAITING", "waiting", right=True, drop=2),
        field("UNANSWERED", "unanswered", right=True, drop=3),
        made("POOLS", lambda view: ", ".join(view.pools) or "-", key="pool_names", wrap=True),
        made("RUNGS", lambda view: ", ".join(view.rungs) or "-", key="rung_names", wide=True, wrap=True),
        field("LAST ERROR", "last_error", wide=True, wrap=True),
    ),
    empty="No bootstraps. Define one under bootstraps in herder.yaml.",
)
