"""`herder doctor`: one look at all that a server needs, with the remedy of what is wrong."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from herder import __version__
from herder.cli.shell.commands import command
from herder.cli.shell.exit_codes import Code
from herder.cli.shell.session import Session, session
from herder.cli.views.doctor import FINDINGS, Finding
from herder.client.errors import ClientError, NotAllowedError
from herder.client.http import clock
from herder.model.values.phrases import counted

if TYPE_CHECKING:
    from herder.wire.api.bootstraps import BootstrapChecks
    from herder.wire.api.clusters import ClusterChecks
    from herder.wire.api.drivers import DriverChecks
    from herder.wire.api.resources import Status

Local = Callable[[Path | None, str | None], Iterable[Finding]]
"""Of a data folder and a store: what can be looked at without a server."""


#: Tokens and leases bear this much; logs of two machines that differ by more are hard to read.
CLOCK_MOST_S = 5.0


def add_to(app: typer.Typer, local: Local) -> None:
    def doctor(
        ctx: typer.Context,
        data_dir: Annotated[
            Path | None, typer.Option("--data-dir", envvar="HERDER_DATA_DIR", help="Data folder of the server, on its own machine.")
        ] = None,
        store: Annotated[
            str | None, typer.Option("--store", metavar="URL", envvar="HERDER_STORE", help="Database URL of the server.")
        ] = None,
    ) -> None:  # fmt: skip
        """Check the server, its store, disk and clock, and all drivers, clusters and bootstraps.

        Nothing is changed. What cannot be asked is `unknown`. On the machine of the server the data
        folder is checked too, also when no server runs. The exit code is 1 when a check has an error.
        """
        say = session(ctx)
        found = [*_of_server(say), *local(data_dir, store)]
        say.printer.items(FINDINGS, found)
        wrong = sum(row.state == "error" for row in found)
        warned = sum(row.state == "warning" for row in found)
        say.say(f"{counted(len(found), 'check')}: {counted(wrong, 'error')}, {counted(warned, 'warning')}.")
        if wrong:
            raise typer.Exit(Code.FAILURE)

    command(app, "doctor", example="herder doctor\nherder doctor -o json")(doctor)


def _of_server(say: Session) -> Iterator[Finding]:
    try:
        before_s = clock.now_s()
        status = say.client.status()
        after_s = clock.now_s()
    except ClientError as error:
        yield Finding(check="server", state="error", detail=error.message, remedy=error.hint)
        return
    yield _version(status)
    yield _clock(status, before_s, after_s)
    yield from _ready(say)
    for text in status.attention:
        yield Finding(check="attention", state="warning", detail=text)
    yield from _agents(say, status)
    client = say.client
    for driver in client.drivers.list():
        yield from _checks(say, f"driver {driver.name}", partial(client.drivers.check, driver.name))
    for cluster in client.clusters.list():
        yield from _checks(say, f"cluster {cluster.name}", partial(client.clusters.check, cluster.name))
    for bootstrap in client.bootstraps.list():
        yield from _checks(
            say, f"bootstrap {bootstrap.name}", partial(client.bootstraps.check, bootstrap.name)
        )


def _version(status: "Status") -> Finding:
    text = f"The server answers; it has version {status.version}."
    if status.version == __version__:
        return Finding(check="server", state="ok", detail=text)
    return Finding(
        check="server",
        state="warning",
        detail=f"{text} This command has version {__version__}.",
        remedy="Install the same version on both.",
    )


def _clock(status: "Status", before_s: float, after_s: float) -> Finding:
    server_s = datetime.fromisoformat(status.now).timestamp()
    ahead = max(before_s - server_s, server_s - after_s, 0.0)
    if ahead <= CLOCK_MOST_S:
        return Finding(
            check="clock", state="ok", detail="The clocks of this machine and of the server agree."
        )
    return Finding(
        check="clock",
        state="warning",
        detail=f"The clocks of this machine and of the server differ by {ahead:,.0f} s.",
        remedy="Synchronise both with NTP.",
    )


def _ready(say: Session) -> Iterator[Finding]:
    try:
        say.client.ready()
    except ClientError as error:
        yield Finding(check="writes", state="error", detail=error.message, remedy=error.hint)
    else:
        yield Finding(check="writes", state="ok", detail="The store takes writes.")


def _agents(say: Session, status: "Status") -> Iterator[Finding]:
    old = [
        worker.name
        for worker in say.client.workers.list()
        if worker.agent_version and worker.agent_version != status.version
    ]
    if old:
        yield Finding(
            check="agents",
            state="warning",
            detail=f"{counted(len(old), 'worker')} of another version than the server, such as {old[0]}.",
            remedy="Replace them: `herder worker drain NAME`. Templates and images should have the server's version.",
        )


def _checks(
    say: Session, what: str, ask: "Callable[[], ClusterChecks | BootstrapChecks | DriverChecks]"
) -> Iterator[Finding]:
    say.say(f"Checking {what} …")
    try:
        rows = ask().checks
    except NotAllowedError as error:
        yield Finding(check=what, state="unknown", detail=error.message, remedy=error.hint)
    except ClientError as error:
        yield Finding(check=what, state="error", detail=error.message, remedy=error.hint)
    else:
        for row in rows:
            yield Finding(
                check=f"{what}: {row.name}",
                state="ok" if row.passed else "error",
                detail=row.detail,
                remedy=row.remedy,
            )
