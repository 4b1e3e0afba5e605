"""The submitter's side of a peer: reads orders from standard input, writes what they took to standard output, a JSON object a line.

Run with the name of a module beside it, which has `submitter()`. The clock runs from before the first submission until the submitter knows that the last job has ended.
"""

import importlib
import json
import sys
import time
from collections.abc import Callable

#: Between two jobs whose start is measured, varied so that no timer is always met at the same moment.
PAUSES_S = (0.011, 0.017, 0.023, 0.031)


def serve(run: Callable[[str, int], object], start_of: Callable[[int], float]) -> None:
    """`run` submits jobs of a kind and returns when all have succeeded; `start_of` runs one and answers its start, in seconds of the epoch."""
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        began = time.monotonic()
        waits = []
        if order["work"] == "start":
            waits = [_wait(start_of, number) for number in range(order["jobs"])]
        else:
            run(order["work"], order["jobs"])
        print(json.dumps({"wall_s": time.monotonic() - began, "waits_ms": waits}), flush=True)


def _wait(start_of: Callable[[int], float], number: int) -> float:
    time.sleep(PAUSES_S[number % len(PAUSES_S)])
    sent = time.time()
    return (start_of(number) - sent) * 1000


if __name__ == "__main__":
    serve(*importlib.import_module(sys.argv[1]).submitter())
