"""The command lines of the page on sharing a fleet are run as they stand, in order, in one shell."""

from pathlib import Path

import pytest

from tests.docs.page import DOCS, command_lines, run


@pytest.mark.acceptance
@pytest.mark.timeout(240)
def test_every_command_of_the_page_works_and_shows_what_it_says(tmp_path: Path) -> None:
    done = run(command_lines((DOCS / "how-to" / "share-a-fleet.md").read_text()), tmp_path)
    output = done.stdout + done.stderr
    for said in (
        "project research uses 2 running jobs",
        "no project of its cohort has enough to lend",
        "projects.research.nominal_quota: {",
        "Use one of urgent (100), nightly (-10), or a number.",
        "fair_share.ageing.age_after",
        "takes the place of job ",
        "Preempted by job 9, which has priority 100 (urgent) against priority -10 (nightly)",
        "All invariants hold.",
    ):
        assert said in output, (said, output)
