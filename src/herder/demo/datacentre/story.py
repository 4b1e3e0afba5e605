"""The story of `herder demo --datacentre` from start to end: starts the datacentre and the server, plays the scenes, prints times and costs.

Called by `herder.demo.command`. However it ends, the server and the datacentre are stopped, and the data folder is removed.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from herder.cli.output.humanize import usd
from herder.client import HerderClient
from herder.demo.datacentre import scenes
from herder.demo.datacentre.cluster import Site
from herder.demo.datacentre.site import HOST_MEMORY_MIB, HOSTS, datacentre_settings, settings_text
from herder.demo.datacentre.telling import Teller
from herder.demo.datacentre.waiting import Waiting
from herder.demo.demo_server import World, begin, wait_for_address
from herder.model.values.money import format_usd, parse_usd
from herder.testing.datacentre.running import Serving, serving
from herder.wire.api.resources import WorkerView

PLACES = 6


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
    _summary(tell, client, world)


def _introduce(tell: Teller, server: Serving) -> None:
    tell.line("A datacentre on this machine: Proxmox VE, Talos and Kubernetes are played, Herder is real.")
    tell.line("Its times are seconds where real ones are minutes; nothing else is changed.")
    tell.line()
    hosts = f"{HOSTS} hosts of {HOST_MEMORY_MIB:,} MiB"
    tell.line(f"Proxmox VE     {server.running.proxmox_url}, {hosts}")
    tell.line(f"Kubernetes     {server.running.kubernetes_url}")


def _summary(tell: Teller, client: HerderClient, world: World) -> None:
    if tell.quiet:
        return
    workers = sorted(client.workers.list(ended=True), key=lambda each: (each.requested_at, each.name))
    status = client.status()
    tell.line()
    for table in (_times(tell), _costs(workers)):
        tell.console.print(Padding(table, (0, 0, 1, 0)))
    total = usd(status.spend_usd, PLACES)
    tell.line(f"Everything happened in {tell.elapsed_s:.0f} s. The workers cost {total}.")


def _times(tell: Teller) -> Table:
    table = Table(box=None, pad_edge=False, show_edge=False, header_style="")
    table.add_column("SCENE")
    table.add_column("TIME", justify="right")
    for number, (title, took_s) in enumerate(tell.took, 1):
        table.add_row(f"{number}. {title}", f"{took_s:.1f} s")
    return table


def _costs(workers: Sequence[WorkerView]) -> Table:
    table = Table(box=None, pad_edge=False, show_edge=False, header_style="")
    for name in ("WORKER", "CREATED BECAUSE", "REMOVED BECAUSE"):
        table.add_column(name, overflow="fold")
    for name in ("PRICE", "COST"):
        table.add_column(name, justify="right", no_wrap=True)
    for alike in _alike(workers):
        first = alike[0]
        names = first.name if len(alike) == 1 else f"{first.name} and {len(alike) - 1:,} more"
        cost = format_usd(sum(parse_usd(each.cost_usd) for each in alike), PLACES)
        price = f"{usd(first.price_per_hour_usd)}/h"
        table.add_row(names, first.why_made, first.why_removed, price, cost)
    return table


def _alike(workers: Sequence[WorkerView]) -> list[list[WorkerView]]:
    """Together where they were created and removed for the same reasons."""
    found: dict[tuple[str, str, str], list[WorkerView]] = {}
    for each in workers:
        found.setdefault((each.pool, each.why_made, each.why_removed), []).append(each)
    return list(found.values())
