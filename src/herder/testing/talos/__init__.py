"""Talos machines in a process, for tests: the machine API with roles, maintenance mode, stages, services and faults.

`Machines` is all of them without a network, on a time that is given. `server` gives each an address on this machine with Ed25519 mutual TLS;
`in_process.MachinesWire` connects a client without sockets, also on virtual time.
"""

from herder.testing.talos.faults import Fault, Kind
from herder.testing.talos.machine import AfterUpgrade, Hooks, Machine, Times
from herder.testing.talos.machines import Machines

__all__ = ["AfterUpgrade", "Fault", "Hooks", "Kind", "Machine", "Machines", "Times"]
