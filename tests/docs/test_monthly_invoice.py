"""The command lines of the page on invoices are run as they stand, and give the amounts that a finance person would compute."""

import json
from pathlib import Path

import pytest

from tests.docs.page import DOCS, command_lines, run

#: 250,001 tokens at $18 a million are 4.500018 $; 425.8 GB-days are 14.193333 GB-months. The external card has no rate for storage.
SAID = (
    "4.500018",
    "Use without a price",
    "storage.hot",
    "draft",
    "Our Company",
    # 1.5 million tokens at $3, and 145.5 core-hours at $0.05.
    "$4.50",
    "$7.28",
    "$11.78",
    # By month of booking, chargeback is the sum of both invoices.
    "Chargeback by month of booking",
    "$16.28",
    "not due",
    "No rule of ",
)  # fmt: skip


@pytest.mark.acceptance
@pytest.mark.timeout(240)
def test_from_an_empty_server_to_the_invoices_of_two_projects(tmp_path: Path) -> None:
    done = run(command_lines((DOCS / "how-to" / "monthly-invoice.md").read_text()), tmp_path)
    output = done.stdout + done.stderr
    for said in SAID:
        assert said in output, (said, output)
    assert "Our Company" in (tmp_path / "client.html").read_text()
    assert (
        json.loads((tmp_path / "sales.json").read_text())["tables"]["projects"]["rows"][0]["project"]
        == "client"
    )
