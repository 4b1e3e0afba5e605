"""Dramatiq's actors and its submitter, which `client.py` imports. The workers import it. Runs in the environment of the peers."""

import os
import subprocess
import time
from collections.abc import Callable

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends.redis import RedisBackend

LIMIT_MS = 600_000

broker = RedisBroker(url=os.environ["PEER_STORE"])
broker.add_middleware(Results(backend=RedisBackend(url=os.environ["PEER_STORE"]), store_results=True))
dramatiq.set_broker(broker)


@dramatiq.actor(max_retries=0)
def noop(number: int) -> float:
    return time.time()


@dramatiq.actor(max_retries=0)
def process(number: int) -> float:
    subprocess.run(["true", str(number)], check=True)
    return time.time()


def run(work: str, jobs: int) -> None:
    actor = {"noop": noop, "process": process}[work]
    for message in [actor.send(number) for number in range(jobs)]:
        message.get_result(block=True, timeout=LIMIT_MS)  # raises what the actor raised


def start_of(number: int) -> float:
    return float(noop.send(number).get_result(block=True, timeout=LIMIT_MS))


def submitter() -> tuple[Callable[[str, int], None], Callable[[int], float]]:
    return run, start_of
