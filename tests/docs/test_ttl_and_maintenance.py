"""The command lines of the page on ttl and maintenance are run as they stand, in order, in one shell."""

from pathlib import Path

import pytest

from tests.docs.page import DOCS, command_lines, run


@pytest.mark.acceptance
@pytest.mark.timeout(240)
def test_every_command_of_the_page_works_and_shows_what_it_says(tmp_path: Path) -> None:
    done = run(command_lines((DOCS / "how-to" / "ttl-and-maintenance.md").read_text()), tmp_path)
    output = done.stdout + done.stderr
    for said in (
        "EXTENSIONS",
        "0/3",
        "1/3",
        "warning in 3h",
        "The evaluation needs it",
        "it differs from what pool fleet creates now: the pool has another value of label disk.",
        "The next maintenance window of pool fleet, '0 2 1 1 *' (UTC), opens at",
        "is replaced, because it differs from what pool fleet creates now",
        "disruption_budget 0 means that no worker is ever replaced that differs",
        "ttl 4m is not longer than ttl_warning 5m",
        "never closes",
    ):
        assert said in output, (said, output)
