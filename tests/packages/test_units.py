"""The units of systemd, as systemd itself reads them, and how far they confine the processes."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.packages.conftest import ROOT

UNITS = ROOT / "packaging" / "systemd"
pytestmark = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="no systemd-analyze (Debian: apt install systemd)"
)
#: At most: exposure in tenths, as `systemd-analyze security` computes it. Jobs may do more than the server.
EXPOSURE = {"herder-server": 15, "herder-agent": 25}


def analyzed(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, check=False)


def readable(name: str, folder: Path, **changed: str) -> Path:
    """The unit with a program that exists here."""
    text = (UNITS / f"{name}.service").read_text()
    herder = Path(sys.executable).with_name("herder")
    for old, new in {"/opt/herder/bin/herder": str(herder), **changed}.items():
        assert old in text
        text = text.replace(old, new)
    path = folder / f"{name}.service"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", EXPOSURE)
def test_systemd_accepts_the_unit(name: str, tmp_path: Path) -> None:
    done = analyzed("verify", "--man=no", str(readable(name, tmp_path)))
    assert (done.returncode, done.stderr) == (0, "")


def test_a_mistake_in_a_unit_is_found(tmp_path: Path) -> None:
    path = readable("herder-server", tmp_path, **{"NoNewPrivileges=yes": "NoNewPrivilege=yes"})
    assert "NoNewPrivilege" in analyzed("verify", "--man=no", str(path)).stderr


@pytest.mark.parametrize(("name", "limit"), EXPOSURE.items())
def test_the_process_is_confined(name: str, limit: int) -> None:
    done = analyzed("security", "--offline=yes", f"--threshold={limit}", str(UNITS / f"{name}.service"))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", EXPOSURE)
def test_the_options_of_its_command_exist(name: str) -> None:
    """A unit is started at boot, where an unknown option is seen late."""
    (line,) = re.findall(r"ExecStart=/opt/herder/bin/(herder .*)", (UNITS / f"{name}.service").read_text())
    words = line.replace("${STATE_DIRECTORY}", "/nowhere").split()
    herder = str(Path(sys.executable).with_name("herder"))
    done = subprocess.run([herder, *words[1:2], "--help"], capture_output=True, text=True, check=True)
    assert all(word in done.stdout for word in words if word.startswith("--"))
