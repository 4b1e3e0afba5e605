"""The composition root, and the command `herder` with the commands of all layers."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import typer

from herder.cli.shell.first_level import COST, Entry
from herder.cli.shell.main import build_app, run

if TYPE_CHECKING:
    from herder.model.fleet.pool import PoolSpec
    from herder.simulate.traces.trace import TraceJob


def main() -> None:
    sys.exit(run(whole_app()))


def whole_app() -> typer.Typer:
    """Every command."""
    more = {
        "up": Entry("Run a server on this machine, with workers as local processes.", _server),
        "server": Entry("Run a server for workers on other machines.", _server),
        "agent": Entry("Run the agent of a worker on this machine, until the server removes the worker or Ctrl-C.", _server),
        "demo": Entry("Run a small installation on this machine for half a minute.", _demo),
        "cost": Entry(COST, _cost),
        "doctor": Entry("Check the server, its store, disk and clock, and all drivers, clusters and bootstraps.", _doctor),
        "mcp": Entry("Serve tools for models by the Model Context Protocol, over stdin and stdout or HTTP.", _mcp),
        "admin": Entry("Check, back up and restore the data of a server.", _admin),
        "simulate": Entry("Replay jobs against a policy in virtual time, and compare the cost with a lower bound.", _simulate),
    }  # fmt: skip
    return build_app(_driver_faults, _bootstrap_faults, _jobs_manifests, _workflow_tasks, more)


def _server(app: typer.Typer) -> None:
    from herder.server import commands

    commands.add_to(app)


def _admin(app: typer.Typer) -> None:
    from herder.server.admin_commands import store

    app.add_typer(store.build(), name="admin")


def _cost(app: typer.Typer) -> None:
    from herder.cli.commands.observe import cost
    from herder.server.admin_commands import ledger

    group = cost.build()
    ledger.add_to(group)
    app.add_typer(group, name="cost")


def _doctor(app: typer.Typer) -> None:
    from herder.cli.commands.observe import doctor
    from herder.server.admin_commands.local_checks import local_checks

    doctor.add_to(app, local_checks)


def _mcp(app: typer.Typer) -> None:
    from herder.cli.commands.observe import mcp
    from herder.mcp import http, serving

    mcp.add_to(app, serving.serve, http.serve)


def _demo(app: typer.Typer) -> None:
    from herder.demo import command

    command.add_to(app)


def _simulate(app: typer.Typer) -> None:
    from herder.simulate.commands import simulate

    simulate.add_to(app)


def _driver_faults(
    kind: str, settings: Mapping[str, str], pool: "PoolSpec | None" = None, /
) -> Sequence[tuple[str, str, str]]:
    from herder.drivers.registry import settings_faults

    return settings_faults(kind, settings, pool)


def _bootstrap_faults(kind: str, settings: Mapping[str, object]) -> Sequence[tuple[str, str, str]]:
    from herder.bootstraps.registry import settings_faults

    return settings_faults(kind, settings)


def _jobs_manifests(namespace: str) -> str:
    from herder.drivers.kubernetes_jobs.rights import manifests

    return manifests(namespace)


def _workflow_tasks(path: str) -> "Sequence[TraceJob]":
    from herder.simulate.traces.formats.wfformat import tasks_of

    return tasks_of(path)


def cli_reference() -> str:
    """docs/reference/cli.md"""
    from herder.cli.shell.reference import reference

    return reference(whole_app())


def openapi() -> str:
    """docs/reference/openapi.json"""
    from herder.api.application import PREFIX, front_of
    from herder.api.http.openapi import document

    front = front_of(None)  # type: ignore[arg-type]  # the document needs no running server
    return json.dumps(document(front.operations, PREFIX), indent=1)


def settings_reference() -> str:
    """docs/reference/settings.md"""
    from herder.settings.reference import reference

    return reference()


def settings_schema() -> str:
    """docs/reference/herder.schema.json"""
    from herder.settings.json_schema import json_schema

    return json.dumps(json_schema(), indent=2)


if __name__ == "__main__":
    main()
