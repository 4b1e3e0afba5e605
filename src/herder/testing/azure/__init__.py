"""Azure Resource Manager in a process, for tests: VMs, network cards, addresses, disks, operations that take time, quotas, stock-outs, evictions, prices.

`Azure` is the fake without a network, on a time that is given (see `herder.testing.fakes`). Requests and answers are checked against Azure's own
descriptions of its APIs, and what they do not have is refused.
"""

from herder.testing.azure.cloud import Azure
from herder.testing.azure.settings import (
    GROUP,
    SUBSCRIPTION,
    TOKEN,
    AzureTimes,
    Inventory,
    Size,
    small_subscription,
)
from herder.testing.azure.state import Part, State, Vm

__all__ = [
    "GROUP",
    "SUBSCRIPTION",
    "TOKEN",
    "Azure",
    "AzureTimes",
    "Inventory",
    "Part",
    "Size",
    "State",
    "Vm",
    "small_subscription",
]
