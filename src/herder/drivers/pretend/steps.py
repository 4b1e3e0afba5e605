"""The steps in which the pretend driver makes a machine: how long each takes, and which of them fails or never ends.

Made when a machine is asked for, looked at whenever somebody asks for it. Tests and the simulated world make steps go wrong.
"""

from dataclasses import dataclass
from enum import StrEnum

from herder.drivers.pretend.settings import PretendSettings
from herder.model.fleet.creation import Step

#: When a step ends that never does: later than any test or simulation lasts, and still a number.
NEVER_MS = 10**14


class StepEnd(StrEnum):
    DONE = "done"
    FAILS = "fails"
    STALLS = "stalls"


@dataclass(slots=True, kw_only=True)
class StepFault:
    """Met by the next `times` machines (that match `worker`) in this step."""

    step: Step
    end: StepEnd
    worker: str | None = None
    times: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineSteps:
    """Of one machine: each step with the time at which it ends."""

    ends: tuple[tuple[Step, int], ...]
    fails: Step | None = None

    @property
    def over_ms(self) -> int:
        """When all of them are over."""
        return self.ends[-1][1]

    def at(self, now_ms: int) -> Step | None:
        """The one that is under way; None: none is, and all went well if none `has_failed`."""
        return next((step for step, end_ms in self.ends if end_ms > now_ms), None)

    def has_failed(self, now_ms: int) -> bool:
        return self.fails is not None and dict(self.ends)[self.fails] <= now_ms


def durations_s(settings: PretendSettings) -> dict[Step, float]:
    """By step, of those that it tells apart."""
    times = {
        Step.CREATE: settings.create_s,
        Step.CONFIGURE: settings.configure_s,
        Step.START: settings.start_s,
        Step.BOOT: settings.boot_s if settings.waits_for_boot else None,
    }
    return {step: seconds for step, seconds in times.items() if seconds is not None}


def steps_from(
    now_ms: int, settings: PretendSettings, boot_ms: int, faults: dict[Step, StepEnd]
) -> MachineSteps:
    """`boot_ms`: how long this machine takes to boot."""
    ends, at_ms, fails = list[tuple[Step, int]](), now_ms, None
    for step, seconds in durations_s(settings).items():
        end = faults.get(step, StepEnd.DONE)
        at_ms += (
            NEVER_MS if end is StepEnd.STALLS else boot_ms if step is Step.BOOT else round(seconds * 1000)
        )
        ends.append((step, at_ms))
        if end is StepEnd.FAILS:
            fails = step
            break
    return MachineSteps(ends=tuple(ends), fails=fails)
