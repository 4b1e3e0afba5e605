"""`herder pack`: the cheapest workers for a list of items, and a bound on the distance from the optimum. Needs no server."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from herder.cli.output.formats import Format
from herder.cli.shell.commands import command
from herder.cli.shell.session import session

if TYPE_CHECKING:
    from herder.cli.input.pack_files import Row, TemplateRow
    from herder.decide.packing.optimise import Optimised

_EXAMPLE = """
herder pack --items items.csv --templates sizes.yaml --seconds 10
herder pack --items items.csv --templates sizes.yaml --existing free.csv
"""


def add_to(app: typer.Typer) -> None:
    command(app, "pack", example=_EXAMPLE)(pack)


def pack(
    ctx: typer.Context,
    items: Annotated[
        Path,
        typer.Option(
            "--items",
            metavar="CSV",
            help="id,cpu_milli,memory_mib,disk_mib,gpu,count; the last three are optional.",
        ),
    ],
    templates: Annotated[
        Path,
        typer.Option(
            "--templates",
            metavar="YAML",
            help="List of {name, cpu_milli, memory_mib, disk_mib, gpu, pods, price_per_hour, limit}.",
        ),
    ],
    existing: Annotated[
        Path | None,
        typer.Option(
            "--existing",
            metavar="CSV",
            help="Free capacity of existing workers: id,cpu_milli,memory_mib,"
            "disk_mib,gpu,pods,count. They are filled first and add no cost.",
        ),
    ] = None,
    seconds: Annotated[
        float, typer.Option("--seconds", min=0, max=3600, help="How long to search for a lower cost.")
    ] = 2.0,
) -> None:
    """Find a cheap mix of workers for a list of items, with a proved lower bound. Needs no server.

    Prints the cost, the lower bound (proved in exact arithmetic), the gap between the two, and the reason for each item that is not placed.
    The search ends early when the answer is proved optimal.

    \b
    items.csv, for example:
      id,cpu_milli,memory_mib,count
      web,500,1024,40
      db,2000,16384,3
    sizes.yaml, for example:
      - {name: a, cpu_milli: 8000, memory_mib: 32768, price_per_hour: 0.38}
      - {name: b, cpu_milli: 8000, memory_mib: 8192, price_per_hour: 0.1, limit: 2}
    """
    from herder.cli.input.pack_files import read_items, read_templates, read_workers
    from herder.cli.views.packing import show_packing
    from herder.client.http import clock

    began = clock.monotonic_s()
    say = session(ctx)
    rows, offered = read_items(items), read_templates(templates)
    there = read_workers(existing) if existing else []
    found = _packed(rows, offered, there, lambda: clock.monotonic_s() - began < seconds)
    show_packing(
        say, rows, offered, there, found, took_s=clock.monotonic_s() - began, table=say.format is Format.TABLE
    )


def _packed(
    items: "Sequence[Row]",
    templates: "Sequence[TemplateRow]",
    there: "Sequence[Row]",
    keep_going: Callable[[], bool],
) -> "Optimised":
    from herder.decide.packing.optimise import optimise
    from herder.decide.packing.pack import Bin, BinOffer, ItemGroup

    return optimise(
        [ItemGroup(key=key, size=row.size, count=row.count) for key, row in enumerate(items)],
        [
            Bin(key=key, kind=-1, free=row.size, slots=row.pods, count=row.count)
            for key, row in enumerate(there)
        ],
        open_bins=[
            BinOffer(
                kind=kind,
                size=row.size,
                slots=row.pods,
                price_pico_per_hour=row.price_pico_per_hour,
                limit=row.limit,
            )
            for kind, row in enumerate(templates)
        ],
        improve=keep_going,
    )
