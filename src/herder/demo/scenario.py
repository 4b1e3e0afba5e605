"""The steps of the demo: wait for the server, run the jobs of two users, count again, wait until the burst workers are removed, report.

Called by `command.py`, which starts the server before and stops it after. All imports are here at the top, and so done while
interrupts are still held: one that comes in the middle of an import may change the exit code (CPython).
"""

from contextlib import ExitStack

from rich.console import Console

from herder.client.http import clock
from herder.demo.demo_server import USERS, World, wait_until_it_answers
from herder.demo.recount import Recount, recount
from herder.demo.screen import open_screen
from herder.demo.source import Group, Source, deal
from herder.demo.summary import judge, tell
from herder.demo.work import Watching, read_back, run_batches, wait_for_shrinking


def play(console: Console, source: Source, world: World, *, quiet: bool) -> bool:
    """The whole play, told at its end; whether everything was as it should be."""
    began_s = clock.monotonic_s()
    dealt = deal(source.groups, USERS)
    with open_screen(console, quiet=quiet) as screen, ExitStack() as stack:
        screen.say(f"Starting a server with its data in {world.folder} …")
        wait_until_it_answers(world)
        screen.say(f"The server listens on {world.url}")
        watching = Watching(
            clients={user: stack.enter_context(world.client(user)) for user in dealt},
            jobs_total=sum(len(groups) + 1 for groups in dealt.values()),
            show=screen.show,
            alive=lambda: world.running,
            began_s=began_s,
        )
        batches = run_batches(watching, source, dealt)
        recounts = _recounts(watching, source, dealt)
        wait_for_shrinking(watching)
        outcome = read_back(watching, batches)
    verdict = judge(outcome, recounts)
    tell(console, source, outcome, recounts, verdict, clock.monotonic_s() - began_s)
    return verdict.good


def _recounts(watching: Watching, source: Source, dealt: dict[str, list[Group]]) -> dict[str, Recount]:
    """Done while the burst workers become idle and go."""

    def between() -> None:
        watching.look()

    found = {}
    for user, groups in dealt.items():
        watching.phase = f"the files of {user} are counted again in this process"
        files = [name for group in groups for name in group.files]
        found[user] = recount(source.root, files, between)
    return found
