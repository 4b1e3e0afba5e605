"""The command lines of the page on drains and removals are run as they stand, in order, in one shell; what the page shows is what they say."""

import re
from pathlib import Path

import pytest

from tests.docs.page import DOCS, command_lines, run

PAGE = (DOCS / "how-to" / "remove-workers.md").read_text()


@pytest.mark.acceptance
@pytest.mark.timeout(240)
def test_every_command_of_the_page_works_and_shows_what_it_says(tmp_path: Path) -> None:
    done = run(command_lines(PAGE), tmp_path)
    output = done.stdout + done.stderr
    shown = [
        line for block in re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()
    ]
    assert len(shown) > 8
    for line in shown:
        assert re.search(_but_for_numbers(line), output), (line, output)
    for said in (
        r"Pool burst adds burst-\d+-1\.",
        r"Worker burst-\d+-1 expires at ",
        r"would be drained: it would be empty when its 1 attempt has ended, after 2m at most\. It stays, and costs",
        r"is being drained and stays until it is uncordoned or removed\. Disk is slow\. By admin\.",
        r"Worker burst-\d+-1 would drain; it would be removed when its 1 attempt has ended, after 2m at most\.",
        r"burst-\d+-1 +terminated ",
        r"Worker burst-\d+-2 would be removed\.",
        r"Needs attention\n  The drain of worker careful-\d+-1 is blocked",
        r"worker\.drain_blocked ",
        r"1 attempt is retried on other workers",
        r"Worker careful-\d+-1 was removed\.",
        r"All invariants hold\.",
    ):
        assert re.search(said, output), (said, output)


def _but_for_numbers(line: str) -> str:
    """The line, whatever its numbers, ages and widths of columns are."""
    words = [re.sub(r"\d+", r"\\d+", re.escape(word)) for word in line.split()]
    return r"\s+".join(re.sub(r"\\d\+(s|m|h|min)$", r"\\d+\\w+", word) for word in words)
