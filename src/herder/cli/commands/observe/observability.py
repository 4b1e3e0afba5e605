"""`herder observability`: files for Prometheus, its operator and Grafana, made from the rules and dashboards of this version."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from herder.cli.input.namespaces import check_namespace
from herder.cli.shell.commands import command, noun
from herder.cli.shell.options import usage
from herder.cli.shell.session import session
from herder.model.values.phrases import counted, listed

_TARGET = re.compile(r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):([0-9]{1,5})")
_EXAMPLE = (
    "herder observability export monitoring\n"
    "herder observability export monitoring --target herder:8765 --force"
)


def build() -> typer.Typer:
    app = noun(
        "Metrics, alert rules and dashboards for Prometheus and Grafana.",
        example="herder observability export monitoring",
    )
    command(app, "export", example=_EXAMPLE)(export)
    return app


def export(
    ctx: typer.Context,
    folder: Annotated[str, typer.Argument(metavar="DIR", help="Folder to write to; it is created.")],
    target: Annotated[
        str, typer.Option("--target", metavar="HOST:PORT", help="Server that Prometheus is to scrape.")
    ] = "127.0.0.1:8765",
    namespace: Annotated[
        str, typer.Option("--namespace", metavar="NAME", help="Kubernetes namespace of the manifests.")
    ] = "herder",
    runbooks_url: Annotated[
        str,
        typer.Option(
            "--runbooks-url", metavar="URL", help="Address at which you serve runbooks.md; alerts link there."
        ),
    ] = "runbooks.md",
    force: Annotated[bool, typer.Option("--force", help="Replace files that differ.")] = False,
) -> None:
    """Write alert rules, manifests, dashboards and runbooks to a folder.

    The folder then has the rules and an example of prometheus.yml for Prometheus, a PrometheusRule and a ServiceMonitor for its operator, dashboards for
    Grafana, and the runbooks of the alerts. Needs no server.
    """
    from herder.cli.views.exported import EXPORTED
    from herder.observability.files import files

    say = session(ctx)
    _check(target, namespace, runbooks_url)
    found = files(target=target, namespace=namespace, runbooks_url=runbooks_url)
    written = _write(Path(folder), found, force=force)
    say.printer.items(EXPORTED, [{"file": path, "written": path in written} for path in found])
    say.say(f"Wrote {counted(len(written), 'file')} to {folder}.")


def _check(target: str, namespace: str, runbooks_url: str) -> None:
    match = _TARGET.fullmatch(target)
    if match is None or not 0 < int(match[2]) < 65536:
        raise usage(f"--target {target!r} is not HOST:PORT.", hint="Write --target herder.example:8765.")
    check_namespace("--namespace", namespace)
    if not runbooks_url or re.search(r"[\s#]", runbooks_url):
        raise usage(
            f"--runbooks-url {runbooks_url!r} must be an address without spaces and without #.",
            hint="Write --runbooks-url https://wiki.example/herder/runbooks.md.",
        )


def _write(folder: Path, found: Mapping[str, str], *, force: bool) -> set[str]:
    """What was written: files that are there with the same text stay. Nothing is written when one differs and `force` is off."""
    try:
        new = {path for path, text in found.items() if _text(folder / path) != text}
        differ = [path for path in found if path in new and (folder / path).exists()]
        if differ and not force:
            raise usage(
                f"Folder {folder} has other versions of {listed(differ)}; nothing was changed.",
                hint="Add --force to replace them.",
            )
        for path in found:
            if path in new:
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_text(found[path], encoding="utf-8")
    except OSError as error:
        raise usage(
            f"{error.filename or folder} cannot be written: {error.strerror}.", hint="Check the path."
        ) from None
    return new


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        return ""
