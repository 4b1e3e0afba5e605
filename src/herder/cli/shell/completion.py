"""Names for tab completion, read from the server: at most a second, and silent when the server does not answer."""

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from herder.client import HerderClient

TIMEOUT_S = 1.0
NAMES_MAX = 200


def _completer(names: "Callable[[HerderClient], Iterator[tuple[str, str]]]") -> Callable[..., list[Any]]:
    def complete(ctx: typer.Context, args: list[str], incomplete: str) -> list[Any]:
        from herder.client import ClientError, connect

        options = ctx.find_root().params | ctx.params
        found: list[tuple[str, str]] = []
        with contextlib.suppress(ClientError):
            client = connect(
                url=options.get("server"),
                profile=options.get("profile"),
                token_file=options.get("token_file"),
                timeout_s=TIMEOUT_S,
                retries=0,
            )
            with client:
                found.extend(names(client))
        return [row for row in found if row[0].startswith(incomplete)][:NAMES_MAX]

    return complete


def _pools(client: "HerderClient") -> Iterator[tuple[str, str]]:
    return ((pool.name, f"{pool.ready} ready") for pool in client.pools.list())


def _drivers(client: "HerderClient") -> Iterator[tuple[str, str]]:
    return ((driver.name, driver.state) for driver in client.drivers.list())


def _clusters(client: "HerderClient") -> Iterator[tuple[str, str]]:
    return ((cluster.name, cluster.state) for cluster in client.clusters.list())


def _bootstraps(client: "HerderClient") -> Iterator[tuple[str, str]]:
    return ((bootstrap.name, bootstrap.state) for bootstrap in client.bootstraps.list())


def _workers(client: "HerderClient") -> Iterator[tuple[str, str]]:
    return ((worker.name, worker.state) for worker in client.workers.list(limit=NAMES_MAX))


def _batches(client: "HerderClient") -> Iterator[tuple[str, str]]:
    return (
        (str(batch.id), f"{batch.name} {batch.state}".strip())
        for batch in client.batches.list(limit=NAMES_MAX)
    )


complete_pools = _completer(_pools)
complete_drivers = _completer(_drivers)
complete_clusters = _completer(_clusters)
complete_bootstraps = _completer(_bootstraps)
complete_workers = _completer(_workers)
complete_batches = _completer(_batches)

PoolArgument = Annotated[
    str, typer.Argument(metavar="POOL", autocompletion=complete_pools, help="Name of the pool.")
]
DriverArgument = Annotated[
    str, typer.Argument(metavar="DRIVER", autocompletion=complete_drivers, help="Name of the driver.")
]
ClusterArgument = Annotated[
    str, typer.Argument(metavar="CLUSTER", autocompletion=complete_clusters, help="Name of the cluster.")
]
BootstrapArgument = Annotated[
    str,
    typer.Argument(metavar="BOOTSTRAP", autocompletion=complete_bootstraps, help="Name of the bootstrap."),
]
WorkerArgument = Annotated[
    str, typer.Argument(metavar="WORKER", autocompletion=complete_workers, help="Name of the worker.")
]
WorkersArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="WORKER", autocompletion=complete_workers, help="Names of workers."),
]
BatchArgument = Annotated[
    int, typer.Argument(metavar="BATCH", autocompletion=complete_batches, help="Number of the batch.")
]
JobArgument = Annotated[int, typer.Argument(metavar="JOB", help="Number of the job.")]
PoolOption = Annotated[
    str | None,
    typer.Option(
        "--pool", metavar="POOL", autocompletion=complete_pools, help="Only jobs that asked for this pool."
    ),
]
