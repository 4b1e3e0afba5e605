"""The commands that run a server or an agent: `up`, `server`, `agent`. Added to the CLI by `app.py`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from herder.cli.shell.commands import command
from herder.cli.shell.exit_codes import Code, CommandError
from herder.model.values.phrases import clause
from herder.observability.logs import LogFormat
from herder.server.data.options import (
    AgentLogLevel,
    DataDir,
    LogFormatOption,
    LogLevelOption,
    SecretsKeyFile,
    Store,
)

if TYPE_CHECKING:
    from herder.agent.environment.settings import AgentSettings

ConfigFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--config", "-c", "--file", "-f", help="herder.yaml or a folder with such files. Repeatable."
    ),
]
Host = Annotated[str | None, typer.Option(help="Address to listen on (default: loopback only).")]
Port = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=65535,
        help="Port; 0 takes the last one of this data folder if it is free, else any (default: 8765).",
    ),
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
    *,
    secrets_key_file: SecretsKeyFile = None,
    log_format: LogFormatOption = None,
    log_level: LogLevelOption = None,
) -> None:
    """Run a server on this machine, with workers as local processes.

    Ctrl-C, SIGTERM and SIGHUP stop the server and its workers; accepted jobs are kept. Running jobs get SIGTERM and a few seconds to end;
    a second Ctrl-C stops them at once. Without --config, pools that fit this machine are created.
    """
    from herder.cli.shell.machine import this_machine
    from herder.server.command_run import options_of, run_here

    options = options_of(
        data_dir,
        config,
        host,
        port,
        store,
        tls_cert,
        tls_key,
        insecure,
        public_url,
        secrets_key_file=secrets_key_file,
        log_format=log_format,
        log_level=log_level,
    )
    run_here(options, this_machine())


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
    *,
    secrets_key_file: SecretsKeyFile = None,
    log_format: LogFormatOption = None,
    log_level: LogLevelOption = None,
) -> None:
    """Run a server for workers on other machines.

    Workers keep running when the server is stopped, and rejoin when it is started again. SIGHUP reads the files of --config again and applies
    pools, users and sharing; if a file has an error, nothing is changed.
    """
    from herder.server.command_run import options_of, run_told

    options = options_of(
        data_dir,
        config,
        host,
        port,
        store,
        tls_cert,
        tls_key,
        insecure,
        public_url,
        secrets_key_file=secrets_key_file,
        log_format=log_format,
        log_level=log_level,
    )
    run_told(options)


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
    one_job: Annotated[
        bool, typer.Option("--one-job", help="Leave after one job, when the server knows its end.")
    ] = False,
    log_format: LogFormatOption = None,
    log_level: AgentLogLevel = None,
) -> None:
    """Run the agent of a worker on this machine, until the server removes the worker or Ctrl-C.

    Drivers start the agent on the workers they create. To add a machine by hand, call `herder worker add POOL` and run the printed command on
    the machine. The token is in the environment, so that other users of the machine cannot read it from the list of processes.
    """
    from herder.agent.environment.settings import SettingsError, from_environment
    from herder.agent.main import run
    from herder.wire.worker import startup

    environment = dict(os.environ)
    for name, value in (
        (startup.SERVER, server),
        (startup.WORKER, worker),
        (startup.ACTIVATION_TOKEN_FILE, token_file),
        (startup.WORK_FOLDER, work_folder),
        (startup.ONE_JOB, "on" if one_job else None),
        (startup.LOG_FORMAT, log_format),
        (startup.LOG_LEVEL, log_level),
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
    from herder.server.command_run import tell

    if found.log_format is not LogFormat.JSON:  # else a line of the log names the worker
        tell(f"This machine is worker {found.worker} of {found.server_url}. Press Ctrl-C to stop it.")
    return found
