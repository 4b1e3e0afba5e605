"""The page on Snakemake is followed word by word with the real Snakemake; installing it is what the environment of the tests stands for."""

from pathlib import Path

import pytest

from tests.docs.page import DOCS, command_lines, run
from tests.support import snakemake


@pytest.mark.acceptance
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_command_of_the_page_works(tmp_path: Path) -> None:
    programs = snakemake.environment()
    lines = command_lines((DOCS / "how-to" / "snakemake.md").read_text())
    assert len(lines) == 7
    done = run([f'export PATH="$PATH:{programs}"', *lines], tmp_path)
    said = done.stdout + done.stderr
    assert "5 of 5 steps (100%) done" in said, said
    assert (tmp_path / "total.txt").read_text().count("+") == 2
    assert "snakemake test_" in done.stdout, said
    assert "count-2" in done.stdout, said
