"""The time of day, read once when a cluster starts in real time."""

import time


def now_ms() -> int:
    return time.time_ns() // 1_000_000
