"""Job groups as a table."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from herder.cli.output.columns import field, made, money
from herder.cli.output.rows import View
from herder.cli.views.tables import ended_jobs

if TYPE_CHECKING:
    from herder.wire.api.work import GroupView

GROUPS = View(
    noun="group",
    name=lambda group: str(group.path),
    columns=(
        field("GROUP", "path", long=True),
        field("STATUS", "state", state=True),
        field("JOBS", "jobs", right=True),
        made("ENDED", ended_jobs, key="jobs_ended", right=True, drop=1),
        made("RUNNING", lambda group: group.counts.get("running", 0), key="jobs_running", right=True, drop=2),
        made("FAILED", lambda group: group.counts.get("failed", 0), key="jobs_failed", right=True),
        money("COST", "cost_usd", drop=3),
    ),
    empty="The batch has no job groups.",
)


def in_tree(found: "Iterable[GroupView]") -> "list[GroupView]":
    """Each with those below it behind it."""
    return sorted(found, key=lambda group: group.path.split("/"))
