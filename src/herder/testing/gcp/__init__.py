"""Compute Engine of Google Cloud in a process, for tests: VMs, disks, operations that take time, quotas, stock-outs, preemptions, prices.

`Gcp` is the fake without a network, on a time that is given (see `herder.testing.fakes`). Every request and every answer is checked against Google's own
description of the API, and what it does not have is refused.
"""

from herder.testing.gcp.cloud import Gcp
from herder.testing.gcp.settings import PROJECT, TOKEN, GcpTimes, Inventory, MachineType, small_project
from herder.testing.gcp.state import State, Vm

__all__ = [
    "PROJECT",
    "TOKEN",
    "Gcp",
    "GcpTimes",
    "Inventory",
    "MachineType",
    "State",
    "Vm",
    "small_project",
]
