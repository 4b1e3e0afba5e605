"""The tutorial's command lines are run as they stand, in order, in one shell: a page that does not work fails."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TUTORIAL = ROOT / "docs" / "tutorial.md"


def command_lines(text: str) -> list[str]:
    """What stands behind `$ ` in the console blocks; a here-document goes on to its END."""
    lines: list[str] = []
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                lines.append(line[2:])
            else:
                lines[-1] += "\n" + line
    return lines


@pytest.mark.acceptance
@pytest.mark.timeout(240)
def test_every_command_of_the_tutorial_works(tmp_path: Path) -> None:
    lines = command_lines(TUTORIAL.read_text())
    assert len(lines) > 25
    script = ["set -eu -o pipefail", "trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT"]
    for line in lines[1:]:  # the first one sets the path, which stands below
        script += [f"echo {_quoted('$ ' + line.splitlines()[0])}", line]
    environment = {
        **os.environ,
        "HERDER_DATA_DIR": str(tmp_path / "state"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    done = subprocess.run(
        ["bash", "-c", "\n".join(script)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=220,
        check=False,
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    assert "hello" in done.stdout, output
    assert "out_of_memory" in done.stdout, output
    assert '"words":' in done.stdout, output
    assert "all invariants hold" in done.stdout, output
    assert (tmp_path / "up.log").read_text().count("Traceback") == 0


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
