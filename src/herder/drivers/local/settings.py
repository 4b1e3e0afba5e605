"""Settings of the local driver. Read from `drivers:` in `herder.yaml`."""

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSettings:
    data_folder: Path
    """Where the folder of each worker is made (`workers/NAME`). Must be on a local disk."""
    installation: str = "default"
    """Marks our processes: several installations may share a machine and never touch each other's workers."""
    name: str = "local"
    workers_most: int = 64
    """Above this `create` raises OutOfCapacity: each agent takes about 40 MiB before it runs anything."""
    python: str = sys.executable
    """The interpreter that starts the agent; it must be able to import herder."""
    run_as: str = ""
    """USER or UID:GID that jobs run as, so that they cannot read the server's files (its tokens among them). The server must be
    root. Empty: as the user of the server, who is its administrator: give such workers only to people who may be that."""
    work_root: Path | None = None
    """With run_as: where scratch folders are made. None: the machine's temporary folder, which others can pass through."""
    cgroups: bool = True
    """Whether agents make a cgroup for each attempt where they can: CPU by weight, memory with /dev/shm."""
    kill_wait_s: float = 10.0
    """How long `delete` waits for killed processes to go. A process in an uninterruptible wait can need longer."""
    console_most_bytes: int = 64 * 1024
    """What `console` shows and what is kept of an ended worker's log."""
    consoles_kept: int = 200
    """Logs of deleted workers that are kept; the oldest go first."""

    def work_folder(self, worker: str) -> Path:
        """Of one worker: beside its log, or with `run_as` where its jobs can get to it."""
        if not self.run_as:
            return self.data_folder / "workers" / worker / "work"
        return (self.work_root or Path(tempfile.gettempdir())) / f"herder-{self.installation}-{worker}"
