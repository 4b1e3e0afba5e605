"""The creation of a worker: its steps, how long each may take, and how many creations a driver makes at a time.

A pool has the time-outs (`WorkerLifetime.steps`), a driver the limits (`drivers:` of herder.yaml). Kept by `engine/workers/creation.py`,
enforced by the launch loop. Data and arithmetic only; it never looks at a clock.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum


class Step(StrEnum):
    """In order. What a driver does not report apart belongs to the step before."""

    CLAIM = "claim"
    """It waits for its turn at the driver; nothing was made."""
    CREATE = "create"
    CONFIGURE = "configure"
    START = "start"
    BOOT = "boot"
    JOIN = "join"
    READY = "ready"
    DEVICE_PLUGIN = "device_plugin"
    """Its node is ready and does not show its GPUs yet. Only of workers that are nodes."""


ORDER = tuple(Step)
#: Those that a driver may report, of which the first is always there.
OF_DRIVERS = (Step.CREATE, Step.CONFIGURE, Step.START, Step.BOOT)
#: Those that only workers that are nodes have.
OF_NODES = (Step.DEVICE_PLUGIN,)
#: Those that follow when the machine runs.
AFTERWARDS = (Step.BOOT, Step.JOIN, Step.READY)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTimeouts:
    """Seconds. Without `claim_s`, which is a wait and no work, their sum is the time from the driver's first call to a ready worker:
    the 750 s of the documented provisioning steps, with the labels in the last one."""

    claim_s: float = 900.0
    create_s: float = 90.0
    configure_s: float = 30.0
    start_s: float = 60.0
    boot_s: float = 120.0
    join_s: float = 120.0
    ready_s: float = 330.0
    device_plugin_s: float = 300.0
    """Beside the sum: few workers have this step."""

    def of(self, step: Step) -> float:
        return float(getattr(self, f"{step.value}_s"))

    @property
    def total_s(self) -> float:
        return sum(self.of(step) for step in ORDER if step is not Step.CLAIM and step not in OF_NODES)

    def stretched(self, factor: float) -> "StepTimeouts":
        """All but the wait."""
        longer = {each.name: getattr(self, each.name) * factor for each in fields(self)}
        return StepTimeouts(**longer | {"claim_s": self.claim_s})


DEFAULT_STEPS = StepTimeouts()


def steps_reported(steps: Sequence[object]) -> tuple[Step, ...]:
    """What a driver says of itself, in order and with the first."""
    return tuple(step for step in OF_DRIVERS if step is Step.CREATE or step in steps)


def part_of(step: Step, reported: Sequence[Step], *, node: bool = False) -> tuple[Step, ...]:
    """The steps that `step` stands for at a driver that reports these: itself, and those after it that nobody reports apart. `node`: its
    cluster says when it has joined and when it is ready."""
    if step is Step.CLAIM or step in OF_NODES or (node and step is Step.READY):
        return (step,)
    found: list[Step] = [step]
    apart = (*OF_NODES, Step.READY) if node else OF_NODES
    rest = [each for each in ORDER[ORDER.index(step) + 1 :] if each not in apart]
    if step not in reported:  # the machine runs: what is left is seen as one
        return (step, *rest)
    for each in rest:
        if each in reported or each in AFTERWARDS:
            break
        found.append(each)
    return tuple(found)


def running_step(reported: Sequence[Step]) -> Step:
    """The step of a machine that runs and has not joined."""
    return Step.JOIN if Step.BOOT in reported else Step.BOOT


@dataclass(frozen=True, slots=True, kw_only=True)
class Creation:
    """How far a worker is that is not ready yet. Persisted with it."""

    step: Step = Step.CLAIM
    since_ms: int
    """From when the time of the step counts; of a try that is still to come, when it begins."""
    begun_ms: int | None = None
    """When its turn at the driver came; None: it waits, and nothing was asked of the driver."""
    tries: int = 0
    """Calls of `create` that failed in a way that may pass."""
    alerted: bool = False
    """Whether it was told that it takes long."""

    def at(self, step: Step, now_ms: int) -> "Creation":
        return self if step is self.step else replace(self, step=step, since_ms=now_ms)

    def moved(self, by_ms: int) -> "Creation":
        """The clock was set."""
        begun_ms = None if self.begun_ms is None else self.begun_ms + by_ms
        return replace(self, since_ms=self.since_ms + by_ms, begun_ms=begun_ms)

    def excused(self, away_ms: int, now_ms: int) -> "Creation":
        """The server was away for so long: it does not count for the step."""
        return replace(self, since_ms=max(self.since_ms, min(self.since_ms + away_ms, now_ms)))


def read_creation(text: str) -> Creation | None:
    """What stands in a worker's row."""
    if not text:
        return None
    plain = json.loads(text)
    return Creation(**plain | {"step": Step(plain["step"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class CreationLimits:
    """Of one driver. The defaults are those of drivers whose machines are cheap to start; a kind of driver may have others."""

    create_tries: int = 3
    """Calls of `create` for one worker, when they fail in a way that may pass."""
    create_retry_pause_s: float = 1.0
    parallel_creates: int = 8
    """Machines that are being made at a time."""
    pause_between_starts_s: float = 0.0
    call_timeout_s: float | None = None
    """How long an answer of any verb is waited for; None: as the verb or the driver needs."""


DEFAULT_LIMITS = CreationLimits()
