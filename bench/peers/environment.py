"""The throw-away environment of the peers: a virtual environment of their own, and system programs. Used by each peer's `install`.

Nothing is installed in Herder's environment. Packages of the system are installed only when the bench runs as root.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

INSTALL_LIMIT_S = 600


class Missing(Exception):
    """This peer cannot be installed or started here; the message says why. The report names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def program(self, name: str) -> str:
        """The path of a program that a package of this environment brought."""
        return str(self.folder / "bin" / name)

    def packages(self, *names: str) -> None:
        """From PyPI. Raises Missing."""
        if not self.python.exists():
            _quietly([sys.executable, "-m", "venv", str(self.folder)])
        pip = [str(self.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _quietly([*pip, *names])

    def version(self, package: str) -> str:
        """Of an installed package."""
        code = f"import importlib.metadata as m; print(m.version({package!r}))"
        return subprocess.run(
            [str(self.python), "-c", code], check=True, capture_output=True, text=True
        ).stdout.strip()


def system_program(name: str, package: str) -> str:
    """The path of a program, installed from Debian's `package` when it is absent and we are root. Raises Missing."""
    found = _which(name)
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        _quietly(["apt-get", "install", "-y", "--no-install-recommends", package], environment)
        found = _which(name)
    if found is None:
        raise Missing(f"the program {name} is not installed; on Debian: apt install {package}")
    return found


def _which(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def _quietly(command: list[str], environment: dict[str, str] | None = None) -> None:
    try:
        subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=INSTALL_LIMIT_S, env=environment
        )
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip() or error.stdout.strip() or "no message").splitlines()[-1]
        raise Missing(f"{' '.join(command[:4])} … ended with {error.returncode}: {last}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"{' '.join(command[:4])} …: {error}") from error
