"""The real Snakemake from PyPI in an environment of its own beside the checkout, with herder's source on its path. Made once and kept; a
test is skipped, with the reason, where PyPI is not reached."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLACE = ROOT / ".cache" / "snakemake"
VERSION = "9.27.1"


def environment() -> Path:
    """The folder of its programs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = "\n".join([f"snakemake=={VERSION}", *project["dependencies"], sys.version, ""])
    done = PLACE / "installed.txt"
    if not done.exists() or done.read_text() != wanted:
        shutil.rmtree(PLACE, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(PLACE)], check=True)
        _install([f"snakemake=={VERSION}", *project["dependencies"]])
        (site,) = PLACE.glob("lib/python*/site-packages")
        (site / "herder-source.pth").write_text(f"{ROOT / 'src'}\n")
        done.write_text(wanted)
    return PLACE / "bin"


def _install(requirements: list[str]) -> None:
    made = subprocess.run(
        [str(PLACE / "bin" / "python"), "-m", "pip", "install", "--quiet", *requirements],
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_RETRIES": "1", "PIP_TIMEOUT": "10"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    if made.returncode:
        shutil.rmtree(PLACE, ignore_errors=True)
        if "No matching distribution" in made.stderr or "onnection" in made.stderr:
            pytest.skip(f"Snakemake {VERSION} cannot be installed from PyPI: {made.stderr[-200:]}")
        raise AssertionError(made.stderr)
