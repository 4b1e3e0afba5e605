"""Huey's tasks and its submitter, which `client.py` imports. The consumer imports it. Runs in the environment of the peers."""

import os
import subprocess
import time
from collections.abc import Callable

from huey import SqliteHuey

huey = SqliteHuey(filename=os.environ["PEER_STORE"], fsync=True, results=True)


@huey.task()
def noop(number: int) -> float:
    return time.time()


@huey.task()
def process(number: int) -> float:
    subprocess.run(["true", str(number)], check=True)
    return time.time()


def run(work: str, jobs: int) -> None:
    task = {"noop": noop, "process": process}[work]
    wanted = huey.result_count() + jobs
    results = [task(number) for number in range(jobs)]
    while huey.result_count() < wanted:
        time.sleep(0.02)
    for result in results[:: max(1, jobs // 10)]:
        result.get(preserve=True)  # raises what the task raised


def start_of(number: int) -> float:
    return float(noop(number)(blocking=True, backoff=1, max_delay=0.01, preserve=True))


def submitter() -> tuple[Callable[[str, int], None], Callable[[int], float]]:
    return run, start_of
