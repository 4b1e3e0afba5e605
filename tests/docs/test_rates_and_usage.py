"""The command lines of the pages on rates and on reported use are run as they stand, in order, in one shell each."""

from pathlib import Path

import pytest

from tests.docs.page import DOCS, command_lines, run

SAID = {
    "rates": (
        "+ internal/network.egress@2026-11-01: $0.09, above 10,000 $0.085, above 50,000 $0.07, above 150,000 $0.05 per GB",
        "+ external/tokens.input/claude-sonnet-4.5@2026-11-01: $3.6 per 1,000,000 tokens",
        "$0.75 per GPU-hour",
        ": $2.5 per 1,000,000 tokens",
        ": $12 per 1,000,000 tokens",
        "~ internal/cpu@2027-01-01: $0.05 → $0.055 per core-hour",
        "1 new, 0 changed, 0 as before.",
    ),
    "report-usage": (
        "Source storage-meter reported 2 new events and 0 known events.",
        "14.193333333",
        "No rate for tokens.cache_read of large-2, tokens.input of large-2, tokens.output of large-2: this use is unpriced.",
        "Source gateway reported 1 new event and 0 known events.",
        '"object":"usage/storage-meter"',
    ),
}  # fmt: skip


@pytest.mark.acceptance
@pytest.mark.timeout(240)
@pytest.mark.parametrize("page", SAID)
def test_every_command_of_the_page_works_and_shows_what_it_says(page: str, tmp_path: Path) -> None:
    done = run(command_lines((DOCS / "how-to" / f"{page}.md").read_text()), tmp_path)
    output = done.stdout + done.stderr
    for said in SAID[page]:
        assert said in output, (said, output)
