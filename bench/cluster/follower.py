"""A process that follows a cluster as the server does, and prints what that took: `python -m bench.cluster.follower URL TOKEN SECONDS`.

A line of JSON after the first complete picture, another after so many seconds of changes. Pods whose selector has `PROBE` say when they
were created, so that the time from a change to the picture is known.
"""

import asyncio
import json
import os
import resource
import sys

import psutil

from herder.control.kernel.clock import SystemClock, monotonic_s
from herder.memberships.kubernetes import make_cluster
from herder.model.fleet.cluster import ClusterSettings
from herder.model.planning.cluster import ClusterSeen
from herder.model.values.resources import PLAIN
from herder.ports.cluster import Cluster, ClusterContext

PROBE = "bench/probe"
TOKEN = "FOLLOWER_TOKEN"
#: The control loop looks at the picture at most so often.
LOOK_EVERY_S = 0.05


async def follow(url: str, watch_s: float) -> None:
    context = ClusterContext(installation="bench", resources=PLAIN, clock=SystemClock(), chance=lambda: 0.5)
    cluster = make_cluster(ClusterSettings(name="bench", api=url, token_env=TOKEN), context)
    before, began_s = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, monotonic_s()
    task = asyncio.create_task(cluster.follow())
    while cluster.seen().as_of_ms is None:
        await asyncio.sleep(0.02)
    seen = cluster.seen()
    say(
        sync_s=monotonic_s() - began_s,
        sync_cpu_s=_cpu_s(),
        before_mib=before / 1024,
        nodes=len(seen.nodes),
        pods=sum(node.workload_pods for node in seen.nodes) + sum(group.count for group in seen.pending),
    )
    used_s, began_s = _cpu_s(), monotonic_s()
    late_s, looks = await _watch(cluster, began_s + watch_s)
    say(
        cpu_part=(_cpu_s() - used_s) / (monotonic_s() - began_s),
        late_s=late_s,
        looks=looks,
        peak_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        now_mib=psutil.Process().memory_info().rss / 2**20,
    )
    task.cancel()
    await asyncio.wait([task])
    await cluster.close()


async def _watch(cluster: Cluster, until_s: float) -> tuple[list[float], int]:
    late_s: list[float] = []
    looks, last = 0, ""
    while monotonic_s() < until_s:
        await asyncio.wait([asyncio.ensure_future(cluster.changed.wait())], timeout=1.0)
        cluster.changed.clear()
        found = _probe(cluster.seen())
        looks += 1
        if found and found != last:
            late_s.append(monotonic_s() - float(found))
            last = found
        await asyncio.sleep(LOOK_EVERY_S)
    return late_s, looks


def _probe(seen: ClusterSeen) -> str:
    found = (dict(group.shape.selector).get(PROBE, "") for group in seen.pending)
    return max(found, default="")


def _cpu_s() -> float:
    times = psutil.Process().cpu_times()
    return float(times.user + times.system)


def say(**figures: object) -> None:
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    assert os.environ.get(TOKEN)
    import uvloop

    uvloop.run(follow(sys.argv[1], float(sys.argv[2])))
