"""Rows of `herder doctor`."""

from typing import Literal

import msgspec

from herder.cli.output.columns import field
from herder.cli.output.rows import View

State = Literal["ok", "warning", "error", "unknown"]


class Finding(msgspec.Struct, kw_only=True):
    check: str
    state: State
    """`unknown`: it could not be looked at."""
    detail: str
    remedy: str = ""


FINDINGS = View(
    noun="check",
    name=lambda row: str(row.check),
    columns=(
        field("CHECK", "check"),
        field("STATE", "state", state=True),
        field("DETAIL", "detail", wrap=True),
        field("REMEDY", "remedy", wrap=True),
    ),
    empty="No checks.",
)
