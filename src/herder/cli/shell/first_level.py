"""The commands of the first level. The module of one is imported when it is used: `herder status` needs none of the others."""

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand
from typer.main import get_command

Register = Callable[[typer.Typer], None]


@dataclass(frozen=True, slots=True)
class Entry:
    summary: str
    """What `herder --help` says of it: the first line of its own help."""
    register: Register


COST = "Show what was spent and why, close months, forecast costs and find anomalies."
#: The commands that speak to a server: where they are defined in `herder.cli.commands`, and their summaries.
_CLIENT = (
    ("fleet.apply", "Apply the pools, the budgets and the sharing settings of files."),
    ("observe.events", "Show recorded events with their time, object and text."),
    ("observe.pack", "Find a cheap mix of workers for a list of items, with a proved lower bound. Needs no server."),
    ("observe.status", "Show pools, waiting jobs, recent failures and cost."),
    ("people.whoami", "Show your user, role, token and projects."),
    ("observe.alert", "Alerts of budgets, capacity and costs."),
    ("work.batch", "Batches: groups of jobs that are submitted together."),
    ("fleet.bootstrap", "Bootstraps, which make new machines join a cluster."),
    ("observe.budget", "Budgets: what may be spent, what is reserved, and what moves."),
    ("work.callback", "Callbacks: signed messages about ended batches and job groups."),
    ("fleet.cluster", "Clusters, whose nodes are workers."),
    ("observe.cost", COST),
    ("fleet.config", "Show and check settings files."),
    ("fleet.driver", "Drivers, which create and remove workers at providers."),
    ("work.job", "Jobs: commands that run on workers."),
    ("fleet.offer", "Offers: what workers can be created, at which price."),
    ("work.pipeline", "Configurations that jobs read by the name of their pipeline."),
    ("observe.observability", "Metrics, alert rules and dashboards for Prometheus and Grafana."),
    ("observe.plan", "Show the next plan, and recorded plans with their reasons."),
    ("fleet.pool", "Pools: groups of workers with templates and limits."),
    ("people.project", "Projects and their quotas."),
    ("observe.rate", "Rates: what a unit of use is charged at, from which day on."),
    ("work.schedule", "Schedules: batches that are submitted at given times."),
    ("people.secret", "Passwords and keys for jobs, stored encrypted."),
    ("people.token", "Tokens of users and programs."),
    ("observe.usage", "Use that is reported from outside: tokens, storage, network."),
    ("people.user", "Users and their roles."),
    ("observe.why", "Explain a worker, a pool, a job or a pod from recorded facts."),
    ("fleet.worker", "Workers: machines that run jobs."),
)  # fmt: skip


def client_entries(given: Mapping[str, tuple[object, ...]]) -> dict[str, Entry]:
    """By name. `given`: by name of a command, what its module is given beside the application."""
    found = {}
    for path, summary in _CLIENT:
        name = path.rpartition(".")[2]
        found[name] = Entry(summary, _registering(path, name, given.get(name, ())))
    return found


def _registering(path: str, name: str, given: tuple[object, ...]) -> Register:
    def register(app: typer.Typer) -> None:
        module: Any = import_module(f"herder.cli.commands.{path}")
        if hasattr(module, "build"):
            app.add_typer(module.build(*given), name=name)
        else:
            module.add_to(app, *given)

    return register


class FirstLevel(MutableMapping[str, Any]):
    """The commands of a group, by name, each made when it is asked for. `made`: those that are there already."""

    def __init__(self, entries: Mapping[str, Entry], made: Mapping[str, Any]) -> None:
        self._entries = {**entries, **dict.fromkeys(made)}
        self._made = dict(made)

    def outline(self, name: str) -> TyperCommand:
        """Name and summary, without the command."""
        entry = self._entries[name]
        return self[name] if entry is None else TyperCommand(name, short_help=entry.summary)

    def __getitem__(self, name: str) -> Any:
        if name not in self._made and (entry := self._entries[name]) is not None:
            app = typer.Typer(rich_markup_mode=None, add_completion=False)
            app.callback()(_group)
            entry.register(app)
            made: Any = get_command(app)
            self._made[name] = made.commands[name]
        return self._made[name]

    def get(self, name: str, default: Any = None) -> Any:
        """As of any mapping, but a KeyError within the module of a command is not taken for a command that does not exist."""
        return self[name] if name in self._entries else default

    def __setitem__(self, name: str, command: Any) -> None:
        self._entries[name], self._made[name] = None, command

    def __delitem__(self, name: str) -> None:
        del self._entries[name]
        self._made.pop(name, None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def _group() -> None:
    """Makes a group also of an application with one command."""
