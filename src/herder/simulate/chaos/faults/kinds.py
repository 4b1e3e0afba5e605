"""The kinds of faults of one call, and the odds of all faults."""

from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """A fault of one call. Each port has only some of them."""

    NONE = "none"
    REFUSED = "refused"
    """Answered with an error at once; nothing was done."""
    REQUEST_LOST = "request lost"
    """The request never arrives, and the caller waits until its timeout."""
    ANSWER_LOST = "answer lost"
    """The call is carried out, and the caller gets no answer."""
    DOUBLED = "doubled"
    LATE = "late"
    """The call is carried out and answered after a long time."""
    CUT_OFF = "cut off"
    """The connection breaks in the middle."""
    ACTS_LATE = "acts late"
    """The caller gives up, then the call is carried out: over the network, other requests overtake it."""
    WRITTEN_TWICE = "written twice"
    """The connection to the store breaks after the commit. The writer cannot know, and writes the same again."""


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
    Fault.ACTS_LATE,
)
#: Of calls of the queue of an intake.
INTAKE_FAULTS = (Fault.REFUSED, Fault.REQUEST_LOST, Fault.ANSWER_LOST, Fault.ACTS_LATE)
#: Of requests to the API of a cluster.
CLUSTER_CALL_FAULTS = (Fault.REFUSED, Fault.REQUEST_LOST, Fault.ANSWER_LOST, Fault.LATE)
#: Of single requests of the driver of Kubernetes Jobs.
JOBS_CALL_FAULTS = (Fault.REFUSED, Fault.REQUEST_LOST, Fault.ANSWER_LOST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Odds of a fault for each call, and of each mishap for each second."""

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
    interruption_announced: float = 0.0
    listing_lags: float = 0.0
    listing_partial: float = 0.0
    listing_stale: float = 0.0
    """Listings show what was there minutes ago."""
    listing_late: float = 0.0
    """Machines that were removed are listed still."""
    machine_denied: float = 0.0
    """A provider says for seconds, in listings and to questions, that it does not have one machine."""
    all_denied: float = 0.0
    """For minutes that it has none of them: it was asked with the credentials of another account."""
    machine_halted: float = 0.0
    """A machine is off, also one that is being made: it is there and costs."""
    driver_hangs: float = 0.0
    quota_shrinks: float = 0.0
    prices_move: float = 0.0
    boot_never: float = 0.0
    """For each machine: that it never boots."""
    step_fails: float = 0.0
    """For each step of each machine: that it fails; `step_stalls`: that it never ends."""
    step_stalls: float = 0.0
    boot_slow: float = 0.0
    boot_twice: float = 0.0
    intake: float = 0.0
    """For each call of the queue of an intake; `queue_away`: for each second, that it answers nobody for a while."""
    queue_away: float = 0.0
    cluster_calls: float = 0.0
    """For each request to the API of a cluster; the others are for each second, in a world with a cluster."""
    watch_silent: float = 0.0
    versions_gone: float = 0.0
    """The API no longer has the version that a watch is to go on from (410)."""
    api_restart: float = 0.0
    api_errors: float = 0.0
    api_slow: float = 0.0
    node_deleted: float = 0.0
    """By a person, while its machine runs."""
    node_cordoned: float = 0.0
    kubelet_silent: float = 0.0
    node_machine_lost: float = 0.0
    budget_blocks: float = 0.0
    """A budget allows no eviction for a while."""
    job_removed: float = 0.0
    """A Kubernetes Job of Herder is removed by somebody else: one that has ended, as by the controller of times to live, or any other."""
    pod_out_of_memory: float = 0.0
    pod_evicted: float = 0.0
    """The pod of such a Job: by its kubelet, or deleted."""
    image_missing: float = 0.0
    site_lost: float = 0.0
    """A node that such pods run on."""
    sites_full: float = 0.0
    """No such pod can be scheduled for a while."""
    quota_of_namespace: float = 0.0


CALM = Trouble(
    calls=0, network=0, people=0, store_slow=0, store_fails=0, store_twice=0, server_crash=0, server_stop=0,
    machine_lost=0, agent_killed=0, agent_stop=0, partition=0, clock_set=0,
)  # fmt: skip
