"""The command `herder demo`: starts a small installation, runs the jobs of two users, shows and checks them, and removes everything.

Added to the command line by `app.py`. Exit 0 only if every job succeeded and the recount agrees. However it ends, also by Ctrl-C,
nothing is left running and no temporary folder remains – unless `--keep` asked for it.
"""

import signal
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Self

import typer

from herder.cli.shell.exit_codes import Code, CommandError
from herder.cli.shell.session import Session, session

if TYPE_CHECKING:
    from rich.console import Console

    from herder.demo.demo_server import World

PIPE_WIDTH = 120
"""Columns where there is no terminal to ask."""
_STORIES = {
    "datacentre": ("the datacentre", "proxmox,talos"),
    "clouds": ("the clouds", "gcp"),
}
"""What they are called, and what must be installed for them."""
_ASKED_TO_STOP = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Input = Annotated[
    Path | None,
    typer.Option("--input", metavar="DIR", help="Folder to count, instead of Python's standard library."),
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="Data folder, which is kept (default: a temporary folder that is removed)."
    ),
]
Port = Annotated[
    int, typer.Option(metavar="N", min=0, max=65535, help="Port of the server; 0: any free port.")
]
Keep = Annotated[
    bool, typer.Option("--keep", help="Keep the server running, and print how to reach and stop it.")
]
Datacentre = Annotated[
    bool,
    typer.Option(
        "--datacentre",
        help="Play a datacentre instead: virtual machines of Proxmox VE become nodes of a Kubernetes cluster, in about 80 seconds. Needs the packages herder[proxmox,talos].",
    ),
]
Clouds = Annotated[
    bool,
    typer.Option(
        "--clouds",
        help="Play three clouds instead: one pool on Google Cloud, Azure and AWS, in about half a minute. Needs the package herder[gcp].",
    ),
]


def add_to(app: typer.Typer) -> None:
    app.command("demo", short_help="Run a small installation on this machine for half a minute.")(demo)


def demo(
    ctx: typer.Context,
    source: Input = None,
    data_dir: DataDir = None,
    port: Port = 0,
    keep: Keep = False,
    datacentre: Datacentre = False,
    clouds: Clouds = False,
) -> None:
    """\b
      $ herder demo
      $ herder demo --input src --keep
      $ herder demo --datacentre
      $ herder demo --clouds

    Run a small installation on this machine for half a minute: a server, three pools whose workers are real processes, and two
    users who submit real work. Checks the results, prints the figures and removes everything.
    """
    from herder.demo.demo_server import begin
    from herder.demo.scenario import play
    from herder.demo.source import survey

    say = session(ctx)
    console = _console(say)
    if told := [name for name, asked in (("datacentre", datacentre), ("clouds", clouds)) if asked]:
        _check_alone(told, more=keep or source is not None)
        _play_story(told[0], say, console, data_dir, port)
        return
    found = survey(source)
    with ExitStack() as stack:
        interrupts = stack.enter_context(_Interrupts())
        world = begin(data_dir, port)
        stopping = stack.enter_context(ExitStack())
        stopping.callback(world.stop)
        stopping.callback(interrupts.hold)
        interrupts.let_through()
        try:
            good = play(console, found, world, quiet=say.quiet)
        except KeyboardInterrupt:
            say.say("Stopping the server and its workers …")
            raise
        if keep:
            stopping.pop_all()
            _say_kept(console, world)
    if not good:
        raise typer.Exit(int(Code.FAILURE))


def _check_alone(told: list[str], *, more: bool) -> None:
    if more or len(told) > 1:
        others = "--input and --keep" if more else f"--{told[1]}"
        raise CommandError(f"--{told[0]} excludes {others}.", hint="Name only one of them.", code=Code.USAGE)


def _play_story(name: str, say: Session, console: "Console", data_dir: Path | None, port: int) -> None:
    """Raises CommandError: also when a scene of the story did not happen."""
    title, extras = _STORIES[name]
    try:
        play = import_module(f"herder.demo.{name}.story").play
    except ImportError as error:
        raise CommandError(
            f"The demo of {title} needs the package {error.name}.",
            hint=f"Install it with: pip install 'herder[{extras}]'.",
        ) from None
    with ExitStack() as stack:
        interrupts = stack.enter_context(_Interrupts())
        stopping = stack.enter_context(ExitStack())
        stopping.callback(interrupts.hold)
        try:
            play(console, stopping, data_dir, port, quiet=say.quiet, started=interrupts.let_through)
        except KeyboardInterrupt:
            say.say(f"Stopping the server and {title} …")
            raise
        finally:
            interrupts.hold()


def _say_kept(console: "Console", world: "World") -> None:
    folder, number = world.folder, world.process.pid
    clean = f"   (then remove its data: rm -r {folder})" if world.temporary else ""
    lines = [
        "",
        f"The server keeps running at {world.url}  (process {number}, data in {folder})",
        f"  Command line   export HERDER_DATA_DIR={folder}",
        "                 herder status",
        f"  Dashboard      {world.url}",
        f"                 sign in with the token in {folder}/admin.token",
        f"  Stop           kill {number}{clean}",
    ]
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


class _Interrupts:
    """Ctrl-C, a termination, the terminal's end: all stop the demo, but never while it starts or stops something.

    Those are bounded in time, and half of either would leave something running. (Ignoring the signals instead would not do:
    a child inherits that.)
    """

    def __init__(self) -> None:
        self._held = True
        self._came = False

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._signalled) for number in _ASKED_TO_STOP}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        self._came = True
        if not self._held:
            self._held = True
            raise KeyboardInterrupt

    def hold(self) -> None:
        self._held = True

    def let_through(self) -> None:
        """Raises KeyboardInterrupt when one came meanwhile."""
        self._held = self._came
        if self._came:
            raise KeyboardInterrupt


def _console(say: Session) -> "Console":
    from rich.console import Console

    width = None if say.out.isatty() else PIPE_WIDTH
    return Console(file=say.out, no_color=not say.colored(say.out), highlight=False, width=width)
