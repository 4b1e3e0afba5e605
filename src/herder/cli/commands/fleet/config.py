"""`herder config`: show and check settings files, and show where the settings of the command itself come from."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from herder.cli.output.formats import Format
from herder.cli.shell.commands import command, noun
from herder.cli.shell.exit_codes import Code
from herder.cli.shell.machine import this_machine
from herder.cli.shell.options import usage
from herder.cli.shell.session import Session, session

if TYPE_CHECKING:
    from herder.settings import BootstrapFaults, DriverFaults
    from herder.settings.imports.result import Imported

_FILES = Annotated[
    list[str] | None,
    typer.Option(
        "--file",
        "-f",
        "--config",
        "-c",
        metavar="PATH",
        help="File or folder of settings. Repeatable. Default: herder.yaml in this folder.",
    ),
]
_DEFAULT = ["herder.yaml"]
_CORTEX = "herder config import-cortex worker-pools.json\nherder config import-cortex worker-pools.json --write imported.yaml"
_ROSA = "herder config import-rosa machine-pools.tf\nherder config import-rosa machine-pools.tf --write imported.yaml"
_Write = Annotated[
    str | None,
    typer.Option("--write", metavar="PATH", help="File to write; it must not exist. Default: stdout."),
]


def build(
    driver_faults: "DriverFaults | None" = None, bootstrap_faults: "BootstrapFaults | None" = None
) -> typer.Typer:
    """`driver_faults`, `bootstrap_faults`: what is known of drivers and bootstraps; the command line itself knows none."""
    app = noun("Show and check settings files.", example="herder config lint -f herder.yaml")
    command(app, "show", example="herder config show -f herder.yaml --expanded")(show)
    command(app, "lint", example="herder config lint -f herder.yaml")(_check(driver_faults, bootstrap_faults))
    command(app, "schema", example="herder config schema > herder.schema.json")(schema)
    command(app, "import-cortex", example=_CORTEX)(import_cortex)
    command(app, "import-rosa", example=_ROSA)(import_rosa)
    command(app, "view", example="herder config view --origin")(view)
    return app


def show(
    ctx: typer.Context,
    file: _FILES = None,
    expanded: Annotated[bool, typer.Option("--expanded", help="Fill in presets and defaults.")] = False,
) -> None:
    """Show settings files merged into one, as YAML or with -o json."""
    from herder.settings import as_written, without_passwords
    from herder.settings import expanded as expand
    from herder.settings.load import load

    say = session(ctx)
    settings = load(file or _DEFAULT)
    if say.format in (Format.CSV, Format.NAME):
        raise usage("Settings cannot be shown as CSV or as a list of names.", hint="Use -o yaml or -o json.")
    plain = without_passwords(expand(settings) if expanded else as_written(settings))
    if say.format is Format.JSON:
        say.printer.data(plain)
    else:
        say.printer.yaml(plain)


def _check(
    driver_faults: "DriverFaults | None", bootstrap_faults: "BootstrapFaults | None"
) -> Callable[..., None]:
    def check(
        ctx: typer.Context,
        file: _FILES = None,
        strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 on warnings too.")] = False,
    ) -> None:
        """Check settings files for errors and contradictions.

        Templates of the driver local are compared with this machine, unless the driver's settings name another machine. The exit code is 1 when
        there are errors, and with --strict also when there are warnings. Needs no server and changes nothing.
        """
        from herder.cli.views.findings import show_findings
        from herder.settings import SettingsError, Severity
        from herder.settings.lint import lint
        from herder.settings.load import load

        say = session(ctx)
        try:
            found = lint(load(file or _DEFAULT), this_machine(), driver_faults, bootstrap_faults)
        except SettingsError as error:
            found = error.problems
        show_findings(say, found)
        bad = {Severity.ERROR, Severity.WARNING} if strict else {Severity.ERROR}
        if any(problem.severity in bad for problem in found):
            raise typer.Exit(Code.FAILURE)

    return check


def schema(ctx: typer.Context) -> None:
    """Print the JSON schema of herder.yaml, for editors."""
    import json

    from herder.settings.json_schema import json_schema

    session(ctx).printer.line(json.dumps(json_schema(), indent=2))


def import_cortex(
    ctx: typer.Context,
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="worker-pools.json, cost-tracking.json or mcp-scaling.json of Cortex; - is stdin.",
        ),
    ],
    write: _Write = None,
) -> None:
    """Write a herder.yaml from a file of Cortex: pools from worker-pools.json, alerts and budgets from cost-tracking.json, MCP servers from mcp-scaling.json.

    Reads PROXMOX_URL, PROXMOX_TOKEN_ID, TALOS_CLUSTER and TALOS_ENDPOINT of the environment. A secret such as PROXMOX_TOKEN_SECRET is never written:
    the file names the variable.

    Says on stderr, and as comments in the file, what contradicts itself, what is to be done by hand and what was not taken over.
    """
    from herder.settings.cortex.importing import imported, written

    say = session(ctx)
    found = imported(_text_of(file), file, os.environ)
    _answer(say, found, written(found, file), write)


def import_rosa(
    ctx: typer.Context,
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="The file of Terraform with the block of the ROSA module, or its .tfvars; - is stdin.",
        ),
    ],
    write: _Write = None,
) -> None:
    """Write a herder.yaml from machine pools of the ROSA module.

    Reads the variables additional_pool_… and gpu_spot_…, and the list machine_pools. A value that only Terraform knows, such as module.x.y, is written
    as <fill in: module.x.y>; the file has errors until you replace it. Needs the package herder[rosa].

    Says on stderr, and as comments in the file, what is to be done by hand and what was not taken over.
    """
    from herder.settings.rosa.importing import imported, written

    say = session(ctx)
    found = imported(_text_of(file), file)
    _answer(say, found, written(found, file), write)


def _text_of(file: str) -> str:
    from herder.settings.syntax.files import Unreadable, read_text

    try:
        return read_text(file)
    except Unreadable as error:
        raise usage(error.within(file), hint="") from None
    except OSError as error:
        raise usage(f"File {file} cannot be read: {error.strerror}.", hint="Check its path.") from None


def _answer(say: Session, found: "Imported", text: str, write: str | None) -> None:
    from herder.cli.views.imports import FINDINGS

    if write is None:
        say.printer.line(text.rstrip())
    else:
        _write_new(write, text)
    if not say.quiet:
        say.err.write("\n".join(say.printer.lines(FINDINGS, found.findings)) + "\n")
    if write is not None:
        say.say(f"Wrote {write}. Check it with: herder config lint -f {write}")


def _write_new(path: str, text: str) -> None:
    try:
        with Path(path).open("x", encoding="utf-8") as out:
            out.write(text)
    except FileExistsError:
        raise usage(
            f"File {path} exists; it was not changed.", hint="Name another file with --write."
        ) from None
    except OSError as error:
        raise usage(f"File {path} cannot be written: {error.strerror}.", hint="Check its path.") from None


def view(
    ctx: typer.Context,
    origin: Annotated[bool, typer.Option("--origin", help="Also show where each value comes from.")] = False,
) -> None:
    """Show the server, profile and folders that this command uses. Tokens are never shown."""
    from herder.cli.views.findings import show_view
    from herder.client.connection import config_file, state_dir

    say = session(ctx)
    target = say.target
    rows = [
        ("server", target.url, target.url_from),
        ("token", "set" if target.token else "not set", target.token_from),
        (
            "profile",
            target.profile or "none",
            "--profile" if say.profile else _env("HERDER_PROFILE", "config.toml"),
        ),
        ("config file", _path(config_file()), _env("XDG_CONFIG_HOME", "default")),
        ("data folder", _path(state_dir()), _env("HERDER_DATA_DIR", "default")),
    ]
    show_view(say, rows, origin=origin)


def _env(name: str, otherwise: str) -> str:
    return name if os.environ.get(name) else otherwise


def _path(path: Path) -> str:
    return f"{path}" if path.exists() else f"{path} (does not exist)"
