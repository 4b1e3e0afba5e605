"""A datacentre in a process: a Proxmox VE cluster, Talos machines and a Kubernetes cluster that belong together, for tests and the demo.

`Datacentre` joins the three without a network, on a time that is given: a VM that starts boots a Talos machine, and its kubelet registers
a node. `serving` gives them addresses on this machine. `python -m herder.testing.datacentre --folder DIR` runs it as a process.
"""

from herder.testing.datacentre.datacentre import Datacentre
from herder.testing.datacentre.settings import DatacentreSettings
from herder.testing.datacentre.sickness import Sickness

__all__ = ["Datacentre", "DatacentreSettings", "Sickness"]
