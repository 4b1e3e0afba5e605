"""The command lines of the page on access are run as they stand, in order, in one shell."""

from pathlib import Path

import pytest

from tests.docs.page import DOCS, command_lines, run


@pytest.mark.acceptance
@pytest.mark.timeout(240)
def test_every_command_of_the_page_works_and_shows_what_it_says(tmp_path: Path) -> None:
    done = run(command_lines((DOCS / "how-to" / "give-access.md").read_text()), tmp_path)
    output = done.stdout + done.stderr
    for said in (
        "administrator",
        "User bob has role viewer and weight 1.",
        "This action needs the role user; alice has the role viewer.",
        "This token was revoked at",
        "Job 1 succeeded.",
        "hello",
        "There is no project 'reserch'",
        "Priority 5 needs the role operator",
        "This action needs the role user; bob has the role viewer.",
        "User alice was deleted.",
        "role operator → viewer",
        "All invariants hold.",
    ):
        assert said in output, (said, output)
