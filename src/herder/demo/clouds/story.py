"""The story of `herder demo --clouds` from start to end: starts the clouds and the server, plays the scenes, prints times and costs.

Called by `herder.demo.command`. However it ends, the server, the machines and the clouds are stopped, and the data folder is removed.
"""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from herder.demo.clouds import scenes
from herder.demo.clouds.machines import Machines
from herder.demo.clouds.scenes import At
from herder.demo.clouds.site import Clouds, played_clouds, settings_text, variables
from herder.demo.demo_server import begin, wait_for_address
from herder.demo.tables import summary
from herder.demo.telling import Teller


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
    clouds = stack.enter_context(played_clouds())
    # Not `up`: its workers are machines of the clouds, which end with this process.
    world = begin(data_dir, port, "server", lambda folder: settings_text(folder, clouds), variables())
    stack.callback(world.stop)
    machines = stack.enter_context(Machines(clouds.all, world.folder / "machines"))
    started()
    tell = Teller(console=console, quiet=quiet)
    _introduce(tell, clouds)
    client = stack.enter_context(wait_for_address(world))
    tell.line(f"Herder         {world.url}")

    def alive() -> bool:
        machines.check()
        return world.running

    scenes.play(At(client, tell, alive, clouds, machines, world.folder / "released"))
    summary(
        tell,
        client,
        (
            ("DRIVER", lambda worker: worker.driver),
            ("MARKET", lambda worker: "spot" if worker.spot else "on demand"),
            (
                "NOT CREATED",
                lambda worker: "" if worker.ready_at else worker.why_removed.partition(":")[0].lower(),
            ),
        ),
    )


def _introduce(tell: Teller, clouds: Clouds) -> None:
    tell.line(
        "Three clouds on this machine: their APIs are played, Herder, its agents and the jobs are real."
    )
    tell.line("Their times are a tenth of the real ones; nothing else is changed.")
    tell.line()
    for cloud in clouds.all:
        tell.line(f"{cloud.title:<14} {cloud.server.address}")
