"""Time and randomness of the client: waits, back-off, ages in tables, idempotency keys.

The only module of client and command line that reads a clock or entropy. Never used by the server, which has its own.
"""

import random
import secrets
import time

now_s = time.time
monotonic_s = time.monotonic
sleep_s = time.sleep
#: CPU seconds that this process has used, all threads.
cpu_s = time.process_time


def spread(seconds: float) -> float:
    """A pause between half and all of `seconds`, so that many clients do not come back at the same moment."""
    return seconds * (0.5 + random.random() / 2)


def new_key() -> str:
    """An idempotency key: the same for all tries of one call, different for every call. It begins with the time, so that a server that
    has been there since need not look for it in the store."""
    return f"t-{time.time_ns() // 1_000_000:012x}-{secrets.token_hex(10)}"
