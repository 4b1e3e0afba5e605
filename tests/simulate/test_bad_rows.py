"""Every format of rows: a cell that is wrong is refused with its place and a remedy, or left out, counted and listed."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pytest

from herder.app import whole_app
from herder.cli.shell.main import run
from tests.simulate.small import EXCERPTS

#: By excerpt, a column that its reader needs.
CELLS = {
    "surf": "duration_s",
    "metacentrum": "cores",
    "openb": "creation_time",
    "bitbrains": "cpu_mhz",
    "helios": "pending_gpu_num",
    "azure_llm": "ContextTokens",
    "spot_events": "ms",
    "spot_count": "count",
}
LINE = 7


def test_every_excerpt_of_rows_is_here() -> None:
    assert set(CELLS) == {path.name.partition(".")[0] for path in EXCERPTS.glob("*.csv.gz")}


@pytest.mark.parametrize(("name", "column"), CELLS.items())
def test_a_wrong_cell(name: str, column: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with gzip.open(EXCERPTS / f"{name}.csv.gz", "rt", newline="") as stream:
        rows = list(csv.reader(stream))[:60]
    place = rows[0].index(column)
    rows[LINE - 1][place] = "many"
    file = tmp_path / "work.csv"
    file.write_text("".join(",".join(row) + "\n" for row in rows))
    words = ["simulate", "--trace", str(file), "--policy", "first_fit", "-o", "json"]

    assert run(whole_app(), words) == 2
    at = sum(len(cell) + 1 for cell in rows[LINE - 1][:place]) + 1
    said = capsys.readouterr().err
    assert f"{file}:{LINE}:{at}: {column} 'many' is not a number. Correct it" in said
    assert "--skip-bad" in said

    assert run(whole_app(), [*words, "--skip-bad"]) == 0
    said = capsys.readouterr().err
    assert "1 bad row skipped:" in said
    assert f"{file}:{LINE}:{at}: {column}" in said


@pytest.mark.parametrize("path", sorted(EXCERPTS.glob("*.gz")), ids=lambda path: path.name)
def test_every_excerpt_runs_when_its_format_is_named(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = path.name.partition(".")[0].partition("-")[0]
    words = ["simulate", "--trace", str(path), "--policy", "first_fit", "--limit", "40", "-o", "json"]
    assert run(whole_app(), words) == 0
    found = capsys.readouterr().out
    assert run(whole_app(), [*words, "--format", name]) == 0
    named = capsys.readouterr().out
    assert [line for line in named.splitlines() if "seconds" not in line] == [
        line for line in found.splitlines() if "seconds" not in line
    ]
