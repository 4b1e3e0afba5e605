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
        "this needs the role user, and alice is viewer here",
        "this token was revoked at",
        "Job 1 succeeded.",
        "hello",
        "there is no project 'reserch'",
        "priority 5 needs the role operator",
        "this needs the role user, and bob is viewer here",
        "user alice is deleted",
        "role operator → viewer",
        "all invariants hold",
    ):
        assert said in output, (said, output)
