"""The size of this machine, for pools whose workers are processes here. Used by `config lint` and `herder up`."""

import os

from herder.model.values.resources import Resources


def this_machine() -> Resources:
    """Cores this process may use, memory, free disk."""
    import psutil

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    memory = psutil.virtual_memory().total // 2**20
    disk = psutil.disk_usage("/").free // 2**20
    return Resources(cores * 1000, memory, disk)
