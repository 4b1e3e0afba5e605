"""What the engine remembers of each bootstrap. Part of `EngineState`; written by `engine/workers/bootstraps.py` and the kernel.

That its credentials are refused is stored, so that a restart knows it. The rest is found again.
"""

from dataclasses import dataclass, field

from herder.model.fleet.repair import Rung
from herder.model.ids import WorkerName


@dataclass(slots=True, kw_only=True)
class BootstrapLife:
    fingerprint: str = ""
    """What it would make now; empty: unknown."""
    rungs: frozenset[Rung] = frozenset()
    """What it can do to repair a machine."""
    refused: str = ""
    """Why its credentials are refused, as sentences; empty: they are not known to be."""
    refused_at_ms: int = 0
    # in memory only
    troubles: dict[WorkerName, str] = field(default_factory=dict)
    """Why a worker that joins has no configuration yet, as a clause. Bounded by the workers."""
