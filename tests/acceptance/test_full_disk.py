"""`herder up` whose disk is full: a stop is prompt and says what it means, a start says what to do, and nothing accepted is lost."""

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.conftest import HERDER, Installation
from tests.support.small_disk import fill, small_disk

pytestmark = [pytest.mark.acceptance, pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 64) as made:
        yield made


@pytest.fixture
def installation(tmp_path: Path, disk: Path) -> Iterator[Installation]:
    made = Installation(tmp_path, None)
    made.data = disk / "data"
    made.env["HERDER_DATA_DIR"] = str(made.data)
    yield made
    made.close()


def test_a_stop_on_a_full_disk_ends_soon_and_loses_nothing(installation: Installation, disk: Path) -> None:
    installation.start()
    script = f"touch {installation.folder}/runs-$HERDER_ATTEMPT; while [ ! -e {installation.folder}/end ]; do sleep 0.05; done"
    installation.run("job", "submit", "--cpu", "100m", "--memory", "32Mi", "--", "bash", "-c", script)
    installation.until((installation.folder / "runs-1").exists, 60, "the job to run")
    filling = fill(disk)
    server = installation.server
    assert server is not None
    server.send_signal(signal.SIGTERM)
    assert server.wait(60) == 1
    installation.server = None
    said = installation.said()
    assert "The ends of jobs cannot be recorded: the workers are stopped immediately" in said
    assert "The server stopped: The store is full. The last changes were not written. Free space on" in said
    assert "Traceback" not in said
    assert installation.left() == []

    filling.unlink()
    installation.start()
    installation.until((installation.folder / "runs-2").exists, 60, "the job to run again")
    (installation.folder / "end").touch()
    installation.run("job", "wait", "1")
    assert json.loads(installation.run("job", "get", "1", "-o", "json"))["state"] == "succeeded"
    assert "All invariants hold." in installation.run("admin", "invariants")


def test_a_start_on_a_full_disk_says_what_to_do(installation: Installation, disk: Path) -> None:
    installation.start()
    installation.run("job", "submit", "--cpu", "100m", "--memory", "32Mi", "--", "true")
    assert installation.stop() == 0
    filling = fill(disk)
    for folder, words in ((installation.data, "Free space on its disk"), (disk / "new", "space")):
        done = subprocess.run(
            [*HERDER, "up", "--data-dir", str(folder), "--config", str(installation.config), "--port", "0"],
            env=installation.env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 4
        assert words in done.stderr
        assert "Traceback" not in done.stderr
    filling.unlink()
    installation.start()
    installation.run("job", "wait", "1")
    assert json.loads(installation.run("job", "get", "1", "-o", "json"))["state"] == "succeeded"
