"""The time to live of one worker: the pool's `ttl`, shortened by a part that its name decides.

Workers that are created together then do not end together. It only ever shortens, by at most the pool's `ttl_jitter`. No randomness: the
same name gives the same time, in a plan that is made again and in another process. Pure.
"""

from hashlib import sha256

from herder.model.ids import WorkerName

#: The shortest ttl that people may write. A pool that was stored with a shorter one grows at most once in `CHURN_PAUSE_S`.
TTL_SHORTEST_S = 30.0
CHURN_PAUSE_S = 300.0
#: Steps in which a name shortens: more than workers that are ever created together.
_STEPS = 1 << 32


def lifetime_ms(ttl_s: float, jitter: float, worker: WorkerName) -> int:
    """Between `(1 - jitter) * ttl_s` and `ttl_s`, in milliseconds."""
    ttl_ms = int(ttl_s * 1000)
    part = int.from_bytes(sha256(worker.encode()).digest()[:4], "big")
    return ttl_ms - int(ttl_ms * jitter) * part // _STEPS


def soft_end_ms(
    worker: WorkerName, ready_at_ms: int | None, ttl_soft_s: float | None, jitter: float, *, extended: bool
) -> int | None:
    """When a worker is old enough to be replaced. One whose ttl a person has extended is to stay, so it never is."""
    if ttl_soft_s is None or ready_at_ms is None or extended:
        return None
    return ready_at_ms + lifetime_ms(ttl_soft_s, jitter, worker)
