"""Faults that a test asks for: calls that hang, are lost before or after their effect, or are refused."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    HANG = "hang"
    """No answer comes, and nothing is done."""
    LOSE_REQUEST = "lose_request"
    """The connection breaks before the machine does anything."""
    LOSE_ANSWER = "lose_answer"
    """It breaks after the machine has done it."""
    REFUSE = "refuse"


@dataclass(slots=True, kw_only=True)
class Fault:
    kind: Kind
    method: str = ""
    """Its name, such as `Reboot`; empty: all."""
    machine: str = ""
    """Its name; empty: all."""
    times: int = 1
    """So many calls; -1: all."""
    code: str = "UNAVAILABLE"
    words: str = "a fault that a test asked for"

    def meets(self, machine: str, method: str) -> bool:
        return self.times != 0 and self.method in ("", method) and self.machine in ("", machine)


def taken(faults: list[Fault], machine: str, method: str) -> Fault | None:
    for fault in faults:
        if fault.meets(machine, method):
            if fault.times > 0:
                fault.times -= 1
            return fault
    return None
