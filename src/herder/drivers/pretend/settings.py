"""Settings of the pretend driver."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class PretendSettings:
    create_s: float = 0.0
    """How long the provider makes a machine, its first step; until all are over it is in phase CREATING, and `get` tells the end."""
    configure_s: float | None = None
    """How long it configures a machine after that, as a step of its own; None: it has no such step."""
    start_s: float | None = None
    """How long it starts one after that, as a step of its own; None: it has no such step."""
    waits_for_boot: bool = False
    """Whether the boot is its last step: RUNNING is a machine only when it has booted."""
    delete_s: float = 0.0
    """How long it removes one; until then it is in phase STOPPING."""
    boot_s: float = 0.0
    """From when it was made until the machine has booted (and an agent on it could call)."""
    boot_spread: float = 0.0
    """Boot times vary by up to this share either way; which worker gets which is derived from its name, so runs repeat."""
    machines_most: int = 10_000
    """The provider's capacity: above it `create` raises OutOfCapacity."""
    spot_machines_most: int = 10_000
    """Spot machines that each zone holds: above it `create` raises OutOfCapacity, until one goes."""
    repairs: bool = False
    """Whether it can reboot machines and restart their service."""
    announces: bool = False
    """Whether it says which machines it takes back."""
    deadline_s: float | None = None
    """How long an answer of any verb is waited for; None: as of other drivers."""
    start_data_folder: Path | None = None
    """Where the start data of each machine is written (`WORKER.json`, mode 0600, with its activation token), so that another
    process can play the agents. For the bench and tests; None: nowhere."""
