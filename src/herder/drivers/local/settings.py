"""Settings of the local driver. Read from `drivers:` in `herder.yaml`."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from msgspec import Meta


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSettings:
    data_folder: Path | None = None
    """Where the folder of each worker is made (`workers/NAME`); must be on a local disk. None: the server's data folder."""
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
    url_folders: str = ""
    """Folders, separated by colons, whose files jobs may read and write by file:// URL, with the rights of the agent."""
    url_hosts: str = ""
    """Hosts, separated by commas, whose web addresses jobs in containers may use as data; * is any."""
    url_credentials: str = ""
    """worker: the agent opens object stores with the credentials in the server's environment; empty: with URLs that the server signs."""
    url_cache_mib: Annotated[int, Meta(ge=0)] | None = None
    """How much of inputs by URL each worker keeps for the next jobs; 0: nothing. None: a tenth of the file system of its work folder."""
    kill_wait_s: float = 10.0
    """How long `delete` waits for killed processes to go. A process in an uninterruptible wait can need longer."""
    console_most_bytes: int = 64 * 1024
    """What `console` shows and what is kept of an ended worker's log."""
    consoles_kept: int = 200
    """Logs of deleted workers that are kept; the oldest go first."""
