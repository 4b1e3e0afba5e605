"""A page of the documentation, run as it stands: its command lines, in order, in one shell with folders of its own."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


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


def run(lines: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Stops at the first that fails. What they started in the background ends with them."""
    script = ["set -eu -o pipefail", "trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT", *lines]
    environment = {
        **os.environ,
        "HERDER_DATA_DIR": str(folder / "state"),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    done = subprocess.run(
        ["bash", "-c", "\n".join(script)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=220,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / "up.log").read_text().count("Traceback") == 0
    return done


def run_program(text: str, folder: Path, environment: Mapping[str, str]) -> str:
    """A program of Python of a page, as a script of its own in this folder: what it printed."""
    script = folder / "script.py"
    script.write_text(text)
    done = subprocess.run(
        [sys.executable, script.name],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
