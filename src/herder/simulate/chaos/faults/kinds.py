"""The kinds of faults that one call can meet, and how often each thing goes wrong."""

from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """What can become of one call, whoever makes it. Not each is possible everywhere."""

    NONE = "none"
    REFUSED = "refused"
    """Answered with an error at once; nothing was done."""
    REQUEST_LOST = "request lost"
    """It never arrives, and the caller waits until its own time-out."""
    ANSWER_LOST = "answer lost"
    """It is done, and the caller never hears of it."""
    DOUBLED = "doubled"
    LATE = "late"
    """Done and answered, after a long while."""
    CUT_OFF = "cut off"
    """The connection breaks in the middle."""
    ACTS_LATE = "acts late"
    """The caller gives up, and then it is done all the same."""
    WRITTEN_TWICE = "written twice"
    """The connection to the store broke after the commit: the writer cannot know, and writes the same again."""


CALL_FAULTS = (
    Fault.REFUSED,
    Fault.REQUEST_LOST,
    Fault.ANSWER_LOST,
    Fault.DOUBLED,
    Fault.LATE,
    Fault.ACTS_LATE,
)
NETWORK_FAULTS = (
    Fault.REFUSED,
    Fault.REQUEST_LOST,
    Fault.ANSWER_LOST,
    Fault.DOUBLED,
    Fault.LATE,
    Fault.CUT_OFF,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Odds of a fault for each call, and of each mishap per second."""

    calls: float = 0.15
    network: float = 0.08
    people: float = 0.05
    store_slow: float = 0.02
    store_fails: float = 0.001
    store_twice: float = 0.02
    server_crash: float = 0.02
    server_stop: float = 0.01
    machine_lost: float = 0.02
    agent_killed: float = 0.02
    agent_stop: float = 0.01
    partition: float = 0.01
    clock_set: float = 0.005
    agent_clock_set: float = 0.0
    crash_at_effect: float = 0.0
    """For each effect of the server (a commit, a call of a driver, an answer): that it dies before or after it."""
    second_leader: float = 0.0
    zone_sold_out: float = 0.0
    burst_of_interruptions: float = 0.0
    listing_lags: float = 0.0
    listing_partial: float = 0.0
    driver_hangs: float = 0.0
    quota_shrinks: float = 0.0
    boot_never: float = 0.0
    """For each machine: that it never boots."""
    step_fails: float = 0.0
    """For each step of each machine: that it fails; `step_stalls`: that it never ends."""
    step_stalls: float = 0.0
    boot_slow: float = 0.0
    boot_twice: float = 0.0


CALM = Trouble(
    calls=0, network=0, people=0, store_slow=0, store_fails=0, store_twice=0, server_crash=0, server_stop=0,
    machine_lost=0, agent_killed=0, agent_stop=0, partition=0, clock_set=0,
)  # fmt: skip
