"""Membership: what a worker's machine joins. Its capabilities are the work it takes, how its liveness is known, and what it reports.

Data only. `herder/memberships/` has the ones there are; a pool names one, its workers carry it, and engine, planner and placement look
at these capabilities and never at the name.
"""

from dataclasses import dataclass
from enum import StrEnum


class LivesBy(StrEnum):
    """Who says that a worker is ready and alive."""

    EXCHANGE = "exchange"
    """Its own agent, that calls again and again; silence is death."""
    NODE = "node"
    """The cluster that it is a node of."""
    PROVIDER = "provider"
    """The provider, as long as it lists the machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    name: str
    takes_jobs: bool = False
    takes_pods: bool = False
    lives_by: LivesBy = LivesBy.PROVIDER
    reports_use: bool = False
    """Whether it says what of its CPU and memory is really in use."""

    @property
    def work_is_known(self) -> bool:
        """Whether Herder knows what runs on it, and so whether it is idle. Unknown is not idle."""
        return self.takes_jobs or self.takes_pods


#: Our own agent: what every pool has that says nothing else.
EXCHANGE = Membership(name="exchange", takes_jobs=True, lives_by=LivesBy.EXCHANGE, reports_use=True)
