"""What is remembered of a pool's growth: for cooldowns, gradual shrinking and the expected time of a boot.

Part of `EngineState`. It must never be needed for anything but such timing.
"""

from dataclasses import dataclass, field

from herder.model.fleet.pressure import Measured
from herder.model.ids import WorkerName
from herder.model.planning.demand_rises import Rises

#: Removals remembered of a pool; a gradual pool that has had so many in its period may shrink no more.
REMOVALS_MOST = 10_000


@dataclass(slots=True, kw_only=True)
class CreateHistory:
    """Of a pool: for cooldowns, gradual shrinking and the expected time of a boot."""

    last_grown_at_ms: int | None = None
    last_shrunk_at_ms: int | None = None
    removals_ms: list[int] = field(default_factory=list)
    """When workers were drained because less was needed: the newest, at most `REMOVALS_MOST`."""
    boot_s: float | None = None
    failures_in_row: int = 0
    """Creations that failed since the last worker was ready; in memory only, for metrics."""
    pods_since_ms: int | None = None
    """Since when enough pods wait for the pool; in memory only, as the next."""
    pressed_since_ms: dict[Measured, int] = field(default_factory=dict)
    """Since when the threshold of a pressure is passed; in memory only, a new server begins to count anew."""
    repairs_ms: dict[WorkerName, int] = field(default_factory=dict)
    """When repairs that take a worker away began, the latest of each worker: see `engine/workers/repairs/breaker.py`."""
    rises: dict[str, Rises] = field(default_factory=dict)
    """By template. Not stored: after a restart it is learned anew."""
