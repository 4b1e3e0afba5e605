"""A cluster with an address on this machine (`serving`)."""

import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from herder.testing import fakes
from herder.testing.fakes.messages import Answer, Request
from herder.testing.proxmox.cluster import Proxmox


class Serving(fakes.Serving):
    """`ask`: who answers a request, where the cluster belongs to another thread; None: the cluster, on a time of its own."""

    def __init__(
        self,
        cluster: Proxmox,
        scale: float,
        tls: ssl.SSLContext | None = None,
        ask: Callable[[Request], Answer] | None = None,
    ) -> None:
        super().__init__(cluster, scale, tls, ask, start_ms=cluster.state.now_ms)
        self.cluster = cluster


@contextmanager
def serving(
    cluster: Proxmox | None = None, scale: float = 1.0, tls: ssl.SSLContext | None = None
) -> Iterator[Serving]:
    """A cluster with an address, until the block ends. `scale`: seconds of the cluster in a second. `tls`: it speaks HTTPS."""
    server = Serving(cluster or Proxmox(now_ms=time.time_ns() // 1_000_000), scale, tls)
    server.start()
    try:
        yield server
    finally:
        server.stop()
