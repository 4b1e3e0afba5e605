"""Where this agent may create cgroups: below its own, so that limits of the agent are limits of its attempts. Determined once, when the
process runtime opens.

Version 2 where cpu and memory are there (root, or a folder that systemd has delegated: Delegate=yes), else version 1. Groups
of an agent that was killed are removed by the next one on the machine. It answers None rather than raise.
"""

import logging
import os
from contextlib import suppress
from pathlib import Path

from herder.agent.processes.cgroup import Cgroup, CgroupV1, CgroupV2, Limits, shares_of, weight_of

_LOG = logging.getLogger(__name__)
_PREFIX = "herder-"
#: Groups kept for the next attempts; making one costs as much as starting a small process.
_SPARE_MOST = 32
_NEEDED = frozenset({"cpu", "memory"})
_MOUNTS = Path("/proc/self/mountinfo")
_OWN = Path("/proc/self/cgroup")


class CgroupPlace:
    """A group of this agent, `herder-PID`, with one in it for each attempt that runs. `cpu` is `memory` in version 2.

    The agent's group weighs as much as its cores, so that a small job that runs alone is not starved by whatever else the machine
    does; among the attempts each weighs what it asked for.
    """

    def __init__(self, version: int, cpu: Path, memory: Path) -> None:
        self.version = version
        self.cpu = cpu
        self.memory = memory
        self._spare: list[Cgroup] = []
        self._made = 0

    def take(self, limits: Limits) -> Cgroup:
        """Raises OSError."""
        while self._spare:
            spare = self._spare.pop()
            try:
                spare.begin(limits)
            except OSError:
                spare.remove()
            else:
                return spare
        self._made += 1
        made = self._make(f"attempt-{self._made}")
        try:
            made.begin(limits)
        except OSError:
            made.remove()
            raise
        return made

    def give_back(self, group: Cgroup) -> bool:
        """Whether it is used again or gone; False while something in it is still dying."""
        if group.pids():
            return False
        if len(self._spare) < _SPARE_MOST and group.is_clean():
            self._spare.append(group)
            return True
        return group.remove()

    def close(self) -> None:
        self._spare.clear()
        for folder in {self.cpu, self.memory}:
            _remove_tree(folder)

    def _make(self, name: str) -> Cgroup:
        return CgroupV2(self.memory, name) if self.version == 2 else CgroupV1(self.cpu, self.memory, name)


def find_place(given: Path | None) -> CgroupPlace | None:
    """`given`: a folder of version 2 to make them in. A group is made and removed to see that it can be done."""
    for version, bases in ((2, _version_2(given)), (1, None if given is not None else _version_1())):
        if bases is None:
            continue
        try:
            place = _opened(version, *bases)
            place.take(Limits(100, 16, True)).remove()
        except OSError as error:
            _LOG.info("No cgroups of version %s: %s", version, error)
        else:
            _LOG.info("Limits of attempts are enforced by cgroups in %s.", place.memory)
            return place
    return None


def _opened(version: int, cpu: Path, memory: Path) -> CgroupPlace:
    """Raises OSError."""
    name = f"{_PREFIX}{os.getpid()}"
    for base in {cpu, memory}:
        _forget_the_dead(base)
        (base / name).mkdir(exist_ok=True)
    place = CgroupPlace(version, cpu / name, memory / name)
    cores_milli = 1000 * len(os.sched_getaffinity(0))
    if version == 2:
        (place.memory / "cpu.weight").write_text(str(weight_of(cores_milli)))
        (place.memory / "cgroup.subtree_control").write_text("+cpu +memory")
    else:
        (place.cpu / "cpu.shares").write_text(str(shares_of(cores_milli)))
    return place


def _forget_the_dead(base: Path) -> None:
    """Groups whose agent is gone. One in which something still runs cannot be removed, and stays."""
    with suppress(OSError):
        for path in base.glob(f"{_PREFIX}*"):
            pid = path.name.removeprefix(_PREFIX)
            if pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
                _remove_tree(path)


def _remove_tree(folder: Path) -> None:
    with suppress(OSError):
        for path in folder.iterdir():
            if path.is_dir():
                with suppress(OSError):
                    path.rmdir()
        folder.rmdir()


def _version_1() -> tuple[Path, Path] | None:
    cpu, memory = _own_folder("cpu"), _own_folder("memory")
    return (cpu, memory) if cpu is not None and memory is not None else None


def _version_2(given: Path | None) -> tuple[Path, Path] | None:
    if given is not None:
        return given, given
    own = _own_folder("")
    if own is None or not _words(own / "cgroup.controllers") >= _NEEDED:
        return None
    top = _mounts().get("", ("/", Path("/")))[1]
    folder = own
    while True:
        if _hands_down(folder):
            return folder, folder
        # Above it, our groups would be outside of what bounds this one: only where nothing does.
        if folder == top or _is_bounded(folder) or os.geteuid() != 0:
            return None
        folder = folder.parent


def _hands_down(folder: Path) -> bool:
    """Whether groups below it have cpu and memory. A group with processes cannot hand them down, so if they are only
    ours we step aside into a group of our own."""
    if _words(folder / "cgroup.subtree_control") >= _NEEDED:
        return True
    if _words(folder / "cgroup.procs") == {str(os.getpid())}:
        with suppress(OSError):
            aside = folder / f"{_PREFIX}agent-{os.getpid()}"
            aside.mkdir(exist_ok=True)
            (aside / "cgroup.procs").write_text(str(os.getpid()))
    try:
        (folder / "cgroup.subtree_control").write_text("+cpu +memory")
    except OSError:
        return False
    return True


def _is_bounded(folder: Path) -> bool:
    try:
        memory = (folder / "memory.max").read_text().strip()
        cpu = (folder / "cpu.max").read_text().split()[0]
    except (OSError, IndexError):  # the root has neither
        return False
    return (memory, cpu) != ("max", "max")


def _own_folder(controller: str) -> Path | None:
    """The group of this process in the hierarchy of a controller (empty: version 2), as a folder that can be seen from here."""
    mount = _mounts().get(controller)
    if mount is None:
        return None
    root, point = mount
    try:
        lines = _OWN.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        _, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        if controller in names.split(","):
            inside = os.path.relpath(path, root)
            folder = point if inside.startswith("..") else point / inside
            return folder if folder.is_dir() else None
    return None


def _mounts() -> dict[str, tuple[str, Path]]:
    """Root and mount point of each controller's hierarchy; of version 2 under the empty name."""
    found: dict[str, tuple[str, Path]] = {}
    try:
        lines = _MOUNTS.read_text().splitlines()
    except OSError:
        return found
    for line in lines:
        left, _, right = line.partition(" - ")
        place, kind = left.split(), right.split()
        if len(place) < 5 or len(kind) < 3:
            continue
        if kind[0] == "cgroup2":
            found.setdefault("", (place[3], Path(place[4])))
        elif kind[0] == "cgroup":
            for name in kind[2].split(","):
                found.setdefault(name, (place[3], Path(place[4])))
    return found


def _words(path: Path) -> set[str]:
    with suppress(OSError):
        return set(path.read_text().split())
    return set()
