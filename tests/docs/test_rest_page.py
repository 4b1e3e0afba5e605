"""The command lines of the page on curl are run as they stand, in order, in one shell."""

from pathlib import Path

import pytest

from tests.docs.page import DOCS, command_lines, run


@pytest.mark.acceptance
@pytest.mark.slow
@pytest.mark.timeout(240)
def test_every_command_of_the_page_works(tmp_path: Path) -> None:
    lines = command_lines((DOCS / "how-to" / "rest.md").read_text())
    assert len(lines) > 15
    done = run(lines, tmp_path)
    said = done.stdout
    assert said.startswith("admin\nsucceeded\nhello\nbatch succeeded\ncount succeeded\nreport succeeded\n"), (
        said
    )
    assert "hello\nhellid: 1-6\nevent: output\n" in said, "the last line, four bytes, and the stream"
    assert '"text":"hello\\n"' in said, said
    assert "event: end" in said, said
    assert '"field":"memory"' in said, said
