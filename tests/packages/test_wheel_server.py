"""A server from the wheel runs a job."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.packages.test_containers import CONFIG


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_server_from_the_wheel_runs_a_job(wheel: Path, tmp_path: Path) -> None:
    """Its dependencies are those of the environment of the tests; Herder itself comes from the wheel."""
    place = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True)
    (packages,) = place.glob("lib/python3.*/site-packages")
    (dependencies,) = Path(sys.prefix).glob("lib/python3.*/site-packages")
    install = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(place),
        "install",
        "--no-index",
        "--no-deps",
        str(wheel),
    ]
    subprocess.run(install, check=True, capture_output=True)
    (packages / "dependencies.pth").write_text(f"{dependencies}\n")
    config, data = tmp_path / "herder.yaml", tmp_path / "data"
    config.write_text(CONFIG)
    env = {k: v for k, v in os.environ.items() if not k.startswith("HERDER_")}
    env |= {"HERDER_DATA_DIR": str(data), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    herder = str(place / "bin" / "herder")
    server = subprocess.Popen(
        [herder, "up", "--port", "0", "-c", str(config)], env=env, stderr=subprocess.DEVNULL
    )
    try:
        give_up_at = time.monotonic() + 40
        while not (data / "server.json").exists():
            assert server.poll() is None
            assert time.monotonic() < give_up_at
            time.sleep(0.1)
        program = "import herder; print(herder.__file__)"
        words = ["job", "submit", "--wait", "--", str(place / "bin" / "python"), "-c", program]
        subprocess.run([herder, *words], env=env, capture_output=True, check=True, timeout=50)
        logs = [herder, "job", "logs", "1"]
        done = subprocess.run(logs, env=env, capture_output=True, text=True, check=True)
        assert str(packages) in done.stdout
    finally:
        server.terminate()
        server.wait(20)
