"""Conditions of workers, the rungs of the repair ladder, and a pool's policy of repair: data only.

Conditions are reported by agents, by the engine (silence, failed attempts, clocks) and later by clusters and drivers; `engine/workers/` keeps
them and climbs the ladder. A new condition is one line here. Nothing here decides or calls anything.
"""

from dataclasses import dataclass
from enum import StrEnum


class Condition(StrEnum):
    """What can be wrong with a worker."""

    NOT_READY = "NotReady"
    """It is silent, or its agent says that it cannot start attempts."""
    MEMORY_PRESSURE = "MemoryPressure"
    DISK_PRESSURE = "DiskPressure"
    PID_PRESSURE = "PIDPressure"
    NETWORK_UNAVAILABLE = "NetworkUnavailable"
    CLOCK_SKEW = "ClockSkew"
    KUBELET_CRASH_LOOP = "KubeletCrashLoop"
    """Counts the restarts of the service that runs the work: kubelet, or an agent."""
    RUNTIME_CRASH = "RuntimeCrash"
    OUTDATED = "Outdated"
    """Its operating system has another version than its bootstrap wants, which upgrades machines in place."""
    FAILED_ATTEMPTS = "FailedAttempts"
    """Counts the tests that failed after several attempts in a row had failed (`engine/attempts/worker_health.py`)."""


#: These are judged by how often, not by how long.
COUNTED = frozenset({Condition.KUBELET_CRASH_LOOP, Condition.RUNTIME_CRASH, Condition.FAILED_ATTEMPTS})
#: With one of these a worker takes no new work, as a node of Kubernetes is tainted.
BLOCKING = frozenset(
    {
        Condition.NOT_READY,
        Condition.MEMORY_PRESSURE,
        Condition.DISK_PRESSURE,
        Condition.PID_PRESSURE,
        Condition.NETWORK_UNAVAILABLE,
    }
)


class Rung(StrEnum):
    """What can be done about it, the gentlest first."""

    ESCALATE = "escalate"
    """Tell people; nothing is done to the worker."""
    CLEAN_UP = "clean_up"
    RESTART_SERVICE = "restart_service"
    REBOOT = "reboot"
    """After a drain."""
    UPGRADE = "upgrade"
    """Of the operating system, in place and after a drain."""
    REPLACE = "replace"

    @property
    def strength(self) -> int:
        return _STRENGTH[self]

    @property
    def disrupts(self) -> bool:
        """Whether it takes the worker away for a while, or for good: these the breaker counts."""
        return self in (Rung.RESTART_SERVICE, Rung.REBOOT, Rung.UPGRADE, Rung.REPLACE)


_STRENGTH = {rung: place for place, rung in enumerate(Rung)}
#: What starts the machine's agent anew, so that it has to activate again.
RESTARTS = frozenset({Rung.RESTART_SERVICE, Rung.REBOOT, Rung.UPGRADE})
#: Of them, those that end whatever runs on the machine.
BOOTS = frozenset({Rung.REBOOT, Rung.UPGRADE})
#: Every table can name these, whatever the driver.
ALWAYS = frozenset({Rung.REPLACE, Rung.ESCALATE})


class Outcome(StrEnum):
    """What became of one rung, as metrics count it. A rung may have several, one after another."""

    HELD = "held"
    """It is due, and the breaker or a freeze holds it back."""
    BLOCKED = "blocked"
    """Its drain has passed its deadline, and the pool waits for the attempts."""
    UNNECESSARY = "unnecessary"
    """The worker was well before it was carried out."""
    DONE = "done"
    FAILED = "failed"
    RECOVERED = "recovered"
    """The worker is well after it."""
    REPLACED = "replaced"
    QUARANTINED = "quarantined"
    ESCALATED = "escalated"
    """A person must act."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairRule:
    """One row: when a condition has lasted for `after_s`, or has been counted `count` times, this rung comes."""

    condition: Condition
    rung: Rung
    after_s: float = 0.0
    count: int = 0


def _lasting(condition: Condition, *rungs: tuple[int, Rung]) -> tuple[RepairRule, ...]:
    return tuple(RepairRule(condition=condition, after_s=after_s, rung=rung) for after_s, rung in rungs)


def _counted(condition: Condition, *rungs: tuple[int, Rung]) -> tuple[RepairRule, ...]:
    return tuple(RepairRule(condition=condition, count=count, rung=rung) for count, rung in rungs)


#: The documented table, and what agents add to it.
DEFAULT_RULES: tuple[RepairRule, ...] = (
    *_lasting(Condition.NOT_READY, (300, Rung.RESTART_SERVICE), (600, Rung.REBOOT), (1200, Rung.REPLACE)),
    *_lasting(Condition.DISK_PRESSURE, (60, Rung.CLEAN_UP), (300, Rung.REPLACE)),
    *_lasting(Condition.MEMORY_PRESSURE, (600, Rung.REBOOT)),
    *_lasting(Condition.PID_PRESSURE, (600, Rung.REBOOT)),
    *_lasting(Condition.NETWORK_UNAVAILABLE, (600, Rung.REBOOT), (1200, Rung.REPLACE)),
    *_counted(Condition.KUBELET_CRASH_LOOP, (3, Rung.RESTART_SERVICE), (5, Rung.REBOOT), (7, Rung.REPLACE)),
    *_counted(Condition.RUNTIME_CRASH, (3, Rung.REBOOT), (6, Rung.REPLACE)),
    *_counted(Condition.FAILED_ATTEMPTS, (1, Rung.REPLACE)),
    *_lasting(Condition.OUTDATED, (5, Rung.UPGRADE), (3600, Rung.REPLACE)),
    *_lasting(Condition.CLOCK_SKEW, (600, Rung.ESCALATE)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """The largest number of workers of a pool under repair at a time, and begun within `window_s`."""

    workers: int = 3
    percent: int = 20
    window_s: float = 60.0

    def limit(self, pool_size: int) -> int:
        """The lower of `workers` and `percent` of the pool, at least one, and never the whole pool unless it is one worker.
        0 where either is 0."""
        if self.workers <= 0 or self.percent <= 0 or pool_size <= 0:
            return 0
        part = max(1, pool_size * self.percent // 100)
        return min(self.workers, part, max(1, pool_size - 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairPolicy:
    """How the workers of a pool are repaired. Without rules they are not, and a dead worker is replaced."""

    rules: tuple[RepairRule, ...] = DEFAULT_RULES
    tries: int = 3
    """Rungs carried out on one worker before people are told instead. Replacing is always allowed."""
    cooldown_s: float = 900.0
    """Between two repeats of the last rung; and so long a worker must be well until its tries are forgotten."""
    breaker: Breaker = Breaker()
    quarantine: int = 0
    """Sick workers that are kept for inspection instead of being replaced."""
    quarantine_age_s: float = 86_400.0
    clock_skew_s: float = 30.0
    """A worker whose clock differs from the server's by more has condition ClockSkew; less may be the delay of a message."""

    def repairs(self, condition: Condition) -> bool:
        """Whether anything is done about it, besides telling people."""
        return any(rule.rung is not Rung.ESCALATE for rule in self.of(condition))

    def of(self, condition: Condition) -> tuple[RepairRule, ...]:
        return tuple(rule for rule in self.rules if rule.condition is condition)


DEFAULT_POLICY = RepairPolicy()
