"""Which workers end, by their ttl, before one that is created now would be ready: a minimum asks for their successors already.

Asked by the minimum trigger and by all that removes workers by choice, so that none is removed on which the minimum counts. Without it a pool
at its minimum is below it for the time of a boot at each expiry. It decides nothing.
"""

from herder.decide.scaling.snapshot import PoolView
from herder.model.ids import WorkerName

#: Boots take about as long as lately, and some take longer; plans are made every few seconds.
BOOTS, SLACK_MS = 1.5, 10_000


def ending(view: PoolView, now_ms: int) -> frozenset[WorkerName]:
    """Empty without a minimum, and as long as it is unknown how long a boot takes: then the successor comes at the expiry."""
    if not view.spec.size.min_workers or view.history.boot_s is None or view.spec.frozen:
        return frozenset()
    by_ms = now_ms + lead_ms(view.history.boot_s)
    return frozenset(
        worker.name
        for worker in view.staying
        if worker.works and worker.expires_at_ms is not None and worker.expires_at_ms <= by_ms
    )


def lead_ms(boot_s: float) -> int:
    return int(boot_s * BOOTS * 1000) + SLACK_MS
