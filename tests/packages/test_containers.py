"""The images of server and agent, built by the script that people use, without a registry; a server from the image runs a job on an agent from
the image."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.packages.base_image import BASE, write_base
from tests.packages.conftest import ROOT
from tests.support.container_engine import Podman, lacking, podman

pytestmark = [pytest.mark.images, pytest.mark.timeout(420)]
needs_containers = pytest.mark.skipif(bool(lacking()), reason=f"containers cannot be run here: {lacking()}")
CONFIG = """
pools:
  std:
    driver: local
    templates: [{name: half, cpu: 500m, memory: 256Mi, disk: 64Mi, price_per_hour: "0.01"}]
    max_workers: 1
"""
USER = "10001:10001"
#: As a cautious administrator runs it.
STRICT = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "all", "--security-opt", "no-new-privileges")


@pytest.fixture(scope="module")
def engine(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    """With the images herder:test and herder-agent:test."""
    with podman() as made:
        tar = tmp_path_factory.mktemp("base") / "base.tar"
        write_base(tar)
        made.run("import", str(tar), BASE)
        words = ["--base", BASE, "--wheel", str(wheel), "--tag", "test", "--engine", " ".join(made.words)]
        words += ["--option", "--format=docker", "--option", "--network=none", "--option", "--layers=false"]
        done = subprocess.run(
            [str(ROOT / "packaging/containers/build"), *words],
            env={**made.env, "HERDER_BUILD_PYTHON": sys.executable},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
        yield made


def free_port() -> int:
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def until(succeeds: list[str], engine: Podman, name: str, limit_s: float = 40) -> None:
    """The command succeeds in the container."""
    give_up_at = time.monotonic() + limit_s
    error = ""
    while time.monotonic() < give_up_at:
        try:
            engine.run("exec", name, *succeeds)
        except AssertionError as failed:
            error = str(failed)
        else:
            return
        time.sleep(0.3)
    pytest.fail(f"{error}\n{engine.run('logs', name)}")


@needs_containers
def test_a_server_and_an_agent_from_the_images_run_a_job(engine: Podman, tmp_path: Path) -> None:
    config, port = tmp_path / "herder.yaml", free_port()
    config.write_text(CONFIG)
    tmp_path.chmod(0o755)
    engine.run(
        *("run", "--detach", "--name", "server", "--network", "host", *STRICT),
        *("--volume", f"{config}:/etc/herder.yaml:ro", "localhost/herder:test"),
        *("server", "--port", str(port), "--config", "/etc/herder.yaml"),
    )
    until(["python", "/opt/herder/healthcheck.py"], engine, "server")
    # So that the job has no worker but the agent.
    engine.run("exec", "server", "herder", "driver", "freeze", "local")
    told = engine.run("exec", "server", "herder", "-o", "json", "worker", "add", "std")
    token = json.loads(told)["token"]
    engine.run(
        *(
            "run",
            "--detach",
            "--name",
            "agent",
            "--network",
            "host",
            *STRICT,
            "--env",
            f"HERDER_JOIN_TOKEN={token}",
        ),
        *("localhost/herder-agent:test", "--server", f"http://127.0.0.1:{port}"),
    )
    program = "import os; print(os.getuid(), os.getcwd())"
    engine.run("exec", "server", "herder", "job", "submit", "--wait", "--", "python", "-c", program)
    printed = engine.run("exec", "server", "herder", "job", "logs", "1")
    assert printed.startswith("10001 /var/lib/herder/")


@needs_containers
def test_the_images_are_small_and_run_as_nobody(engine: Podman) -> None:
    for name in ("herder", "herder-agent"):
        (found,) = json.loads(engine.run("inspect", f"localhost/{name}:test"))
        base = json.loads(engine.run("inspect", BASE))[0]["Size"]
        assert found["Config"]["User"] == USER
        assert found["Size"] - base < 220_000_000, found["Size"] - base
        assert list(found["Config"]["Volumes"]) == ["/var/lib/herder"]
    with pytest.raises(AssertionError, match="No module named"):
        engine.run("run", "--rm", "--entrypoint", "python", "localhost/herder:test", "-m", "pip")


@needs_containers
def test_without_tls_a_public_address_is_refused(engine: Podman) -> None:
    with pytest.raises(AssertionError, match="--tls-cert"):
        engine.run("run", "--rm", "localhost/herder:test")
