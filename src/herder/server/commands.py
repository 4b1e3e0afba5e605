"""The commands that run a server or an agent: `up`, `server`, `agent`, `admin`. Added to the CLI by `app.py`."""

import asyncio
import contextlib
import logging
import os
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from herder.cli.shell.commands import command
from herder.cli.shell.exit_codes import Code, CommandError
from herder.cli.shell.machine import this_machine
from herder.client.connection import state_dir
from herder.drivers.registry import settings_faults
from herder.model.values.phrases import clause
from herder.server import admin
from herder.server.connections import HttpLimits
from herder.server.data_options import DataDir, Store
from herder.server.options import ADMIN_TOKEN, ServerOptions, StartError
from herder.settings import Settings, SettingsError, Severity, lint, load, local_defaults, sharing_to_plain
from herder.settings.sections.server import DriverSettings, ServerSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from herder.agent.environment.settings import AgentSettings
    from herder.server.runtime import Running

ConfigFiles = Annotated[
    list[Path] | None,
    typer.Option("--config", "-c", help="herder.yaml or a folder with such files. Repeatable."),
]
Host = Annotated[str | None, typer.Option(help="Address to listen on (default: loopback only).")]
Port = Annotated[
    int | None, typer.Option(min=0, max=65535, help="Port; 0 takes any free port (default: 8765).")
]
TlsCert = Annotated[Path | None, typer.Option(help="Certificate file (PEM).")]
TlsKey = Annotated[Path | None, typer.Option(help="Key file of the certificate (PEM).")]
Insecure = Annotated[bool, typer.Option("--insecure", help="Allow a public address without TLS.")]
PublicUrl = Annotated[str | None, typer.Option(help="Address at which workers reach the server.")]

_SERVER_EXAMPLE = (
    "herder server -c herder.yaml\nherder server --host 10.0.0.5 --tls-cert server.pem --tls-key server.key"
)
_AGENT_EXAMPLE = "HERDER_JOIN_TOKEN=TOKEN herder agent --server https://herder.example:8765"
_NEW_TOKEN = "Create a new token with `herder worker add POOL`."


def add_to(app: typer.Typer) -> None:
    command(app, "up", example="herder up\nherder up -c herder.yaml --port 9000")(up)
    command(app, "server", example=_SERVER_EXAMPLE)(server)
    command(app, "agent", example=_AGENT_EXAMPLE)(agent)
    app.add_typer(admin.build(), name="admin")


def up(
    data_dir: DataDir = None,
    config: ConfigFiles = None,
    host: Host = None,
    port: Port = None,
    store: Store = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    insecure: Insecure = False,
    public_url: PublicUrl = None,
) -> None:
    """Run a server on this machine, with workers as local processes.

    Ctrl-C, SIGTERM and SIGHUP stop the server and its workers; accepted jobs are kept. Running jobs get SIGTERM and a few seconds to end;
    a second Ctrl-C stops them at once. Without --config, pools that fit this machine are created.
    """
    options = _options(data_dir, config, host, port, store, tls_cert, tls_key, insecure, public_url)
    options = replace(options, default_pools=local_defaults(this_machine()))
    _serve(replace(options, stop_workers=True), hint=True)


def server(
    data_dir: DataDir = None,
    config: ConfigFiles = None,
    host: Host = None,
    port: Port = None,
    store: Store = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    insecure: Insecure = False,
    public_url: PublicUrl = None,
) -> None:
    """Run a server for workers on other machines.

    Workers keep running when the server is stopped, and rejoin when it is started again. SIGHUP reads the files of --config again and applies
    pools, users and sharing; if a file has an error, nothing is changed.
    """
    _serve(_options(data_dir, config, host, port, store, tls_cert, tls_key, insecure, public_url), hint=False)


def agent(
    server: Annotated[
        str | None, typer.Option(help="Address of the server (default: $HERDER_SERVER).")
    ] = None,
    worker: Annotated[str | None, typer.Option(help="Name of this worker (default: $HERDER_WORKER).")] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="File (mode 0600) with the one-time activation token.")
    ] = None,
    work_folder: Annotated[
        Path | None, typer.Option(help="Folder for the scratch folders of attempts.")
    ] = None,
) -> None:
    """Run the agent of a worker on this machine, until the server removes the worker or Ctrl-C.

    Drivers start the agent on the workers they create. To add a machine by hand, call `herder worker add POOL` and run the printed command on
    the machine. The token is in the environment, so that other users of the machine cannot read it from the list of processes.
    """
    from herder.agent.environment.settings import SettingsError, from_environment
    from herder.agent.main import run
    from herder.wire import startup

    environment = dict(os.environ)
    for name, value in (
        (startup.SERVER, server),
        (startup.WORKER, worker),
        (startup.ACTIVATION_TOKEN_FILE, token_file),
        (startup.WORK_FOLDER, work_folder),
    ):
        if value is not None:
            environment[name] = str(value)
    try:
        settings = from_environment(environment)
        settings = _joined(settings) if settings.joins else settings
    except SettingsError as error:
        raise CommandError(str(error), code=Code.USAGE) from None
    for name in (startup.ACTIVATION_TOKEN, startup.JOIN_TOKEN):
        os.environ.pop(name, None)
    raise typer.Exit(run(settings))


