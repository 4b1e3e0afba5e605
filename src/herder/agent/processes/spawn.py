"""Starts one process for an attempt with vfork, in a session of its own. Used by the process runtime.

The cheap path needs what is done here and nothing more: no `preexec_fn`, no pipes, no asyncio child watcher.
"""

import os
import resource
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from herder.agent.processes.run_as import Identity

#: What an attempt inherits from the agent. Everything else of the agent's environment stays with the agent.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "LOGNAME", "SHELL", "TZ", "USER")


def base_environment() -> dict[str, str]:
    base = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    base.setdefault("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    base.setdefault("LANG", "C.UTF-8")
    return base


def spawn(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: str,
    stdin: int,
    output: int,
    cores: Sequence[int],
    all_cores: set[int],
    identity: Identity | None = None,
) -> "subprocess.Popen[bytes]":
    """Raises OSError or ValueError when it cannot be started. The caller waits for it with `os.wait4`.

    Affinity is set on this thread around the call, so that the child is bound from its first instruction on.
    """
    if cores:
        os.sched_setaffinity(0, cores)
    try:
        return subprocess.Popen(
            command,
            stdin=stdin,
            stdout=output,
            stderr=output,
            cwd=folder,
            env=environment,
            start_new_session=True,
            close_fds=True,
            **_as(identity),
        )
    finally:
        if cores:
            os.sched_setaffinity(0, all_cores)


def _as(identity: Identity | None) -> dict[str, Any]:
    return {} if identity is None else {"user": identity.uid, "group": identity.gid, "extra_groups": []}


def spawning_peak_kib() -> int:
    """The peak that the kernel gives to whatever this process starts: that of its memory since its own start.

    Not `getrusage`: that one begins with the peak of whoever started *us*, a large server perhaps.
    """
    try:
        with open("/proc/self/status", "rb") as status:
            for line in status:
                if line.startswith(b"VmHWM:"):
                    return int(line.split()[1])
    except OSError:  # no such file on this system
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def text_as_file(text: str) -> int:
    """A descriptor that reads `text` from its start, without a file on disk. The caller closes it."""
    descriptor = os.memfd_create("stdin", os.MFD_CLOEXEC)
    with open(descriptor, "wb", closefd=False) as file:
        file.write(text.encode("utf-8", "surrogatepass"))
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def limit_data(pid: int, most_bytes: int) -> None:
    """The backstop against memory taken faster than sampling can see. Inherited by what the process starts."""
    _, hard = resource.prlimit(pid, resource.RLIMIT_DATA)
    if hard != resource.RLIM_INFINITY:
        most_bytes = min(most_bytes, hard)
    resource.prlimit(pid, resource.RLIMIT_DATA, (most_bytes, most_bytes))
