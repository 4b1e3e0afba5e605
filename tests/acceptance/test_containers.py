"""Jobs with an image through the installed command: a pool that has an engine runs them, the others do not."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.conftest import CONFIG, HERDER, Installation
from tests.support.container_engine import IMAGE, Podman, lacking, podman

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(lacking()), reason=f"containers cannot be run here: {lacking()}"),
]
COMMAND = ("job", "submit", "--image", IMAGE, "--memory", "64Mi", "--wait", "--")


@pytest.fixture
def engine() -> Iterator[Podman]:
    with podman() as made:
        yield made


@pytest.fixture
def installation(engine: Podman, tmp_path: Path) -> Iterator[Installation]:
    folder = tmp_path / "herder"
    folder.mkdir()
    made = Installation(folder, None)
    made.env["CONTAINER_HOST"] = engine.address
    made.start()
    yield made
    made.close()


def test_a_job_with_an_image_runs_where_there_is_an_engine(
    installation: Installation, engine: Podman
) -> None:
    refused = subprocess.run(
        [*HERDER, *COMMAND, "true"],
        env=installation.env,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert refused.returncode == 2, refused
    assert "No worker of pool std runs containers, and the job has an image." in refused.stderr
    assert "containers: true" in refused.stderr
    text = CONFIG.replace("    driver: local\n", "    driver: local\n    containers: true\n")
    installation.config.write_text(text)
    installation.run("apply", "-f", str(installation.config), "--yes")
    installation.run(*COMMAND, "sh", "-c", "ls /bin/busybox; echo $HERDER_SCRATCH")
    assert installation.run("job", "logs", "1") == "/bin/busybox\n/herder/scratch\n"
    installation.run("job", "retry", "1")
    installation.run("job", "wait", "2")
    assert installation.run("job", "logs", "2") == "/bin/busybox\n/herder/scratch\n"
    assert engine.containers() == []