def _joined(settings: "AgentSettings") -> "AgentSettings":
    """As the worker that a machine of a join token is. Raises CommandError and SettingsError."""
    from herder.agent.protocol.joining import Refused, Rejected, Unreachable, join

    try:
        found = join(settings)
    except Refused as error:
        raise CommandError(
            f"The server refused this machine: {clause(error)}.", hint=_NEW_TOKEN, code=Code.NOT_ALLOWED
        ) from None
    except Rejected as error:
        raise CommandError(f"This machine cannot join: {clause(error)}.", code=Code.CONFLICT) from None
    except Unreachable as error:
        hint = "Check the address, and that the server listens on it for other machines (--host)."
        raise CommandError(
            f"The server at {settings.server_url} does not answer: {clause(error)}.",
            hint=hint,
            code=Code.UNREACHABLE,
        ) from None
    _tell(f"This machine is worker {found.worker} of {found.server_url}. Press Ctrl-C to stop it.")
    return found


def _options(
    data_dir: Path | None,
    config: list[Path] | None,
    host: str | None,
    port: int | None,
    store: str | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    insecure: bool,
    public_url: str | None,
) -> ServerOptions:
    """Flags win over the file, the file over the defaults."""
    settings = _read(config) if config else Settings()
    said = settings.server
    folder = data_dir or (Path(said.data_dir).expanduser() if said.data_dir else state_dir())
    drivers = settings.drivers
    if not any(driver.name == "local" for driver in drivers):
        drivers = (*drivers, DriverSettings(name="local", kind="local"))
    shared = sharing_to_plain(settings.sharing)

    def again() -> ServerOptions:
        return _options(data_dir, config, host, port, store, tls_cert, tls_key, insecure, public_url)

    return ServerOptions(
        again=again if config else None,
        data_dir=folder,
        host=host or said.host,
        port=port if port is not None else said.port,
        store_url=store or said.store_url,
        public_url=public_url or said.public_url,
        tls_cert=tls_cert,
        tls_key=tls_key,
        insecure=insecure,
        resources=settings.resources,
        pools=settings.pools or None,
        users=settings.users,
        sharing={section: shared[section] for section in settings.sharing_sections},
        drivers=drivers,
        metric_sources=settings.metric_sources,
        clusters=settings.clusters,
        queued_jobs_per_user=said.queued_jobs_per_user,
        queued_bytes_per_user=None if said.queued_mib_per_user is None else said.queued_mib_per_user * 2**20,
        log_bytes_per_attempt=None if said.log_mib_per_attempt is None else said.log_mib_per_attempt * 2**20,
        http=_http_limits(said),
        sweep=settings.sweep,
        sweep_period_s=settings.sweep.period_s,
        retention=settings.retention,
    )


def _read(files: list[Path]) -> Settings:
    """Raises SettingsError with every fault, those of drivers too."""
    settings = load(files)
    found = lint(settings, driver_faults=settings_faults)
    faults = [problem for problem in found if problem.severity is Severity.ERROR]
    if faults:
        raise SettingsError(faults)
    return settings


def _http_limits(said: ServerSettings) -> HttpLimits:
    usual = HttpLimits()
    return replace(
        usual,
        connections_max=said.max_connections or usual.connections_max,
        strangers_per_address_max=said.max_connections_per_address or usual.strangers_per_address_max,
        per_owner_max=said.max_connections_per_user or usual.per_owner_max,
    )


def _serve(options: ServerOptions, *, hint: bool) -> None:
    def started(running: "Running") -> None:
        with contextlib.suppress(OSError):  # a server whose terminal is full or gone runs all the same
            _say(options, running.url, hint)

    run_server(options, started)


def run_server(options: ServerOptions, started: "Callable[[Running], None]") -> None:
    """Run until stopped; ends the command with its exit code."""
    import uvloop

    from herder.server.runtime import serve

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # Beside a busy loop the writer's thread would wait 5 ms each time it needs the interpreter.
    sys.setswitchinterval(0.001)
    try:
        code = uvloop.run(serve(options, started, _tell))
    except StartError as error:
        raise CommandError(str(error), hint=error.hint, code=Code.CONFLICT) from None
    except (KeyboardInterrupt, asyncio.CancelledError):
        code = Code.INTERRUPTED
    if code:
        raise typer.Exit(code)


def _tell(text: str) -> None:
    """To whoever started the server, also when its terminal has gone."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


def _say(options: ServerOptions, url: str, hint: bool) -> None:
    from rich.console import Console

    console = Console(stderr=True)
    console.print(f"[bold]Herder[/] listens on {url}  (data in {options.data_dir})", highlight=False)
    if options.insecure:
        console.print("[yellow]No TLS: tokens are sent unencrypted to this address (--insecure).[/]")
    token = options.data_dir / ADMIN_TOKEN
    console.print(
        f"  dashboard: {url}/  (sign in with the token in {token})", highlight=False, soft_wrap=True
    )
    if hint:
        if options.data_dir.resolve() != state_dir().resolve():  # else the command line would look elsewhere
            where = shlex.quote(str(options.data_dir.resolve()))
            console.print(
                f"  export HERDER_DATA_DIR={where}   first, in the shell of these commands",
                highlight=False,
                markup=False,
                soft_wrap=True,
            )
        console.print("  herder status                    the state of the fleet", highlight=False)
        console.print("  herder job submit -- echo hello  a first job", highlight=False)
        console.print("Press Ctrl-C to stop the server and its workers.", highlight=False)
