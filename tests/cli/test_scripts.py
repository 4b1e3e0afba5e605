"""The scripts with the names and options of Cortex: which command each becomes, and what it says when an option lacks its value."""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def herder(tmp_path: Path) -> Path:
    """A program that prints its arguments."""
    program = tmp_path / "herder"
    program.write_text('#!/bin/sh\nprintf "%s|" "$@"\n')
    program.chmod(0o755)
    return tmp_path


def run(herder: Path, line: str) -> subprocess.CompletedProcess[str]:
    name, *words = line.split()
    environment = {"PATH": f"{herder}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(
        [str(SCRIPTS / name), *words], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("provision-burst-workers.sh --count 3 --template medium --ttl 4h", "pool scale burst 3 --template medium --ttl 4h"),
        ("provision-burst-workers.sh --template medium --count=3", "pool scale burst 3 --template medium"),
        ("provision-spot-workers.sh --dry-run", "pool scale spot 1 --dry-run"),
        ("provision-gpu-worker.sh --template gpu-nvidia --count 1", "pool scale gpu 1 --template gpu-nvidia"),
        ("extend-worker-ttl.sh burst-7-1 --hours 2", "worker extend burst-7-1 --by 2h"),
        ("extend-worker-ttl.sh --hours=1.5 burst-7-1", "worker extend --by 1.5h burst-7-1"),
        ("remove-worker.sh burst-7-1 --force", "worker remove --yes burst-7-1 --force"),
        ("drain-worker.sh burst-7-1", "worker drain --yes --wait burst-7-1"),
        ("cordon-worker.sh burst-7-1", "worker cordon burst-7-1"),
        ("check-pool-status.sh", "pool list"),
        ("check-pool-status.sh -o json", "pool list -o json"),
        ("check-pool-status.sh burst", "pool get burst"),
        ("check-worker-health.sh burst-7-1", "worker health burst-7-1"),
        ("check-ttl-workers.sh --pool burst", "worker list --ttl --pool burst"),
    ],
)  # fmt: skip
def test_each_script_is_one_command(herder: Path, line: str, command: str) -> None:
    done = run(herder, line)
    assert (done.stdout, done.stderr, done.returncode) == (command.replace(" ", "|") + "|", "", 0)


@pytest.mark.parametrize(
    ("line", "option"),
    [
        ("provision-burst-workers.sh --count", "--count"),
        ("provision-spot-workers.sh --template medium --count", "--count"),
        ("provision-gpu-worker.sh --dry-run --count", "--count"),
        ("extend-worker-ttl.sh burst-7-1 --hours", "--hours"),
    ],
)
def test_an_option_without_its_number_runs_nothing(herder: Path, line: str, option: str) -> None:
    done = run(herder, line)
    assert (done.stdout, done.returncode) == ("", 2)
    assert done.stderr.startswith(f"error: {option} needs a number")


def test_every_script_is_tested() -> None:
    source = Path(__file__).read_text()
    assert [each.name for each in SCRIPTS.glob("*.sh") if f'"{each.name}' not in source] == []
