"""One run of the command: global options, connection and printer. Created by `main.run`.

Commands take theirs with `session(ctx)`. Opens the connection when it is first used.
"""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, TextIO

import typer

from herder.cli.output.fitting import sentences
from herder.cli.output.formats import ColorWhen, Format
from herder.cli.output.humanize import visible
from herder.cli.output.printer import Printer
from herder.cli.output.rows import View
from herder.cli.shell.exit_codes import Code, CommandError
from herder.client.errors import NotFoundError
from herder.client.http import clock
from herder.model.values.phrases import clause

if TYPE_CHECKING:
    from herder.client import HerderClient, Target


#: Answers to writes, which are shown as data only.
ANSWERS = View(noun="answer", name=lambda answer: str(answer.object), columns=(), empty="")


class Told(Protocol):
    """An answer to a write."""

    @property
    def text(self) -> str: ...


@dataclass
class Session:
    output: Format | None = None
    no_headers: bool = False
    server: str | None = None
    profile: str | None = None
    token_file: str | None = None
    color: ColorWhen = ColorWhen.AUTO
    quiet: bool = False
    debug: bool = False
    command: object | None = None
    """The one that runs, with its options."""
    out: TextIO = field(default_factory=lambda: sys.stdout)
    err: TextIO = field(default_factory=lambda: sys.stderr)

    @property
    def format(self) -> Format:
        return self.output or Format.TABLE

    @cached_property
    def printer(self) -> Printer:
        return Printer(
            format=self.format,
            headers=not self.no_headers,
            pretty=self.colored(self.out),
            out=self.out,
            now_s=clock.now_s(),
            note=self.say,
        )

    def colored(self, stream: TextIO) -> bool:
        if self.color is not ColorWhen.AUTO:
            return self.color is ColorWhen.ALWAYS
        return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    @property
    def target(self) -> "Target":
        from herder.client import find_target

        return find_target(url=self.server, token_file=self.token_file, profile=self.profile)

    @cached_property
    def client(self) -> "HerderClient":
        target = self.target
        return self.client_with(target, target.token)

    def client_with(self, target: "Target", token: str | None) -> "HerderClient":
        """Another one, which the caller closes."""
        from herder.client import HerderClient

        client = HerderClient(target.url, token)
        client.http.told = self.say
        return client

    @contextmanager
    def patient(self) -> Iterator[None]:
        """The server has answered, so calls that are made meanwhile wait for it through a restart."""
        if "client" not in self.__dict__:
            yield
            return
        with self.client.http.patient():
            yield

    def hear(self, told: Callable[[str], None]) -> None:
        """What shows that the server does not answer; as long as nothing else is set, `say`."""
        if "client" in self.__dict__:
            self.client.http.told = told

    def close(self) -> None:
        if "client" in self.__dict__:
            self.client.close()

    def say(self, text: str) -> None:
        """Talk for people: on stderr, and not with --quiet."""
        if not self.quiet:
            self.err.write(sentences(visible(text), self.err) + "\n")
            self.err.flush()

    def done(self, text: str, struct: object, name: str | int) -> None:
        """The outcome of a write: a sentence, or with -o the answer as data (in CSV a row)."""
        if self.format is Format.NAME:
            self.printer.line(str(name))
        elif self.format in (Format.TABLE, Format.WIDE):
            self.printer.prose(text)
        elif self.format is Format.CSV:
            self.printer.fields(struct)
        else:
            self.printer.data(struct)

    def all_done(self, told: Sequence[tuple[str | int, Told]], note: str = "") -> None:
        """The outcomes of one write for each of several things, by name: sentences, or with -o the answers as data. `note`: after each."""
        if len(told) != 1 and self.format in (Format.JSON, Format.YAML):
            self.printer.items(ANSWERS, [struct for _, struct in told])
            return
        for name, struct in told:
            self.done(struct.text + note, struct, name)

    def confirm(self, effect: str, *, yes: bool, has_dry_run: bool = True) -> None:
        """Asks on a terminal before something is destroyed; elsewhere --yes must have been given."""
        if yes:
            return
        if not (sys.stdin.isatty() and self.err.isatty()):
            raise CommandError(
                f"This command needs confirmation, but there is no terminal to ask: {clause(effect)}.",
                hint="Preview it with --dry-run, then add --yes." if has_dry_run else "Add --yes.",
                code=Code.USAGE,
            )
        self.err.write(f"{sentences(visible(effect), self.err)}\nContinue? [y/N] ")
        self.err.flush()
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise CommandError("Nothing was done.", hint="You answered no.", word="declined")


def session(ctx: typer.Context) -> Session:
    found = ctx.find_root().obj
    assert isinstance(found, Session), "commands run through herder.cli.shell.main.run"
    found.command = ctx.command
    return found


@contextmanager
def suggesting(say: Session, noun: str, name: str) -> Iterator[None]:
    """Adds names that are near to a NotFoundError for a pool or a worker."""
    try:
        yield
    except NotFoundError as error:
        from herder.settings.syntax.problems import did_you_mean

        known = [pool.name for pool in say.client.pools.list()] if noun == "pool" else []
        if noun == "driver":
            known = [driver.name for driver in say.client.drivers.list()]
        if noun == "worker":
            known = [worker.name for worker in say.client.workers.list(limit=1000)]
        if name in known:  # something of it is not there
            raise
        if known:
            error.hint = did_you_mean(name, known[:1000]) if len(known) <= 20 else near_only(name, known)
        error.hint = error.hint or f"`herder {noun} list` shows all {noun}s."
        raise


def near_only(name: str, known: list[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, known, n=3)
    return "Did you mean " + " or ".join(repr(each) for each in near) + "?" if near else ""


@contextmanager
def detaching(what: str, resume: str) -> Iterator[None]:
    """Ctrl-C leaves what was waited for alone, and says how to come back to it."""
    try:
        yield
    except KeyboardInterrupt:
        raise CommandError(
            f"Stopped waiting; {what} continues.", hint=f"Continue with `{resume}`.", code=Code.INTERRUPTED
        ) from None
