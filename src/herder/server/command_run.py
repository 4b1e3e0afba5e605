"""Runs a server as a command: its options from the flags and the files of herder.yaml, and what it says to whoever started it.

Imported by `commands.py` and the demo when a server is to run: other commands need none of this, and start sooner without it.
"""

import asyncio
import contextlib
import logging
import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from herder.bootstraps.registry import settings_faults as bootstrap_faults
from herder.cli.shell.exit_codes import Code, CommandError
from herder.client.connection import state_dir
from herder.drivers.registry import settings_faults
from herder.observability.logs import LogFormat, LogLevel, set_up
from herder.server.allocator import return_large_blocks
from herder.server.http.connections import HttpLimits
from herder.server.options import ADMIN_TOKEN, ServerOptions, StartError
from herder.settings.lint import lint
from herder.settings.load import Settings, load
from herder.settings.sections.budgets import budgets_to_plain
from herder.settings.sections.jobs.sharing import sharing_to_plain
from herder.settings.sections.pool.presets import local_defaults
from herder.settings.sections.server import DriverSettings, ServerSettings
from herder.settings.syntax.problems import SettingsError, Severity
from herder.wire.worker import startup

if TYPE_CHECKING:
    from herder.model.values.resources import Resources
    from herder.server.runtime import Running


log = logging.getLogger(__name__)


def run_here(options: ServerOptions, machine: "Resources") -> None:
    """`herder up`: pools that fit this machine where no file names others; its workers end with it."""
    run_told(replace(options, default_pools=local_defaults(machine), stop_workers=True), hint=True)


def run_told(options: ServerOptions, *, hint: bool = False) -> None:
    def started(running: "Running") -> None:
        with contextlib.suppress(OSError):  # a server whose terminal is full or gone runs all the same
            if options.log_format is LogFormat.JSON:
                log.info("The server listens on %s. Its data is in %s.", running.url, options.data_dir)
            else:
                say(options, running.url, hint)

    run_server(options, started)


def run_server(options: ServerOptions, started: Callable[["Running"], None]) -> None:
    """Run until stopped; ends the command with its exit code."""
    import uvloop

    from herder.server.runtime import serve

    usual = LogLevel.INFO if options.log_format is LogFormat.JSON else LogLevel.WARNING
    set_up(options.log_format, options.log_level or usual, "%(asctime)s %(levelname)s %(name)s: %(message)s")
    os.environ[startup.LOG_FORMAT] = options.log_format  # of workers on this machine, too
    # Beside a busy loop the writer's thread would wait 5 ms each time it needs the interpreter.
    sys.setswitchinterval(0.001)
    return_large_blocks()
    try:
        code = uvloop.run(serve(options, started, _log if options.log_format is LogFormat.JSON else tell))
    except StartError as error:
        raise CommandError(str(error), hint=error.hint, code=Code.CONFLICT) from None
    except (KeyboardInterrupt, asyncio.CancelledError):
        code = Code.INTERRUPTED
    if code:
        raise typer.Exit(code)


def _log(text: str) -> None:
    """Where lines are for machines, what people are told is one of them."""
    log.info("%s", text)


def tell(text: str) -> None:
    """To whoever started the server, also when its terminal has gone."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


def say(options: ServerOptions, url: str, hint: bool) -> None:
    from rich.console import Console

    console = Console(stderr=True)
    console.print(f"[bold]Herder[/] listens on {url}  (data in {options.data_dir})", highlight=False)
    if options.insecure:
        console.print("[yellow]No TLS: tokens are sent unencrypted to this address (--insecure).[/]")
    token = options.data_dir / ADMIN_TOKEN
    console.print(f"  dashboard: {url}/\n  its token: {token}", highlight=False, soft_wrap=True)
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


def options_of(
    data_dir: Path | None,
    config: list[Path] | None,
    host: str | None,
    port: int | None,
    store: str | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    insecure: bool,
    public_url: str | None,
    *,
    secrets_key_file: Path | None = None,
    log_format: LogFormat | None = None,
    log_level: LogLevel | None = None,
) -> ServerOptions:
    """Flags win over the file, the file over the defaults."""
    settings = _read(config) if config else Settings()
    said = settings.server
    folder = data_dir or (Path(said.data_dir).expanduser() if said.data_dir else state_dir())
    shared = sharing_to_plain(settings.sharing)
    flags = (data_dir, config, host, port, store, tls_cert, tls_key, insecure, public_url)
    return ServerOptions(
        again=partial(options_of, *flags, secrets_key_file=secrets_key_file) if config else None,
        data_dir=folder,
        host=host or said.host,
        port=port if port is not None else said.port,
        store_url=store or said.store_url,
        public_url=public_url or said.public_url,
        tls_cert=tls_cert,
        tls_key=tls_key,
        insecure=insecure,
        secrets_key_file=secrets_key_file,
        resources=settings.resources,
        pools=settings.pools or None,
        users=settings.users,
        sharing={section: shared[section] for section in settings.sharing_sections},
        budgets=budgets_to_plain(settings.budgets),
        drivers=_with_local(settings.drivers),
        metric_sources=settings.metric_sources,
        object_stores=settings.object_stores,
        intakes=settings.intakes,
        clusters=settings.clusters,
        bootstraps=settings.bootstraps,
        queued_jobs_per_user=said.queued_jobs_per_user,
        queued_bytes_per_user=None if said.queued_mib_per_user is None else said.queued_mib_per_user * 2**20,
        log_bytes_per_attempt=None if said.log_mib_per_attempt is None else said.log_mib_per_attempt * 2**20,
        budget_quantum_s=said.budget_quantum_s,
        log_format=log_format or said.log_format,
        log_level=log_level or said.log_level,
        http=_http_limits(said),
        sweep=settings.sweep,
        sweep_period_s=settings.sweep.period_s,
        retention=settings.retention,
        callbacks=settings.callbacks,
        alerts=settings.alerts,
        recommendations=settings.recommendations,
        traces=settings.traces,
    )


def _with_local(drivers: tuple[DriverSettings, ...]) -> tuple[DriverSettings, ...]:
    if any(driver.name == "local" for driver in drivers):
        return drivers
    return (*drivers, DriverSettings(name="local", kind="local"))


def _read(files: list[Path]) -> Settings:
    """Raises SettingsError with every fault, those of drivers and bootstraps too."""
    settings = load(files)
    found = lint(settings, driver_faults=settings_faults, bootstrap_faults=bootstrap_faults)
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
