"""`true` in a container as a job, from its submission until its batch has ended, against bare `podman run --rm` of the same image.

The two take turns, so that other work of the machine meets both. The engine is a real Podman, and the job pays for its part of it: the
service. conmon, which the two start alike, leaves both families and is not counted.
"""

import asyncio
import os
import resource

import psutil

from bench.bench import Bench
from bench.figures import Figure, median_of
from bench.server.jobs import bodies, run_batch
from bench.server.usage import family_s
from herder.cli.shell.exit_codes import CommandError
from herder.control.kernel import clock

#: Beside those of `world`.
POOL = """  boxes:
    templates: [{name: bench, cpu: 2, memory: 2Gi, price_per_hour: "0"}]
    containers: true
    min_workers: 1
    max_workers: 1
    idle_timeout: null
"""


async def measure(bench: Bench) -> list[Figure]:
    from tests.support.container_engine import IMAGE, lacking, podman

    if lacking():
        raise CommandError(f"The measurement of containers needs what this machine lacks: {lacking()}.")
    jobs, bare, cpu_jobs, cpu_bare = [], [], [], []
    job: dict[str, object] = {"command": ["true"], "image": IMAGE, "cpu": "1", "pool": "boxes"}
    words = ("run", "--rm", "--network", "none", IMAGE, "true")
    with podman() as engine:
        os.environ["CONTAINER_HOST"] = engine.address
        try:
            async with bench.world(more_settings=POOL) as world:
                service = psutil.Process(engine.pid)
                for run in range(bench.sizes.container_jobs + 1):
                    before = family_s(service)
                    done = await world.metered(1, run_batch(world, bodies([job], 1)))
                    cpu = done.cpu.all + family_s(service) - before
                    began, before = clock.monotonic_s(), _children_s()
                    await asyncio.to_thread(engine.run, *words)
                    if run:  # the first one warms up
                        jobs.append(done.wall_s * 1000)
                        cpu_jobs.append(cpu * 1000)
                        bare.append((clock.monotonic_s() - began) * 1000)
                        cpu_bare.append((_children_s() - before) * 1000)
        finally:
            del os.environ["CONTAINER_HOST"]
    walls = [of_job / alone for of_job, alone in zip(jobs, bare, strict=True)]
    return [
        median_of("containers", "job", "ms", jobs),
        median_of("containers", "podman run", "ms", bare),
        median_of("containers", "job against podman run", "×", walls),
        median_of("containers", "CPU, job", "ms", cpu_jobs),
        median_of("containers", "CPU, podman run", "ms", cpu_bare),
    ]


def _children_s() -> float:
    """Of those that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
