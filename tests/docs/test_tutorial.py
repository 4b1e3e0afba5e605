"""The tutorial's command lines are run as they stand, in order, in one shell: a page that does not work fails."""

from pathlib import Path

import pytest

from tests.docs.page import DOCS, command_lines, run


@pytest.mark.acceptance
@pytest.mark.timeout(240)
def test_every_command_of_the_tutorial_works(tmp_path: Path) -> None:
    lines = command_lines((DOCS / "tutorial.md").read_text())
    assert len(lines) > 25
    script = []
    for line in lines[1:]:  # the first one sets the path, which `run` does
        script += [f"echo {_quoted('$ ' + line.splitlines()[0])}", line]
    done = run(script, tmp_path)
    output = done.stdout + done.stderr
    assert "hello" in done.stdout, output
    assert "out_of_memory" in done.stdout, output
    assert '"words":' in done.stdout, output
    assert "All invariants hold." in done.stdout, output


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
