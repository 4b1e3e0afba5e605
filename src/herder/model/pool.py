"""Pools and templates: what people want to have, as they wrote it down."""

from dataclasses import dataclass, field
from enum import StrEnum

from herder.model.ids import PoolName
from herder.model.money import PicoUsd
from herder.model.resources import Resources


class TaintEffect(StrEnum):
    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Taint:
    key: str
    value: str = ""
    effect: TaintEffect = TaintEffect.NO_SCHEDULE


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Toleration:
    """Tolerates a taint of this key (all keys when empty) with this value (any when None) and effect (any when None)."""

    key: str = ""
    value: str | None = None
    effect: TaintEffect | None = None

    def tolerates(self, taint: Taint) -> bool:
        return (
            self.key in ("", taint.key)
            and self.value in (None, taint.value)
            and self.effect in (None, taint.effect)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """Shape and price of a worker to be. `allocatable` is what jobs may use of it."""

    name: str
    allocatable: Resources
    price_pico_per_hour: PicoUsd
    labels: tuple[tuple[str, str], ...] = ()
    slots: int = 110
    """Most attempts at a time on one worker, whatever their size (Kubernetes' default of pods on a node)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSpec:
    """One pool as it is wanted. Times in seconds; a limit of None means there is none."""

    name: PoolName
    driver: str = "local"
    templates: tuple[Template, ...] = ()
    min_workers: int = 0
    max_workers: int = 10
    new_workers_per_cycle: int = 10
    """Most workers made by one plan: bounds the damage of a wrong demand figure. 10 as in Hail Batch."""
    scale_up_cooldown_s: float = 0.0
    scale_down_cooldown_s: float = 0.0
    idle_timeout_s: float | None = 1800.0
    ttl_s: float | None = None
    ttl_max_s: float | None = None
    extension_s: float = 7200.0
    extensions_max: int = 3
    drain_grace_s: float = 300.0
    """How long running attempts may go on after a drain began, before they are stopped and retried elsewhere."""
    boot_timeout_s: float = 750.0
    """From request to ready; then the claim has failed. The sum of the documented provisioning steps."""
    dead_after_s: float = 45.0
    """Silence after which a worker counts as dead and its attempts are retried."""
    labels: tuple[tuple[str, str], ...] = ()
    taints: tuple[Taint, ...] = ()
    accepts_auto: bool = True
    """Whether jobs that name no pool may run here."""
    frozen: bool = False
    description: str = ""
    extra: tuple[tuple[str, str], ...] = field(default=())
    """Settings of the pool's driver, passed on to it unread."""
