"""How waiting raises a job in the queue. Used by placement and by reservations.

At first only shares count. After `age_after_ms` a user's weight doubles with each doubling of the wait of its oldest job
that could start, up to a bound. Past `reserve_after_ms` jobs get reservations, whatever their priority: weights alone would
let an endless stream of small jobs, which fit where a wide one does not, keep it waiting for ever. What is a long wait
depends on what the jobs are like, so both limits grow with their run times (`scaled`).
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Ageing:
    """Settings of a server. Times in milliseconds."""

    age_after_ms: int = 600_000
    """Ten minutes: shorter waits are the ordinary come and go of a busy pool. 0: weights do not age."""
    age_after_runs: int = 4
    """And no sooner than so many times the run time that four of five jobs keep."""
    weight_doublings: int = 2
    """At most 4 times the weight: who has waited for a day still shares with those who came today."""
    reserve_after_ms: int = 1_200_000
    """Twenty minutes: a worker kept half empty for a wide job costs the others more than that sooner."""
    reserve_after_runs: int = 4
    """And no sooner than so many times that run time. On two months of a real cluster 3 to 8 keep the median wait of shares
    alone and more than halve the longest; much less, and a long queue is served first come first served again."""
    overdue_times: int = 4
    """After so many times `reserve_after_ms` the oldest goes first; before that, the one whose user has least."""
    reservations_max: int = 8
    """At one time, and at most one for each `workers_for_one` workers (but always one): what waits for a wide job is lost
    to others."""
    workers_for_one: int = 16

    def scaled(self, run_ms: int) -> "Ageing":
        """The limits as they are for jobs four of five of which take no longer than this."""
        age_ms = max(self.age_after_ms, self.age_after_runs * run_ms) if self.age_after_ms else 0
        reserve_ms = max(self.reserve_after_ms, self.reserve_after_runs * run_ms)
        return replace(
            self, age_after_ms=age_ms, reserve_after_ms=reserve_ms, age_after_runs=0, reserve_after_runs=0
        )

    def weight(self, waited_ms: int) -> int:
        """Times so much. Powers of two, because weights that divide one another keep the arithmetic of shares small."""
        doublings = (waited_ms // self.age_after_ms).bit_length() if self.age_after_ms > 0 else 0
        return 1 << min(max(0, doublings), self.weight_doublings)

    def reservations(self, workers: int) -> int:
        """How many there may be at one time."""
        return min(self.reservations_max, max(1, workers // self.workers_for_one))


#: Shares alone, as for callers that have no clock.
NEVER = Ageing(age_after_ms=0, age_after_runs=0, reserve_after_ms=2**62, reserve_after_runs=0)
