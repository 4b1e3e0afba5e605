"""The story of `herder demo --datacentre` from start to end: starts the datacentre and the server, plays the scenes, prints times and costs.

Called by `herder.demo.command`. However it ends, the server and the datacentre are stopped, and the data folder is removed.
"""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from herder.demo.datacentre import scenes
from herder.demo.datacentre.cluster import Site
from herder.demo.datacentre.site import HOST_MEMORY_MIB, HOSTS, datacentre_settings, settings_text
from herder.demo.datacentre.waiting import Waiting
from herder.demo.demo_server import begin, wait_for_address
from herder.demo.tables import summary
from herder.demo.telling import Teller
from herder.testing.datacentre.running import Serving, serving


def play(
    console: Console,
    stack: ExitStack,
    data_dir: Path | None,
    port: int,
    *,
    quiet: bool,
    started: Callable[[], None],
) -> None:
    """`stack` stops everything; `started`: from then on an interrupt may come. Raises CommandError when a scene did not happen."""
    server = stack.enter_context(serving(datacentre_settings()))
    # Not `up`: its workers are part of the datacentre, which ends with this process.
    world = begin(data_dir, port, "server", lambda folder: settings_text(folder, server))
    stack.callback(world.stop)
    started()
    tell = Teller(console=console, quiet=quiet)
    _introduce(tell, server)
    client = stack.enter_context(wait_for_address(world))
    tell.line(f"Herder         {world.url}")
    scenes.play(Waiting(client, Site(server), tell, lambda: world.running))
    summary(
        tell,
        client,
        (
            ("CREATED BECAUSE", lambda worker: worker.why_made),
            ("REMOVED BECAUSE", lambda worker: worker.why_removed),
        ),
    )


def _introduce(tell: Teller, server: Serving) -> None:
    tell.line("A datacentre on this machine: Proxmox VE, Talos and Kubernetes are played, Herder is real.")
    tell.line("Its times are seconds where real ones are minutes; nothing else is changed.")
    tell.line()
    hosts = f"{HOSTS} hosts of {HOST_MEMORY_MIB:,} MiB"
    tell.line(f"Proxmox VE     {server.running.proxmox_url}, {hosts}")
    tell.line(f"Kubernetes     {server.running.kubernetes_url}")
