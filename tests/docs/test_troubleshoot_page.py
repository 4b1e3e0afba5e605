"""What the page on troubleshooting quotes is what the server says: each quotation stands in a sentence that a test of faults reads."""

import re
from pathlib import Path

from herder.remote.talos import errors
from tests.docs.page import DOCS
from tests.proxmox import test_faults_in_status
from tests.proxmox.test_faults_in_status import AT_CREATION

PAGE = (DOCS / "how-to" / "troubleshoot-proxmox.md").read_text()


def section(title: str) -> str:
    return PAGE.partition(f"## {title}\n")[2].partition("\n## ")[0]


def quoted(text: str) -> list[str]:
    """The first cell of each row."""
    return re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)


def test_each_fault_of_a_creation_has_a_row_with_words_of_its_sentence() -> None:
    rows = quoted(section("A worker is requested and fails"))
    said = {name: " ".join((*case.reads, *case.events)) for name, case in AT_CREATION.items()}
    assert [row for row in rows if not any(row in text for text in said.values())] == []
    assert [name for name, text in said.items() if not any(row in text for row in rows)] == [
        "an image that is left over"  # under "Something was left behind"
    ]


def test_what_is_read_of_a_worker_that_is_not_removed_is_read_by_a_test() -> None:
    source = Path(test_faults_in_status.__file__).read_text()
    rows = [row for row in quoted(section("A worker is not removed")) if "…" not in row]
    assert len(rows) == 3
    assert [row for row in rows if row not in source] == []


def test_what_is_read_of_talos_is_in_its_errors() -> None:
    source = Path(errors.__file__).read_text()
    rows = re.findall(
        r"`((?:has expired|is not yet valid|needs the role)[^`]*)`",
        section("A VM runs and its node does not join"),
    )
    assert len(rows) == 3
    assert [row for row in rows if row.removesuffix(" os:operator") not in source] == []
