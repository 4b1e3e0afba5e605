"""The safety checklist of a dry run, as rows below its sentence. Used by `herder pool scale` and `herder worker remove`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from herder.cli.output.columns import field, words
from herder.cli.output.formats import Format
from herder.cli.output.rows import View

if TYPE_CHECKING:
    from herder.cli.shell.session import Session
    from herder.wire.api.resources import SafetyCheck


def _verdict(passed: bool | None) -> str:
    return "not known" if passed is None else "yes" if passed else "no"


SAFETY = View(
    noun="check",
    name=lambda check: str(check.name),
    columns=(
        field("CHECK", "name"),
        words("PASSED", "passed", _verdict),
        field("DETAIL", "detail", wrap=True),
    ),
    empty="",
)


def show_safety(say: "Session", checks: "Sequence[SafetyCheck]") -> None:
    """Programs have them in the answer."""
    if checks and say.format in (Format.TABLE, Format.WIDE):
        say.printer.table(SAFETY, checks)
