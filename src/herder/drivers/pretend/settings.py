"""Settings of the pretend driver."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PretendSettings:
    name: str = "pretend"
    installation: str = "default"
    boot_s: float = 0.0
    """From `create` until the machine has booted (and an agent on it could call)."""
    boot_spread: float = 0.0
    """Boot times vary by up to this share either way; which worker gets which is derived from its name, so runs repeat."""
    machines_most: int = 10_000
    """The provider's capacity: above it `create` raises OutOfCapacity."""
