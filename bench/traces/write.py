"""`python -m bench.traces.write` (`make tables`): replays every trace with every policy and writes the tables into the page.

Each case has a section of its own between two comments, with a digest of what was written: so a case can be run alone, a run
that was stopped is gone on with `--missing`, and a test finds out whether somebody wrote by hand.
"""

import hashlib
import re
from pathlib import Path
from typing import Annotated

import typer

from bench.traces.cases import CASES, chosen_cases

PAGE = Path("docs/performance.md")
BEGIN = "<!-- tables: begin, written by `make tables` -->"
END = "<!-- tables: end -->"
_SECTION = re.compile(
    r"<!-- table (?P<name>[\w-]+) (?P<digest>[0-9a-f]{16}) -->\n(?P<body>.*?)\n<!-- end of table -->", re.S
)


class PageError(ValueError):
    """The page is not as this command left it."""


def sections_of(page: str) -> dict[str, str]:
    """By case, what stands between its comments. Raises PageError when somebody changed it by hand."""
    found = {}
    for match in _SECTION.finditer(_between(page)[1]):
        name, body = match["name"], match["body"]
        if digest_of(body) != match["digest"]:
            raise PageError(f"the table {name!r} was changed by hand; run `make tables ONLY={name}` instead")
        found[name] = body
    return found


def with_sections(page: str, sections: dict[str, str]) -> str:
    """The page with these sections, in the order of the cases."""
    before, _, after = _between(page)
    texts = [
        f"<!-- table {case.name} {digest_of(sections[case.name])} -->\n{sections[case.name]}\n<!-- end of table -->\n"
        for case in CASES
        if case.name in sections
    ]
    return f"{before}{BEGIN}\n\n" + "\n".join(texts) + f"\n{END}{after}"


def digest_of(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()[:16]


def _between(page: str) -> tuple[str, str, str]:
    before, begin, rest = page.partition(BEGIN)
    inside, end, after = rest.partition(END)
    if not begin or not end:
        raise PageError(f"the page has no place for the tables; put these two lines into it: {BEGIN} {END}")
    return before, inside, after


def tables(
    traces: Annotated[
        Path | None,
        typer.Option(
            "--traces", envvar="HERDER_TRACES", help="Folder of the full traces (default: shipped excerpts)."
        ),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="This case or trace; repeat for more.")
    ] = None,
    page: Annotated[Path, typer.Option("--page", help="The page to write into.")] = PAGE,
    missing: Annotated[
        bool, typer.Option("--missing", help="Only those that the page does not have.")
    ] = False,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Only so many jobs of each.")] = None,
) -> None:
    """Replay every trace with every policy, and write the tables of the page about performance."""
    from bench.traces.tables import Files, section

    try:
        cases = chosen_cases(only or ())
        have = sections_of(page.read_text(encoding="utf-8")) if missing or only else {}
        files = Files(traces)
        for case in cases:
            if missing and case.name in have:
                continue
            body = section(case, files, lambda text: typer.echo(text, err=True), limit)
            if body is None:
                typer.echo(
                    f"{case.name}: left out, its files are not in {traces or 'the excerpts'}", err=True
                )
                have.pop(case.name, None)
                continue
            have[case.name] = body
            page.write_text(with_sections(page.read_text(encoding="utf-8"), have), encoding="utf-8")
    except (OSError, ValueError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None


if __name__ == "__main__":
    typer.run(tables)
