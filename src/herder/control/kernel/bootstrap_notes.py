"""What is known of each bootstrap and of the operating systems of its workers now. In memory only: a new server asks anew.

Written by `control/drivers/bootstraps/` and `control/loops/bootstraps.py`, read by people. It decides nothing.
"""

from dataclasses import dataclass, field

from herder.control.kernel.driver_notes import LastError
from herder.model.ids import WorkerName
from herder.ports.bootstrap import SystemSeen


@dataclass(slots=True, kw_only=True)
class SystemNote:
    """The operating system of one worker."""

    addresses: tuple[str, ...] = ()
    """As its driver gave them last."""
    configured: bool = False
    """Its machine has its configuration."""
    asked_ms: int | None = None
    """When (monotonic) it was looked at last; None: not yet."""
    seen: SystemSeen | None = None
    """What it answered last; None: it has not answered since the server started."""
    seen_at_ms: int | None = None
    trouble: str = ""
    """Why the last question had no answer, as a clause; empty: it had."""

    @property
    def well(self) -> bool:
        """Unknown is not well."""
        return not self.trouble and self.seen is not None and self.seen.ready and not self.seen.conditions


@dataclass(slots=True, kw_only=True)
class BootstrapNotes:
    last_error: LastError | None = None
    fault_told: tuple[str, int] | None = None
    """The last bug of the bootstrap that became an event, and when (monotonic)."""
    systems: dict[WorkerName, SystemNote] = field(default_factory=dict)
    """Bounded by the workers."""
