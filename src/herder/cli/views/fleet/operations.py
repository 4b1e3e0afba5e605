"""The table of what a provider did with a machine. Used by `herder worker operations`."""

from herder.cli.output.columns import field, since
from herder.cli.output.rows import View

OPERATIONS = View(
    noun="operation",
    name=lambda operation: operation.kind,
    columns=(
        field("OPERATION", "kind"),
        field("STATE", "state"),
        since("AGE", "began"),
        field("BY", "by", drop=1),
        field("DETAIL", "detail"),
    ),
    empty="The provider remembers no operation of this machine.",
)
