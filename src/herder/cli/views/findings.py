"""Tables of `herder config`: what lint found, and where settings of the command come from."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from herder.cli.output.formats import Format
from herder.cli.output.rows import Column, View
from herder.model.values.phrases import counted

if TYPE_CHECKING:
    from herder.cli.shell.session import Session
    from herder.settings import Problem


_KEYS = ("severity", "file", "line", "column", "key", "message", "remedy")


def _finding(key: str) -> Column:
    return Column(
        header=key.upper(),
        show=lambda row, now_s: str(row[key]),
        raw=lambda row: row[key],
        state=key == "severity",
        wrap=key in ("message", "remedy"),
    )


_FINDINGS = View(
    noun="finding",
    name=lambda row: f"{row['file']}:{row['line']}:{row['column']}",
    columns=tuple(map(_finding, _KEYS)),
    empty="",
)


def _row(each: "Problem") -> dict[str, Any]:
    place = each.place
    values = (each.severity.value, place.file, place.line, place.column, each.key, each.message, each.remedy)
    return dict(zip(_KEYS, values, strict=True))


def show_findings(session: "Session", found: Sequence["Problem"]) -> None:
    """Errors, warnings and notes on stdout: they are the result of `config lint`."""
    if session.format is not Format.TABLE:
        session.printer.items(_FINDINGS, [_row(each) for each in found])
        return
    for each in found:
        session.printer.prose(f"{each.severity}: {each}")
    session.say(_total(found))


def _total(found: Sequence["Problem"]) -> str:
    """A note is no problem: it is counted beside them."""
    notes = sum(each.severity.value == "note" for each in found)
    problems = len(found) - notes
    said = f"{counted(problems, 'problem')} found." if problems else "No problems found."
    return f"{said} {counted(notes, 'note')}." if notes else said


def show_view(session: "Session", rows: Sequence[tuple[str, str, str]], *, origin: bool) -> None:
    if session.format in (Format.JSON, Format.YAML):
        session.printer.data({name: {"value": value, "origin": come_from} for name, value, come_from in rows})
        return
    columns = (_column("SETTING", 0), _column("VALUE", 1), *((_column("ORIGIN", 2),) if origin else ()))
    session.printer.items(View(noun="setting", name=lambda row: str(row[0]), columns=columns, empty=""), rows)


def _column(header: str, number: int) -> Column:
    def raw(row: Any) -> str:
        return str(row[number])

    return Column(header=header, show=lambda row, now_s: raw(row), raw=raw, wrap=header == "VALUE")
