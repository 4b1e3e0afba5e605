"""A real Podman that serves the Docker Engine API on a socket of its own, with one small image, for tests; None where it cannot be had.

Podman runs here with runc, without networks and with explicit limits, so that it also works inside a container or a small VM.
"""

import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

IMAGE = "localhost/herder-test:1"
CONFIG = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]
netns = "none"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
"""
PROGRAMS = (
    "sh",
    "echo",
    "cat",
    "sleep",
    "env",
    "true",
    "false",
    "id",
    "ls",
    "dd",
    "yes",
    "head",
    "pwd",
    "kill",
    "touch",
    "tr",
)


def lacking() -> str:
    """What this machine lacks to run containers; empty: nothing."""
    missing = [name for name in ("podman", "runc", "busybox", "iptables") if shutil.which(name) is None]
    if missing:
        return f"no {', '.join(missing)} (Debian: apt install podman runc iptables busybox-static)"
    if os.geteuid() != 0:
        return "not root"
    return ""


@contextmanager
def podman() -> Iterator["Podman"]:
    """Skips the test where no container runs, although all programs are there."""
    with tempfile.TemporaryDirectory(
        prefix="herder-engine-"
    ) as folder:  # short: the engine's paths have a limit
        made = Podman(Path(folder))
        try:
            made.prepare()
        except AssertionError as error:
            pytest.skip(f"containers cannot be run here: {str(error)[-300:]}")
        made.start()
        try:
            yield made
        finally:
            made.close()


class Podman:
    """`address`: of its socket. It keeps its containers and images below `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = f"unix://{folder}/engine.sock"
        config = folder / "containers.conf"
        config.write_text(CONFIG)
        self.env = {**os.environ, "CONTAINERS_CONF": str(config)}
        self.words = [
            "podman",
            "--root",
            str(folder / "root"),
            "--runroot",
            str(folder / "run"),
            "--storage-driver",
            "vfs",
        ]
        self._service: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """The image, and a first container."""
        self.run("import", str(_root_file_system(self.folder)), IMAGE)
        self.run("run", "--rm", "--network", "none", IMAGE, "true")

    def run(self, *words: str) -> str:
        done = subprocess.run(
            [*self.words, *words],
            env=self.env,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self) -> None:
        socket = self.folder / "engine.sock"
        with (self.folder / "service.log").open("ab") as log:
            self._service = subprocess.Popen(
                [*self.words, "system", "service", "--time=0", self.address],
                env=self.env,
                cwd=self.folder,  # conmon leaves a file `oom` where it was started
                stdout=log,
                stderr=log,
            )
        give_up_at = time.monotonic() + 30
        while not socket.exists():
            assert self._service.poll() is None, "the engine has ended"
            assert time.monotonic() < give_up_at, "the engine does not start"
            time.sleep(0.05)

    @property
    def pid(self) -> int:
        assert self._service is not None
        return self._service.pid

    def stop(self) -> None:
        """The service; containers go on."""
        assert self._service is not None
        self._service.kill()
        self._service.wait(10)
        (self.folder / "engine.sock").unlink(missing_ok=True)

    def containers(self) -> list[str]:
        return self.run("ps", "--all", "--format", "{{.Names}}").split()

    def close(self) -> None:
        self.run("rm", "--all", "--force", "--time", "0")
        self.stop()
        self.run("system", "reset", "--force")


def _root_file_system(folder: Path) -> Path:
    """Busybox and nothing else."""
    path = folder / "image.tar"
    busybox = shutil.which("busybox")
    assert busybox is not None
    with tarfile.open(path, "w") as tar:
        tar.add(busybox, "bin/busybox")
        for name in PROGRAMS:
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        for name, mode in (("tmp", 0o1777), ("proc", 0o555), ("etc", 0o755)):
            made = tarfile.TarInfo(name)
            made.type, made.mode = tarfile.DIRTYPE, mode
            tar.addfile(made)
    return path
