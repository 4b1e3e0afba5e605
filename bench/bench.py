"""One run of the bench: what every measurement is given, and the loop over stores and measurements. Called by `command`."""

import resource
import shutil
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any

from bench.figures import Figure
from bench.server.stores import Store
from bench.server.world import World, running_world
from bench.sizes import Sizes

#: In the order in which they run: the name on the command line, and its module.
MEASUREMENTS = {
    "bulk-submit": "bulk_submit",
    "single-submits": "single_submits",
    "noop-jobs": "noop_jobs",
    "graphs": "graphs",
    "users": "users",
    "process-jobs": "process_jobs",
    "python-client": "python_client",
    "submit-to-start": "submit_to_start",
    "long-queue": "long_queue",
    "idle-workers": "idle_workers",
    "replay": "replay",
    "decisions": "decisions",
    "retention": "retention",
    "usage": "usage",
    "ledger-rebuild": "ledger_rebuild",
    "focus-export": "focus_export",
    "budget-decisions": "budget_decisions",
    "recovery": "recovery",
    "reconnect": "reconnect",
    "cluster": "cluster",
    "data": "data",
    "containers": "containers",
}


@dataclass(slots=True, kw_only=True)
class Bench:
    sizes: Sizes
    store: Store
    folder: Path
    say: Callable[[str], None]
    """Talk for people while it goes on."""
    _numbers: "count[int]" = field(default_factory=count)

    @asynccontextmanager
    async def world(self, *, more_settings: str = "") -> AsyncIterator[World]:
        """A fresh server with an empty store and its agents; its data is removed afterwards."""
        folder = self.folder / f"world-{next(self._numbers)}"
        folder.mkdir()
        try:
            with self.store.fresh() as url:
                async with running_world(
                    folder, url, self.store.process, agents=self.sizes.agents, more_settings=more_settings
                ) as world:
                    yield world
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def run(bench: Bench, names: Sequence[str]) -> list[Figure]:
    """All figures of these measurements, one after the other."""
    import uvloop

    _open_many_files()
    figures: list[Figure] = []
    for name in names:
        bench.say(f"{name} ({bench.store.kind}) …")
        module = import_module(f"bench.measurements.{MEASUREMENTS[name]}")
        measure: Callable[[Bench], Coroutine[Any, Any, list[Figure]]] = module.measure
        figures += uvloop.run(measure(bench))
    return figures


def _open_many_files() -> None:
    """A thousand workers are two thousand connections, here and in the server that inherits the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 16_384 if hard == resource.RLIM_INFINITY else min(16_384, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
