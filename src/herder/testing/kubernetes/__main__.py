"""`python -m herder.testing.kubernetes --port 0 --kubeconfig FILE`: a cluster in a process of its own.

Prints its address on one line, and ends with the process that started it.
"""

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path

from herder.testing.kubernetes.cluster import Cluster
from herder.testing.kubernetes.kubeconfig import kubeconfig
from herder.testing.kubernetes.running import LoopClock, Running
from herder.testing.kubernetes.server import Edge
from herder.testing.kubernetes.settings import ClusterSettings
from herder.testing.kubernetes.wall_clock import now_ms

PARENT_EVERY_S = 0.5
#: Of a node that is created without a capacity, beside what the recording has: real nodes report it.
DISK = {"ephemeral-storage": "100Gi"}


async def _serve(arguments: argparse.Namespace) -> None:
    parent = os.getppid()  # before the address is known: who reads it may end at once
    loop = asyncio.get_running_loop()
    settings = ClusterSettings(
        default_capacity=ClusterSettings().default_capacity | DISK,
        played_nodes=not arguments.no_kubelets,
        run_commands=arguments.run_commands,
        node_grace_ms=int(arguments.node_grace_s * 1000),
        managed_fields=not arguments.no_managed_fields,
        anonymous_admin=arguments.anonymous_admin,
    )
    clock = LoopClock(loop, now_ms(), arguments.scale)
    edge = Edge(Running(Cluster(settings, clock.now_ms()), loop, clock))
    try:
        await edge.listen(arguments.port)
    except OSError as error:
        await edge.close()
        reason = os.strerror(error.errno) if error.errno else str(error)
        sys.exit(
            f"error: Cannot listen on 127.0.0.1:{arguments.port}: {reason}.\n"
            "Choose another port with --port (0 takes any free port)."
        )
    if arguments.kubeconfig is not None:
        arguments.kubeconfig.touch(mode=0o600)
        arguments.kubeconfig.write_text(kubeconfig(edge.url, next(iter(settings.tokens))))
    sys.stdout.write(f"{edge.url}\n")
    sys.stdout.flush()
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    while not stopping.is_set() and os.getppid() == parent:
        try:
            await asyncio.wait_for(stopping.wait(), PARENT_EVERY_S)
        except TimeoutError:
            continue
    await edge.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m herder.testing.kubernetes", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="Port on 127.0.0.1. 0 takes any free one.")
    parser.add_argument("--kubeconfig", type=Path, help="Kubeconfig of this cluster to write.")
    parser.add_argument("--scale", type=float, default=1.0, help="Seconds of the cluster in a second.")
    parser.add_argument(
        "--node-grace-s",
        type=float,
        default=50.0,
        help="A node that is silent for this time becomes Unknown.",
    )
    parser.add_argument(
        "--no-kubelets", action="store_true", help="Play no kubelets: nodes change only by calls of the API."
    )
    parser.add_argument(
        "--run-commands", action="store_true", help="Run the commands of containers on this machine."
    )
    parser.add_argument(
        "--no-managed-fields", action="store_true", help="Keep no managedFields, to take less memory."
    )
    parser.add_argument(
        "--anonymous-admin",
        action="store_true",
        help="Accept requests without a token as those of the administrator: kubectl sends no token over HTTP.",
    )
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
