"""The command lines of the page on sharing a fleet are run as they stand, in order, in one shell."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.test_tutorial import command_lines

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "share-a-fleet.md"


@pytest.mark.acceptance
@pytest.mark.timeout(240)
def test_every_command_of_the_page_works_and_shows_what_it_says(tmp_path: Path) -> None:
    script = ["set -eu -o pipefail", "trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT"]
    script += command_lines(PAGE.read_text())
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
    for said in (
        "project research has 2 live attempts running or about to",
        "nobody has enough to lend",
        "projects.research.nominal_quota: {",
        "known are urgent (100), nightly (-10)",
        "fair_share.ageing.age_after",
        "takes the place of job ",
        "it made room for job 9, which has priority 100 (urgent) against priority -10 (nightly)",
        "all invariants hold",
    ):
        assert said in output, (said, output)
    assert (tmp_path / "up.log").read_text().count("Traceback") == 0
