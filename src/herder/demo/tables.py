"""The tables at the end of a story: how long each scene took, and what workers cost. Used by the stories."""

from collections.abc import Callable, Sequence

from rich.padding import Padding
from rich.table import Table

from herder.cli.output.humanize import usd
from herder.client import HerderClient
from herder.demo.telling import Teller
from herder.model.values.money import format_usd, parse_usd
from herder.wire.api.resources import WorkerView

PLACES = 6


def summary(
    tell: Teller, client: HerderClient, columns: Sequence[tuple[str, Callable[[WorkerView], str]]]
) -> None:
    """Prints them, and the total that the server tells. `columns`: what is told of workers; those of which the same is told, and of the same price, are one row."""
    if tell.quiet:
        return
    workers = sorted(client.workers.list(ended=True), key=lambda each: (each.requested_at, each.name))
    tell.line()
    for table in (_times(tell), _costs(workers, columns)):
        tell.console.print(Padding(table, (0, 0, 1, 0)))
    total = usd(client.status().spend_usd, PLACES)
    tell.line(f"Everything happened in {tell.elapsed_s:.0f} s. The workers cost {total}.")


def _times(tell: Teller) -> Table:
    table = Table(box=None, pad_edge=False, show_edge=False, header_style="")
    table.add_column("SCENE")
    table.add_column("TIME", justify="right")
    for number, (title, took_s) in enumerate(tell.took, 1):
        table.add_row(f"{number}. {title}", f"{took_s:.1f} s")
    return table


def _costs(
    workers: Sequence[WorkerView], columns: Sequence[tuple[str, Callable[[WorkerView], str]]]
) -> Table:
    table = Table(box=None, pad_edge=False, show_edge=False, header_style="")
    table.add_column("WORKER", overflow="fold")
    for name, _ in columns:
        table.add_column(name, overflow="fold")
    for name in ("PRICE", "COST"):
        table.add_column(name, justify="right", no_wrap=True)
    found: dict[tuple[str, ...], list[WorkerView]] = {}
    for each in workers:
        key = (*(tell(each) for _, tell in columns), f"{usd(each.price_per_hour_usd)}/h")
        found.setdefault(key, []).append(each)
    for texts, alike in found.items():
        names = alike[0].name if len(alike) == 1 else f"{alike[0].name} and {len(alike) - 1:,} more"
        cost = format_usd(sum(parse_usd(each.cost_usd) for each in alike), PLACES)
        table.add_row(names, *texts, cost)
    return table
