"""A Proxmox VE 9 API in a process, with nodes, storages, machines and tasks, for tests.

`Proxmox` is the server without a network, on a time that is given; `server` gives it an address on this machine, and `fakes.transport`
connects an httpx client without a socket.
"""

from herder.testing.fakes.messages import Answer, Request
from herder.testing.proxmox.cluster import Proxmox
from herder.testing.proxmox.faults import Faults, Rule
from herder.testing.proxmox.parts import Node, Storage, Token, Vm
from herder.testing.proxmox.settings import TOKEN_ID, TOKEN_SECRET, ProxmoxTimes, small_cluster

__all__ = [
    "TOKEN_ID",
    "TOKEN_SECRET",
    "Answer",
    "Faults",
    "Node",
    "Proxmox",
    "ProxmoxTimes",
    "Request",
    "Rule",
    "Storage",
    "Token",
    "Vm",
    "small_cluster",
]
